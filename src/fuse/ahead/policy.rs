//! What is stored ahead, and when: decided from the reads that do reach us.
//!
//! * A small file that is read soon after another with a number just below begins a
//!   **window**: files that follow are stored. A read in a window that ended for its
//!   length begins the next one, twice as long.
//! * While **credit** lasts, each directory that was listed to its end has its files
//!   stored. Every read that follows the order gives credit anew.
//! * Reads of what is stored do not reach us, so one file in so many bytes is left
//!   out, the **marker**. Without its read the credit runs out, and a walk that reads
//!   nothing (`find`) is not burdened for long.

use std::collections::VecDeque;

use super::listed::Listed;
use crate::fs::Ino;

/// Files of this size and more are read ahead by the kernel itself.
pub(crate) const SMALL_FILE: u64 = 1 << 19;

/// Bytes of the first window, and the most that one has.
const FIRST_WINDOW: u64 = 256 << 10;
const MAX_WINDOW: u64 = 4 << 20;

/// Bytes stored between two markers at most.
const MARKER_EVERY: u64 = 2 << 20;

/// Bytes stored, and directories counted as this many each, without a read.
const CREDIT: u64 = 8 << 20;
const DIRECTORY_COST: u64 = 32 << 10;

/// A read follows another if it is of one of this many next inode numbers.
const NEAR: u64 = 16;

/// Files between a reader and the first that is stored: it would be there first.
const GAP: u64 = 2;

/// Readers that are told apart.
const READERS: usize = 8;

/// What became of a range of inode numbers.
#[derive(Debug, Clone, Copy)]
struct Window {
    first: Ino,
    end: Ino,
    bytes: u64,
    /// Whether it ended for its length, so that there is more to store.
    cut: bool,
}

/// A window that is being stored.
#[derive(Debug, Clone, Copy)]
struct Running {
    first: Ino,
    next: Ino,
    /// The numbers below it are left to the reader that has caught up.
    skip_to: Ino,
    bytes: u64,
    limit: u64,
}

/// What to store next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ahead {
    /// The first inode number.
    pub(super) from: Ino,
    /// Bytes at most.
    pub(super) bytes: u64,
}

/// What to do with a file whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Store it.
    Store,
    /// Leave it out.
    Leave,
    /// Store no more.
    Stop,
}

/// The state that serving threads and the pushing thread share.
#[derive(Debug, Default)]
pub(super) struct Policy {
    listed: Listed,
    recent: VecDeque<Ino>,
    windows: VecDeque<Window>,
    /// What is being stored: the last of them now, the others after it.
    running: Vec<Running>,
    credit: u64,
    unmarked: u64,
}

impl Policy {
    /// The kernel was told of the numbers from `first` to `last`.
    pub(super) fn was_listed(&mut self, first: Ino, last: Ino) {
        self.listed.add(first, last);
    }

    /// The last inode number up to which can be stored from `from` on.
    pub(super) fn known_until(&self, from: Ino) -> Option<Ino> {
        self.listed.run_end(from)
    }

    /// A small file was read from its start; returns what to store now.
    pub(super) fn was_read(&mut self, ino: Ino) -> Option<Ahead> {
        let follows = self.recent.iter().any(|&last| last < ino && ino - last <= NEAR);
        self.remember(ino);
        let caught_up = |running: &&mut Running| {
            running.first <= ino && ino <= running.next.saturating_add(NEAR)
        };
        if let Some(running) = self.running.iter_mut().find(caught_up) {
            self.credit = CREDIT;
            if ino >= running.next {
                running.skip_to = ino.saturating_add(1 + GAP);
            }
            return None;
        }
        let seen = self.windows.iter_mut().find(|window| window.first <= ino && ino < window.end);
        if let Some(window) = seen {
            self.credit = CREDIT;
            let ahead = Ahead { from: window.end, bytes: (2 * window.bytes).min(MAX_WINDOW) };
            return std::mem::take(&mut window.cut).then_some(ahead);
        }
        if !follows {
            return None;
        }
        self.credit = CREDIT;
        let from = ino.saturating_add(1 + GAP);
        self.known_until(from).map(|_| Ahead { from, bytes: FIRST_WINDOW })
    }

    fn remember(&mut self, ino: Ino) {
        if self.recent.len() == READERS {
            self.recent.pop_front();
        }
        self.recent.push_back(ino);
    }

    /// A directory was listed to its end: how much of it to store.
    pub(super) fn for_directory(&mut self) -> Option<u64> {
        self.credit = self.credit.checked_sub(DIRECTORY_COST)?;
        Some(MAX_WINDOW)
    }

    /// Storing begins, of `limit` bytes from inode number `from` on.
    pub(super) fn begin(&mut self, from: Ino, limit: u64) {
        self.running.push(Running { first: from, next: from, skip_to: from, bytes: 0, limit });
    }

    /// It is the turn of file `ino` with `len` bytes.
    pub(super) fn step(&mut self, ino: Ino, len: u64) -> Step {
        let Some(running) = self.running.last_mut() else { return Step::Stop };
        if running.bytes + len > running.limit {
            return Step::Stop;
        }
        running.next = ino.saturating_add(1);
        if ino < running.skip_to {
            return Step::Leave;
        }
        running.bytes += len;
        self.unmarked += len;
        self.credit = self.credit.saturating_sub(len);
        if self.unmarked >= MARKER_EVERY.min(running.limit / 2) {
            self.unmarked = 0;
            return Step::Leave;
        }
        Step::Store
    }

    /// Storing what began last ended, before its range did if `cut`.
    pub(super) fn end(&mut self, cut: bool) {
        let Some(Running { first, next, bytes, .. }) = self.running.pop() else { return };
        if self.windows.len() == READERS {
            self.windows.pop_front();
        }
        self.windows.push_back(Window { first, end: next, bytes, cut });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stores all it may of files of `len` bytes; the numbers stored and left out.
    fn store(policy: &mut Policy, ahead: Ahead, len: u64) -> (Vec<Ino>, Vec<Ino>) {
        let (mut stored, mut left) = (Vec::new(), Vec::new());
        policy.begin(ahead.from, ahead.bytes);
        let mut ino = ahead.from;
        loop {
            match policy.step(ino, len) {
                Step::Store => stored.push(ino),
                Step::Leave => left.push(ino),
                Step::Stop => break,
            }
            ino += 1;
        }
        policy.end(true);
        (stored, left)
    }

    fn listed() -> Policy {
        let mut policy = Policy::default();
        policy.was_listed(2, 100_000);
        policy
    }

    #[test]
    fn a_reader_in_order_gets_windows_that_grow() {
        let mut policy = listed();
        assert_eq!(policy.was_read(10), None, "one read is no order");
        let mut ahead = policy.was_read(11).expect("a window");
        assert_eq!(ahead, Ahead { from: 14, bytes: FIRST_WINDOW });
        for bytes in [2 * FIRST_WINDOW, 4 * FIRST_WINDOW, 8 * FIRST_WINDOW, MAX_WINDOW, MAX_WINDOW]
        {
            let (stored, left) = store(&mut policy, ahead, 8 << 10);
            assert!(!left.is_empty(), "a window has a marker");
            let end = stored[stored.len() - 1].max(left[left.len() - 1]) + 1;
            ahead = policy.was_read(left[0]).expect("the next window");
            assert_eq!(ahead.from, end);
            assert!(ahead.bytes <= bytes && ahead.bytes > bytes / 2, "{ahead:?} {bytes}");
            assert_eq!(policy.was_read(left[0]), None, "it is stored once");
        }
    }

    #[test]
    fn reads_out_of_order_store_nothing() {
        let mut policy = listed();
        for ino in (0..1000u64).map(|i| 2 + i * 7919 % 90_000) {
            assert_eq!(policy.was_read(ino), None);
        }
        assert_eq!(policy.for_directory(), None);
        let mut policy = Policy::default();
        policy.was_read(10);
        assert_eq!(policy.was_read(11), None, "the kernel does not know what follows");
    }

    #[test]
    fn a_walk_that_does_not_read_is_left_alone_soon() {
        let mut policy = listed();
        policy.was_read(10);
        policy.was_read(11);
        let directories =
            (0..10_000).take_while(|_| policy.for_directory().is_some()).count() as u64;
        assert_eq!(directories, CREDIT / DIRECTORY_COST);
        policy.was_read(12);
        assert!(policy.for_directory().is_some(), "a read gives credit anew");
    }

    #[test]
    fn a_reader_that_catches_up_is_jumped_over() {
        let mut policy = listed();
        policy.begin(100, MAX_WINDOW);
        assert_eq!(policy.step(100, 1000), Step::Store);
        assert_eq!(policy.was_read(101), None);
        assert_eq!(policy.step(101, 1000), Step::Leave);
        assert_eq!(policy.step(102, 1000), Step::Leave);
        assert_eq!(policy.step(101 + 1 + GAP, 1000), Step::Store);
    }

    #[test]
    fn several_readers_are_told_apart() {
        let mut policy = listed();
        for reader in 0..READERS as u64 {
            assert_eq!(policy.was_read(1000 * reader + 10), None);
        }
        for reader in 0..READERS as u64 / 2 {
            assert!(policy.was_read(1000 * (reader + 4) + 11).is_some());
        }
    }
}
