//! POSIX ACLs as text, which is how tar programs exchange them.

/// The pax key and the text for an extended attribute that is an ACL.
pub(super) fn acl_record(xattr: &[u8], value: &[u8]) -> Option<(&'static [u8], String)> {
    let key: &[u8] = match xattr {
        b"system.posix_acl_access" => b"SCHILY.acl.access",
        b"system.posix_acl_default" => b"SCHILY.acl.default",
        _ => return None,
    };
    acl_text(value).map(|text| (key, text))
}

/// The text of an ACL as the kernel stores it; `None` if it is no such thing.
fn acl_text(value: &[u8]) -> Option<String> {
    const VERSION: [u8; 4] = [2, 0, 0, 0];
    let (entries, rest) = value.strip_prefix(&VERSION)?.as_chunks::<8>();
    if !rest.is_empty() {
        return None;
    }
    let mut texts = Vec::new();
    for &[tag_low, tag_high, perm, _, id @ ..] in entries {
        let (who, named) = match u16::from_le_bytes([tag_low, tag_high]) {
            0x01 => ("user", false),
            0x02 => ("user", true),
            0x04 => ("group", false),
            0x08 => ("group", true),
            0x10 => ("mask", false),
            0x20 => ("other", false),
            _ => return None,
        };
        let id = if named { u32::from_le_bytes(id).to_string() } else { String::new() };
        let bit = |mask, letter| if perm & mask != 0 { letter } else { '-' };
        texts.push(format!("{who}:{id}:{}{}{}", bit(4, 'r'), bit(2, 'w'), bit(1, 'x')));
    }
    Some(texts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acl_is_told_in_words() {
        let entry = |tag: u16, perm: u16, id: u32| {
            [&tag.to_le_bytes()[..], &perm.to_le_bytes(), &id.to_le_bytes()].concat()
        };
        let none = u32::MAX;
        let entries = [(1, 6, none), (2, 5, 1234), (4, 4, none), (0x10, 7, none), (0x20, 0, none)];
        let mut value = vec![2, 0, 0, 0];
        entries.iter().for_each(|&(tag, perm, id)| value.extend(entry(tag, perm, id)));
        let text = "user::rw-,user:1234:r-x,group::r--,mask::rwx,other::---";
        assert_eq!(acl_text(&value).as_deref(), Some(text));
        assert_eq!(acl_text(&value[..9]), None);
        assert_eq!(acl_text(b""), None);
    }
}
