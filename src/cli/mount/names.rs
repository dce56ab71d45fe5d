//! User and group names as numbers, for `uid=` and `gid=`.

use std::process::Command;

use anyhow::{Context, bail};

/// A user or group as an option gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    Id(u32),
    Name(String),
}

/// Where names are kept: the file, and getent's name for the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Register {
    Users,
    Groups,
}

impl Owner {
    /// The number: 4294967295 is the kernel's "no change", so nobody's.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.parse() {
            Ok(u32::MAX) => None,
            Ok(id) => Some(Self::Id(id)),
            Err(_) if text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') => {
                Some(Self::Name(text.to_owned()))
            }
            Err(_) => None,
        }
    }

    /// The number that the name stands for on this machine.
    pub(super) fn resolve(&self, register: Register) -> anyhow::Result<u32> {
        let name = match self {
            Self::Id(id) => return Ok(*id),
            Self::Name(name) => name,
        };
        let (file, database, what) = match register {
            Register::Users => ("/etc/passwd", "passwd", "user"),
            Register::Groups => ("/etc/group", "group", "group"),
        };
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if let Some(id) = find(&text, name) {
            return Ok(id);
        }
        // Names that come from a directory service are getent's to know.
        let output = Command::new("getent").args([database, name]).output();
        let text = output.map(|output| output.stdout).unwrap_or_default();
        match find(&String::from_utf8_lossy(&text), name) {
            Some(id) => Ok(id),
            None => bail!("no {what} '{name}': give a name of this machine, or a number"),
        }
    }
}

/// `name:password:id:...`
fn find(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?
    })
}

/// Resolves an optional owner, naming the option in the error.
pub(super) fn resolve(
    owner: Option<&Owner>,
    register: Register,
    option: &str,
) -> anyhow::Result<Option<u32>> {
    owner.map(|owner| owner.resolve(register).with_context(|| option.to_owned())).transpose()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_and_numbers_are_told_apart() {
        assert_eq!(Owner::parse("1000"), Some(Owner::Id(1000)));
        assert_eq!(Owner::parse("www-data"), Some(Owner::Name("www-data".into())));
        for bad in ["", "-1", "4294967295", "1x"] {
            assert_eq!(Owner::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_name_is_found_in_the_register() {
        assert_eq!(find("a:x:1:2\nbob:x:1001:1001::/:/bin/sh\n", "bob"), Some(1001));
        assert_eq!(find("a:x:1:2", "b"), None);
        assert_eq!(Owner::Name("root".into()).resolve(Register::Users).unwrap(), 0);
        assert!(Owner::Name("no-such-name".into()).resolve(Register::Groups).is_err());
    }
}
