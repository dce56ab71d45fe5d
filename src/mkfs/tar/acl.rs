//! POSIX ACLs: from the text that tar programs exchange to what the kernel keeps.
//!
//! An entry is `tag:who:permissions`, and `:number` after it in star's way; entries
//! are separated by commas or newlines. The kernel's form is the version, 2, as
//! u32 and for each entry tag and permissions as u16 and the number as u32, little
//! endian, sorted by tag and number.

use super::acl_names::AclNames;
use super::shown;

const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

/// The number of entries that are for nobody in particular.
const NOBODY: u32 = u32::MAX;

/// Tag, number and permissions: in this order they sort as the kernel wants them.
type Entry = (u16, u32, u16);

/// The kernel's form of the ACL in `text`; `None` if it is empty.
pub(in crate::mkfs) fn encode_acl(
    text: &[u8],
    names: &AclNames,
) -> Result<Option<Vec<u8>>, String> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.split(|&byte| byte == b'#').next().unwrap_or_default();
        for entry in line.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            if !entry.is_empty() {
                entries.push(parse_entry(entry, names)?);
            }
        }
    }
    entries.sort_unstable();
    if entries.is_empty() {
        return Ok(None);
    }
    check(&entries)?;
    let mut out = vec![2, 0, 0, 0];
    for (tag, id, perm) in entries {
        out.extend_from_slice(&tag.to_le_bytes());
        out.extend_from_slice(&perm.to_le_bytes());
        out.extend_from_slice(&id.to_le_bytes());
    }
    Ok(Some(out))
}

/// What an ACL in the kernel's form says of permissions.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::mkfs) struct AclMode {
    /// The permissions that the kernel gives a file with this ACL.
    pub perm: u32,
    /// Whether the ACL says nothing besides, so that the kernel keeps none.
    pub is_all: bool,
}

/// Checks an ACL in the kernel's form.
pub(in crate::mkfs) fn acl_mode(value: &[u8]) -> Result<AclMode, String> {
    let (bytes, rest) = value.strip_prefix(&[2, 0, 0, 0]).unwrap_or_default().as_chunks::<8>();
    let mut entries: Vec<Entry> = Vec::new();
    for &[tag_low, tag_high, perm_low, perm_high, id @ ..] in bytes {
        let tag = u16::from_le_bytes([tag_low, tag_high]);
        let is_named = tag == USER || tag == GROUP;
        let is_known = is_named || [USER_OBJ, GROUP_OBJ, MASK, OTHER].contains(&tag);
        if !is_known || perm_low > 7 || perm_high > 0 || !rest.is_empty() {
            return Err("its ACL is damaged".into());
        }
        let id = if is_named { u32::from_le_bytes(id) } else { NOBODY };
        entries.push((tag, id, u16::from(perm_low)));
    }
    entries.sort_unstable();
    check(&entries)?;
    let perm_of = |tag| entries.iter().find(|entry| entry.0 == tag).map(|entry| u32::from(entry.2));
    let group = perm_of(MASK).or(perm_of(GROUP_OBJ)).unwrap_or(0);
    let (user, other) = (perm_of(USER_OBJ).unwrap_or(0), perm_of(OTHER).unwrap_or(0));
    Ok(AclMode { perm: user << 6 | group << 3 | other, is_all: entries.len() == 3 })
}

/// Parses one entry.
fn parse_entry(entry: &[u8], names: &AclNames) -> Result<Entry, String> {
    let damaged = || format!("its ACL has an entry {} that means nothing", shown(entry));
    let mut fields: Vec<&[u8]> =
        entry.split(|&byte| byte == b':').map(<[u8]>::trim_ascii).collect();
    // Some writers mark each entry of a default ACL.
    if matches!(fields[0], b"default" | b"d") {
        fields.remove(0);
    }
    let is_user = matches!(fields.first(), Some(&(b"user" | b"u")));
    let (tag, who, perm, number) = match fields.as_slice() {
        [b"user" | b"u", b"", perm] => (USER_OBJ, &b""[..], perm, None),
        [b"group" | b"g", b"", perm] => (GROUP_OBJ, &b""[..], perm, None),
        [b"user" | b"u", who, perm] => (USER, *who, perm, None),
        [b"group" | b"g", who, perm] => (GROUP, *who, perm, None),
        [b"user" | b"u", who, perm, number] => (USER, *who, perm, Some(*number)),
        [b"group" | b"g", who, perm, number] => (GROUP, *who, perm, Some(*number)),
        // Solaris leaves the empty field out.
        [b"mask" | b"m", b"", perm] | [b"mask" | b"m", perm] => (MASK, &b""[..], perm, None),
        [b"other" | b"o", b"", perm] | [b"other" | b"o", perm] => (OTHER, &b""[..], perm, None),
        _ => return Err(damaged()),
    };
    let perm = parse_perm(perm).ok_or_else(damaged)?;
    if tag != USER && tag != GROUP {
        return Ok((tag, NOBODY, perm));
    }
    let id = names.number(is_user, number.unwrap_or(who)).ok_or_else(|| {
        let kind = if is_user { "user" } else { "group" };
        format!("its ACL names the {kind} {}, which has no number here", shown(who))
    })?;
    Ok((tag, id, perm))
}

fn parse_perm(text: &[u8]) -> Option<u16> {
    let mut perm = 0;
    for letter in text {
        perm |= match letter {
            b'r' => 4,
            b'w' => 2,
            b'x' => 1,
            b'-' => 0,
            _ => return None,
        };
    }
    (!text.is_empty()).then_some(perm)
}

/// What the kernel demands: all of owner, group and others, each once, and a
/// mask where anybody is named.
fn check(entries: &[Entry]) -> Result<(), String> {
    let has = |tag| entries.iter().any(|entry| entry.0 == tag);
    let is_complete = has(USER_OBJ) && has(GROUP_OBJ) && has(OTHER);
    let has_names = has(USER) || has(GROUP);
    let is_double = entries.windows(2).any(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1));
    if !is_complete || is_double || (has_names && !has(MASK)) {
        return Err("its ACL is incomplete or names somebody twice".into());
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn names() -> AclNames {
        AclNames::from_texts(b"bob:x:1234:5:::\n", b"wheel:x:99:\n")
    }

    fn encode(text: &str) -> Result<Option<Vec<u8>>, String> {
        encode_acl(text.as_bytes(), &names())
    }

    #[test]
    fn entries_are_sorted_as_the_kernel_wants() {
        let expected: Vec<u8> = [
            &[2, 0, 0, 0][..],
            &[1, 0, 6, 0, 255, 255, 255, 255],
            &[2, 0, 7, 0, 10, 0, 0, 0],
            &[2, 0, 5, 0, 0xd2, 4, 0, 0],
            &[4, 0, 4, 0, 255, 255, 255, 255],
            &[8, 0, 0, 0, 99, 0, 0, 0],
            &[16, 0, 7, 0, 255, 255, 255, 255],
            &[32, 0, 4, 0, 255, 255, 255, 255],
        ]
        .concat();
        for text in [
            "user::rw-\nuser:bob:r-x\t#effective:r--\nuser:10:rwx\ngroup::r--\n\
             group:wheel:---\nmask::rwx\nother::r--\n",
            "u::rw-,g::r--,o::r--,m::rwx,u:nobody here:rwx:10,user:1234:r-x,g:x:---:99",
            "default:user::rw,default:group::r,default:other:r,default:mask:rwx,\
             default:user:bob:rx,d:u:10:rwx,d:g:99:-",
        ] {
            assert_eq!(encode(text).unwrap().unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn an_acl_says_what_the_permissions_are() {
        let mode = |text| acl_mode(&encode(text).unwrap().unwrap());
        let expected = AclMode { perm: 0o640, is_all: true };
        assert_eq!(mode("user::rw-\ngroup::r--\nother::---\n"), Ok(expected));
        let expected = AclMode { perm: 0o674, is_all: false };
        assert_eq!(mode("u::rw-,g::r--,o::r--,m::rwx,u:10:rwx"), Ok(expected));
        assert_eq!(encode(""), Ok(None));
        let good = encode("u::rw-,g::r--,o::r--").unwrap().unwrap();
        for len in 0..good.len() {
            assert!(acl_mode(&good[..len]).is_err(), "{len}");
        }
        for (at, byte) in [(0, 1), (4, 3), (6, 8), (7, 1), (12, 1)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert!(acl_mode(&bad).is_err(), "{at}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let base = "user::rw-,group::r--,other::---";
        for bad in [
            "user::rw-".to_owned(),
            format!("{base},user:10:rwx"),
            format!("{base},user::r--"),
            format!("{base},mask::rwx,user:10:rwx,user:10:r--"),
            format!("{base},mask::rwx,user:alice:rwx"),
            format!("{base},mask::rwx,user:bob:rwx:x"),
            format!("{base},mask::rwx,user:4294967295:rwx"),
            format!("{base},mask::abc"),
            format!("{base},mask::"),
            format!("{base},owner@:rwx"),
            format!("{base},:::::::"),
            "d".to_owned(),
        ] {
            assert!(encode(&bad).is_err(), "{bad}");
        }
    }
}
