//! Superblocks, trees and blocks that lie with their checksums right.

use pxfs::format::{
    Codec, NodeBuilder, NodeRef, StoredRef, Superblock, TreeKind, TreeRoot, number_key,
};
use serde_json::json;

use super::forge::Forge;
use super::judge::{base, judge, verify};

/// Sets bytes of the superblock.
fn with_bytes(name: &str, at: usize, bytes: &[u8]) -> Vec<u8> {
    Forge::of(&base(name).bytes)
        .with_slots(|slot| slot[at..at + bytes.len()].copy_from_slice(bytes))
}

#[test]
fn superblocks_that_cannot_be_used_are_refused_by_name() {
    let cases: [(&str, usize, &[u8], &str); 14] = [
        ("major version", 4, &[2], "version 2.0 is newer"),
        ("feature 5", 72, &[0x21], "incompat-5"),
        ("feature 63", 79, &[0x80], "incompat-63"),
        ("length", 8, &[0, 8], "length is 2048"),
        ("channels", 44, &[5], "channels is 5"),
        ("channels of another stream", 44, &[3], "superblock"),
        ("width", 48, &[65], "cropped or resized"),
        ("stream length", 200, &[0xff; 8], "truncated"),
        ("stream length by one", 203, &[1], "truncated"),
        ("label", 96, &[0xff, 0xfe], "label"),
        ("nanoseconds", 176, &[0xff; 4], "nanoseconds"),
        ("block size", 256, &[60], "block size"),
        ("level of a root", 264, &[17], "level is 17"),
        ("codec of a root", 264 + 4 + 8 + 16, &[9], "codec is 9"),
    ];
    for (name, at, bytes, words) in cases {
        let bytes = with_bytes("rgba", at, bytes);
        let verdict = judge(name, &bytes, &json!({}));
        assert!(verdict.refusal().contains(words), "{name}: {verdict:?}");
        let (status, _, err) = verify(&bytes, &[]);
        assert!(status == 8 && err.contains(words), "{name}: {status} {err}");
    }
}

#[test]
fn what_a_newer_minor_version_adds_does_not_keep_us_out() {
    let base = base("rgba");
    for (at, byte) in [(6, 7), (56, 0xff), (64, 0xff), (900, 1)] {
        let bytes = with_bytes("rgba", at, &[byte]);
        let verdict = judge("newer", &bytes, &base.entries);
        assert!(verdict.is_clean(), "byte {at}: {verdict:?}");
    }
}

#[test]
fn the_newer_of_two_valid_superblocks_wins_and_a_contradiction_is_found() {
    let base = base("rgba");
    let forge = Forge::of(&base.bytes);
    let slot = |superblock: &Superblock| superblock.to_bytes();
    let newer = Superblock { generation: 2, roots: [None; 8], ..forge.superblock.clone() };
    let two_slots = |a: &Superblock, b: &Superblock| {
        let mut payload = forge.payload.clone();
        payload[..1024].copy_from_slice(&slot(a));
        payload[8192..9216].copy_from_slice(&slot(b));
        let geometry = pxfs::picture::Geometry::new(a.width, a.channels).unwrap();
        super::forge::picture_of(geometry, &payload)
    };
    let old = two_slots(&Superblock { generation: 0, ..newer.clone() }, &forge.superblock);
    assert!(judge("older first", &old, &base.entries).is_clean());
    let new = two_slots(&forge.superblock, &newer);
    let verdict = judge("newer and empty", &new, &base.entries);
    assert!(verdict.slugs().contains("root"), "{verdict:?}");
    let same = two_slots(&forge.superblock, &Superblock { generation: 1, ..newer });
    let verdict = judge("same generation", &same, &base.entries);
    assert!(verdict.slugs().contains("superblock"), "{verdict:?}");
}

#[test]
fn an_older_generation_does_not_pass_for_a_newer_one_that_cannot_be_read() {
    let forge = Forge::of(&base("rgba").bytes);
    let newer = Superblock { generation: 2, ..forge.superblock.clone() };
    for (at, byte, words) in [(72, 0x20 | 1, "incompat-5"), (4, 2, "version 2.0")] {
        let mut slot = newer.to_bytes();
        slot[at] = byte;
        let slot = super::forge::sealed(slot);
        let mut payload = forge.payload.clone();
        payload[8192..9216].copy_from_slice(&slot);
        let geometry = pxfs::picture::Geometry::new(newer.width, newer.channels).unwrap();
        let bytes = super::forge::picture_of(geometry, &payload);
        let verdict = judge("newer", &bytes, &json!({}));
        assert!(verdict.refusal().contains(words), "{words}: {verdict:?}");
    }
}

#[test]
fn what_this_version_has_no_word_for_is_a_warning() {
    for at in [52, 120, 250, 260, 900] {
        let bytes = with_bytes("rgba", at, &[1]);
        let verdict = judge("reserved", &bytes, &base("rgba").entries);
        let (failed, report) = verdict.opened();
        let is_seen = verdict.slugs().contains("reserved");
        assert!(failed.is_empty() && report.ok && is_seen, "byte {at}: {verdict:?}");
    }
}

#[test]
fn counters_and_totals_that_are_wrong_are_found_and_harm_nobody() {
    type Edit = fn(&mut Superblock);
    let cases: [(&str, Edit, &str); 5] = [
        ("inode", |s| s.next_ino = 3, "counter"),
        ("content", |s| s.next_content = 1, "counter"),
        ("block", |s| s.next_block = 0, "counter"),
        ("xattr set", |s| s.next_xattr = 1, "counter"),
        ("bytes", |s| s.file_bytes += 1, "totals"),
    ];
    let base = base("kinds");
    for (name, edit, slug) in cases {
        let mut forge = Forge::of(&base.bytes);
        edit(&mut forge.superblock);
        let verdict = judge(name, &forge.build(), &base.entries);
        assert!(verdict.opened().0.is_empty() && verdict.slugs().contains(slug), "{verdict:?}");
    }
}

/// Replaces the root of each tree in turn.
fn with_root(
    name: &str,
    tree: TreeKind,
    change: impl Fn(&mut Forge, TreeRoot) -> TreeRoot,
) -> Vec<u8> {
    Forge::of(&base(name).bytes).build_with(|forge| {
        let Some(root) = forge.superblock.roots[tree as usize] else { return };
        let root = change(forge, root);
        forge.superblock.roots[tree as usize] = Some(root);
        forge.superblock.stream_len = forge.payload.len() as u64;
    })
}

fn moved(root: TreeRoot, edit: impl Fn(&mut StoredRef)) -> TreeRoot {
    let mut root = root;
    edit(&mut root.node.at);
    root
}

#[test]
fn roots_that_lead_astray_are_found_in_every_tree() {
    type Change = fn(&mut Forge, TreeRoot) -> TreeRoot;
    let cases: [(&str, Change, &str); 9] = [
        ("beyond the stream", |_, r| moved(r, |at| at.offset = 1 << 40), "node-outside"),
        ("at the end of numbers", |_, r| moved(r, |at| at.offset = u64::MAX), "node-outside"),
        ("into the superblock", |_, r| moved(r, |at| at.offset = 0), "node-outside"),
        ("a byte before itself", |_, r| moved(r, |at| at.offset -= 1), "node-checksum"),
        ("another digest", |_, r| moved(r, |at| at.sha256[0] ^= 1), "node-digest"),
        ("raw length", |_, r| moved(r, |at| (at.raw, at.codec) = (9, Codec::Zstd)), "node-decode"),
        (
            "absurd raw length",
            |_, r| moved(r, |at| (at.raw, at.codec) = (16 << 20, Codec::Zstd)),
            "node-structure",
        ),
        ("level", |_, r| TreeRoot { level: r.level + 1, ..r }, "node-structure"),
        (
            "entries",
            |_, r| TreeRoot { node: NodeRef { entries: u64::MAX, ..r.node }, ..r },
            "node-structure",
        ),
    ];
    for name in ["kinds", "many", "chunks"] {
        let base = base(name);
        for tree in TreeKind::ALL {
            if Forge::of(&base.bytes).superblock.root(tree).is_none() {
                continue;
            }
            for (what, change, slug) in &cases {
                let shown = format!("{name} {tree:?} {what}");
                let bytes = with_root(name, tree, change);
                let verdict = judge(&shown, &bytes, &base.entries);
                assert!(!verdict.is_clean(), "{shown}");
                let slugs = verdict.slugs();
                // A raw length may as well be the stored length's contradiction.
                let found = slugs.contains(slug) || slugs.contains("node-structure");
                assert!(found, "{shown}: {slugs:?}");
            }
        }
    }
}

#[test]
fn a_tree_that_refers_to_itself_ends() {
    let base = base("kinds");
    let forge = Forge::of(&base.bytes);
    for tree in TreeKind::ALL.into_iter().filter(|&tree| forge.superblock.root(tree).is_some()) {
        // An inner node cannot hold its own checksum; what it can do is name
        // one child again and again, at every level.
        for (what, same_key) in [("one child many times", false), ("a tower of it", true)] {
            let bytes = with_root("kinds", tree, |forge, root| {
                let (mut node, mut level) = (root.node, root.level);
                while level < TreeRoot::MAX_LEVEL {
                    level += 1;
                    let mut builder = NodeBuilder::new(tree as u8, level);
                    let children = if same_key { 1 } else { 200 };
                    for child in 0..children {
                        let mut key = first_key(forge, tree);
                        if child > 0 {
                            key.extend_from_slice(&number_key(child));
                        }
                        builder.push(&key, &node.to_bytes());
                    }
                    let entries = node.entries.saturating_mul(children);
                    let raw = builder.finish();
                    node = forge.root_of(&raw, level, entries).node;
                }
                TreeRoot { level, node }
            });
            let shown = format!("{tree:?}: {what}");
            let verdict = judge(&shown, &bytes, &base.entries);
            assert!(!verdict.is_clean(), "{shown}");
        }
    }
}

fn first_key(forge: &Forge, tree: TreeKind) -> Vec<u8> {
    let node = forge.nodes.iter().find(|node| node.tree == tree && node.level == 0).unwrap();
    node.first.clone()
}

#[test]
fn nodes_in_the_wrong_tree_or_order_are_found() {
    let base = base("many");
    // The inode tree's root given to the tree of contents, and the other way round.
    let forge = Forge::of(&base.bytes);
    let (inodes, contents) = (forge.superblock.roots[0], forge.superblock.roots[2]);
    let bytes = Forge::of(&base.bytes).build_with(|forge| {
        forge.superblock.roots[0] = contents;
        forge.superblock.roots[2] = inodes;
    });
    let verdict = judge("trees swapped", &bytes, &base.entries);
    assert!(verdict.slugs().contains("node-structure"), "{verdict:?}");

    // The children of the names' root the other way round, keys left in order.
    let bytes = with_root("many", TreeKind::Dirents, |forge, root| {
        let raw = forge.raw(&root.node.at);
        let node = pxfs::format::Node::parse(raw, 1, root.level, root.node.entries).unwrap();
        let mut builder = NodeBuilder::new(1, root.level);
        for index in 0..node.count() {
            builder.push(node.key(index), node.value(node.count() - 1 - index));
        }
        forge.root_of(&builder.finish(), root.level, root.node.entries)
    });
    let verdict = judge("children swapped", &bytes, &base.entries);
    assert!(verdict.slugs().contains("node-order"), "{verdict:?}");
}

/// Puts another reference in place of a block's; gives the picture.
fn with_block(
    name: &str,
    block: u64,
    change: impl Fn(&mut Forge, StoredRef) -> StoredRef,
) -> Vec<u8> {
    let mut forge = Forge::of(&base(name).bytes);
    let key = number_key(block).to_vec();
    let at = StoredRef::parse(&forge.trees[TreeKind::Blocks as usize][&key]).unwrap();
    let changed = change(&mut forge, at);
    forge.tree(TreeKind::Blocks).insert(key, changed.to_bytes());
    forge.build()
}

fn bomb(forge: &mut Forge, raw: u32, claimed: u32) -> StoredRef {
    let zeros = zstd::encode_all(std::io::repeat(0).take_exact(raw), 19).unwrap();
    forge.store(&zeros, claimed, Codec::Zstd)
}

/// A reader of that many bytes.
trait TakeExact {
    fn take_exact(self, len: u32) -> std::io::Take<std::io::Repeat>;
}

impl TakeExact for std::io::Repeat {
    fn take_exact(self, len: u32) -> std::io::Take<std::io::Repeat> {
        std::io::Read::take(self, len.into())
    }
}

#[test]
fn blocks_that_lie_give_errors_for_their_files() {
    type Change = fn(&mut Forge, StoredRef) -> StoredRef;
    let cases: [(&str, Change, &str); 10] = [
        ("outside", |_, at| StoredRef { offset: 1 << 50, ..at }, "block-outside"),
        ("across the end", |_, at| StoredRef { offset: u64::MAX - 5, ..at }, "block-outside"),
        ("in the superblock", |_, at| StoredRef { offset: 100, ..at }, "block-outside"),
        ("stored length 0", |_, at| StoredRef { stored: 0, ..at }, "block-reference"),
        ("raw length huge", |_, at| StoredRef { raw: u32::MAX, ..at }, "block-reference"),
        ("raw length one more", |_, at| StoredRef { raw: at.raw + 1, ..at }, "block-decode"),
        ("a bomb that says it is small", |f, at| bomb(f, 1 << 30, at.raw), "block-decode"),
        ("a bomb that says it is large", |f, _| bomb(f, 1 << 10, 16 << 20), "block-decode"),
        ("no zstd", |f, at| f.store(&[7; 100], at.raw, Codec::Zstd), "block-decode"),
        (
            "two frames",
            |f, at| {
                let raw = f.raw(&at);
                let (head, tail) = raw.split_at(raw.len() / 2);
                let [head, tail] = [head, tail].map(|part| zstd::encode_all(part, 1).unwrap());
                f.store(&[head, tail].concat(), at.raw, Codec::Zstd)
            },
            "block-decode",
        ),
    ];
    let base = base("rgba");
    for (what, change, slug) in cases {
        let bytes = with_block("rgba", 1, change);
        let verdict = judge(what, &bytes, &base.entries);
        let slugs = verdict.slugs();
        assert!(slugs.contains(slug), "{what}: {slugs:?}");
        assert!(verdict.opened().0.contains("/README"), "{what}: {verdict:?}");
        assert!(!verdict.opened().0.contains("/latest"), "{what}: {verdict:?}");
        assert_eq!(verify(&bytes, &["-q"]), (4, String::new(), String::new()), "{what}");
    }
}

#[test]
fn blocks_on_the_bytes_of_others_are_found() {
    let base = base("chunks");
    let forge = Forge::of(&base.bytes);
    let blocks = &forge.trees[TreeKind::Blocks as usize];
    let first = StoredRef::parse(&blocks[&number_key(1)[..]]).unwrap();
    let node = forge.nodes[0].at;
    let part = |forge: &mut Forge, at: StoredRef| {
        // The tail of another's bytes, as stored bytes of its own.
        let (start, len) = (at.offset as usize + 10, at.stored as usize - 10);
        let bytes = forge.payload[start..start + len].to_vec();
        let own = forge.store(&bytes, len as u32, Codec::None);
        StoredRef { offset: at.offset + 10, ..own }
    };
    for (what, at) in [("a block", first), ("a node", node)] {
        let mut forge = Forge::of(&base.bytes);
        let overlapping = part(&mut forge, at);
        let number = forge.superblock.next_block;
        forge.tree(TreeKind::Blocks).insert(number_key(number).to_vec(), overlapping.to_bytes());
        forge.superblock.next_block += 1;
        // The old nodes are part of the picture only if its trees are not written anew.
        let old = forge.superblock.roots;
        let bytes = forge.build_with(|forge| forge.superblock.roots[0] = old[0]);
        let verdict = judge(what, &bytes, &base.entries);
        assert!(verdict.slugs().contains("overlap"), "{what}: {verdict:?}");
        assert!(verdict.opened().0.is_empty(), "{what}: {verdict:?}");
    }
}
