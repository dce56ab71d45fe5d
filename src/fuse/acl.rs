//! POSIX ACLs as the attribute `system.posix_acl_access` holds them: version 2,
//! then entries of tag, permissions and id (linux/posix_acl_xattr.h).

/// The tag of the owner's entry.
const USER_OBJ: u16 = 0x01;

/// The permissions that every entry but the owner's grants: what can be given to
/// everyone else where the ACL itself is not enforced. None for what is no ACL.
pub(super) fn granted_to_all(acl: &[u8]) -> u32 {
    let Some((&[2, 0, 0, 0], entries)) = acl.split_first_chunk::<4>() else { return 0 };
    let (entries, rest) = entries.as_chunks::<8>();
    if entries.is_empty() || !rest.is_empty() {
        return 0;
    }
    let mut granted = 0o7;
    for &[tag_low, tag_high, perm, _, ..] in entries {
        let tag = u16::from_le_bytes([tag_low, tag_high]);
        if tag != USER_OBJ {
            granted &= u32::from(perm) & 0o7;
        }
    }
    granted
}

#[cfg(test)]
mod tests {
    use super::granted_to_all;

    #[test]
    fn nobody_is_granted_more_than_under_any_entry() {
        let acl = |entries: &[(u16, u8)]| {
            let mut bytes = vec![2, 0, 0, 0];
            for &(tag, perm) in entries {
                bytes.extend_from_slice(&tag.to_le_bytes());
                bytes.extend_from_slice(&[perm, 0, 0xff, 0xff, 0xff, 0xff]);
            }
            bytes
        };
        // user::rw-, user:7777:rw-, group::---, mask::rw-, other::---
        let secret = acl(&[(1, 6), (2, 6), (4, 0), (0x10, 6), (0x20, 0)]);
        assert_eq!(granted_to_all(&secret), 0);
        let open = acl(&[(1, 7), (2, 5), (4, 5), (0x10, 7), (0x20, 4)]);
        assert_eq!(granted_to_all(&open), 4);
        assert_eq!(granted_to_all(b"no ACL"), 0);
        assert_eq!(granted_to_all(&[]), 0);
    }
}
