//! Data blocks: references, checksums, digests, decoding, places.

use super::finding::{Place, Problem};
use super::nodes::{block_problem, number_of};
use super::span::Owner;
use super::{Check, OnStep};
use crate::format::{StoredRef, TreeKind};

impl Check<'_> {
    /// Reads every block once, in the order of the stream.
    pub(super) fn check_blocks(&mut self, step: &mut OnStep<'_>) {
        let mut blocks = self.collect_blocks();
        blocks.sort_unstable();
        let total = self.store.superblock().stream_len;
        let mut last: Option<(StoredRef, u64)> = None;
        let mut end = 0;
        for (offset, number) in blocks {
            // It was read a moment ago; were it not, that is reported already.
            let Ok(at) = self.store.block_ref(number) else { continue };
            self.report.checked.blocks += 1;
            if last.is_some_and(|(last, _)| last == at) {
                continue;
            }
            // Reading what overlaps could make work without end out of few bytes.
            if let Some((_, other)) = last
                && offset < end
            {
                let (what, other) = (format!("block {number}"), format!("block {other}"));
                let problem = Problem::Overlap { what, other };
                self.report.push(problem, block_place(number, offset));
                continue;
            }
            last = Some((at, number));
            end = offset.saturating_add(u64::from(at.stored));
            self.check_block(number, &at);
            step(end.min(total), total);
        }
    }

    /// Offset and number of every block whose reference can be read.
    fn collect_blocks(&mut self) -> Vec<(u64, u64)> {
        let mut blocks = Vec::new();
        let mut highest = 0;
        self.walk_tree(TreeKind::Blocks, &mut |check, key, value| {
            let parsed = number_of(key).and_then(|number| {
                highest = number;
                let at = StoredRef::parse(value).map_err(|error| error.to_string())?;
                Ok((at.offset, number))
            });
            match parsed {
                Ok(block) => blocks.push(block),
                Err(reason) => {
                    let place = Place { block: number_of(key).ok(), ..Place::default() };
                    check.report.push(Problem::BlockReference { reason }, place);
                }
            }
        });
        self.check_counter(TreeKind::Blocks, highest, self.store.superblock().next_block);
        blocks
    }

    fn check_block(&mut self, number: u64, at: &StoredRef) {
        match self.store.load_proven("block", at) {
            Ok(raw) => {
                self.report.checked.block_bytes += u64::from(at.stored);
                // Twice: contents in blocks are hashed, and blocks decoded for it.
                self.allowance = self.allowance.saturating_add(2 * raw.len() as u64);
                self.spans.push(Owner::Block(number), at.offset, u64::from(at.stored));
            }
            Err(error) => self.report.push(block_problem(error), block_place(number, at.offset)),
        }
    }
}

fn block_place(number: u64, offset: u64) -> Place {
    Place { block: Some(number), offset: Some(offset), ..Place::default() }
}
