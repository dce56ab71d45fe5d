//! Any bytes as the JSON files and blobs of a pxOS root: a tree, findings and
//! typed errors, and no byte that is not the one that the registry vouches for.
#![no_main]

use std::io;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use pxfs::fs::{ROOT_INO, Step, Tree, walk};
use pxfs::legacy::root::{Origin, PIXELFS, REGISTRY, ReadAt, Root, RootFiles, RootTree, check};

/// The files of a root: what is asked for beside the two JSON files is the blob.
#[derive(Debug)]
struct Files {
    pixelfs: Arc<Bytes>,
    registry: Arc<Bytes>,
    blob: Arc<Bytes>,
}

#[derive(Debug)]
struct Bytes(Vec<u8>);

impl ReadAt for Bytes {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
}

impl RootFiles for Files {
    fn open(&self, path: &str) -> io::Result<Arc<dyn ReadAt>> {
        let file = match path {
            PIXELFS => &self.pixelfs,
            REGISTRY => &self.registry,
            _ => &self.blob,
        };
        Ok(Arc::clone(file) as Arc<dyn ReadAt>)
    }

    fn origin(&self, _path: &str) -> io::Result<Origin> {
        Ok(Origin::default())
    }
}

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(3, |&byte| byte == 0).map(|part| Arc::new(Bytes(part.to_vec())));
    let mut part = || parts.next().unwrap_or_else(|| Arc::new(Bytes(Vec::new())));
    let files = Files { pixelfs: part(), registry: part(), blob: part() };
    let Ok(root) = Root::read(Arc::new(files)) else { return };
    let tree = RootTree::new(root, 4 << 20);
    let report = check(&tree, &mut |_, _| {});
    assert_eq!(report.ok, report.errors == 0);
    let mut buf = vec![0; 5_000];
    walk(&tree, ROOT_INO, &mut |step| {
        if let Step::Entry(_, attr) = step {
            for offset in [0, attr.size / 2, u64::MAX] {
                if let Ok(read) = tree.read(attr.ino, offset, &mut buf) {
                    assert!(read as u64 <= attr.size.saturating_sub(offset));
                }
            }
        }
        Ok(true)
    })
    .expect("a tree in memory");
});
