//! The tree that the members of a tar stream make: in any order, later ones
//! replacing earlier ones, as when they are unpacked one after the other.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::contents::ContentWriter;
use super::error::Result;
use super::records::{FileBytes, Meta, NewInode, Records};
use super::tar::shown;
use crate::format::{InodeData, MAX_NAME, PixelType, is_valid_name};
use crate::fs::ROOT_INO;

/// Index of a node in the arena; 0 is the root.
type NodeId = usize;

/// The end of a sentence about a member.
type Step<T> = std::result::Result<T, String>;

#[derive(Debug, Clone)]
struct TarNode {
    /// Shared by the files that a dissolved hard link becomes.
    meta: Rc<Meta>,
    data: InodeData,
    bytes: FileBytes,
    nlink: u32,
    children: BTreeMap<Vec<u8>, NodeId>,
}

impl TarNode {
    fn new(meta: Rc<Meta>, data: InodeData, bytes: FileBytes) -> Self {
        Self { meta, data, bytes, nlink: 1, children: BTreeMap::new() }
    }

    fn is_dir(&self) -> bool {
        matches!(self.data, InodeData::Directory { .. })
    }
}

/// A tree in the making.
#[derive(Debug)]
pub(super) struct TarTree {
    nodes: Vec<TarNode>,
    /// The attributes of directories that members lie in but that are no
    /// members themselves (yet).
    implied: Rc<Meta>,
}

impl TarTree {
    /// An empty root directory.
    pub(super) fn new() -> Self {
        let implied = Rc::new(Meta { perm: 0o755, ..Meta::default() });
        let mut tree = Self { nodes: Vec::new(), implied };
        tree.nodes.push(tree.implied_dir());
        tree
    }

    fn implied_dir(&self) -> TarNode {
        let data = InodeData::Directory { parent: ROOT_INO };
        TarNode::new(Rc::clone(&self.implied), data, FileBytes::default())
    }

    /// Puts a file or a directory at a path, over what may be there.
    pub(super) fn add(
        &mut self,
        path: &[Vec<u8>],
        meta: Meta,
        data: InodeData,
        bytes: FileBytes,
    ) -> Step<()> {
        self.place(path, TarNode::new(Rc::new(meta), data, bytes))
    }

    /// Makes `path` another name of what is at `target`, or with `keep` unset a
    /// file that is like it.
    pub(super) fn add_link(&mut self, path: &[Vec<u8>], target: &[u8], keep: bool) -> Step<()> {
        let found = self.find(target)?;
        if self.nodes[found].is_dir() {
            return Err("it is a hard link to a directory".into());
        }
        if !keep {
            let copy = TarNode { nlink: 1, ..self.nodes[found].clone() };
            return self.place(path, copy);
        }
        let (dir, name) = self.parent_of(path)?;
        self.check_no_dir(dir, &name)?;
        let nlink = self.nodes[found].nlink.checked_add(1);
        self.nodes[found].nlink = nlink.ok_or("its target has too many names")?;
        let replaced = self.nodes[dir].children.insert(name, found);
        self.unlink(replaced);
        Ok(())
    }

    /// What the target of a hard link names.
    fn find(&self, target: &[u8]) -> Step<NodeId> {
        let mut at = 0;
        for part in parse_path(target)? {
            at = *self.nodes[at].children.get(&part).ok_or_else(|| {
                let target = shown(target);
                format!("it is a hard link to {target}, which did not come before it")
            })?;
        }
        Ok(at)
    }

    fn place(&mut self, path: &[Vec<u8>], node: TarNode) -> Step<()> {
        if path.is_empty() {
            if !node.is_dir() {
                return Err("the root is not a directory".into());
            }
            self.nodes[0].meta = node.meta;
            return Ok(());
        }
        let (dir, name) = self.parent_of(path)?;
        if node.is_dir()
            && let Some(&old) = self.nodes[dir].children.get(&name)
            && self.nodes[old].is_dir()
        {
            self.nodes[old].meta = node.meta;
            return Ok(());
        }
        self.check_no_dir(dir, &name)?;
        let id = self.nodes.len();
        self.nodes.push(node);
        let replaced = self.nodes[dir].children.insert(name, id);
        self.unlink(replaced);
        Ok(())
    }

    /// A directory, and all that is in it, is not replaced by a file.
    fn check_no_dir(&self, dir: NodeId, name: &[u8]) -> Step<()> {
        match self.nodes[dir].children.get(name) {
            Some(&old) if self.nodes[old].is_dir() => {
                Err("it is both a directory and a file".into())
            }
            _ => Ok(()),
        }
    }

    fn unlink(&mut self, replaced: Option<NodeId>) {
        if let Some(old) = replaced {
            self.nodes[old].nlink -= 1;
        }
    }

    /// The directory that a path's last name is in, made where it is missing.
    fn parent_of(&mut self, path: &[Vec<u8>]) -> Step<(NodeId, Vec<u8>)> {
        let (name, dirs) = path.split_last().ok_or("the root is not a directory")?;
        let mut at = 0;
        for part in dirs {
            at = match self.nodes[at].children.get(part) {
                Some(&next) => next,
                None => {
                    let next = self.nodes.len();
                    self.nodes.push(self.implied_dir());
                    self.nodes[at].children.insert(part.clone(), next);
                    next
                }
            };
            if !self.nodes[at].is_dir() {
                return Err(format!("{} is used as a directory but is none", shown(part)));
            }
        }
        Ok((at, name.clone()))
    }

    /// Numbers the nodes, children of a directory in a row, and enters them.
    pub(super) fn emit(
        mut self,
        records: &mut Records,
        contents: &mut ContentWriter<'_>,
    ) -> Result<()> {
        let mut inos = vec![0; self.nodes.len()];
        inos[0] = ROOT_INO;
        let mut todo = vec![(0, ROOT_INO, PixelType::Data)];
        while let Some((id, parent, pixel_type)) = todo.pop() {
            let ino = inos[id];
            let children = std::mem::take(&mut self.nodes[id].children);
            let mut subdirs = Vec::new();
            for (name, child) in children {
                let is_first = inos[child] == 0;
                if is_first {
                    inos[child] = records.take_ino();
                }
                let node = &self.nodes[child];
                records.link(ino, &name, inos[child], &node.data)?;
                if node.is_dir() {
                    let is_area = ino == ROOT_INO;
                    let area = if is_area { PixelType::of_area(&name) } else { pixel_type };
                    subdirs.push((child, ino, area));
                } else if is_first {
                    let (data, bytes) = (node.data.clone(), node.bytes);
                    let (meta, nlink) = (&*node.meta, 1);
                    let new = NewInode { meta, nlink, bytes, pixel_type, data };
                    records.inode(inos[child], new, contents)?;
                } else {
                    records.hard_link(inos[child])?;
                }
            }
            let nlink = 2 + subdirs.len() as u32;
            let data = InodeData::Directory { parent };
            let (meta, bytes) = (&*self.nodes[id].meta, FileBytes::default());
            let new = NewInode { meta, nlink, bytes, pixel_type, data };
            records.inode(ino, new, contents)?;
            todo.extend(subdirs.into_iter().rev());
        }
        Ok(())
    }
}

/// The components of a member's path.
pub(super) fn parse_path(path: &[u8]) -> Step<Vec<Vec<u8>>> {
    let mut parts = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        if part.is_empty() || part == b"." {
            continue;
        }
        if !is_valid_name(part) {
            return Err(match part.len() {
                len if len > MAX_NAME => format!("no file can have a name of {len} bytes"),
                _ => format!("{} cannot be a name in a tree", shown(part)),
            });
        }
        parts.push(part.to_vec());
    }
    Ok(parts)
}
