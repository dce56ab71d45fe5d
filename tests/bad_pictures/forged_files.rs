//! Contents, inodes, names and attributes that lie with all checksums right.

use pxfs::format::{
    Codec, DirentRecord, Extent, ExtentKind, Extents, InodeData, MAX_XATTR_SET, TreeKind, XattrSet,
    XattrStorage, dirent_key, extent_key, number_key,
};
use pxfs::fs::{Step, walk};

use super::forge::Forge;
use super::judge::{Verdict, base, judge_changed, on_picture, open_volume};

/// Builds a change of the vector `name`; the files at `changed` may be other
/// than they were. The check must find `slug`.
fn forged(
    what: &str,
    name: &str,
    changed: &[&str],
    slug: &str,
    edit: impl Fn(&mut Forge),
) -> Verdict {
    let base = base(name);
    let mut forge = Forge::of(&base.bytes);
    edit(&mut forge);
    let verdict = judge_changed(what, &forge.build(), &base.entries, changed);
    assert!(verdict.slugs().contains(slug), "{what}: {:?}", verdict.opened().1.findings);
    let failed = verdict.opened().0;
    let others: Vec<_> = failed.iter().filter(|path| !changed.contains(&path.as_str())).collect();
    assert!(others.is_empty(), "{what}: failed beside {changed:?}: {others:?}");
    verdict
}

fn data(logical: u64, len: u64, block: u64, offset: u32, chunk_log: u8) -> Extent {
    Extent { logical, len, block, offset, chunk_log, kind: ExtentKind::Data }
}

/// Gives a content these extents in the tree.
fn set_extents(forge: &mut Forge, path: &str, extents: &[Extent]) {
    forge.edit_content(path, |record| record.extents = Extents::Tree);
    let (number, _) = forge.content(path);
    for extent in extents {
        let key = extent_key(number, extent.logical).to_vec();
        forge.tree(TreeKind::Extents).insert(key, extent.to_bytes());
    }
}

#[test]
fn extents_that_lie_give_errors_for_their_file() {
    let file = &["/README"][..];
    let size = 32;
    let one = |extent: Extent| {
        move |forge: &mut Forge| {
            forge.edit_content("/README", |record| record.extents = Extents::One(extent));
        }
    };
    let cases: [(&str, Extent); 5] = [
        ("of a block that is not there", data(0, size, 999, 0, 0)),
        ("of a block number that is the last", data(0, size, u64::MAX, 0, 12)),
        ("beyond the block", data(0, size, 1, u32::MAX - 1, 0)),
        ("across the end of the block", data(0, size, 1, 2_200, 0)),
        ("in other bytes of the block", data(0, size, 1, 1, 0)),
    ];
    for (what, extent) in cases {
        let slug = if what.starts_with("in other") { "content-digest" } else { "content-extents" };
        let verdict = forged(what, "rgba", file, slug, one(extent));
        assert_eq!(verdict.opened().0.len(), usize::from(slug == "content-extents"), "{what}");
    }
    forged("overlapping", "rgba", file, "content-extents", |forge| {
        set_extents(forge, "/README", &[data(0, 20, 1, 0, 0), data(10, 22, 1, 10, 0)]);
    });
    forged("beyond the content", "rgba", file, "content-extents", |forge| {
        set_extents(forge, "/README", &[data(0, 20, 1, 0, 0), data(20, 24, 1, 20, 0)]);
    });
    forged("none at all", "rgba", file, "content-extents", |forge| {
        forge.edit_content("/README", |record| record.extents = Extents::Tree);
    });
    forged("of nobody", "rgba", &[], "extent-orphan", |forge| {
        let extent = data(0, 20, 1, 0, 0);
        forge.tree(TreeKind::Extents).insert(extent_key(77, 0).to_vec(), extent.to_bytes());
    });
    forged("under another's key", "rgba", &[], "extent-record", |forge| {
        let extent = data(0, 20, 1, 0, 0);
        forge.tree(TreeKind::Extents).insert(extent_key(1, 5).to_vec(), extent.to_bytes());
    });
    forged("no extent", "rgba", &[], "extent-record", |forge| {
        forge.tree(TreeKind::Extents).insert(vec![1, 2, 3], vec![4]);
    });
}

#[test]
fn contents_that_lie_are_found() {
    let file = &["/README"][..];
    forged("digest", "rgba", file, "content-digest", |forge| {
        forge.edit_content("/README", |record| record.sha256[31] ^= 1);
    });
    forged("id that is none", "rgba", file, "content-id", |forge| {
        forge.edit_content("/README", |record| record.id = [1, 2, 3, 4]);
    });
    forged("id of another", "id-clash", &["/first", "/third"], "id-content", |forge| {
        forge.edit_content("/first", |record| record.id = [0xf7, 2, 0x2b, 8]);
    });
    forged("id tree to another", "rgba", &[], "id-content", |forge| {
        let (number, record) = forge.content("/README");
        let other = if number == 1 { 2u64 } else { 1 };
        forge.tree(TreeKind::Ids).insert(record.id.to_vec(), other.to_le_bytes().to_vec());
    });
    forged("id tree to nothing", "rgba", &[], "id-content", |forge| {
        forge.tree(TreeKind::Ids).insert(vec![9, 9, 9, 9], 12_345u64.to_le_bytes().to_vec());
    });
    forged("id tree without it", "rgba", &[], "id-content", |forge| {
        let (_, record) = forge.content("/README");
        forge.tree(TreeKind::Ids).remove(&record.id[..]);
    });
    forged("id tree with other keys", "rgba", &[], "id-record", |forge| {
        forge.tree(TreeKind::Ids).insert(vec![9, 9], vec![1; 8]);
    });
    forged("record cut short", "rgba", file, "content-record", |forge| {
        let (number, _) = forge.content("/README");
        forge.tree(TreeKind::Contents).insert(number_key(number).to_vec(), vec![0; 20]);
    });
    forged("no record", "rgba", file, "inode-content", |forge| {
        let (number, _) = forge.content("/README");
        forge.tree(TreeKind::Contents).remove(&number_key(number)[..]);
    });
    forged("number 0", "rgba", &[], "content-record", |forge| {
        forge.tree(TreeKind::Contents).insert(number_key(0).to_vec(), vec![0; 45]);
    });
    forged("plane elsewhere", "rgba", &[], "plane", |forge| {
        let span = [12_300u64.to_le_bytes(), 3u64.to_le_bytes()].concat();
        forge.tree(TreeKind::Info).insert(b"plane".to_vec(), span);
    });
    forged("plane outside", "rgba", &[], "info-record", |forge| {
        forge.tree(TreeKind::Info).insert(b"plane".to_vec(), vec![0xff; 16]);
    });
}

#[test]
fn absurd_sizes_neither_hang_nor_fill_the_memory() {
    let huge = i64::MAX as u64;
    for (what, extents, slug) in [
        ("one hole", Extents::None, "content-not-hashed"),
        (
            "all zeros",
            Extents::One(Extent { kind: ExtentKind::Zero, ..data(0, huge, 0, 0, 0) }),
            "content-not-hashed",
        ),
        ("blocks without end", Extents::One(data(0, huge, 1, 0, 12)), "content-not-hashed"),
    ] {
        forged(what, "rgba", &["/README"], slug, |forge| {
            forge.edit_content("/README", |record| {
                record.size = huge;
                record.extents = extents;
            });
            let ino = forge.ino("/README");
            forge.edit_inode(ino, |inode| (inode.size, inode.allocated) = (huge, 0));
        });
    }
    forged("inode larger than its content", "rgba", &["/README"], "inode-size", |forge| {
        let ino = forge.ino("/README");
        forge.edit_inode(ino, |inode| inode.size = huge);
    });
}

#[test]
fn inodes_that_lie_are_found() {
    let file = &["/README"][..];
    type Edit = fn(&mut pxfs::format::InodeRecord);
    let cases: [(&str, Edit, &str); 5] = [
        ("links", |inode| inode.nlink = 7, "inode-links"),
        ("allocated", |inode| inode.allocated -= 1, "inode-allocated"),
        ("attributes", |inode| inode.xattrs = 55, "inode-xattrs"),
        ("content", |inode| inode.data = InodeData::Regular(999), "inode-content"),
        ("size", |inode| inode.size += 1, "inode-size"),
    ];
    for (what, edit, slug) in cases {
        forged(what, "rgba", file, slug, |forge| {
            let ino = forge.ino("/README");
            forge.edit_inode(ino, edit);
        });
    }
    forged("type", "rgba", file, "name-type", |forge| {
        let ino = forge.ino("/README");
        forge.edit_inode(ino, |inode| {
            (inode.data, inode.size, inode.allocated) = (InodeData::Fifo, 0, 0);
        });
    });
    forged("no record", "rgba", file, "name-inode", |forge| {
        let ino = forge.ino("/README");
        forge.tree(TreeKind::Inodes).remove(&number_key(ino)[..]);
    });
    forged("cut short", "rgba", file, "inode-record", |forge| {
        let ino = forge.ino("/README");
        forge.tree(TreeKind::Inodes).insert(number_key(ino).to_vec(), vec![0; 12]);
    });
    forged("no name", "rgba", file, "inode-unreachable", |forge| {
        forge.tree(TreeKind::Dirents).remove(&dirent_key(1, b"README"));
    });
    let base = base("rgba");
    let all = base.paths();
    forged("the root is a fifo", "rgba", &all, "root", |forge| {
        forge.edit_inode(1, |inode| inode.data = InodeData::Fifo);
    });
    forged("the root is elsewhere", "rgba", &all, "root", |forge| {
        forge.edit_inode(1, |inode| inode.data = InodeData::Directory { parent: 2 });
    });
    forged("there is no root", "rgba", &all, "root", |forge| {
        forge.tree(TreeKind::Inodes).remove(&number_key(1)[..]);
    });
}

#[test]
fn names_that_lie_are_found() {
    for name in [&b"a/b"[..], b"..", b".", b"a\0b", b"", &[b'x'; 256]] {
        let shown = format!("{:?}", String::from_utf8_lossy(name));
        // A listing cannot go past such a name: what follows in it is lost.
        let base = base("rgba");
        let mut forge = Forge::of(&base.bytes);
        let ino = forge.ino("/worlds/one.txt");
        let worlds = forge.ino("/worlds");
        forge.link(worlds, name, ino);
        forge.edit_inode(ino, |inode| inode.nlink += 1);
        let changed = ["/worlds/one.txt", "/worlds"];
        let verdict = judge_changed(&shown, &forge.build(), &base.entries, &changed);
        assert_eq!(verdict.slugs().into_iter().collect::<Vec<_>>(), ["name-invalid"], "{shown}");
    }
    forged("in a file", "rgba", &["/again"], "name-directory", |forge| {
        let (file, again) = (forge.ino("/README"), forge.ino("/again"));
        forge.link(file, b"inside", again);
    });
    forged("to nothing", "rgba", &["/ghost"], "name-inode", |forge| {
        let again = forge.ino("/again");
        let kind = forge.inode(again).data.kind();
        let entry = DirentRecord { ino: 4_000, kind }.to_bytes().to_vec();
        forge.tree(TreeKind::Dirents).insert(dirent_key(1, b"ghost"), entry);
    });
    let base = base("rgba");
    let all = base.paths();
    forged("to the hidden numbers", "rgba", &all, "name-record", |forge| {
        let ino = 1 << 63 | 2;
        let record = forge.inode(forge.ino("/worlds"));
        forge.tree(TreeKind::Inodes).insert(number_key(ino).to_vec(), record.to_bytes());
        forge.link(1, b"ghost", ino);
    });
    forged("cut short", "rgba", &["/worlds", "/worlds/one.txt"], "name-record", |forge| {
        let worlds = forge.ino("/worlds");
        forge.tree(TreeKind::Dirents).insert(dirent_key(worlds, b"zzz"), vec![1]);
    });
    forged("a key without a directory", "rgba", &["/"], "name-record", |forge| {
        forge.tree(TreeKind::Dirents).insert(vec![0, 1], vec![1; 9]);
    });
}

#[test]
fn loops_of_directories_end() {
    // A listing cannot go past a record that is none: what follows it is lost.
    let lost = &["/worlds", "/worlds/loop", "/worlds/one.txt"];
    forged("to the root", "rgba", lost, "name-record", |forge| {
        let worlds = forge.ino("/worlds");
        forge.link(worlds, b"loop", 1);
    });
    forged("to an ancestor", "directory", &["/a/b/loop"], "directory-parent", |forge| {
        let (a, b) = (forge.ino("/a"), forge.ino("/a/b"));
        forge.link(b, b"loop", a);
    });
    forged("to itself", "directory", &["/a/b/loop"], "directory-parent", |forge| {
        let b = forge.ino("/a/b");
        forge.link(b, b"loop", b);
    });
    let lost = &["/a", "/a/b", "/a/b/deep", "/a/fifo", "/a/file", "/a/b/loop"][..];
    forged("a ring apart from the root", "directory", lost, "inode-unreachable", |forge| {
        let (a, b) = (forge.ino("/a"), forge.ino("/a/b"));
        forge.link(b, b"loop", a);
        forge.edit_inode(a, |inode| inode.data = InodeData::Directory { parent: b });
    });
}

#[test]
fn directories_with_many_names_do_not_multiply() {
    let base = base("rgba");
    let mut forge = Forge::of(&base.bytes);
    let like = forge.inode(forge.ino("/worlds"));
    let mut dir = 1;
    // 2^60 paths of 60 directories.
    for ino in 1_000..1_060 {
        let data = InodeData::Directory { parent: dir };
        let record = pxfs::format::InodeRecord { data, nlink: 3, ..like.clone() };
        forge.tree(TreeKind::Inodes).insert(number_key(ino).to_vec(), record.to_bytes());
        forge.link(dir, b"one", ino);
        forge.link(dir, b"two", ino);
        dir = ino;
    }
    let bytes = forge.build();
    for args in [&["ls", "-R"][..], &["tree"], &["tree", "--json"], &["find"]] {
        let (status, out, err) = on_picture(&bytes, args);
        assert!(out.lines().count() < 2_000, "{args:?} has no end");
        assert!(status <= 1 && err.lines().count() < 200, "{args:?}: {err}");
    }
    let copy = tempfile::tempdir().unwrap();
    on_picture(&bytes, &["cp", "-r", "/", copy.path().to_str().unwrap()]);
    let volume = open_volume(&bytes);
    let mut steps = 0;
    walk(&volume, 1, &mut |step| {
        steps += u32::from(matches!(step, Step::Entry(..)));
        assert!(steps < 1_000, "a walk without end");
        Ok(true)
    })
    .unwrap();
}

#[test]
fn extents_scattered_over_large_blocks_do_not_keep_a_reader_busy() {
    let base = base("rgba");
    let mut forge = Forge::of(&base.bytes);
    let zeros = zstd::encode_all(&vec![0; 16 << 20][..], 1).unwrap();
    let first = forge.superblock.next_block;
    for block in first..first + 40 {
        let at = forge.store(&zeros, 16 << 20, Codec::Zstd);
        forge.tree(TreeKind::Blocks).insert(number_key(block).to_vec(), at.to_bytes());
    }
    forge.superblock.next_block += 40;
    let extents: Vec<Extent> = (0..65_536).map(|at| data(at, 1, first + at % 40, 0, 0)).collect();
    forge.edit_content("/README", |record| record.size = 65_536);
    set_extents(&mut forge, "/README", &extents);
    let ino = forge.ino("/README");
    forge.edit_inode(ino, |inode| (inode.size, inode.allocated) = (65_536, 65_536));
    let start = std::time::Instant::now();
    let (status, _, err) = on_picture(&forge.build(), &["cat", "/README"]);
    assert!(status == 1 && err.contains("scattered"), "{err}");
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn attribute_sets_that_lie_give_errors_for_their_files() {
    let files = &["/few attributes", "/the same attributes", "/sticky"][..];
    let set_of = |forge: &Forge| forge.inode(forge.ino("/few attributes")).xattrs;
    let put = |value: Vec<u8>| {
        move |forge: &mut Forge| {
            let key = number_key(set_of(forge)).to_vec();
            forge.tree(TreeKind::Xattrs).insert(key, value.clone());
        }
    };
    let unsorted = XattrSet(vec![(b"user.b".to_vec(), vec![]), (b"user.a".to_vec(), vec![])]);
    let inline = |bytes: Vec<u8>| XattrStorage::Inline(bytes).to_bytes();
    let blocks = |len, block| XattrStorage::Blocks { len, block, chunk_log: 12 }.to_bytes();
    for (what, value) in [
        ("nothing", vec![]),
        ("unknown kind", vec![7; 30]),
        ("a count that is absurd", inline(vec![0xff; 40])),
        ("names out of order", inline(unsorted.to_bytes())),
        ("longer than allowed", blocks(MAX_XATTR_SET + 1, 1)),
        ("in blocks that are not there", blocks(9_000, 700)),
        ("in blocks of files", blocks(9_000, 1)),
    ] {
        let verdict = forged(what, "kinds", files, "xattr-record", put(value));
        assert_eq!(verdict.opened().0.len(), 3, "{what}: {verdict:?}");
        assert!(verdict.slugs().contains("inode-xattrs"), "{what}");
    }
}

#[test]
fn attribute_bombs_do_not_go_off() {
    let files = &["/few attributes", "/the same attributes", "/sticky"][..];
    // 4096 blocks of 16 MiB each, for a set that says it is 16 MiB long.
    forged("blocks far larger than chunks", "kinds", files, "xattr-record", |forge| {
        let zeros = zstd::encode_all(&vec![0; 16 << 20][..], 19).unwrap();
        let first = forge.superblock.next_block;
        for block in first..first + 4096 {
            let at = forge.store(&zeros, 16 << 20, Codec::Zstd);
            forge.tree(TreeKind::Blocks).insert(number_key(block).to_vec(), at.to_bytes());
        }
        forge.superblock.next_block += 4096;
        let set = XattrStorage::Blocks { len: 16 << 20, block: first, chunk_log: 12 };
        let key = number_key(forge.inode(forge.ino("/sticky")).xattrs).to_vec();
        forge.tree(TreeKind::Xattrs).insert(key, set.to_bytes());
    });
    // Two million attributes of a few bytes each would fill the memory.
    forged("far too many names", "kinds", files, "xattr-record", |forge| {
        let names =
            (0..2_000_000u32).map(|n| (n.to_be_bytes().map(|b| b | 1 << 7).to_vec(), vec![]));
        let mut names: Vec<_> = names.collect();
        names.sort();
        names.dedup();
        let bytes = XattrSet(names).to_bytes();
        let first = forge.superblock.next_block;
        let mut block = first;
        for chunk in bytes.chunks(1 << 20) {
            let at = forge.store(chunk, chunk.len() as u32, Codec::None);
            forge.tree(TreeKind::Blocks).insert(number_key(block).to_vec(), at.to_bytes());
            block += 1;
        }
        forge.superblock.next_block = block;
        let set = XattrStorage::Blocks { len: bytes.len() as u64, block: first, chunk_log: 20 };
        let key = number_key(forge.inode(forge.ino("/sticky")).xattrs).to_vec();
        forge.tree(TreeKind::Xattrs).insert(key, set.to_bytes());
    });
}
