//! All three kinds of places: what changes, what stays, what is refused.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::*;
use crate::builder::{Silent, init, plain_options};
use crate::fs::ROOT_INO;
use crate::mkfs::{Source, make};

/// A place of each kind, empty, in a directory that has more in it.
fn places(dir: &Path) -> Vec<PathBuf> {
    let (picture, root, plain) = (dir.join("p.png"), dir.join("root"), dir.join("plain"));
    make(&picture, Source::Empty, &plain_options(1).unwrap(), &mut Silent).unwrap();
    init(&root).unwrap();
    std::fs::create_dir(&plain).unwrap();
    vec![picture, root, plain]
}

fn quick() -> EditOptions {
    EditOptions { threads: 1, wait: Duration::from_millis(50), ..EditOptions::default() }
}

fn open(path: &Path) -> Editor {
    Editor::open(path, &quick()).unwrap()
}

#[track_caller]
fn refusal<T: std::fmt::Debug>(result: Result<T>) -> String {
    let sentence = result.unwrap_err().to_string();
    assert!(!sentence.contains('\n'), "{sentence}");
    sentence
}

#[test]
fn what_is_written_is_read_here_and_by_others() {
    let dir = tempfile::tempdir().unwrap();
    for path in places(dir.path()) {
        let mut editor = open(&path);
        assert_eq!(editor.read("/models/a b.json", 99).unwrap(), None);
        let added = editor.write("/models/a b.json", b"{}", None, Some("first")).unwrap();
        assert_eq!((added.replaced, added.kind.as_str(), added.size), (false, "model", 2));
        assert_eq!(editor.read("/models/a b.json", 2).unwrap().unwrap(), b"{}", "{path:?}");
        editor.save().unwrap();
        let before = editor.tree();
        // Type and description stay when a file is written again.
        let added = editor.write("/models/a b.json", b"[1]", None, None).unwrap();
        assert_eq!((added.replaced, added.kind.as_str()), (true, "model"));
        editor.write("/x/y", b"z", Some(PixelType::Config), None).unwrap();
        editor.write("/x/y", b"", None, None).unwrap();
        editor.save().unwrap();
        if editor.kind() != PlaceKind::Directory {
            let kept = read_whole(&*before, "/models/a b.json", 99).unwrap();
            assert_eq!(kept.unwrap(), b"{}", "what was given out changed: {path:?}");
        }
        let other = open(&path);
        assert_eq!(other.read("/models/a b.json", 99).unwrap().unwrap(), b"[1]");
        assert_eq!(other.read("/x/y", 0).unwrap().unwrap(), b"");
        let tree = other.tree();
        let found = resolve(&*tree, b"/models/a b.json", true).unwrap();
        let pixel = tree.pixel(found.ino).unwrap();
        assert_eq!(u32::from_be_bytes(pixel.id), added.id);
        assert_eq!(tree.pixel_by_id(pixel.id).unwrap().unwrap().sha256, pixel.sha256);
        assert_eq!(tree.xattr(found.ino, DESCRIPTION).unwrap(), b"first", "{path:?}");
        let config = resolve(&*tree, b"/x/y", true).unwrap();
        assert_eq!(tree.pixel_type(config.ino).unwrap(), PixelType::Config, "{path:?}");
    }
}

#[test]
fn files_and_directories_are_moved_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    for path in places(dir.path()) {
        let mut editor = open(&path);
        for file in ["/a/b/one", "/a/b/two", "/top"] {
            editor.write(file, file.as_bytes(), None, None).unwrap();
        }
        editor.rename("/a/b", "/c/d").unwrap();
        editor.rename("/top", "/c/top").unwrap();
        editor.save().unwrap();
        let mut editor = open(&path);
        assert_eq!(editor.read("/c/d/one", 99).unwrap().unwrap(), b"/a/b/one");
        assert_eq!(editor.read("/a/b/one", 99).unwrap(), None);
        assert!(refusal(editor.rename("/none", "/x")).contains("no such file"));
        assert!(refusal(editor.rename("/c/d/one", "/c/top")).contains("there already"));
        assert!(refusal(editor.rename("/c/top", "/c/d")).contains("there already"));
        assert!(refusal(editor.rename("/c", "/c/d/e")).contains("itself"));
        assert!(refusal(editor.rename("/c/d", "/c/top/x")).contains("file"));
        assert!(refusal(editor.write("/c/d", b"", None, None)).contains("/c/d"));
        assert!(refusal(editor.write("/c/top/x", b"", None, None)).contains("/c/top"));
        assert!(refusal(editor.remove("/c/d", false)).contains("not empty"));
        assert!(refusal(editor.remove("/none", true)).contains("no such file"));
        editor.remove("/c/d", true).unwrap();
        editor.remove("/c/top", false).unwrap();
        match editor.kind() {
            PlaceKind::Root => {
                assert!(refusal(editor.make_dir("/e")).contains("when a file is in it"));
            }
            _ => {
                editor.make_dir("/e/f").unwrap();
                editor.make_dir("/e/f").unwrap();
            }
        }
        editor.save().unwrap();
        let editor = open(&path);
        let mut names = Vec::new();
        let collect = &mut |step: crate::fs::Step<'_>| {
            if let crate::fs::Step::Entry(path, attr) = step
                && attr.kind == FileKind::Regular
            {
                names.push(path.to_vec());
            }
            Ok(true)
        };
        crate::fs::walk(&*editor.tree(), ROOT_INO, collect).unwrap();
        assert_eq!(names, Vec::<Vec<u8>>::new(), "{path:?}");
    }
}

#[test]
fn no_path_leads_out() {
    let dir = tempfile::tempdir().unwrap();
    for path in places(dir.path()) {
        let mut editor = open(&path);
        let long = format!("/{}", "x".repeat(256));
        for bad in
            ["", "/", "a", "../x", "/../x", "/a/../../x", "/a//b", "/a/", "/a\0b", "/.", &long]
        {
            assert!(refusal(editor.write(bad, b"x", None, None)).contains("can be no path"));
            assert!(refusal(editor.rename("/a", bad)).contains("can be no path"));
            assert!(refusal(editor.rename(bad, "/a")).contains("can be no path"));
            assert!(refusal(editor.remove(bad, true)).contains("can be no path"));
            assert!(refusal(editor.make_dir(bad)).contains("can be no path"));
        }
        assert!(refusal(editor.write("/.pxfs/x", b"x", None, None)).contains("for itself"));
        for bad in ["", ".", "..", "a/b", "/a", "pixelfs.json", "file_blobs", "a\0"] {
            assert!(refusal(editor.read_beside(bad, 9)).contains("beside"), "{bad}");
            assert!(refusal(editor.write_beside(bad, b"")).contains("beside"), "{bad}");
        }
        // Reading takes `..` as any tree does: it ends at the root.
        assert_eq!(editor.read("/../../../etc/passwd", 1 << 20).unwrap(), None);
    }
}

#[test]
fn links_do_not_lead_out_of_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (plain, outside) = (dir.path().join("plain"), dir.path().join("outside"));
    std::fs::create_dir(&plain).unwrap();
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    std::fs::write(plain.join("inside"), "inside").unwrap();
    symlink(&outside, plain.join("out")).unwrap();
    symlink("../outside", plain.join("up")).unwrap();
    symlink("../outside/secret", plain.join("file")).unwrap();
    symlink("inside", plain.join("fine")).unwrap();
    symlink("loop", plain.join("loop")).unwrap();
    let mut editor = open(&plain);
    for path in ["/out/secret", "/up/secret", "/file"] {
        assert_eq!(editor.read(path, 99).unwrap(), None, "{path}");
    }
    assert_eq!(editor.read("/fine", 99).unwrap().unwrap(), b"inside");
    assert!(refusal(editor.read("/loop", 99)).contains("symbolic links"));
    for path in ["/out/x", "/up/x", "/up/y/x", "/file/x", "/fine/x"] {
        let sentence = refusal(editor.write(path, b"x", None, None));
        assert!(sentence.contains("is a link"), "{sentence}");
    }
    for path in ["/file", "/fine"] {
        let sentence = refusal(editor.write(path, b"x", None, None));
        assert!(sentence.contains("is a link"), "{sentence}");
    }
    assert!(refusal(editor.rename("/inside", "/up/x")).contains("is a link"));
    assert!(refusal(editor.make_dir("/up/x")).contains("is a link"));
    assert!(editor.rename("/up/secret", "/mine").is_err());
    assert!(editor.remove("/up/secret", true).is_err());
    // A link itself is removed and moved, not what it leads to.
    editor.rename("/out", "/moved").unwrap();
    editor.remove("/moved", true).unwrap();
    editor.remove("/up", false).unwrap();
    assert_eq!(std::fs::read(outside.join("secret")).unwrap(), b"secret");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    assert!(plain.join("up").symlink_metadata().is_err());
}

#[test]
fn what_is_no_file_is_refused_and_waits_for_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let mut editor = open(dir.path());
    assert!(refusal(editor.read("/fifo", 9)).contains("regular"));
    assert!(refusal(editor.write("/fifo", b"", None, None)).contains("regular"));
    let tree = editor.tree();
    let found = resolve(&*tree, b"/fifo", true).unwrap();
    assert!(tree.pixel(found.ino).is_err());
    assert!(tree.read(found.ino, 0, &mut [0]).is_err());
    assert!(refusal(Editor::open(&fifo, &quick())).contains("neither"));
    assert!(refusal(Editor::open(&dir.path().join("none"), &quick())).contains("none"));
    assert!(Editor::open("/dev/null".as_ref(), &quick()).is_err());
}

#[test]
fn mode_and_owner_stay_and_nothing_is_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("script");
    std::fs::write(&file, "old").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o751)).unwrap();
    // What a killed one left goes; what only looks alike stays.
    std::fs::write(dir.path().join(".script.71.0.tmp"), "half").unwrap();
    std::fs::write(dir.path().join(".other.71.0.tmp"), "not ours").unwrap();
    let mut editor = open(dir.path());
    editor.write("/script", b"new", None, None).unwrap();
    editor.save().unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o751);
    let mut names: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".other.71.0.tmp", "script"]);
}

#[test]
fn limits_are_said_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    for path in places(dir.path()) {
        let options = EditOptions { most: 10, ..quick() };
        let mut editor = Editor::open(&path, &options).unwrap();
        assert!(refusal(editor.write("/a", &[0; 11], None, None)).contains("too many"));
        editor.write("/a", &[0; 10], None, None).unwrap();
        assert!(refusal(editor.read("/a", 9)).contains("more than the 9"));
        let more = editor.write("/b", &[0; 1], None, None);
        assert_eq!(more.is_err(), editor.kind() == PlaceKind::Picture, "{path:?}");
        editor.save().unwrap();
        editor.write("/b", &[0; 10], None, None).unwrap();
        editor.save().unwrap();
    }
}

#[test]
fn two_who_change_one_place_take_turns() {
    let dir = tempfile::tempdir().unwrap();
    for path in places(dir.path()) {
        let (mut one, mut two) = (open(&path), open(&path));
        one.write("/one", b"1", None, None).unwrap();
        let sentence = refusal(two.write("/two", b"2", None, None));
        assert!(sentence.contains("another pxfs changes it"), "{sentence}");
        one.save().unwrap();
        // The second has what the first saved, and loses nothing of it.
        two.write("/two", b"2", None, None).unwrap();
        assert_eq!(two.read("/one", 9).unwrap().unwrap(), b"1", "{path:?}");
        two.save().unwrap();
        let saw = one.refresh().unwrap();
        assert_eq!(saw, one.kind() != PlaceKind::Directory);
        assert_eq!(one.read("/two", 9).unwrap().unwrap(), b"2", "{path:?}");
        assert!(!one.refresh().unwrap());
    }
}

#[test]
fn counting_from_many_threads_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for path in places(dir.path()) {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let options = EditOptions { wait: Duration::from_secs(60), ..quick() };
                    let mut editor = Editor::open(&path, &options).unwrap();
                    for _ in 0..5 {
                        editor.begin().unwrap();
                        let old = editor.read("/count", 99).unwrap().unwrap_or_default();
                        editor.write("/count", &[&old[..], b"x"].concat(), None, None).unwrap();
                        editor.save().unwrap();
                    }
                });
            }
        });
        let count = open(&path).read("/count", 99).unwrap().unwrap();
        assert_eq!(count, b"x".repeat(20), "{path:?}");
    }
}

#[test]
fn a_picture_changes_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let picture = places(dir.path()).remove(0);
    let before = std::fs::read(&picture).unwrap();
    let mut editor = open(&picture);
    editor.write("/a", b"a", None, None).unwrap();
    editor.write("/b/c", b"b", None, None).unwrap();
    assert_eq!(std::fs::read(&picture).unwrap(), before);
    editor.discard();
    assert_eq!(editor.read("/a", 9).unwrap(), None);
    editor.begin().unwrap();
    editor.save().unwrap();
    assert_eq!(std::fs::read(&picture).unwrap(), before, "nothing was changed");
    editor.write("/a", b"a", None, None).unwrap();
    editor.save().unwrap();
    assert_ne!(std::fs::read(&picture).unwrap(), before);
}

#[test]
fn versions_of_a_root_s_file_do_not_pile_up() {
    let dir = tempfile::tempdir().unwrap();
    let root = places(dir.path()).remove(1);
    let mut editor = open(&root);
    for version in 0..20 {
        editor.write("/state.json", format!("{version}").as_bytes(), None, None).unwrap();
    }
    editor.write("/other", b"19", None, None).unwrap();
    editor.write("/state.json", b"last", None, None).unwrap();
    editor.save().unwrap();
    let blobs = std::fs::read_dir(root.join("file_blobs")).unwrap().count();
    assert_eq!(blobs, 2);
    assert_eq!(open(&root).read("/other", 9).unwrap().unwrap(), b"19");
}

#[test]
fn files_beside_a_root_are_its_own() {
    let dir = tempfile::tempdir().unwrap();
    for path in places(dir.path()) {
        let mut editor = open(&path);
        assert_eq!(editor.read_beside("llm.json", 9).unwrap(), None);
        if editor.kind() != PlaceKind::Root {
            assert!(refusal(editor.write_beside("llm.json", b"{}")).contains("only a pxOS root"));
            continue;
        }
        editor.write_beside("llm.json", b"{}").unwrap();
        assert_eq!(editor.read_beside("llm.json", 9).unwrap().unwrap(), b"{}");
        assert_eq!(std::fs::read(path.join("llm.json")).unwrap(), b"{}");
        symlink("/etc/passwd", path.join("link")).unwrap();
        assert!(editor.read_beside("link", 1 << 20).is_err());
        editor.write_beside("link", b"mine").unwrap();
        assert!(editor.remove_beside("link").unwrap() && !editor.remove_beside("link").unwrap());
        editor.save().unwrap();
    }
}

/// Writes to the place that the environment names until it is killed.
#[test]
#[ignore = "is started, and killed, by the next test"]
fn writer_to_be_killed() {
    let path = PathBuf::from(std::env::var_os("PXFS_TEST_PLACE").unwrap());
    let mut editor = open(&path);
    for number in 0_u64.. {
        let text = format!("{number}\n").repeat(2000);
        editor.write("/deep/file", text.as_bytes(), None, None).unwrap();
        editor.save().unwrap();
    }
}

#[test]
fn whoever_is_killed_leaves_a_whole_file_and_no_lock() {
    let dir = tempfile::tempdir().unwrap();
    for path in places(dir.path()) {
        let mut seen = 0;
        for attempt in 0..10 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", "builder::editor::tests::writer_to_be_killed"])
                .env("PXFS_TEST_PLACE", &path)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let start = Instant::now();
            while seen == 0 && start.elapsed() < Duration::from_secs(20) {
                // Who reads without the lock may miss a version that was just replaced.
                let read = open(&path).read("/deep/file", 1 << 20).ok().flatten();
                seen = read.map_or(0, |text| text.len());
            }
            std::thread::sleep(Duration::from_millis(7 * attempt));
            child.kill().unwrap();
            child.wait().unwrap();
            let mut editor = open(&path);
            let text = editor.read("/deep/file", 1 << 20).unwrap().unwrap();
            let text = String::from_utf8(text).unwrap();
            let mut lines = text.lines();
            let first = lines.next().unwrap();
            assert_eq!(lines.filter(|line| *line == first).count(), 1999, "{path:?}");
            // The lock went with the process.
            editor.write("/after", b"x", None, None).unwrap();
            editor.save().unwrap();
        }
    }
}
