//! A tree with changes laid over it: what a picture is made of when it is made
//! anew. Nothing is written; [`crate::mkfs`] reads it like any other tree.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::format::{Digest, PixelId, PixelType, is_valid_name};
use crate::fs::{
    Attr, DirEntry, FileKind, FsError, Ino, Pixel, PixelTree, ROOT_INO, Result, Seek, Time, Tree,
    TreeStat,
};
use crate::legacy::root::ReadAt;

/// Our own inodes have this bit; the tree's have not.
const OWN: Ino = 1 << 62;

/// A file to be.
#[derive(Debug, Clone)]
pub(super) struct NewFile {
    /// Its content.
    pub(super) content: Arc<dyn ReadAt>,
    /// Its size.
    pub(super) size: u64,
    /// SHA-256 of its content.
    pub(super) sha256: Digest,
    /// Its type.
    pub(super) kind: PixelType,
    /// Permission bits.
    pub(super) perm: u32,
    /// Owner and group.
    pub(super) owner: (u32, u32),
    /// Time of modification.
    pub(super) mtime: Time,
}

#[derive(Debug, Clone)]
enum Node {
    Dir { parent: Ino, mtime: Time },
    File(NewFile),
}

/// A tree and the changes to it. A copy costs as much as there are changes.
#[derive(Debug, Clone)]
pub(super) struct Overlay {
    base: Arc<dyn PixelTree>,
    nodes: Vec<Node>,
    /// By directory: names that are new (with what they name) or gone.
    changes: HashMap<Ino, BTreeMap<Vec<u8>, Option<Ino>>>,
    /// Directories that a directory with changes has more, or less.
    more_dirs: HashMap<Ino, i64>,
    /// Types, attributes and parents that differ from those of the tree.
    kinds: HashMap<Ino, PixelType>,
    xattrs: HashMap<Ino, BTreeMap<Vec<u8>, Vec<u8>>>,
    parents: HashMap<Ino, Ino>,
}

impl Overlay {
    /// The tree without changes.
    pub(super) fn new(base: Arc<dyn PixelTree>) -> Self {
        Self {
            base,
            nodes: Vec::new(),
            changes: HashMap::new(),
            more_dirs: HashMap::new(),
            kinds: HashMap::new(),
            xattrs: HashMap::new(),
            parents: HashMap::new(),
        }
    }

    /// Whether it differs from the tree below.
    pub(super) fn is_changed(&self) -> bool {
        !(self.changes.is_empty() && self.kinds.is_empty() && self.xattrs.is_empty())
    }

    fn node(&self, ino: Ino) -> Option<&Node> {
        (ino & OWN != 0).then(|| self.nodes.get((ino & !OWN) as usize))?
    }

    fn own_file(&self, ino: Ino) -> Result<Option<&NewFile>> {
        match self.node(ino) {
            Some(Node::File(file)) => Ok(Some(file)),
            Some(Node::Dir { .. }) => Err(FsError::IsADirectory(ino)),
            None if ino & OWN != 0 => Err(FsError::NotFound),
            None => Ok(None),
        }
    }

    fn push(&mut self, node: Node) -> Ino {
        self.nodes.push(node);
        OWN | (self.nodes.len() as Ino - 1)
    }

    fn change(&mut self, dir: Ino, name: &[u8], to: Option<Ino>) {
        let is_dir = |found: Result<FileKind>| found.is_ok_and(|kind| kind == FileKind::Directory);
        let was = is_dir(self.find(dir, name).and_then(|ino| self.kind(ino)));
        let is = to.is_some_and(|ino| is_dir(self.kind(ino)));
        *self.more_dirs.entry(dir).or_default() += i64::from(is) - i64::from(was);
        self.changes.entry(dir).or_default().insert(name.to_vec(), to);
    }

    /// What a name in a directory names.
    fn find(&self, dir: Ino, name: &[u8]) -> Result<Ino> {
        match self.changes.get(&dir).and_then(|changes| changes.get(name)) {
            Some(Some(ino)) => Ok(*ino),
            Some(None) => Err(FsError::NotFound),
            None if dir & OWN != 0 => Err(FsError::NotFound),
            None => Ok(self.base.lookup(dir, name)?.ino),
        }
    }

    fn kind(&self, ino: Ino) -> Result<FileKind> {
        match self.node(ino) {
            Some(Node::Dir { .. }) => Ok(FileKind::Directory),
            Some(Node::File(_)) => Ok(FileKind::Regular),
            None => Ok(self.base.attr(ino)?.kind),
        }
    }

    /// The directory at `parts`, made if need be, with those it lies in.
    pub(super) fn make_dirs(&mut self, parts: &[&[u8]], mtime: Time) -> Result<Ino> {
        let mut at = ROOT_INO;
        for part in parts {
            at = match self.lookup(at, part) {
                Ok(found) if found.kind == FileKind::Directory => found.ino,
                Ok(found) => return Err(FsError::NotADirectory(found.ino)),
                Err(FsError::NotFound) => {
                    let ino = self.push(Node::Dir { parent: at, mtime });
                    self.change(at, part, Some(ino));
                    ino
                }
                Err(error) => return Err(error),
            };
        }
        Ok(at)
    }

    /// Puts a file into a directory, in place of what has the name.
    pub(super) fn put_file(&mut self, dir: Ino, name: &[u8], file: NewFile) -> Result<Ino> {
        if !is_valid_name(name) {
            return Err(FsError::NotFound);
        }
        let ino = self.push(Node::File(file));
        self.change(dir, name, Some(ino));
        Ok(ino)
    }

    /// Takes a name out of a directory.
    pub(super) fn remove(&mut self, dir: Ino, name: &[u8]) {
        self.change(dir, name, None);
    }

    /// Gives what has a name another one.
    pub(super) fn rename(&mut self, from: (Ino, &[u8]), to: (Ino, &[u8])) -> Result<()> {
        let found = self.lookup(from.0, from.1)?;
        self.change(from.0, from.1, None);
        self.change(to.0, to.1, Some(found.ino));
        if found.kind == FileKind::Directory {
            self.parents.insert(found.ino, to.0);
        }
        Ok(())
    }

    /// Sets the type of a file.
    pub(super) fn set_kind(&mut self, ino: Ino, kind: PixelType) {
        self.kinds.insert(ino, kind);
    }

    /// Sets an extended attribute, or takes it away if the value is empty.
    pub(super) fn set_xattr(&mut self, ino: Ino, name: &[u8], value: &[u8]) {
        self.xattrs.entry(ino).or_default().insert(name.to_vec(), value.to_vec());
    }

    /// All entries of a directory with changes, in order.
    fn merged(&self, dir: Ino, changes: &BTreeMap<Vec<u8>, Option<Ino>>) -> Result<Names> {
        let mut names = Names::new();
        if dir & OWN == 0 {
            self.base.read_dir(dir, 0, &mut |entry| {
                names.insert(entry.name.to_vec(), entry.ino);
                true
            })?;
        }
        for (name, to) in changes {
            match to {
                Some(ino) => names.insert(name.clone(), *ino),
                None => names.remove(name),
            };
        }
        Ok(names)
    }
}

type Names = BTreeMap<Vec<u8>, Ino>;

impl Tree for Overlay {
    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        self.attr(self.find(dir, name)?)
    }

    fn attr(&self, ino: Ino) -> Result<Attr> {
        let mut attr = match self.node(ino) {
            Some(Node::File(file)) => Attr {
                ino,
                kind: FileKind::Regular,
                perm: file.perm,
                nlink: 1,
                uid: file.owner.0,
                gid: file.owner.1,
                rdev: (0, 0),
                size: file.size,
                blocks: file.size.div_ceil(512),
                mtime: file.mtime,
                ctime: file.mtime,
            },
            Some(Node::Dir { mtime, .. }) => {
                let root = self.base.attr(ROOT_INO)?;
                Attr { ino, perm: 0o755, nlink: 2, mtime: *mtime, ctime: *mtime, ..root }
            }
            None => self.base.attr(ino)?,
        };
        if attr.kind == FileKind::Directory {
            let more = self.more_dirs.get(&ino).copied().unwrap_or(0);
            let nlink = i64::from(attr.nlink) + more;
            attr.nlink = u32::try_from(nlink).unwrap_or(2);
        }
        Ok(attr)
    }

    fn parent(&self, dir: Ino) -> Result<Ino> {
        match (self.parents.get(&dir), self.node(dir)) {
            (Some(parent), _) => Ok(*parent),
            (None, Some(Node::Dir { parent, .. })) => Ok(*parent),
            (None, Some(Node::File(_))) => Err(FsError::NotADirectory(dir)),
            (None, None) => self.base.parent(dir),
        }
    }

    fn read_dir(
        &self,
        dir: Ino,
        from: u64,
        visit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<()> {
        let none = BTreeMap::new();
        let changes = match self.changes.get(&dir) {
            Some(changes) => changes,
            None if dir & OWN == 0 => return self.base.read_dir(dir, from, visit),
            None => &none,
        };
        let names = self.merged(dir, changes)?;
        for (index, (name, ino)) in names.iter().enumerate().skip(from as usize) {
            let kind = self.kind(*ino)?;
            if !visit(DirEntry { ino: *ino, kind, name, next: index as u64 + 1 }) {
                break;
            }
        }
        Ok(())
    }

    fn read_link(&self, ino: Ino) -> Result<Vec<u8>> {
        self.base.read_link(ino)
    }

    fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        match self.own_file(ino)? {
            Some(file) => Ok(file.content.read_at(offset, buf)?),
            None => self.base.read(ino, offset, buf),
        }
    }

    fn seek(&self, ino: Ino, offset: u64, what: Seek) -> Result<u64> {
        match (self.own_file(ino)?, what) {
            (None, _) => self.base.seek(ino, offset, what),
            (Some(file), _) if offset >= file.size => Err(FsError::BeyondEnd),
            (Some(_), Seek::Data) => Ok(offset),
            (Some(file), Seek::Hole) => Ok(file.size),
        }
    }

    fn xattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>> {
        match self.xattrs.get(&ino).and_then(|xattrs| xattrs.get(name)) {
            Some(value) if value.is_empty() => Err(FsError::NoXattr),
            Some(value) => Ok(value.clone()),
            None if ino & OWN != 0 => Err(FsError::NoXattr),
            None => self.base.xattr(ino, name),
        }
    }

    fn xattr_names(&self, ino: Ino) -> Result<Vec<Vec<u8>>> {
        let mut names = match ino & OWN {
            0 => self.base.xattr_names(ino)?,
            _ => Vec::new(),
        };
        if let Some(xattrs) = self.xattrs.get(&ino) {
            names.retain(|name| !xattrs.contains_key(name));
            names.extend(
                xattrs.iter().filter(|(_, value)| !value.is_empty()).map(|(n, _)| n.clone()),
            );
            names.sort();
        }
        Ok(names)
    }

    fn stat(&self) -> Result<TreeStat> {
        self.base.stat()
    }
}

impl PixelTree for Overlay {
    fn pixel(&self, ino: Ino) -> Result<Pixel> {
        match self.own_file(ino)? {
            Some(file) => {
                let id = [file.sha256[0], file.sha256[1], file.sha256[2], file.sha256[3]];
                Ok(Pixel { id, sha256: file.sha256, size: file.size, number: 0 })
            }
            None => self.base.pixel(ino),
        }
    }

    fn pixel_type(&self, ino: Ino) -> Result<PixelType> {
        match (self.kinds.get(&ino), self.own_file(ino)?) {
            (Some(kind), _) => Ok(*kind),
            (None, Some(file)) => Ok(file.kind),
            (None, None) => self.base.pixel_type(ino),
        }
    }

    fn pixel_by_id(&self, id: PixelId) -> Result<Option<Pixel>> {
        self.base.pixel_by_id(id)
    }

    fn read_pixel(&self, pixel: &Pixel, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.base.read_pixel(pixel, offset, buf)
    }

    fn visit_ids(
        &self,
        after: Option<PixelId>,
        visit: &mut dyn FnMut(PixelId) -> bool,
    ) -> Result<()> {
        self.base.visit_ids(after, visit)
    }

    fn facts(&self) -> serde_json::Value {
        self.base.facts()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::File;

    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::fs::resolve;
    use crate::legacy::root::{DirFiles, Root, RootTree};

    fn file(text: &str) -> NewFile {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), text).unwrap();
        NewFile {
            content: Arc::new(File::open(path.path()).unwrap()),
            size: text.len() as u64,
            sha256: Sha256::digest(text).into(),
            kind: PixelType::Data,
            perm: 0o640,
            owner: (1, 2),
            mtime: Time { secs: 5, nanos: 0 },
        }
    }

    fn paths(tree: &dyn PixelTree) -> Vec<String> {
        let mut paths = Vec::new();
        crate::fs::walk(tree, ROOT_INO, &mut |step| {
            if let crate::fs::Step::Entry(path, attr) = step
                && attr.kind == FileKind::Regular
            {
                paths.push(String::from_utf8(path.to_vec()).unwrap());
            }
            Ok(true)
        })
        .unwrap();
        paths
    }

    #[test]
    fn changes_show_and_the_rest_stays() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/pxos_root");
        let root = Root::read(Arc::new(DirFiles::open(dir.as_ref()).unwrap())).unwrap();
        let mut tree = Overlay::new(Arc::new(RootTree::new(root, 1 << 20)));
        let before = paths(&tree);
        let time = Time::default();
        let dir = tree.make_dirs(&[b"new", b"deep"], time).unwrap();
        let ino = tree.put_file(dir, b"file", file("hello")).unwrap();
        tree.set_xattr(ino, b"user.x", b"y");
        let boot = resolve(&tree, b"/boot", true).unwrap();
        tree.remove(boot.ino, b"00_bios");
        let worlds = resolve(&tree, b"/worlds", true).unwrap();
        tree.rename((ROOT_INO, b"worlds"), (dir, b"w")).unwrap();
        let mut expected: Vec<String> = before
            .iter()
            .filter(|path| *path != "boot/00_bios")
            .map(|path| match path.strip_prefix("worlds/") {
                Some(inside) => format!("new/deep/w/{inside}"),
                None => path.clone(),
            })
            .collect();
        expected.push("new/deep/file".into());
        expected.sort();
        assert_eq!(paths(&tree), expected);
        assert_eq!(tree.parent(worlds.ino).unwrap(), dir);
        assert_eq!(tree.attr(dir).unwrap().nlink, 3);
        let mut buf = [0; 9];
        let read = tree.read(ino, 1, &mut buf).unwrap();
        assert_eq!(&buf[..read], b"ello");
        assert_eq!(tree.xattr(ino, b"user.x").unwrap(), b"y");
        assert_eq!(tree.xattr_names(ino).unwrap(), [b"user.x"]);
        assert!(tree.make_dirs(&[b"new", b"deep", b"file"], time).is_err());
    }
}
