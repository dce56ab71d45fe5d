//! Pictures of tar streams: from the tar programs there are, compared by rsync
//! with the trees they packed; and from hands that mean harm. Must run as root:
//! devices and owners are part of it.
#![allow(clippy::unwrap_used, missing_docs)]

mod by_hand;

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{Seek as _, SeekFrom};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};

const KEEP_ALL: [&str; 3] = ["--xattrs", "--xattrs-include=*", "--acls"];

fn scratch() -> tempfile::TempDir {
    assert!(rustix::process::geteuid().is_root(), "this test must run as root");
    // Not in /tmp, which may be a file system without xattrs and ACLs.
    tempfile::Builder::new().tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn has(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", text(&output));
    assert!(output.stderr.is_empty(), "{command:?}: {}", text(&output));
    output.stdout
}

fn pxfs() -> Command {
    Command::new(env!("CARGO_BIN_EXE_pxfs"))
}

fn mkfs(stream: &Path, image: &Path, options: &[&str]) -> Output {
    let stdin = Stdio::from(File::open(stream).unwrap());
    let mut command = pxfs();
    command.args(["mkfs", "-q", "-l1"]).args(options).arg(image).arg("-");
    command.stdin(stdin).output().unwrap()
}

/// The tree that a picture of the stream has.
fn unpack(stream: &Path, options: &[&str]) -> PathBuf {
    let (image, copy) = (stream.with_extension("png"), stream.with_extension("copy"));
    let made = mkfs(stream, &image, options);
    assert!(made.status.success() && made.stderr.is_empty(), "{}", text(&made));
    run(pxfs().args(["cp", "-a"]).arg(&image).arg("/").arg(&copy));
    fs::remove_file(image).unwrap();
    copy
}

fn assert_same(left: &Path, right: &Path, options: &str) {
    let mut command = Command::new("rsync");
    command.args([options, "--checksum", "--dry-run", "--itemize-changes", "--delete"]);
    let changes = run(command.arg(left.join("")).arg(right));
    assert_eq!(String::from_utf8_lossy(&changes), "", "rsync sees a difference");
}

/// Where a file has data.
fn segments(path: &Path) -> Vec<(u64, u64)> {
    let mut file = File::open(path).unwrap();
    let size = file.seek(SeekFrom::End(0)).unwrap();
    let (mut found, mut at) = (Vec::new(), 0);
    while let Ok(start) = rustix::fs::seek(&file, rustix::fs::SeekFrom::Data(at)) {
        at = rustix::fs::seek(&file, rustix::fs::SeekFrom::Hole(start)).unwrap();
        found.push((start, at));
    }
    found.push((size, size));
    found
}

fn set_time(path: &Path, secs: i64, nanos: i64) {
    let time = Timespec { tv_sec: secs, tv_nsec: nanos };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

fn chown(path: &Path, uid: u32, gid: u32) {
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    rustix::fs::chownat(CWD, path, uid, gid, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// What all formats can tell.
fn plain_tree(root: &Path) {
    fs::create_dir_all(root.join("dir/empty")).unwrap();
    fs::write(root.join("dir/hello"), "hello\n").unwrap();
    fs::write(root.join("dir/nothing"), "").unwrap();
    fs::write(root.join("dir/block"), [7; 512]).unwrap();
    fs::write(root.join("dir/large"), vec![9; 700_001]).unwrap();
    chown(&root.join("dir/hello"), 1234, 56_789);
    fs::set_permissions(root.join("dir/hello"), Permissions::from_mode(0o6755)).unwrap();
    fs::set_permissions(root.join("dir"), Permissions::from_mode(0o1701)).unwrap();
    fs::hard_link(root.join("dir/hello"), root.join("hello again")).unwrap();
    fs::write(root.join(OsStr::from_bytes(b"dir/\xff new\nline")), "x").unwrap();
    symlink("../dir/hello", root.join("link")).unwrap();
    chown(&root.join("link"), 5, 6);
    set_time(&root.join("dir/hello"), 1_000_000_000, 0);
    set_time(&root.join("link"), 1, 0);
}

/// What ustar can tell besides.
fn ustar_tree(root: &Path) {
    plain_tree(root);
    let deep = root.join("p".repeat(70)).join("q".repeat(70));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("n".repeat(90)), "deep").unwrap();
    let make = |name: &str, kind, device| {
        let mode = Mode::from_raw_mode(0o640);
        rustix::fs::mknodat(CWD, root.join(name), kind, mode, device).unwrap();
    };
    make("fifo", FileType::Fifo, 0);
    make("null", FileType::CharacterDevice, rustix::fs::makedev(1, 3));
    make("disk", FileType::BlockDevice, rustix::fs::makedev(259, 70_000));
}

/// What takes extensions.
fn nasty_tree(root: &Path) {
    ustar_tree(root);
    let deep = root.join("deep\n".repeat(20)).join("e".repeat(200)).join("f".repeat(255));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("file"), "very deep").unwrap();
    fs::hard_link(deep.join("file"), root.join("zz deep again")).unwrap();
    fs::write(root.join(OsStr::from_bytes(&[0xe9; 255])), "no UTF-8").unwrap();
    symlink("t\n".repeat(150), root.join("long link")).unwrap();
    chown(&root.join("null"), 4_000_000_000, 3_000_000_000);
    for (name, size) in [("zeros", 300_000), ("holes", 20 << 20), ("only a hole", 3 << 20)] {
        File::create(root.join(name)).unwrap().set_len(size).unwrap();
    }
    fs::write(root.join("zeros"), [0; 300_000]).unwrap();
    let holes = File::options().write(true).open(root.join("holes")).unwrap();
    // More segments than a header has room for, of which some touch.
    (3..60).for_each(|n| holes.write_all_at(&[n; 5000], u64::from(n) * 131_072).unwrap());
    File::create(root.join("short holes")).unwrap().write_all_at(b"end", 200_000).unwrap();
    set_time(&root.join("dir/nothing"), -2_147_480_000, 1);
    set_time(&root.join("fifo"), -1, 500_000_000);
    set_time(&root.join("dir/block"), 9_000_000_000, 123_456_789);
    set_time(root, 1_234_567_890, 987_654_321);
}

fn attributes(root: &Path) {
    let set = |name: &str, key: &str, value: &[u8]| {
        rustix::fs::lsetxattr(root.join(name), key, value, XattrFlags::empty()).unwrap();
    };
    set("dir/hello", "user.note", b"\n12 path=evil\n\0 = \xff%\n");
    set("dir/hello", "user.empty", b"");
    set("dir/large", "user.50% = half, %3D", &b"\n".repeat(3000));
    set("link", "trusted.of a link", b"1\n2");
    let capability = [1, 0, 0, 2, 10, 4, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    set("dir/block", "security.capability", &capability);
    for (args, path) in [("-mu:10:rw,g:99:r,g:11:-", "dir/nothing"), ("-dmu:10:rwx", "dir/empty")] {
        run(Command::new("setfacl").arg(args).arg(root.join(path)));
    }
}

fn tar(dir: &Path, name: &str, program: &str, args: &[&str]) -> PathBuf {
    let stream = dir.join(name).with_extension("tar");
    let mut command = Command::new(program);
    command.args(["-c", "-f"]).arg(&stream).args(args).arg("-C").arg(dir.join("source")).arg(".");
    // It may have said something: there are names that are no UTF-8.
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", text(&output));
    stream
}

fn source_in(dir: &Path, fill: fn(&Path)) -> PathBuf {
    let source = dir.join("source");
    fs::create_dir(&source).unwrap();
    fill(&source);
    source
}

#[test]
fn gnu_tar_in_the_format_of_posix() {
    let dir = scratch();
    let source = source_in(dir.path(), nasty_tree);
    attributes(&source);
    for version in ["0.0", "0.1", "1.0", ""] {
        let sparse = format!("--sparse-version={version}");
        let mut args = vec!["--format=posix"];
        args.extend(KEEP_ALL);
        if !version.is_empty() {
            args.extend(["-S", sparse.as_str()]);
        }
        let copy = unpack(&tar(dir.path(), &format!("v{version}"), "tar", &args), &[]);
        assert_same(&source, &copy, "-aHAX");
        for name in ["dir/nothing", "fifo", "dir/block", "."] {
            let time = |root: &Path| {
                let found = fs::symlink_metadata(root.join(name)).unwrap();
                (found.mtime(), found.mtime_nsec())
            };
            assert_eq!(time(&source), time(&copy), "{name}");
        }
        for name in ["holes", "only a hole", "short holes", "zeros", "dir/large"] {
            if !version.is_empty() {
                assert_eq!(segments(&source.join(name)), segments(&copy.join(name)), "{name}");
            }
        }
    }
    // ACLs as text only, which has names for numbers.
    let copy = unpack(&tar(dir.path(), "acls", "tar", &["--format=posix", "--acls"]), &[]);
    assert_same(&source, &copy, "-aHA");
    let user = &["--xattrs=user", "--exclude=zeros"];
    let copy = unpack(&tar(dir.path(), "user", "tar", &KEEP_ALL), user);
    let value = &mut [0; 100][..];
    let found = rustix::fs::getxattr(copy.join("dir/hello"), "user.note", &mut *value);
    assert_eq!(&value[..found.unwrap()], b"\n12 path=evil\n\0 = \xff%\n");
    assert!(rustix::fs::getxattr(copy.join("dir/block"), "security.capability", value).is_err());
    assert!(!copy.join("zeros").exists());
}

#[test]
fn gnu_tar_in_older_formats() {
    let dir = scratch();
    let source = source_in(dir.path(), nasty_tree);
    for (name, args) in [("dense", &["--format=gnu"][..]), ("sparse", &["--format=gnu", "-S"])] {
        let copy = unpack(&tar(dir.path(), name, "tar", args), &[]);
        assert_same(&source, &copy, "-aH");
        for name in ["holes", "only a hole", "short holes", "zeros"] {
            if args.len() > 1 {
                assert_eq!(segments(&source.join(name)), segments(&copy.join(name)), "{name}");
            }
        }
    }
    // One compressed and with a label, which is no file.
    for (args, fill) in [
        (&["--format=ustar", "-z"][..], ustar_tree as fn(&Path)),
        (&["--format=gnu", "-Vlabel", "--incremental"], ustar_tree),
        (&["--format=v7"], plain_tree),
    ] {
        let dir = scratch();
        let source = source_in(dir.path(), fill);
        let copy = unpack(&tar(dir.path(), "older", "tar", args), &[]);
        assert_same(&source, &copy, "-aH");
    }
}

#[test]
fn other_tar_programs() {
    let dir = scratch();
    let source = source_in(dir.path(), nasty_tree);
    if has("python3") {
        let program = "import math, sys, tarfile\n\
            def whole(member):\n    \
                member.mtime = math.floor(member.mtime)\n    \
                return member\n\
            kind = getattr(tarfile, sys.argv[1] + '_FORMAT')\n\
            with tarfile.open(sys.argv[2], 'w', format=kind) as out:\n    \
                out.add(sys.argv[3], '.', filter=whole if kind == tarfile.GNU_FORMAT else None)\n";
        for format in ["PAX", "GNU"] {
            let stream = dir.path().join(format).with_extension("tar");
            let mut command = Command::new("python3");
            run(command.args(["-c", program, format]).arg(&stream).arg(&source));
            assert_same(&source, &unpack(&stream, &[]), "-aH");
        }
    }
    if has("bsdtar") {
        attributes(&source);
        // Before 1970 its fractions count forwards, which is not what POSIX says.
        set_time(&source.join("dir/nothing"), -2_147_480_000, 0);
        set_time(&source.join("fifo"), -1, 0);
        let args = ["--format=pax", "--xattrs", "--acls"];
        let copy = unpack(&tar(dir.path(), "bsd-pax", "bsdtar", &args), &[]);
        assert_same(&source, &copy, "-aHAX");
        for name in ["holes", "only a hole", "short holes", "zeros"] {
            assert_eq!(segments(&source.join(name)), segments(&copy.join(name)), "{name}");
        }
        // Its own GNU format has octal times only.
        for name in ["dir/nothing", "fifo", "dir/block"] {
            set_time(&source.join(name), 5, 0);
        }
        let copy =
            unpack(&tar(dir.path(), "bsd-gnu", "bsdtar", &["--format=gnutar", "--no-acls"]), &[]);
        assert_same(&source, &copy, "-aH");
    }
}

#[test]
fn sparse_files_beyond_8_gib() {
    let dir = scratch();
    let source = source_in(dir.path(), |root| {
        let file = File::create(root.join("vast")).unwrap();
        file.write_all_at(b"middle", 5 << 30).unwrap();
        file.write_all_at(b"end", (9 << 30) - 3).unwrap();
    });
    for (name, args) in [("old", &["--format=gnu", "-S"][..]), ("new", &["--format=posix", "-S"])] {
        let copy = unpack(&tar(dir.path(), name, "tar", args), &[]).join("vast");
        assert_eq!(segments(&source.join("vast")), segments(&copy));
        let mut bytes = [0; 8];
        File::open(&copy).unwrap().read_exact_at(&mut bytes, (9 << 30) - 8).unwrap();
        assert_eq!(&bytes, b"\0\0\0\0\0end");
    }
}
