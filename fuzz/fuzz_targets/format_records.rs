//! Any bytes as each record of the format: refused, or written again as they
//! were read. Checksums keep a fuzzer out, so superblocks are sealed first.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxfs::format::{
    ContentRecord, DirentRecord, Extent, InodeRecord, Node, NodeRef, SUPERBLOCK_LEN, StoredRef,
    Superblock, TreeRoot, XattrSet, XattrStorage,
};
use sha2::{Digest, Sha256};

fuzz_target!(|data: &[u8]| {
    let Some((&which, bytes)) = data.split_first() else { return };
    match which % 10 {
        0 => superblock(bytes),
        1 => node(bytes),
        2 => again(InodeRecord::parse(bytes).map(|record| record.to_bytes()), bytes),
        3 => again(DirentRecord::parse(bytes).map(|record| record.to_bytes().to_vec()), bytes),
        4 => again(ContentRecord::parse(bytes).map(|record| record.to_bytes()), bytes),
        5 => again(Extent::parse(bytes).map(|record| record.to_bytes().to_vec()), bytes),
        6 => again(StoredRef::parse(bytes).map(|record| record.to_bytes().to_vec()), bytes),
        7 => again(NodeRef::parse(bytes).map(|record| record.to_bytes().to_vec()), bytes),
        8 => again(XattrSet::parse(bytes).map(|set| set.to_bytes()), bytes),
        _ => {
            again(XattrStorage::parse(bytes).map(|storage| storage.to_bytes()), bytes);
            let _ = TreeRoot::parse(bytes);
        }
    }
});

/// What was accepted is the one way to write what it says.
fn again<E>(written: Result<Vec<u8>, E>, bytes: &[u8]) {
    if let Ok(written) = written {
        assert_eq!(written, bytes);
    }
}

fn superblock(bytes: &[u8]) {
    let mut slot = [0; SUPERBLOCK_LEN];
    let len = bytes.len().min(SUPERBLOCK_LEN);
    slot[..len].copy_from_slice(&bytes[..len]);
    let _ = Superblock::parse(&slot);
    let digest = Sha256::digest(&slot[..984]);
    slot[984..1016].copy_from_slice(&digest);
    let checksum = xxhash_rust::xxh3::xxh3_64(&slot[..1016]);
    slot[1016..].copy_from_slice(&checksum.to_le_bytes());
    if let Ok(superblock) = Superblock::parse(&slot) {
        // A newer minor version may say more than is written again.
        let known = Superblock::parse(&superblock.to_bytes()).expect("what was written");
        assert_eq!(known, superblock);
    }
}

fn node(bytes: &[u8]) {
    let [tree, level, entries, raw @ ..] = bytes else { return };
    if let Ok(node) = Node::parse(raw.to_vec(), *tree, *level, (*entries).into()) {
        for index in 0..node.count() {
            let _ = (node.key(index), node.value(index));
        }
    }
}
