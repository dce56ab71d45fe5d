//! Walking every node of a tree, past damaged ones.

use crate::format::{FormatError, MAX_NODE, Node, NodeRef, TreeKind};
use crate::store::StoreError;

use super::finding::{Place, Problem};
use super::span::Owner;
use super::{Check, tree_name};

/// Bad nodes after which a tree is given up: each costs a read, and a forged
/// tree could refer to bad nodes without end.
const MAX_BAD_NODES: u32 = 200;

/// What is done with each leaf entry: key and value.
pub(super) type Visit<'a, 'b> = dyn FnMut(&mut Check<'b>, &[u8], &[u8]) + 'a;

impl<'b> Check<'b> {
    /// Visits the entries of all readable leaves of `tree` in key order. Bad
    /// nodes are reported and passed over, unless the check only wants to locate.
    pub(super) fn walk_tree(&mut self, tree: TreeKind, visit: &mut Visit<'_, 'b>) {
        let Some(root) = self.store.superblock().root(tree).copied() else {
            return;
        };
        let mut last_key: Vec<u8> = Vec::new();
        let mut bad = 0;
        let mut stack = Vec::new();
        match self.load_node(tree, root.level, &root.node) {
            Some(node) => stack.push((node, 0)),
            None => return,
        }
        self.check_root_shape(tree, &stack[0].0, &root.node);
        while let Some((node, index)) = stack.last_mut() {
            if node.level() == 0 {
                for entry in 0..node.count() {
                    visit(self, node.key(entry), node.value(entry));
                }
                last_key = node.key(node.count() - 1).to_vec();
                stack.pop();
                continue;
            }
            if *index >= node.count() {
                stack.pop();
                continue;
            }
            let (level, key) = (node.level() - 1, node.key(*index).to_vec());
            // The node's parser has checked every reference in it.
            let Ok(at) = NodeRef::parse(node.value(*index)) else {
                stack.pop();
                continue;
            };
            *index += 1;
            match self.load_node(tree, level, &at) {
                Some(child) if child.key(0) == key && child.key(0) > last_key.as_slice() => {
                    stack.push((child, 0));
                }
                // No accident does this. The parent's other children are left
                // alone, so that every node is visited once at most.
                Some(_) => {
                    self.bad_node(tree, at.at.offset, Problem::NodeOrder {});
                    stack.pop();
                    bad += 1;
                }
                None => bad += 1,
            }
            if bad > MAX_BAD_NODES {
                self.bad_node(tree, at.at.offset, Problem::NodeAbandoned {});
                return;
            }
        }
    }

    /// A root that is no leaf has two entries or more: else it would not be needed.
    fn check_root_shape(&mut self, tree: TreeKind, node: &Node, at: &NodeRef) {
        if node.level() > 0 && node.count() < 2 && !self.locating {
            let reason = "tree node: an inner root with a single entry".into();
            let place = Place { offset: Some(at.at.offset), ..Place::tree(tree) };
            self.report.push(Problem::NodeStructure { reason }, place);
        }
    }

    fn load_node(&mut self, tree: TreeKind, level: u8, at: &NodeRef) -> Option<Node> {
        match self.try_node(tree, level, at) {
            Ok(node) => {
                if !self.locating {
                    self.report.checked.nodes += 1;
                    self.spans.push(Owner::Tree(tree as u8), at.at.offset, u64::from(at.at.stored));
                }
                Some(node)
            }
            Err(problem) => {
                self.bad_node(tree, at.at.offset, problem);
                None
            }
        }
    }

    fn try_node(&self, tree: TreeKind, level: u8, at: &NodeRef) -> Result<Node, Problem> {
        let structure = |error: FormatError| Problem::NodeStructure { reason: error.to_string() };
        // Stored bytes are never longer than raw ones, give or take a frame's header.
        if at.at.raw > MAX_NODE || at.at.stored > MAX_NODE + 1024 {
            return Err(structure(FormatError::field("tree node", "raw length", at.at.raw)));
        }
        let raw = self.store.load_proven("tree node", &at.at).map_err(node_problem)?;
        Node::parse(raw, tree as u8, level, at.entries).map_err(structure)
    }

    fn bad_node(&mut self, tree: TreeKind, offset: u64, problem: Problem) {
        self.whole[tree as usize] = false;
        if !self.locating {
            let place = Place { offset: Some(offset), ..Place::tree(tree) };
            self.report.push(problem, place);
        }
    }

    /// Whether all nodes of a tree could be read (known after it was walked).
    pub(super) fn is_whole(&self, tree: TreeKind) -> bool {
        self.whole[tree as usize]
    }

    /// Reports a number of `tree` that is not below the next one to be given out.
    pub(super) fn check_counter(&mut self, tree: TreeKind, last: u64, next: u64) {
        if last >= next {
            let counter = match tree {
                TreeKind::Inodes => "inode",
                TreeKind::Contents => "content",
                TreeKind::Blocks => "block",
                TreeKind::Xattrs => "xattr set",
                other => tree_name(other),
            };
            let problem = Problem::Counter { counter, next, found: last };
            self.report.push(problem, Place::tree(tree));
        }
    }
}

/// The number that is the key of an entry of a numbered tree; 0 is none.
pub(super) fn number_of(key: &[u8]) -> Result<u64, String> {
    match <[u8; 8]>::try_from(key) {
        Ok(bytes) if bytes != [0; 8] => Ok(u64::from_be_bytes(bytes)),
        Ok(_) => Err("a key is the number 0".into()),
        Err(_) => Err(format!("a key has {} bytes instead of 8", key.len())),
    }
}

fn node_problem(error: StoreError) -> Problem {
    match error {
        StoreError::Outside { .. } => Problem::NodeOutside {},
        StoreError::Checksum { found, expected, .. } => {
            Problem::NodeChecksum { found: hex64(found), expected: hex64(expected) }
        }
        StoreError::Digest { .. } => Problem::NodeDigest {},
        StoreError::Decode { raw, .. } => Problem::NodeDecode { raw },
        other => Problem::NodeRead { reason: other.to_string() },
    }
}

/// What is wrong with a block that could not be loaded.
pub(super) fn block_problem(error: StoreError) -> Problem {
    match error {
        StoreError::Outside { .. } => Problem::BlockOutside {},
        StoreError::Checksum { found, expected, .. } => {
            Problem::BlockChecksum { found: hex64(found), expected: hex64(expected) }
        }
        StoreError::Digest { .. } => Problem::BlockDigest {},
        StoreError::Decode { raw, .. } => Problem::BlockDecode { raw },
        other => Problem::BlockRead { reason: other.to_string() },
    }
}

fn hex64(value: u64) -> String {
    format!("{value:016x}")
}
