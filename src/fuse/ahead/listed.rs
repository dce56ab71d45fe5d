//! The inode numbers that the kernel was told of in listings: only in those can
//! content be stored.

use std::collections::BTreeMap;

use crate::fs::Ino;

/// Runs that are kept; a tree's numbers mostly make a few. Beyond, all are
/// forgotten: they are hints.
const MAX_RUNS: usize = 4096;

/// A set of inode numbers as runs: first and last.
#[derive(Debug, Default)]
pub(super) struct Listed {
    runs: BTreeMap<Ino, Ino>,
}

impl Listed {
    /// Adds the numbers from `first` to `last`.
    pub(super) fn add(&mut self, first: Ino, last: Ino) {
        let (mut first, mut last) = (first, last);
        if let Some((&start, &end)) = self.runs.range(..=first).next_back()
            && end.saturating_add(1) >= first
        {
            (first, last) = (start, last.max(end));
        }
        while let Some((&start, &end)) = self.runs.range(first..=last.saturating_add(1)).next() {
            self.runs.remove(&start);
            last = last.max(end);
        }
        if self.runs.len() >= MAX_RUNS {
            self.runs.clear();
        }
        self.runs.insert(first, last);
    }

    /// The last number of the run that `ino` is in.
    pub(super) fn run_end(&self, ino: Ino) -> Option<Ino> {
        let (_, &end) = self.runs.range(..=ino).next_back()?;
        (end >= ino).then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_touch_become_one() {
        let mut listed = Listed::default();
        listed.add(10, 19);
        listed.add(30, 39);
        assert_eq!((listed.run_end(9), listed.run_end(10)), (None, Some(19)));
        assert_eq!((listed.run_end(20), listed.run_end(35)), (None, Some(39)));
        listed.add(20, 29);
        assert_eq!(listed.run_end(10), Some(39));
        listed.add(5, 50);
        listed.add(7, 8);
        assert_eq!((listed.run_end(5), listed.runs.len()), (Some(50), 1));
        listed.add(Ino::MAX - 1, Ino::MAX);
        assert_eq!(listed.run_end(Ino::MAX), Some(Ino::MAX));
    }

    #[test]
    fn the_set_stays_small() {
        let mut listed = Listed::default();
        for run in 0..10 * MAX_RUNS as u64 {
            listed.add(3 * run, 3 * run);
        }
        assert!(listed.runs.len() <= MAX_RUNS);
    }
}
