//! Trees that come out of a picture without a mount, compared by tools that
//! nobody here wrote. Must run as root: devices and owners are part of it.
#![allow(clippy::unwrap_used, missing_docs)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, XattrFlags, makedev};

fn pxfs(args: &[&OsStr]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pxfs")).args(args).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// Runs a tool that must succeed without a word of warning.
fn ok(args: &[&OsStr]) -> Output {
    let output = pxfs(args);
    assert!(output.status.success(), "{args:?}: {}", text(&output));
    assert!(output.stderr.is_empty(), "{args:?}: {}", text(&output));
    output
}

fn os(text: &(impl AsRef<OsStr> + ?Sized)) -> &OsStr {
    text.as_ref()
}

fn scratch() -> tempfile::TempDir {
    // Not in /tmp, which may be a file system without xattrs and ACLs.
    tempfile::Builder::new().tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn mkfs(image: &Path, source: &Path) {
    ok(&[os("mkfs"), os("-q"), os("-l3"), os(image), os(source)]);
}

fn set_time(path: &Path, secs: i64, nanos: i64) {
    let time = Timespec { tv_sec: secs, tv_nsec: nanos };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}

fn has(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// A tree with all that has ever been got wrong.
fn nasty_tree(root: &Path) {
    assert!(rustix::process::geteuid().is_root(), "this test must run as root");
    fs::create_dir_all(root.join("a/empty")).unwrap();
    fs::create_dir(root.join("b")).unwrap();
    fs::write(root.join("a/hello"), "hello\n").unwrap();
    fs::write(root.join("a/nothing"), "").unwrap();
    fs::write(root.join("a/tool"), "#!/bin/sh\n").unwrap();
    rustix::fs::chownat(
        CWD,
        root.join("a/tool"),
        id_u(1234),
        id_g(4_000_000_000),
        AtFlags::empty(),
    )
    .unwrap();
    fs::set_permissions(root.join("a/tool"), fs::Permissions::from_mode(0o6755)).unwrap();
    fs::write(root.join("a/secret"), "no\n").unwrap();
    fs::set_permissions(root.join("a/secret"), fs::Permissions::from_mode(0o0)).unwrap();
    fs::set_permissions(root.join("b"), fs::Permissions::from_mode(0o3751)).unwrap();
    fs::hard_link(root.join("a/hello"), root.join("b/hello again")).unwrap();
    fs::hard_link(root.join("a/hello"), root.join("a/zzz")).unwrap();
    contents(root);
    names(root);
    specials(root);
    xattrs(root);
    let times = [
        ("a/hello", -2_147_480_000, 1),
        ("a/nothing", -1, 999_999_999),
        ("a/tool", 2_208_988_800, 123_456_789),
        ("b/link", -31_536_000, 500_000_000),
        ("b/fifo", 1, 2),
        ("a/empty", 9_000_000_000, 42),
        ("b", 1_000_000_000, 7),
        ("a", -5, 7),
        (".", 1_234_567_890, 987_654_321),
    ];
    for (path, secs, nanos) in times {
        set_time(&root.join(path), secs, nanos);
    }
}

fn id_u(id: u32) -> Option<rustix::fs::Uid> {
    Some(rustix::fs::Uid::from_raw(id))
}

fn id_g(id: u32) -> Option<rustix::fs::Gid> {
    Some(rustix::fs::Gid::from_raw(id))
}

fn contents(root: &Path) {
    let big: Vec<u8> =
        (0..5_000_003u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(root.join("b/big"), big).unwrap();
    let holes = File::create(root.join("b/holes")).unwrap();
    holes.write_all_at(b"first", 1 << 20).unwrap();
    holes.write_all_at(&[7; 100_000], 50 << 20).unwrap();
    holes.set_len(80 << 20).unwrap();
    // A hole at once, and one that is data at the end.
    let only = File::create(root.join("b/only a hole")).unwrap();
    only.set_len(3 << 20).unwrap();
    let end = File::create(root.join("b/ends with data")).unwrap();
    end.write_all_at(b"end", 1 << 20).unwrap();
    fs::write(root.join("b/zeros"), vec![0; 300_000]).unwrap();
    for number in 0..300 {
        fs::write(root.join(format!("a/small {number}")), format!("file {number}\n")).unwrap();
    }
}

fn names(root: &Path) {
    fs::write(root.join(OsStr::from_bytes(b"b/\xff\xfe not utf-8")), "x").unwrap();
    fs::write(root.join("b/new\nline"), "x").unwrap();
    fs::write(root.join("b").join("n".repeat(255)), "long").unwrap();
    fs::write(root.join("b").join(OsStr::from_bytes(&[0xe9; 255])), "long").unwrap();
    deep_tree(root, 40);
}

/// 64 levels, with names of that length.
fn deep_tree(root: &Path, name_len: usize) {
    let mut dir = rustix::fs::open(root, OFlags::DIRECTORY, Mode::empty()).unwrap();
    for level in 0..64 {
        let name = format!("{level:02}{}", "d".repeat(name_len - 2));
        rustix::fs::mkdirat(&dir, &name, Mode::from_raw_mode(0o755)).unwrap();
        dir = rustix::fs::openat(&dir, &name, OFlags::DIRECTORY, Mode::empty()).unwrap();
        let flags = OFlags::CREATE | OFlags::WRONLY;
        let file = rustix::fs::openat(&dir, "leaf", flags, Mode::from_raw_mode(0o640)).unwrap();
        File::from(file).write_all(name.as_bytes()).unwrap();
        let link = AtFlags::empty();
        rustix::fs::linkat(&dir, "leaf", &dir, "leaf again", link).unwrap();
    }
}

fn specials(root: &Path) {
    symlink("../a/hello", root.join("b/link")).unwrap();
    symlink("t".repeat(300), root.join("b/long link")).unwrap();
    let link = root.join("b/link");
    rustix::fs::chownat(CWD, link, id_u(5), id_g(6), AtFlags::SYMLINK_NOFOLLOW).unwrap();
    let make = |name: &str, kind, major, minor| {
        let mode = Mode::from_raw_mode(0o640);
        rustix::fs::mknodat(CWD, root.join(name), kind, mode, makedev(major, minor)).unwrap();
    };
    make("b/fifo", FileType::Fifo, 0, 0);
    make("b/null", FileType::CharacterDevice, 1, 3);
    make("b/disk", FileType::BlockDevice, 259, 70_000);
    fs::hard_link(root.join("b/fifo"), root.join("a/fifo too")).unwrap();
}

fn xattrs(root: &Path) {
    set_xattr(&root.join("a/hello"), "user.note", b"\0binary = \xff%");
    set_xattr(&root.join("a/hello"), "user.empty", b"");
    set_xattr(&root.join("a/small 3"), "user.50% = half, 25%", b"odd");
    set_xattr(&root.join("a/empty"), "user.dir", b"yes");
    set_xattr(&root.join("a/tool"), "trusted.overlay", b"y");
    set_xattr(&root.join("b/link"), "trusted.of.a.link", b"1");
    set_xattr(&root.join("b/fifo"), "trusted.of.a.fifo", b"2");
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    set_xattr(&root.join("a/tool"), "security.capability", &capability);
    if has("setfacl") {
        let acl = |args: &[&str], path: &str| {
            let path = root.join(path);
            assert!(Command::new("setfacl").args(args).arg(path).status().unwrap().success());
        };
        acl(&["-m", "u:1234:rw,g:99:r"], "a/small 7");
        acl(&["-m", "u:77:rwx"], "a/empty");
        acl(&["-d", "-m", "u:78:rwx"], "a/empty");
    }
}

/// What rsync would change to make `right` like `left`.
fn rsync_changes(left: &Path, right: &Path, options: &[&str]) -> String {
    let mut slashed = left.as_os_str().to_owned();
    slashed.push("/");
    let output = Command::new("rsync")
        .args(["-aHAX", "--checksum", "--dry-run", "--itemize-changes", "--delete"])
        .args(options)
        .arg(slashed)
        .arg(right)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

/// Compares everything rsync knows, and then what it does not: holes.
fn assert_same(left: &Path, right: &Path, with_holes: bool) {
    assert_eq!(rsync_changes(left, right, &[]), "", "rsync sees a difference");
    for file in ["b/link", "b/fifo", "a/hello", "a/empty", "a", "b", "."] {
        let times = |root: &Path| {
            let found = fs::symlink_metadata(root.join(file)).unwrap();
            (found.mtime(), found.mtime_nsec())
        };
        assert_eq!(times(left), times(right), "{file}");
    }
    if with_holes {
        for file in ["b/holes", "b/only a hole", "b/ends with data", "b/zeros", "b/big"] {
            assert_eq!(segments(&left.join(file)), segments(&right.join(file)), "{file}");
        }
    }
}

/// Where a file has data.
fn segments(path: &Path) -> Vec<(u64, u64)> {
    let mut file = File::open(path).unwrap();
    let size = file.seek(SeekFrom::End(0)).unwrap();
    let mut found = Vec::new();
    let mut at = 0;
    while let Ok(start) = rustix::fs::seek(&file, rustix::fs::SeekFrom::Data(at)) {
        at = rustix::fs::seek(&file, rustix::fs::SeekFrom::Hole(start)).unwrap();
        found.push((start, at));
    }
    assert!(at <= size);
    found
}

struct Made {
    dir: tempfile::TempDir,
    source: PathBuf,
    image: PathBuf,
}

fn nasty_picture() -> Made {
    let dir = scratch();
    let (source, image) = (dir.path().join("source"), dir.path().join("x.png"));
    fs::create_dir(&source).unwrap();
    nasty_tree(&source);
    mkfs(&image, &source);
    Made { dir, source, image }
}

#[test]
fn an_archive_copy_is_the_tree() {
    let made = nasty_picture();
    let copy = made.dir.path().join("copy");
    ok(&[os("cp"), os("-a"), os(&made.image), os("/"), os(&copy)]);
    assert_same(&made.source, &copy, true);
    assert_same_picture(&made.image, &copy);
    // Once more over what is there, into the directory itself.
    ok(&[os("cp"), os("-a"), os(&made.image), os("/."), os(&copy)]);
    assert_same(&made.source, &copy, true);
    let untouched = fs::metadata(copy.join("a/hello")).unwrap().ino();
    ok(&[os("cp"), os("-an"), os(&made.image), os("/"), os(&copy)]);
    assert_eq!(fs::metadata(copy.join("a/hello")).unwrap().ino(), untouched);
    assert_same(&made.source, &copy, true);
}

/// Pictures of equal trees are equal, byte for byte.
fn assert_same_picture(image: &Path, copy: &Path) {
    let again = copy.with_extension("again.png");
    ok(&[os("mkfs"), os("-qf"), os("-l3"), os(&again), os(copy)]);
    assert!(fs::read(image).unwrap() == fs::read(&again).unwrap());
}

#[test]
fn paths_may_be_longer_than_any_path() {
    let dir = scratch();
    let (source, image) = (dir.path().join("s"), dir.path().join("x.png"));
    fs::create_dir(&source).unwrap();
    deep_tree(&source, 250);
    mkfs(&image, &source);
    let copy = dir.path().join("copy");
    ok(&[os("cp"), os("-a"), os(&image), os("/"), os(&copy)]);
    assert_same_picture(&image, &copy);
    ok(&[os("cp"), os("-a"), os(&image), os("/"), os(&copy)]);
    ok(&[os("cp"), os("-aT"), os(&image), os("/"), os(&copy)]);
    assert_same_picture(&image, &copy);
    let (tar, again) = (dir.path().join("x.tar"), dir.path().join("again.png"));
    ok(&[os("export"), os(&image), os("-o"), os(&tar)]);
    mkfs(&again, &tar);
    let copy = dir.path().join("untarred");
    ok(&[os("cp"), os("-a"), os(&again), os("/"), os(&copy)]);
    assert_same_picture(&image, &copy);
}

#[test]
fn an_inherited_acl_is_not_kept() {
    if !has("setfacl") {
        return;
    }
    let made = nasty_picture();
    let copy = made.dir.path().join("copy");
    fs::create_dir(&copy).unwrap();
    let set = Command::new("setfacl").args(["-d", "-m", "u:5:rwx"]).arg(&copy).status().unwrap();
    assert!(set.success());
    ok(&[os("cp"), os("-a"), os(&made.image), os("/"), os(&copy)]);
    assert_same(&made.source, &copy, true);
}

#[test]
fn a_tar_stream_is_the_tree() {
    let made = nasty_picture();
    let copy = made.dir.path().join("untarred");
    fs::create_dir(&copy).unwrap();
    let tar = made.dir.path().join("x.tar");
    ok(&[os("export"), os(&made.image), os("-o"), os(&tar)]);
    assert_eq!(fs::metadata(&tar).unwrap().len() % 512, 0);
    for acls in ["--acls", "--no-acls"] {
        let copy = copy.join(acls);
        fs::create_dir(&copy).unwrap();
        let mut command = Command::new("tar");
        command.args(["--xattrs", "--xattrs-include=*", acls, "--warning=no-timestamp"]);
        command.arg("--warning=no-unknown-keyword");
        let output = command.arg("-xpf").arg(&tar).arg("-C").arg(&copy).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(text(&output), "");
        assert_same(&made.source, &copy, false);
    }
    if has("bsdtar") {
        let copy = copy.join("bsdtar");
        fs::create_dir(&copy).unwrap();
        let mut command = Command::new("bsdtar");
        command.arg("-xpf").arg(&tar).arg("-C").arg(&copy);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        // It reads fractions of seconds before 1970 in the wrong direction and
        // leaves "." alone, and has another way to write odd names of attributes.
        assert_eq!(
            rsync_changes(
                &made.source,
                &copy,
                &["--no-times", "--omit-dir-times", "--exclude=small 3"]
            ),
            ""
        );
    }
}

#[test]
fn mkfs_makes_the_same_tree_of_a_tar_stream() {
    let made = nasty_picture();
    let again = made.dir.path().join("again.png");
    let mut export = Command::new(env!("CARGO_BIN_EXE_pxfs"))
        .args([os("export"), os("--numeric"), os(&made.image)])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mkfs = Command::new(env!("CARGO_BIN_EXE_pxfs"))
        .args([os("mkfs"), os("-q"), os(&again), os("-")])
        .stdin(export.stdout.take().unwrap())
        .output()
        .unwrap();
    assert!(export.wait().unwrap().success());
    assert!(mkfs.status.success(), "{}", text(&mkfs));
    let copy = made.dir.path().join("copy");
    ok(&[os("cp"), os("-a"), os(&again), os("/"), os(&copy)]);
    assert_same(&made.source, &copy, false);
}

#[test]
fn a_plain_copy_is_the_users_own() {
    let dir = scratch();
    let (source, image) = (dir.path().join("s"), dir.path().join("x.png"));
    fs::create_dir_all(source.join("d")).unwrap();
    fs::write(source.join("d/f"), "text").unwrap();
    fs::write(source.join("g"), "other").unwrap();
    fs::set_permissions(source.join("d/f"), fs::Permissions::from_mode(0o4777)).unwrap();
    rustix::fs::chownat(CWD, source.join("g"), id_u(9), id_g(9), AtFlags::empty()).unwrap();
    set_time(&source.join("g"), 1000, 0);
    symlink("d/f", source.join("l")).unwrap();
    mkfs(&image, &source);
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    // Links that are named are followed, without -r.
    ok(&[os("cp"), os(&image), os("d/f"), os("g"), os("l"), os(&out)]);
    let found = fs::metadata(out.join("f")).unwrap();
    assert_eq!(found.mode() & 0o7777 & !0o022, 0o755);
    let found = fs::metadata(out.join("g")).unwrap();
    assert!(found.uid() == 0 && found.mtime() > 1000);
    assert!(fs::symlink_metadata(out.join("l")).unwrap().is_file());
    assert_eq!(fs::read_to_string(out.join("l")).unwrap(), "text");
    // A new name; a directory needs -r; several sources need a directory.
    ok(&[os("cp"), os(&image), os("g"), os(&out.join("new"))]);
    assert_eq!(fs::read_to_string(out.join("new")).unwrap(), "other");
    let refused = pxfs(&[os("cp"), os(&image), os("d"), os("g"), os(&out)]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(text(&refused).contains("copy it with -r"), "{}", text(&refused));
    let refused = pxfs(&[os("cp"), os(&image), os("g"), os("d/f"), os(&out.join("nowhere"))]);
    assert_eq!(refused.status.code(), Some(1));
    // Into a directory, and with -T as it.
    ok(&[os("cp"), os("-r"), os(&image), os("d"), os(&out)]);
    assert_eq!(fs::read_to_string(out.join("d/f")).unwrap(), "text");
    ok(&[os("cp"), os("-rT"), os(&image), os("d"), os(&out)]);
    let said = ok(&[os("cp"), os("-v"), os(&image), os("g"), os(&out.join("d/f"))]);
    assert!(text(&said).contains("'g' -> "), "{}", text(&said));
    let refused = pxfs(&[os("cp"), os("-rT"), os(&image), os("d"), os(&out.join("g"))]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
}

#[test]
fn links_in_the_destination_are_not_followed() {
    let dir = scratch();
    let (source, image) = (dir.path().join("s"), dir.path().join("x.png"));
    fs::create_dir_all(source.join("sub/deep")).unwrap();
    fs::write(source.join("sub/deep/f"), "new").unwrap();
    fs::write(source.join("file"), "new").unwrap();
    fs::hard_link(source.join("file"), source.join("file2")).unwrap();
    mkfs(&image, &source);
    let (out, outside) = (dir.path().join("out"), dir.path().join("outside"));
    fs::create_dir_all(outside.join("deep")).unwrap();
    fs::create_dir(&out).unwrap();
    fs::write(outside.join("precious"), "old").unwrap();
    symlink(&outside, out.join("sub")).unwrap();
    symlink(outside.join("precious"), out.join("file")).unwrap();
    fs::hard_link(outside.join("precious"), out.join("file2")).unwrap();
    let output = pxfs(&[os("cp"), os("-a"), os(&image), os("/"), os(&out)]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("cannot overwrite a file"), "{}", text(&output));
    assert!(!outside.join("deep/f").exists());
    assert_eq!(fs::read_to_string(outside.join("precious")).unwrap(), "old");
    assert!(fs::symlink_metadata(out.join("file")).unwrap().is_file());
    assert_eq!(fs::read_to_string(out.join("file2")).unwrap(), "new");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 3, "nothing temporary is left");
}

/// Overwrites a stretch of the stored bytes in the middle of the picture.
fn damage(image: &Path, text: &[u8]) {
    let bytes = fs::read(image).unwrap();
    let at = bytes.windows(text.len()).position(|window| window == text).unwrap();
    let file = File::options().write(true).open(image).unwrap();
    file.write_all_at(b"*", at as u64).unwrap();
}

#[test]
fn what_cannot_be_read_is_named_and_left_out() {
    let dir = scratch();
    let (source, image) = (dir.path().join("s"), dir.path().join("x.png"));
    fs::create_dir(&source).unwrap();
    let large =
        |seed: u8| -> Vec<u8> { (0..6 << 20).map(|i: u32| (i >> 12) as u8 ^ seed).collect() };
    let mut bad = large(1);
    bad[5 << 20..][..24].copy_from_slice(b"here it will be damaged!");
    fs::write(source.join("bad"), &bad).unwrap();
    fs::write(source.join("good"), large(2)).unwrap();
    ok(&[os("mkfs"), os("-q"), os("--codec"), os("none"), os(&image), os(&source)]);
    damage(&image, b"here it will be damaged!");
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("bad"), "as it was").unwrap();
    let output = pxfs(&[os("cp"), os("-a"), os(&image), os("/"), os(&out)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("bad'"), "{}", text(&output));
    assert_eq!(fs::read(out.join("good")).unwrap(), large(2));
    assert_eq!(fs::read_to_string(out.join("bad")).unwrap(), "as it was");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
    let fresh = dir.path().join("fresh");
    assert_eq!(pxfs(&[os("cp"), os("-r"), os(&image), os("/"), os(&fresh)]).status.code(), Some(1));
    assert!(!fresh.join("bad").exists() && fresh.join("good").exists());
    let tar = dir.path().join("x.tar");
    let output = pxfs(&[os("export"), os(&image), os("-o"), os(&tar)]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let listed = Command::new("tar").arg("-tf").arg(&tar).output().unwrap();
    assert!(listed.status.success() && text(&listed).contains("good"), "{}", text(&listed));
}

#[test]
fn export_refuses_what_it_cannot_do() {
    let dir = scratch();
    let image = dir.path().join("x.png");
    ok(&[os("mkfs"), os("-q"), os(&image)]);
    let root = dir.path().join("root");
    let output = pxfs(&[os("export"), os("--root"), os(&root), os(&image), os("/part")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("whole picture"), "{}", text(&output));
    ok(&[os("export"), os("--root"), os(&root), os(&image)]);
    let output = pxfs(&[os("export"), os("--root"), os(&root), os(&image)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("already"), "{}", text(&output));
    let before = fs::read(&image).unwrap();
    let output = pxfs(&[os("export"), os(&image), os("-o"), os(&image)]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read(&image).unwrap(), before);
}

/// One file of a picture as a tar stream, and a subtree.
#[test]
fn parts_can_be_exported() {
    let dir = scratch();
    let (source, image) = (dir.path().join("s"), dir.path().join("x.png"));
    fs::create_dir_all(source.join("d/e")).unwrap();
    fs::write(source.join("d/e/f"), "text").unwrap();
    mkfs(&image, &source);
    let list = |path: &str| {
        let tar = dir.path().join("part.tar");
        ok(&[os("export"), os(&image), os(path), os("--output"), os(&tar)]);
        let listed = Command::new("tar").arg("-tf").arg(&tar).output().unwrap();
        assert!(listed.status.success());
        text(&listed)
    };
    assert_eq!(list("/d"), "./\ne/\ne/f\n");
    assert_eq!(list("/d/e/f"), "f\n");
}

#[test]
fn a_converted_picture_is_seekable_and_the_same() {
    for channels in ["rgba", "rgb"] {
        let dir = scratch();
        let (source, image) = (dir.path().join("s"), dir.path().join("x.png"));
        fs::create_dir(&source).unwrap();
        fs::write(source.join("f"), "text".repeat(100_000)).unwrap();
        ok(&[os("mkfs"), os("-q"), os("--channels"), os(channels), os(&image), os(&source)]);
        let pixels = image::open(&image).unwrap();
        for form in ["webp", "qoi", "png"] {
            let other = dir.path().join(format!("other.{form}"));
            pixels.save(&other).unwrap();
            let again = dir.path().join(format!("again-{form}.png"));
            ok(&[os("convert"), os(&other), os(&again)]);
            assert_eq!(fs::read(&again).unwrap(), fs::read(&image).unwrap(), "{channels} {form}");
            let refused = pxfs(&[os("convert"), os(&other), os(&again)]);
            assert_eq!(refused.status.code(), Some(1));
            ok(&[
                os("convert"),
                os("--force"),
                os("--channels"),
                os(channels),
                os(&other),
                os(&again),
            ]);
        }
        let wrong = if channels == "rgb" { "rgba" } else { "rgb" };
        let out = dir.path().join("never.png");
        let refused = pxfs(&[os("convert"), os("--channels"), os(wrong), os(&image), os(&out)]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(!out.exists());
    }
}

#[test]
fn another_user_keeps_what_is_permitted() {
    let dir = scratch();
    let (source, image) = (dir.path().join("s"), dir.path().join("x.png"));
    fs::create_dir_all(source.join("locked/in")).unwrap();
    fs::write(source.join("locked/in/f"), "text").unwrap();
    fs::set_permissions(source.join("locked/in/f"), fs::Permissions::from_mode(0o4444)).unwrap();
    fs::set_permissions(source.join("locked"), fs::Permissions::from_mode(0o555)).unwrap();
    let device = makedev(1, 3);
    let mode = Mode::from_raw_mode(0o666);
    rustix::fs::mknodat(CWD, source.join("null"), FileType::CharacterDevice, mode, device).unwrap();
    set_xattr(&source.join("locked/in/f"), "trusted.x", b"1");
    set_time(&source.join("locked"), 5, 6);
    mkfs(&image, &source);
    // A place that the other user can reach.
    let home = tempfile::tempdir().unwrap();
    let (binary, copy) = (home.path().join("pxfs"), home.path().join("copy"));
    fs::copy(env!("CARGO_BIN_EXE_pxfs"), &binary).unwrap();
    fs::copy(&image, home.path().join("x.png")).unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let args = [os("--reuid=12345"), os("--regid=12345"), os("--clear-groups"), os(&binary)];
    let output = Command::new("setpriv")
        .args(args)
        .args([os("cp"), os("-a"), os(&home.path().join("x.png")), os("/"), os(&copy)])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let said = text(&output);
    assert!(said.contains("cannot make the character device"), "{said}");
    assert_eq!(said.matches("trusted.x").count(), 1, "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
    let found = fs::metadata(copy.join("locked/in/f")).unwrap();
    assert_eq!((found.uid(), found.mode() & 0o7777), (12345, 0o444), "no setuid for somebody else");
    let found = fs::metadata(copy.join("locked")).unwrap();
    assert_eq!((found.mtime(), found.mtime_nsec(), found.mode() & 0o777), (5, 6, 0o555));
}
