//! Numbers of the users and groups that ACLs in a stream name.
//!
//! GNU tar writes names and no numbers, so that there is no other way than to
//! look them up, as it does itself when it unpacks.

use std::cell::OnceCell;
use std::collections::HashMap;

/// Numbers by name.
type Numbers = HashMap<Vec<u8>, u32>;

/// Looks names up, and reads the lists when the first one is asked for.
#[derive(Debug, Default)]
pub(in crate::mkfs) struct AclNames {
    users: OnceCell<Numbers>,
    groups: OnceCell<Numbers>,
}

impl AclNames {
    /// The names in such texts.
    #[cfg(test)]
    pub(super) fn from_texts(users: &[u8], groups: &[u8]) -> Self {
        Self { users: parse(users).into(), groups: parse(groups).into() }
    }

    /// The number of a user or a group. A name that is a number is that number.
    pub(super) fn number(&self, is_user: bool, name: &[u8]) -> Option<u32> {
        let id = match super::number::parse_decimal(name) {
            Some(id) => u32::try_from(id).ok()?,
            None if is_user => *self.users.get_or_init(|| read("/etc/passwd")).get(name)?,
            None => *self.groups.get_or_init(|| read("/etc/group")).get(name)?,
        };
        // This one means nobody in particular.
        (id != u32::MAX).then_some(id)
    }
}

/// None if the file cannot be read.
fn read(path: &str) -> Numbers {
    parse(&std::fs::read(path).unwrap_or_default())
}

fn parse(text: &[u8]) -> Numbers {
    let mut numbers = HashMap::new();
    for line in text.split(|&byte| byte == b'\n') {
        let mut fields = line.split(|&byte| byte == b':');
        if let (Some(name), Some(number)) = (fields.next(), fields.nth(1))
            && let Some(number) = super::number::parse_decimal(number)
            && let Ok(number) = u32::try_from(number)
        {
            // The first line counts, as in getpwnam(3).
            numbers.entry(name.to_vec()).or_insert(number);
        }
    }
    numbers
}
