//! A picture that is not mounted boots like the directory it would be.
//!
//! The file tree here is in memory; the store layer gives the real one.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use pxfs::boot::{self, BootRoot, DirRoot, Format, Log, Options, Outcome, TreeRoot, sequence};
use pxfs::fs::{
    Attr, DirEntry, FileKind, FsError, Ino, ROOT_INO, Result, Seek, Time, Tree, TreeStat,
};
use pxfs::pxi::asm::{Form, assemble};
use sha2::{Digest, Sha256};

/// Regular files by path; directories are what lies before a slash.
struct Files(Vec<(String, Vec<u8>)>);

impl Files {
    /// Paths of directories and files, each with the inode number of its place.
    fn nodes(&self) -> Vec<(String, Option<usize>)> {
        let mut nodes = vec![(String::new(), None)];
        for (index, (path, _)) in self.0.iter().enumerate() {
            for (at, _) in path.match_indices('/') {
                let directory = (path[..at].to_owned(), None);
                if !nodes.contains(&directory) {
                    nodes.push(directory);
                }
            }
            nodes.push((path.clone(), Some(index)));
        }
        nodes
    }

    fn content(&self, ino: Ino) -> &[u8] {
        let (_, index) = self.nodes()[ino as usize - 1].clone();
        index.map_or(&[], |index| &self.0[index].1)
    }
}

impl Tree for Files {
    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        let nodes = self.nodes();
        let name = std::str::from_utf8(name).unwrap();
        let parent = &nodes[dir as usize - 1].0;
        let path = if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") };
        let found = nodes.iter().position(|(node, _)| *node == path);
        self.attr(found.ok_or(FsError::NotFound)? as Ino + 1)
    }

    fn attr(&self, ino: Ino) -> Result<Attr> {
        let (_, index) = self.nodes()[ino as usize - 1].clone();
        let kind = if index.is_some() { FileKind::Regular } else { FileKind::Directory };
        let size = self.content(ino).len() as u64;
        let (mtime, ctime) = (Time::default(), Time::default());
        Ok(Attr {
            ino,
            kind,
            perm: 0o755,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: (0, 0),
            size,
            blocks: 0,
            mtime,
            ctime,
        })
    }

    fn parent(&self, _dir: Ino) -> Result<Ino> {
        Ok(ROOT_INO)
    }

    fn read_dir(
        &self,
        _dir: Ino,
        _from: u64,
        _visit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<()> {
        Ok(())
    }

    fn read_link(&self, _ino: Ino) -> Result<Vec<u8>> {
        Err(FsError::NotFound)
    }

    /// Half of what is asked at a time, to see that readers go on.
    fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let rest = &self.content(ino)[offset as usize..];
        let len = rest.len().min(buf.len().div_ceil(2));
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn seek(&self, _ino: Ino, offset: u64, _what: Seek) -> Result<u64> {
        Ok(offset)
    }

    fn xattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>> {
        if name != b"user.pxfs.sha256" {
            return Err(FsError::NoXattr);
        }
        let digest = Sha256::digest(self.content(ino));
        Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes())
    }

    fn xattr_names(&self, _ino: Ino) -> Result<Vec<Vec<u8>>> {
        Ok(vec![])
    }

    fn stat(&self) -> Result<TreeStat> {
        Ok(TreeStat::default())
    }
}

/// Lines with the time that a run took, which differs from run to run, taken out.
fn stable(log: &str) -> Vec<String> {
    let line = |line: &str| match line.split_once(" steps in ") {
        Some((before, after)) => format!("{before} steps{}", after.split_once(" ms").unwrap().1),
        None => line.to_owned(),
    };
    log.lines().map(line).collect()
}

/// Nine modules of PXI-1, and the world's seed by its pixel id.
fn files() -> Vec<(String, Vec<u8>)> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/boot_pxi1");
    let options = pxfs::pxi::asm::Options { form: Form::Module, ..Default::default() };
    let stages = sequence::parse(sequence::TEMPLATE).unwrap().stages;
    let modules = stages.into_iter().map(|stage| {
        let name = stage.path.trim_start_matches('/').to_owned();
        let source = sources.join(name.replace("boot/", "") + ".pxs");
        let source = std::fs::read_to_string(source).unwrap();
        (name, assemble(&source, options).unwrap().raster.to_png().unwrap())
    });
    let seed = std::fs::read(sources.join("world_seed.txt")).unwrap();
    modules.chain([(".pxfs/pixels/000000F8".to_owned(), seed)]).collect()
}

fn log_of(root: &dyn BootRoot) -> (Outcome, String) {
    let sequence = sequence::parse(sequence::TEMPLATE).unwrap();
    let mut text = Vec::new();
    let mut log = Log::new(Format::Text, vec![Box::new(&mut text)]);
    let options = Options { fuel: 100_000, ..Options::default() };
    let outcome = boot::boot(root, &sequence, &options, &mut log).unwrap();
    drop(log);
    (outcome, String::from_utf8(text).unwrap())
}

#[test]
fn a_picture_that_is_not_mounted_boots_like_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    for (path, bytes) in files() {
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let (outcome, from_tree) = log_of(&TreeRoot(&Files(files())));
    assert_eq!(outcome, Outcome::Complete { done: 9, skipped: 0 });
    let (_, from_directory) = log_of(&DirRoot::open(directory.path()).unwrap());
    let undeclared = from_tree.replace("as declared", "not declared by this root");
    assert_eq!(stable(&undeclared), stable(&from_directory));
    assert!(from_tree.contains("| world: seed loaded, tiles ###############"), "{from_tree}");
}
