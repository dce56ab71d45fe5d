//! The vectors: what each is for, its source and its options.

use std::path::Path;

use pxfs::format::Codec;
use pxfs::mkfs::{Excludes, HardLinks, Options, XattrChoice};
use pxfs::picture::Channels;
use pxfs::store::Encoding;

use crate::source::{Member, What, noise};

/// The form in which mkfs gets the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Empty,
    Tar,
    Directory,
}

pub struct Vector {
    pub name: &'static str,
    pub about: &'static str,
    pub form: Form,
    pub members: Vec<Member>,
    pub options: Options,
}

fn options(label: &str) -> Options {
    Options {
        label: label.into(),
        uuid: None,
        encoding: Encoding { codec: Codec::Zstd, level: 9 },
        block_log: 20,
        threads: 1,
        channels: Channels::Rgba,
        cover: None,
        width: None,
        excludes: Excludes::new(Path::new(""), &[]).unwrap(),
        all_root: false,
        xattrs: XattrChoice::All,
        hard_links: HardLinks::Keep,
        one_file_system: false,
        created: Some((1_700_000_000, 0)),
        replace: true,
        skip_inodes: Vec::new(),
    }
}

pub fn vectors() -> Vec<Vector> {
    let tar =
        |name, about, members, options| Vector { name, about, form: Form::Tar, members, options };
    vec![
        Vector {
            name: "empty",
            about: "a root directory and nothing in it",
            form: Form::Empty,
            members: vec![Member { mtime: (1_700_000_000, 0), ..Member::dir("") }],
            options: options("empty"),
        },
        tar("rgba", "a few files of each PixelFS type", few(), options("a few files")),
        tar(
            "rgb",
            "the same in an opaque picture: three bytes a pixel",
            few(),
            Options { channels: Channels::Rgb, ..options("a few files") },
        ),
        tar(
            "stored",
            "the same with codec none",
            few(),
            Options {
                encoding: Encoding { codec: Codec::None, level: 9 },
                ..options("a few files")
            },
        ),
        tar("id-clash", "two contents whose digests begin alike", clash(), options("clash")),
        tar("many", "700 small files: trees of more than one level", many(), options("many")),
        tar(
            "kinds",
            "every type but sockets, odd names, attributes, times, owners, hard links",
            kinds(),
            options("every kind \u{e9}"),
        ),
        tar(
            "chunks",
            "large files in chunks of 4 KiB: runs, zeros, holes, duplicates, a narrow picture",
            chunks(),
            Options { block_log: 15, width: Some(64), ..options("chunks") },
        ),
        Vector {
            name: "directory",
            about: "made from a directory: a socket, a fifo, holes, hard links",
            form: Form::Directory,
            members: directory(),
            options: Options { all_root: true, xattrs: XattrChoice::None, ..options("directory") },
        },
    ]
}

/// 64 KiB of text: holes in tar streams are found in steps of that.
fn lines(seed: u32) -> Vec<u8> {
    let lines = (0..).flat_map(|line| format!("{seed}: line {line}\n").into_bytes());
    lines.take(1 << 16).collect()
}

fn few() -> Vec<Member> {
    let text = "All the colours of a file are in its pixel.\n".repeat(40);
    let mut members = vec![
        Member::dir(""),
        Member::file("README", "a picture that is a file system\n"),
        Member::file("again", &text),
        Member::dir("boot"),
        Member::file("boot/init.pxi", noise(1, 300)),
        Member::dir("config"),
        Member::file("config/empty", ""),
        Member::file("config/world.json", "{\"name\": \"vector\"}\n"),
        Member::new("latest", What::Symlink(b"worlds/one.txt".to_vec())),
        Member::dir("system"),
        Member::file("system/main.py", "print('hello')\n"),
        Member::dir("worlds"),
        Member::file("worlds/one.txt", &text),
    ];
    for (index, member) in members.iter_mut().enumerate() {
        member.mtime = (1_600_000_000 + index as i64, 123_456_789);
    }
    members
}

fn clash() -> Vec<Member> {
    vec![
        Member::dir(""),
        Member::file("first", "pixel probe 72644\n"),
        Member::file("second", "pixel probe 83008\n"),
        Member::file("third", "pixel probe 72644\n"),
    ]
}

fn many() -> Vec<Member> {
    let mut members = vec![Member::dir("")];
    for dir in 0..7 {
        members.push(Member::dir(format!("directory-{dir}")));
        for file in 0..100 {
            let path = format!("directory-{dir}/a file with number {file:03}.txt");
            members.push(Member::file(path, format!("file {file} of directory {dir}\n")));
        }
    }
    members
}

fn kinds() -> Vec<Member> {
    let long = [b'n'; 255];
    let mut members = vec![
        Member { mode: 0o750, owner: (10, 20), ..Member::dir("") },
        Member { mode: 0o4755, ..Member::file("setuid", "#!/bin/sh\n") },
        Member { mode: 0o1777, ..Member::dir("sticky") },
        Member { mode: 0o000, owner: (4_000_000, 2_097_151), ..Member::file("nobody's", "0") },
        Member { mtime: (-2_208_988_801, 750_000_000), ..Member::file("1899", "old\n") },
        Member { mtime: (-1, 999_999_999), ..Member::file("just before 1970", "almost\n") },
        Member { mtime: (1 << 34, 1), ..Member::file("2514", "far\n") },
        Member::file(long, "a name of 255 bytes\n"),
        Member::file(b"not UTF-8: \xff\xfe", "latin\n"),
        Member::file("new\nline", "lines\n"),
        Member::file("...", "dots\n"),
        Member::file(" ", "blank\n"),
        Member::file("snow \u{2603}", "cold\n"),
        Member::new("dangling", What::Symlink(b"/no/such/place".to_vec())),
        Member::new("a long target", What::Symlink(vec![b't'; 4000])),
        Member::new("console", What::Char(5, 1)),
        Member::new("disk", What::Block(259, 1_000)),
        Member { mode: 0o600, ..Member::new("pipe", What::Fifo) },
        Member::dir("links"),
        Member::file("links/one", "the same inode\n"),
        Member::new("links/two", What::Link(b"links/one".to_vec())),
        Member::new("three", What::Link(b"links/one".to_vec())),
        Member::new("links/pipe", What::Link(b"pipe".to_vec())),
        Member::file("few attributes", "x"),
        Member::file("the same attributes", "y"),
        Member::file("large attributes", "z"),
        Member::new("a hole", What::Sparse(3 << 16, vec![])),
        Member::new("holes", What::Sparse(9 << 16, vec![(2 << 16, lines(3))])),
    ];
    let few = vec![
        ("security.capability".to_owned(), vec![1, 0, 0, 2, 0, 4, 0, 0]),
        ("user.empty".to_owned(), vec![]),
        ("user.pxfs.description".to_owned(), b"a file with attributes".to_vec()),
    ];
    let large = vec![("user.large".to_owned(), "attribute ".repeat(2_000).into_bytes())];
    for member in &mut members {
        match member.path.as_slice() {
            b"few attributes" | b"the same attributes" | b"sticky" => {
                member.xattrs.clone_from(&few);
            }
            b"large attributes" => member.xattrs.clone_from(&large),
            _ => {}
        }
    }
    members
}

fn chunks() -> Vec<Member> {
    let mut mixed = noise(5, 10_000);
    mixed.resize(20_480, 0);
    mixed.extend_from_slice(&noise(6, 5_000));
    let holes = vec![(0, lines(8)), (2 << 16, lines(9)), (4 << 16, lines(8))];
    vec![
        Member::dir(""),
        Member::file("all zeros", vec![0; 50_000]),
        Member::file("exactly chunks", noise(4, 5 << 12)),
        Member::file("mixed", &mixed),
        Member::file("mixed again", &mixed),
        Member::file("small", "packed\n"),
        Member::file("text", "the same line again and again\n".repeat(2_000)),
        Member::new("with holes", What::Sparse(6 << 16, holes)),
    ]
}

fn directory() -> Vec<Member> {
    let mut members = vec![
        Member::dir(""),
        Member::dir("a"),
        Member::dir("a/b"),
        Member::file("a/b/deep", "deep down\n"),
        Member::new("a/fifo", What::Fifo),
        Member::file("a/file", "a file\n"),
        Member::new("hole", What::Sparse(4 << 16, vec![(1 << 16, noise(7, 1 << 12))])),
        Member { mode: 0o2755, ..Member::dir("setgid") },
        Member::new("setgid/link", What::Link(b"a/file".to_vec())),
        Member::new("socket", What::Socket),
        Member::new("symlink", What::Symlink(b"a/b/deep".to_vec())),
    ];
    for (index, member) in members.iter_mut().enumerate() {
        member.mtime = (1_500_000_000 + index as i64, 987_654_321);
    }
    // Names of one inode have one time, and modes of what mknod makes are its own.
    members[8].mtime = members[5].mtime;
    for member in &mut members {
        if let What::Fifo | What::Socket = member.what {
            member.mode = 0o640;
        }
    }
    members
}
