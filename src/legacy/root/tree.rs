//! The paths of a root as a file tree.

use std::collections::BTreeMap;

use serde_json::json;

use super::Root;
use super::contents::Contents;
use super::entry::{Content, PIXELFS, PathEntry, pixel_type};
use super::files::Origin;
use super::finding::Finding;
use super::paths::root_path;
use crate::format::{PixelId, PixelType};
use crate::fs::{
    Attr, DirEntry, FileKind, FsError, Ino, Pixel, PixelTree, ROOT_INO, Result, Seek, Tree,
    TreeStat,
};

/// A root's files, read-only.
#[derive(Debug)]
pub struct RootTree {
    root: Root,
    contents: Contents,
    origin: Origin,
    /// Index: inode number less one.
    nodes: Vec<Node>,
    /// Ids in ascending order, with their contents.
    ids: Vec<(u32, usize)>,
    findings: Vec<Finding>,
}

#[derive(Debug)]
struct Node {
    parent: Ino,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Names in order, with their inode numbers; how many are directories.
    Directory(Vec<(String, Ino)>, u32),
    /// The path's entry.
    File(usize),
}

/// A directory while the tree is made.
#[derive(Default)]
struct Plan<'r> {
    dirs: BTreeMap<&'r str, Plan<'r>>,
    files: BTreeMap<&'r str, usize>,
}

impl RootTree {
    /// The tree of a root; reading its contents takes at most `mem` bytes.
    pub fn new(root: Root, mem: u64) -> Self {
        let (nodes, findings) = plan(&root.paths);
        let mut ids: Vec<_> =
            root.contents.iter().enumerate().map(|(index, content)| (content.id, index)).collect();
        ids.sort_unstable();
        // A root that is being read has a pixelfs.json; its time stands for all.
        let origin = root.files.origin(PIXELFS).unwrap_or_default();
        let contents = Contents::new(mem as usize);
        Self { root, contents, origin, nodes, ids, findings }
    }

    /// The entries it was made from.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// What is wrong with paths: those named here are not in the tree.
    pub fn path_findings(&self) -> &[Finding] {
        &self.findings
    }

    fn node(&self, ino: Ino) -> Result<&Node> {
        let index = ino.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.nodes.get(index)).ok_or(FsError::NotFound)
    }

    fn names(&self, dir: Ino) -> Result<&[(String, Ino)]> {
        match &self.node(dir)?.what {
            What::Directory(names, _) => Ok(names),
            What::File(_) => Err(FsError::NotADirectory(dir)),
        }
    }

    fn entry(&self, ino: Ino) -> Result<&PathEntry> {
        match self.node(ino)?.what {
            What::Directory(..) => Err(FsError::IsADirectory(ino)),
            What::File(index) => Ok(&self.root.paths[index]),
        }
    }

    /// The content of a path, with its index.
    fn content(&self, entry: &PathEntry) -> Result<(usize, &Content)> {
        let index = self.root.index_of(entry.id).ok_or_else(|| {
            let what = format!("{}: its id is not in the registry", entry.path);
            FsError::Corrupt(what)
        })?;
        Ok((index, &self.root.contents[index]))
    }

    /// The size of a file: the registry's word, else what the path says.
    fn size(&self, entry: &PathEntry) -> u64 {
        self.root.content(entry.id).map_or(entry.size, |content| content.original_size)
    }

    fn read_index(&self, index: usize, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let content = &self.root.contents[index];
        self.contents.read(&*self.root.files, index, content, offset, buf)
    }

    fn pixel_of(index: usize, content: &Content) -> Pixel {
        Pixel {
            id: content.id.to_be_bytes(),
            sha256: content.sha256,
            size: content.original_size,
            number: index as u64 + 1,
        }
    }
}

/// The directories and files that the paths make, and the paths that make none.
fn plan(paths: &[PathEntry]) -> (Vec<Node>, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut top = Plan::default();
    for (index, entry) in paths.iter().enumerate() {
        let place = format!("{PIXELFS} {:?}", entry.path);
        match root_path(&entry.path) {
            Ok(parts) => {
                if let Some((name, dirs)) = parts.split_last() {
                    let mut at = &mut top;
                    for dir in dirs {
                        at = at.dirs.entry(dir).or_default();
                    }
                    at.files.insert(name, index);
                }
            }
            Err(problem) => findings.push(Finding::error("path", &place, problem)),
        }
    }
    let mut nodes = vec![Node { parent: ROOT_INO, what: What::Directory(Vec::new(), 0) }];
    let mut todo = vec![(top, ROOT_INO)];
    while let Some((plan, ino)) = todo.pop() {
        enter(plan, ino, paths, &mut nodes, &mut todo, &mut findings);
    }
    (nodes, findings)
}

/// Numbers what is in a directory, in the order of the names.
fn enter<'r>(
    mut plan: Plan<'r>,
    ino: Ino,
    paths: &[PathEntry],
    nodes: &mut Vec<Node>,
    todo: &mut Vec<(Plan<'r>, Ino)>,
    findings: &mut Vec<Finding>,
) {
    plan.files.retain(|name, &mut index| {
        let is_dir_too = plan.dirs.contains_key(name);
        if is_dir_too {
            let place = format!("{PIXELFS} {:?}", paths[index].path);
            let problem = "is a directory as well: other paths lie in it";
            findings.push(Finding::error("path-both", &place, problem));
        }
        !is_dir_too
    });
    let mut names: Vec<(&str, Result<Plan<'r>, usize>)> =
        plan.files.into_iter().map(|(name, index)| (name, Err(index))).collect();
    names.extend(plan.dirs.into_iter().map(|(name, dir)| (name, Ok(dir))));
    names.sort_unstable_by_key(|(name, _)| *name);
    let dirs = names.iter().filter(|(_, what)| what.is_ok()).count() as u32;
    let mut listed = Vec::with_capacity(names.len());
    for (name, what) in names {
        let child = nodes.len() as Ino + 1;
        let what = match what {
            Err(index) => What::File(index),
            Ok(dir) => {
                todo.push((dir, child));
                What::Directory(Vec::new(), 0)
            }
        };
        nodes.push(Node { parent: ino, what });
        listed.push((name.to_owned(), child));
    }
    nodes[ino as usize - 1].what = What::Directory(listed, dirs);
}

impl Tree for RootTree {
    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        let names = self.names(dir)?;
        let found = names.binary_search_by(|(known, _)| known.as_bytes().cmp(name));
        self.attr(names[found.map_err(|_| FsError::NotFound)?].1)
    }

    fn attr(&self, ino: Ino) -> Result<Attr> {
        let (kind, perm, nlink, size) = match &self.node(ino)?.what {
            What::File(index) => (FileKind::Regular, 0o644, 1, self.size(&self.root.paths[*index])),
            What::Directory(_, dirs) => (FileKind::Directory, 0o755, 2 + dirs, 0),
        };
        let Origin { mtime, uid, gid } = self.origin;
        let blocks = size.div_ceil(512);
        let rdev = (0, 0);
        Ok(Attr { ino, kind, perm, nlink, uid, gid, rdev, size, blocks, mtime, ctime: mtime })
    }

    fn parent(&self, dir: Ino) -> Result<Ino> {
        self.names(dir)?;
        Ok(self.node(dir)?.parent)
    }

    fn read_dir(
        &self,
        dir: Ino,
        from: u64,
        visit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<()> {
        let names = self.names(dir)?;
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        for (index, (name, ino)) in names.iter().enumerate().skip(from) {
            let kind = match self.node(*ino)?.what {
                What::File(_) => FileKind::Regular,
                What::Directory(..) => FileKind::Directory,
            };
            let (name, next) = (name.as_bytes(), index as u64 + 1);
            if !visit(DirEntry { ino: *ino, kind, name, next }) {
                break;
            }
        }
        Ok(())
    }

    fn read_link(&self, ino: Ino) -> Result<Vec<u8>> {
        self.node(ino)?;
        Err(FsError::WrongType(ino, "is not a symbolic link"))
    }

    fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let (index, _) = self.content(self.entry(ino)?)?;
        self.read_index(index, offset, buf)
    }

    fn seek(&self, ino: Ino, offset: u64, what: Seek) -> Result<u64> {
        let size = self.size(self.entry(ino)?);
        match what {
            _ if offset >= size => Err(FsError::BeyondEnd),
            Seek::Data => Ok(offset),
            Seek::Hole => Ok(size),
        }
    }

    fn xattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>> {
        let What::File(index) = self.node(ino)?.what else {
            return Err(FsError::NoXattr);
        };
        let entry = &self.root.paths[index];
        match name {
            DESCRIPTION if !entry.description.is_empty() => Ok(entry.description.clone().into()),
            ORIGINAL if !entry.original_path.is_empty() => Ok(entry.original_path.clone().into()),
            REQUIRES if !entry.requires.is_empty() => Ok(entry.requires.join("\n").into()),
            _ => Err(FsError::NoXattr),
        }
    }

    fn xattr_names(&self, ino: Ino) -> Result<Vec<Vec<u8>>> {
        self.node(ino)?;
        let names = [DESCRIPTION, ORIGINAL, REQUIRES].into_iter();
        Ok(names.filter(|name| self.xattr(ino, name).is_ok()).map(<[u8]>::to_vec).collect())
    }

    fn stat(&self) -> Result<TreeStat> {
        let sizes = self.root.contents.iter().map(|content| content.original_size);
        let total_bytes = sizes.fold(0u64, u64::saturating_add);
        Ok(TreeStat { total_bytes, free_bytes: 0, inodes: self.nodes.len() as u64 })
    }

    fn cached_bytes(&self) -> u64 {
        self.contents.stats().bytes
    }
}

/// What an entry's description, source and requirements are as extended attributes.
pub(crate) const DESCRIPTION: &[u8] = b"user.pxfs.description";
pub(crate) const ORIGINAL: &[u8] = b"user.pxfs.original_path";
pub(crate) const REQUIRES: &[u8] = b"user.pxfs.requires";

impl PixelTree for RootTree {
    fn pixel(&self, ino: Ino) -> Result<Pixel> {
        let (index, content) = self.content(self.entry(ino)?)?;
        Ok(Self::pixel_of(index, content))
    }

    fn pixel_type(&self, ino: Ino) -> Result<PixelType> {
        Ok(pixel_type(&self.entry(ino)?.kind))
    }

    fn pixel_by_id(&self, id: PixelId) -> Result<Option<Pixel>> {
        let index = self.root.index_of(u32::from_be_bytes(id));
        Ok(index.map(|index| Self::pixel_of(index, &self.root.contents[index])))
    }

    fn read_pixel(&self, pixel: &Pixel, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let index = pixel.number.checked_sub(1).map_or(usize::MAX, |index| index as usize);
        if index >= self.root.contents.len() {
            return Err(FsError::NotFound);
        }
        self.read_index(index, offset, buf)
    }

    fn visit_ids(
        &self,
        after: Option<PixelId>,
        visit: &mut dyn FnMut(PixelId) -> bool,
    ) -> Result<()> {
        let after = after.map(u32::from_be_bytes);
        let start = self.ids.partition_point(|(id, _)| after.is_some_and(|after| *id <= after));
        for (id, _) in &self.ids[start..] {
            if !visit(id.to_be_bytes()) {
                break;
            }
        }
        Ok(())
    }

    fn facts(&self) -> serde_json::Value {
        let cache = self.contents.stats();
        json!({
            "container": "pxOS root",
            "paths": self.root.paths.len(),
            "pixels": self.root.contents.len(),
            "findings": self.root.findings.len() + self.findings.len(),
            "cache": {
                "hits": cache.hits, "misses": cache.misses,
                "bytes": cache.bytes, "budget": cache.budget,
            },
        })
    }
}
