//! Whole pictures with next to no memory, which are the same as with enough.

use std::fs::{self, File};
use std::io::Cursor;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::format::Codec;

/// Adds up what it is told.
#[derive(Default)]
struct Told {
    reports: usize,
    bytes: u64,
}

impl Progress for Told {
    fn file(&mut self, _path: &Path) {}
    fn bytes(&mut self, bytes: u64) {
        self.reports += 1;
        self.bytes += bytes;
    }
    fn writing(&mut self) {}
}

fn options(threads: usize) -> Options {
    Options {
        label: String::new(),
        uuid: None,
        encoding: Encoding { codec: Codec::Zstd, level: 1 },
        block_log: 15,
        threads,
        channels: Channels::Rgba,
        cover: None,
        width: None,
        excludes: Excludes::new(Path::new(""), &[]).unwrap(),
        all_root: false,
        xattrs: XattrChoice::All,
        hard_links: HardLinks::Keep,
        one_file_system: false,
        created: None,
        replace: false,
        skip_inodes: Vec::new(),
    }
}

/// The picture, or the sentence why there is none. Nothing else is left behind.
fn picture(source: Source, memory: Option<usize>, options: &Options) -> Result<Vec<u8>, String> {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image.png");
    let scratch = match memory {
        Some(memory) => Scratch::with_memory(dir.path(), memory),
        None => Scratch::new(dir.path()),
    };
    let made = make_in(dir.path(), &scratch, &image, source, options, &mut Told::default());
    let left = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, usize::from(made.is_ok()));
    made.map_err(|error| error.to_string()).map(|_| fs::read(image).unwrap())
}

/// Files, directories, links and holes, many of each in one directory.
fn fill_tree(dir: &Path) {
    let many = dir.join("many");
    fs::create_dir(&many).unwrap();
    for n in 0..400 {
        // Some have the same content.
        fs::write(many.join(format!("file {n}")), format!("content {}", n % 300)).unwrap();
        fs::create_dir(many.join(format!("dir {n}"))).unwrap();
        symlink(format!("file {n}"), many.join(format!("link {n}"))).unwrap();
        fs::hard_link(many.join(format!("file {n}")), many.join(format!("also {n}"))).unwrap();
        fs::hard_link(many.join(format!("file {n}")), dir.join(format!("too {n}"))).unwrap();
    }
    for name in ["holes", "holes again"] {
        let file = File::create(dir.join(name)).unwrap();
        for n in 0..40 {
            file.write_all_at(&[n; 9000], u64::from(n) * (64 << 10)).unwrap();
        }
        file.set_len(4 << 20).unwrap();
    }
}

#[test]
fn a_directory_gives_the_same_picture_with_little_memory() {
    let source = tempfile::tempdir().unwrap();
    fill_tree(source.path());
    let make = |memory, threads| {
        let source = Source::Directory(source.path().to_owned());
        picture(source, memory, &options(threads)).unwrap()
    };
    let expected = make(None, 2);
    for (memory, threads) in [(None, 1), (Some(2000), 1), (Some(2000), 3)] {
        assert!(make(memory, threads) == expected, "{memory:?}, {threads} threads");
    }
}

#[test]
fn deep_trees_take_few_descriptors() {
    let source = tempfile::tempdir().unwrap();
    let mut at = rustix::fs::open(source.path(), rustix::fs::OFlags::PATH, 0.into()).unwrap();
    // Deeper than a path can say, with something to come back to at each level.
    for level in 0..2500 {
        for name in ["a", "b"] {
            rustix::fs::mkdirat(&at, name, 0o755.into()).unwrap();
        }
        let name = if level % 2 == 0 { "a" } else { "b" };
        at = rustix::fs::openat(&at, name, rustix::fs::OFlags::PATH, 0.into()).unwrap();
    }
    let make = |memory| {
        let source = Source::Directory(source.path().to_owned());
        picture(source, memory, &options(1)).unwrap()
    };
    assert!(make(None) == make(Some(100)));
}

#[test]
fn endless_paths_are_refused() {
    let source = tempfile::tempdir().unwrap();
    let mut at = rustix::fs::open(source.path(), rustix::fs::OFlags::PATH, 0.into()).unwrap();
    let name = "d".repeat(255);
    for _ in 0..260 {
        rustix::fs::mkdirat(&at, &name, 0o755.into()).unwrap();
        at = rustix::fs::openat(&at, &name, rustix::fs::OFlags::PATH, 0.into()).unwrap();
    }
    let refused = picture(Source::Directory(source.path().to_owned()), None, &options(1));
    let refused = refused.unwrap_err();
    assert!(refused.contains("longer than 65536 bytes") && refused.len() < 3000, "{refused}");
}

#[test]
fn large_files_and_their_holes_are_told_of_while_they_are_read() {
    const SIZE: u64 = 100 << 20;
    let source = tempfile::tempdir().unwrap();
    for name in ["one", "same"] {
        let file = File::create(source.path().join(name)).unwrap();
        file.write_all_at(b"data", 50 << 20).unwrap();
        file.set_len(SIZE).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image.png");
    let mut told = Told::default();
    let source = Source::Directory(source.path().to_owned());
    let summary = make(&image, source, &options(1), &mut told).unwrap();
    assert_eq!((summary.deduplicated_files, told.bytes), (1, 2 * SIZE));
    assert!(told.reports > 20, "{}", told.reports);
}

/// A member of a stream: what it is and where, few enough that they meet.
#[derive(Debug, Clone)]
struct Entry {
    kind: u8,
    path: String,
    /// Target of a link, content of a file.
    other: String,
    xattr: Option<u16>,
}

fn entry() -> impl Strategy<Value = Entry> {
    let path = || prop::collection::vec("[abc]", 1..4).prop_map(|parts| parts.join("/"));
    let kind = prop::sample::select(b"00000112556".to_vec());
    let xattr = prop::option::weighted(0.3, 0..5000u16);
    (kind, path(), path(), xattr).prop_map(|(kind, path, other, xattr)| Entry {
        kind,
        path,
        other,
        xattr,
    })
}

/// The stream of these members, written by other people's code.
fn tar_stream(entries: &[Entry]) -> Vec<u8> {
    let mut out = ::tar::Builder::new(Vec::new());
    for (index, Entry { kind, path, other, xattr }) in entries.iter().enumerate() {
        if let Some(len) = xattr {
            let value = vec![b'x'; usize::from(*len)];
            out.append_pax_extensions([("SCHILY.xattr.user.x", value.as_slice())]).unwrap();
        }
        let mut header = ::tar::Header::new_ustar();
        header.set_entry_type(::tar::EntryType::new(*kind));
        header.set_mode(0o644);
        header.set_uid(index as u64);
        header.set_gid(0);
        header.set_mtime(index as u64);
        let body = if *kind == b'0' { other.as_bytes() } else { b"" };
        header.set_size(body.len() as u64);
        if matches!(kind, b'1' | b'2') {
            header.set_link_name(other).unwrap();
        }
        out.append_data(&mut header, path, body).unwrap();
    }
    out.into_inner().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

    #[test]
    fn tar_streams_give_the_same_picture_with_little_memory(
        entries in prop::collection::vec(entry(), 0..30),
    ) {
        // Only the members that can be taken up, one after the other.
        let mut taken: Vec<Entry> = Vec::new();
        let make = |entries: &[Entry], memory| {
            let stream = Box::new(Cursor::new(tar_stream(entries)));
            picture(Source::Tar(stream), memory, &options(1))
        };
        for entry in entries {
            taken.push(entry);
            if let Err(refused) = make(&taken, None) {
                prop_assert!(refused.starts_with("tar stream: "), "{}", refused);
                taken.pop();
            }
        }
        let expected = make(&taken, None).unwrap();
        for memory in [0, 500] {
            prop_assert!(make(&taken, Some(memory)) == Ok(expected.clone()));
        }
    }
}
