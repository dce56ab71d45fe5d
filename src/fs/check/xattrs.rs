//! Sets of extended attributes.

use super::Check;
use super::finding::{Place, Problem};
use super::nodes::number_of;
use crate::format::{TreeKind, XattrSet, XattrStorage};

impl Check<'_> {
    /// Checks every set; gives the numbers of the good ones, sorted.
    pub(super) fn check_xattrs(&mut self) -> Vec<u64> {
        let mut good = Vec::new();
        let mut highest = 0;
        self.walk_tree(TreeKind::Xattrs, &mut |check, key, value| {
            check.report.checked.xattr_sets += 1;
            let number = number_of(key);
            highest = *number.as_ref().unwrap_or(&highest);
            let checked = number.clone().and_then(|number| {
                check.read_set(value)?;
                Ok(number)
            });
            match checked {
                Ok(number) => good.push(number),
                Err(reason) => {
                    let set = number.unwrap_or(0);
                    let problem = Problem::XattrRecord { set, reason };
                    check.report.push(problem, Place::tree(TreeKind::Xattrs));
                }
            }
        });
        self.check_counter(TreeKind::Xattrs, highest, self.store.superblock().next_xattr);
        good
    }

    fn read_set(&mut self, value: &[u8]) -> Result<XattrSet, String> {
        let text = |error: crate::format::FormatError| error.to_string();
        let (len, first, chunk_log) = match XattrStorage::parse(value).map_err(text)? {
            XattrStorage::Inline(bytes) => return XattrSet::parse(&bytes).map_err(text),
            XattrStorage::Blocks { len, block, chunk_log } => (len, block, chunk_log),
        };
        let mut bytes = Vec::new();
        let mut number = first;
        while (bytes.len() as u64) < len {
            let need = (len - bytes.len() as u64).min(1 << chunk_log);
            let at = self.store.block_ref(number).map_err(|error| error.to_string())?;
            if u64::from(at.raw) != need {
                return Err(format!("block {number} has {} bytes instead of {need}", at.raw));
            }
            let block = self.store.block(number).map_err(|error| error.to_string())?;
            bytes.extend_from_slice(&block);
            number = number.saturating_add(1);
        }
        XattrSet::parse(&bytes).map_err(text)
    }
}
