//! Who owns which bytes of the stream: no two may share any.

use crate::format::TreeKind;

use super::finding::{Place, Problem};
use super::{Check, tree_name};

/// What a span of the stream belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// A data block, by number.
    Block(u64),
    /// A node of a tree, by the tree's number.
    Tree(u8),
    /// The plane of pixels.
    Plane,
    /// The cover picture.
    Cover,
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Block(number) => write!(f, "block {number}"),
            Self::Tree(tree) => {
                let tree = TreeKind::ALL.get(usize::from(*tree)).copied();
                write!(f, "a node of the {} tree", tree.map_or("unknown", tree_name))
            }
            Self::Plane => f.write_str("the plane of pixels"),
            Self::Cover => f.write_str("the cover"),
        }
    }
}

/// Spans in use; 32 bytes each.
#[derive(Debug, Default)]
pub(super) struct Spans(Vec<(u64, u64, Owner)>);

impl Spans {
    pub(super) fn push(&mut self, owner: Owner, offset: u64, len: u64) {
        self.0.push((offset, offset.saturating_add(len), owner));
    }
}

impl Check<'_> {
    /// Reports spans that share bytes. Blocks among themselves were compared
    /// when they were read, with their references at hand.
    pub(super) fn check_overlaps(&mut self) {
        let mut spans = std::mem::take(&mut self.spans.0);
        spans.sort_unstable();
        let mut last: Option<(u64, Owner)> = None;
        for (start, end, owner) in spans {
            if let Some((last_end, last_owner)) = last
                && start < last_end
                && !matches!((owner, last_owner), (Owner::Block(_), Owner::Block(_)))
            {
                let (what, other) = (owner.to_string(), last_owner.to_string());
                let place = Place { offset: Some(start), ..Place::default() };
                self.report.push(Problem::Overlap { what, other }, place);
            }
            if last.is_none_or(|(last_end, _)| last_end < end) {
                last = Some((end, owner));
            }
        }
    }
}
