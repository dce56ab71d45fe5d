//! One bit flipped in every structure.

use std::collections::BTreeSet;

use pxfs::format::{
    Extent, Extents, InodeData, InodeRecord, SLOT_OFFSETS, StoredRef, TreeKind, XattrStorage,
    extent_key, number_key,
};
use pxfs::picture::Layout;

use super::forge::{Forge, file_with};
use super::judge::{Base, Verdict, base, judge, verify};

const BASES: [&str; 7] = ["kinds", "many", "chunks", "rgb", "stored", "directory", "id-clash"];

/// The picture with one bit of the payload byte at `offset` flipped.
fn flipped(base: &Base, offset: u64) -> Vec<u8> {
    let layout = Layout::read(&file_with(&base.bytes), 0).unwrap().unwrap();
    let at = layout.payload_position(offset).unwrap() as usize;
    let mut bytes = base.bytes.clone();
    bytes[at] ^= 1 << (offset % 8);
    bytes
}

/// First, middle and last byte of a span.
fn places(at: &StoredRef) -> [u64; 3] {
    let last = at.offset + u64::from(at.stored) - 1;
    [at.offset, at.offset + u64::from(at.stored) / 2, last]
}

#[test]
fn one_damaged_superblock_is_a_finding_and_two_are_the_end() {
    for name in BASES {
        let base = base(name);
        for (slot, offset) in ["slot A", "slot B"].into_iter().zip(SLOT_OFFSETS) {
            for within in [0, 4, 12, 48, 160, 264, 900, 990, 1020] {
                let shown = format!("{name} {slot} byte {within}");
                let verdict = judge(&shown, &flipped(&base, offset + within), &base.entries);
                let (failed, report) = verdict.opened();
                assert!(failed.is_empty() && !report.ok, "{shown}");
                let text = report.findings.iter().map(|f| f.to_string()).collect::<Vec<_>>();
                assert!(text.iter().any(|line| line.contains(slot)), "{shown}: {text:?}");
            }
        }
        let one = flipped(&base, SLOT_OFFSETS[0] + 100);
        let both = flipped(&Base { bytes: one, ..base }, SLOT_OFFSETS[1] + 100);
        let verdict = judge(name, &both, &serde_json::json!({}));
        assert!(verdict.refusal().contains("both superblocks are damaged"), "{verdict:?}");
        assert_eq!(verify(&both, &[]).0, 8);
    }
}

#[test]
fn a_damaged_node_costs_what_is_below_it_and_nothing_else() {
    for name in BASES {
        let base = base(name);
        for node in Forge::of(&base.bytes).nodes {
            for offset in places(&node.at) {
                let shown = format!("{name} {:?} level {} {offset}", node.tree, node.level);
                let verdict = judge(&shown, &flipped(&base, offset), &base.entries);
                let (failed, _) = verdict.opened();
                assert!(verdict.slugs().contains("node-checksum"), "{shown}: {verdict:?}");
                let harmless = [TreeKind::Ids, TreeKind::Info].contains(&node.tree);
                let is_xattr = node.tree == TreeKind::Xattrs;
                assert_eq!(failed.is_empty(), harmless, "{shown}: {failed:?}");
                let all = base.entries.as_object().unwrap().len();
                // Without its root directory the rest of a picture cannot be reached.
                let is_of_files = [TreeKind::Inodes, TreeKind::Dirents].contains(&node.tree);
                let has_root = is_of_files && node.first.starts_with(&number_key(1));
                if is_xattr || !node.is_root && !has_root {
                    assert!(failed.len() < all, "{shown}: everything failed");
                }
                if node.tree == TreeKind::Contents || is_xattr {
                    assert_eq!(verdict.named_paths(), *failed, "{shown}");
                }
            }
        }
    }
}

/// Paths of files whose content or attributes lie in a block.
fn files_in_block(forge: &Forge, block: u64) -> BTreeSet<String> {
    let inodes = &forge.trees[TreeKind::Inodes as usize];
    let mut concerned = BTreeSet::new();
    for (key, value) in inodes {
        let ino = u64::from_be_bytes(key[..].try_into().unwrap());
        let record = InodeRecord::parse(value).unwrap();
        let is_in = |first: u64, blocks: u64| (first..first + blocks).contains(&block);
        let mut hit = match record.data {
            InodeData::Regular(number) if number > 0 => {
                extents(forge, number).iter().any(|e| is_in(e.block, blocks_of(e)))
            }
            _ => false,
        };
        if let Some(value) =
            forge.trees[TreeKind::Xattrs as usize].get(&number_key(record.xattrs)[..])
            && let XattrStorage::Blocks { len, block, chunk_log } =
                XattrStorage::parse(value).unwrap()
        {
            hit |= is_in(block, len.div_ceil(1 << chunk_log));
        }
        if hit {
            concerned.extend(paths_of(forge, ino));
        }
    }
    concerned
}

fn extents(forge: &Forge, content: u64) -> Vec<Extent> {
    let record = &forge.trees[TreeKind::Contents as usize][&number_key(content)[..]];
    match pxfs::format::ContentRecord::parse(record).unwrap().extents {
        Extents::None => vec![],
        Extents::One(extent) => vec![extent],
        Extents::Tree => {
            let range = extent_key(content, 0).to_vec()..=extent_key(content, u64::MAX).to_vec();
            let found = forge.trees[TreeKind::Extents as usize].range(range);
            found.map(|(_, value)| Extent::parse(value).unwrap()).collect()
        }
    }
}

fn blocks_of(extent: &Extent) -> u64 {
    match (extent.block, extent.chunk_log) {
        (0, _) => 0,
        (_, 0) => 1,
        (_, log) => (u64::from(extent.offset) + extent.len).div_ceil(1 << log),
    }
}

/// All paths of an inode; the trees here are two directories deep at most.
fn paths_of(forge: &Forge, ino: u64) -> Vec<String> {
    let mut paths = Vec::new();
    for (key, value) in &forge.trees[TreeKind::Dirents as usize] {
        if pxfs::format::DirentRecord::parse(value).unwrap().ino == ino {
            let (dir, name) = key.split_first_chunk::<8>().unwrap();
            let dir = u64::from_be_bytes(*dir);
            let above = if dir == 1 { vec![String::new()] } else { paths_of(forge, dir) };
            let name = super::expect::shown(name);
            paths.extend(above.into_iter().map(|dir| format!("{dir}{name}")));
        }
    }
    paths
}

#[test]
fn a_damaged_block_costs_the_files_in_it_and_verify_names_them() {
    for name in BASES {
        let base = base(name);
        let forge = Forge::of(&base.bytes);
        for (key, value) in &forge.trees[TreeKind::Blocks as usize] {
            let block = u64::from_be_bytes(key[..].try_into().unwrap());
            let concerned = files_in_block(&forge, block);
            assert!(!concerned.is_empty(), "{name} block {block}");
            for offset in places(&StoredRef::parse(value).unwrap()) {
                let shown = format!("{name} block {block} at {offset}");
                let verdict = judge(&shown, &flipped(&base, offset), &base.entries);
                assert_eq!(*verdict.opened().0, concerned, "{shown}");
                assert!(verdict.slugs().contains("block-checksum"), "{shown}: {verdict:?}");
                let named = verdict.named_paths();
                let more = verdict.opened().1.findings.iter().any(|f| f.place.more_paths);
                assert!(more || named == concerned, "{shown}: {named:?}");
            }
        }
    }
}

#[test]
fn a_damaged_plane_harms_no_file() {
    for name in ["kinds", "many", "rgb"] {
        let base = base(name);
        let forge = Forge::of(&base.bytes);
        let span = &forge.trees[TreeKind::Info as usize][&b"plane"[..]];
        let (offset, count) = span.split_at(8);
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
        let len = number(count) * forge.superblock.channels.bytes();
        for offset in [number(offset), number(offset) + len - 1] {
            let verdict = judge(name, &flipped(&base, offset), &base.entries);
            assert!(verdict.opened().0.is_empty() && verdict.slugs().contains("plane"), "{name}");
        }
    }
}

/// Framing and pixels alike: PNG's own checksums cover every byte of the file.
#[test]
fn any_flipped_bit_anywhere_is_found() {
    for (name, step) in [("rgba", 5), ("rgb", 11), ("directory", 13)] {
        let base = base(name);
        for at in (0..base.bytes.len()).filter(|at| *at < 200 || at % step == 0) {
            let mut bytes = base.bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            let shown = format!("{name}: byte {at} of the file");
            let verdict = judge(&shown, &bytes, &base.entries);
            assert!(!verdict.is_clean(), "{shown}: not found");
            if let Verdict::Opened(failed, report) = &verdict {
                assert!(!report.ok, "{shown}: {failed:?} failed, but verify is content");
            }
        }
    }
}
