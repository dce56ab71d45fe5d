//! Extended attributes: who sees which, and the two-step size protocol.

use fuser::{Errno, ReplyXattr};

/// Names of POSIX ACLs, which Linux keeps as attributes.
const ACL_PREFIX: &[u8] = b"system.posix_acl_";

/// Names that only root sees; xattr(7) leaves hiding them to the file system.
const TRUSTED_PREFIX: &[u8] = b"trusted.";

/// What becomes of POSIX ACLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    /// Shown, and not looked at: only one user can reach the mount anyway.
    Shown,
    /// Shown, and enforced by the kernel: several users reach the mount, and
    /// the group bits of a file with an ACL are its mask, which grants too much.
    Enforced,
    /// Hidden: the mount shows other owners or permissions than the picture's,
    /// so the ACLs would contradict them.
    Hidden,
}

impl Policy {
    pub(super) fn enforces_acls(self) -> bool {
        self == Self::Enforced
    }

    /// Whether the user `uid` is told of the attribute `name`.
    pub(super) fn shows(self, name: &[u8], uid: u32) -> bool {
        let hidden_acl = self == Self::Hidden && name.starts_with(ACL_PREFIX);
        let not_theirs = uid != 0 && name.starts_with(TRUSTED_PREFIX);
        !hidden_acl && !not_theirs
    }

    /// The names that `uid` sees as listxattr(2) gives them, each ended by NUL.
    pub(super) fn name_list(self, names: &[Vec<u8>], uid: u32) -> Vec<u8> {
        let mut list = Vec::new();
        for name in names.iter().filter(|name| self.shows(name, uid)) {
            list.extend_from_slice(name);
            list.push(0);
        }
        list
    }
}

/// Answers with `value`, or with its size alone if the caller asks for that.
pub(super) fn send(reply: ReplyXattr, size: u32, value: &[u8]) {
    let Ok(length) = u32::try_from(value.len()) else { return reply.error(Errno::E2BIG) };
    match size {
        0 => reply.size(length),
        room if room < length => reply.error(Errno::ERANGE),
        _ => reply.data(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_is_told_of_the_names_that_concern_them() {
        let names = [&b"trusted.a"[..], b"user.b", b"system.posix_acl_access"].map(<[u8]>::to_vec);
        for (policy, uid, expected) in [
            (Policy::Shown, 0, &b"trusted.a\0user.b\0system.posix_acl_access\0"[..]),
            (Policy::Enforced, 1000, b"user.b\0system.posix_acl_access\0"),
            (Policy::Hidden, 1000, b"user.b\0"),
        ] {
            assert_eq!(policy.name_list(&names, uid), expected, "{policy:?} for {uid}");
        }
    }
}
