//! What a stage can ask of its host.

use std::os::unix::fs::symlink;

use pxfs::boot::{BootFiles, DirRoot, Options, Outcome};
use pxfs::pxi::host::Which;
use pxfs::pxi::isa::calls;
use pxfs::pxi::{CallError, Files};
use sha2::{Digest, Sha256};

use crate::build::{Module, root, set_xattr};
use crate::run::{boot, messages, names};

fn id_of(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(*Sha256::digest(bytes).first_chunk::<4>().unwrap())
}

#[test]
fn a_stage_logs_with_level_and_event_and_cannot_speak_for_the_kernel() {
    let module = Module::new()
        .write("half")
        .log(1, "memory", "640 KiB\nought to be enough")
        .log(0, "complete", "forged")
        .print_error()
        .log(0, "Not a word", "x")
        .print_error()
        .text(0, "0\tx\ty")
        .sys(calls::STAGE)
        .print_error()
        .sys(calls::INPUT)
        .print_error()
        .exit(0);
    let root = root(&[("m", module.png())]);
    let (outcome, events) = boot(root.path(), Options::default());
    assert_eq!(outcome, Outcome::Complete { done: 1, skipped: 0 });
    assert_eq!(messages(&events, "print"), ["| half", "| 6", "| 6", "| 1", "| 1"]);
    let line = events.iter().find(|event| event.is("memory")).unwrap();
    assert_eq!((&line.0["level"], &line.0["path"]), (&"warn".into(), &"/boot/m".into()));
    assert_eq!(line.message(), "640 KiB\\nought to be enough");
    assert_eq!(names(&events).iter().filter(|name| **name == "complete").count(), 1);
}

#[test]
fn a_stage_reads_the_log_and_files() {
    let module = Module::new()
        .li(0, 70_000)
        .li(1, 4000)
        .li(2, 0)
        .sys(calls::JOURNAL)
        .mov(1, 0)
        .li(0, 70_000)
        .sys(calls::WRITE)
        .text(0, "/boot")
        .li(2, 70_000)
        .li(3, 4000)
        .li(4, 0)
        .sys(calls::LIST)
        .mov(1, 0)
        .li(0, 70_000)
        .sys(calls::WRITE);
    let mut module = module;
    module.parts.heap = 40_000;
    let root = root(&[("m", module.png()), ("other?", b"x".to_vec())]);
    let (_, events) = boot(root.path(), Options::default());
    let printed = messages(&events, "print");
    assert!(printed[0].contains(r#""event":"stage""#), "{printed:?}");
    assert_eq!(*printed.last().unwrap(), "| m\\u{0}other\\u{0}");
}

#[test]
fn the_same_seed_gives_the_same_numbers() {
    let random = || {
        let module = Module::new().sys(calls::RANDOM).op(pxfs::pxi::isa::MOV, 6, 0, 0);
        // A letter of the number: enough to tell runs apart most of the time.
        let letter = module.li(7, 26).op(pxfs::pxi::isa::REMU, 6, 6, 7).li(7, 97);
        letter.op(pxfs::pxi::isa::ADDW, 6, 6, 7).op(pxfs::pxi::isa::PUTC, 6, 0, 0)
    };
    let root = root(&[("m", random().png())]);
    let printed = |seed| {
        let (_, events) = boot(root.path(), Options { seed, ..Options::default() });
        messages(&events, "print").concat()
    };
    assert_eq!(printed(7), printed(7));
    let all: std::collections::BTreeSet<_> = (0..9).map(printed).collect();
    assert!(all.len() > 3, "{all:?}");
}

#[test]
fn files_are_found_by_path_and_by_id_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::create_dir_all(path("a/b")).unwrap();
    std::fs::create_dir_all(path(".pxfs/pixels")).unwrap();
    std::fs::write(path("a/b/file"), "content").unwrap();
    symlink("/a/b", path("link")).unwrap();
    symlink("loop", path("loop")).unwrap();
    symlink("../../../etc/passwd", path("a/up")).unwrap();
    let id = id_of(b"content");
    std::fs::write(path(&format!(".pxfs/pixels/{id:08X}")), "content").unwrap();
    std::fs::write(path(".pxfs/pixels/00000007"), "not seven").unwrap();
    let source = DirRoot::open(dir.path()).unwrap();
    let files = BootFiles::new(&source);
    assert_eq!(files.canonical("/link/../b/./file").unwrap(), "/a/b/file");
    assert_eq!(files.canonical("/link").unwrap(), "/a/b");
    assert_eq!(files.canonical("/..").unwrap(), "/");
    assert_eq!(files.resolve("/link/file"), Ok(id));
    assert_eq!(files.take_cost(), 7);
    assert_eq!(files.resolve("/a/b/file"), Ok(id));
    assert_eq!(files.take_cost(), 0, "it is known by now");
    let stat = files.stat("/a/b/file").unwrap();
    assert_eq!((stat.kind, stat.size, stat.id), (1, 7, id));
    assert_eq!(files.stat("/a").unwrap().kind, 2);
    assert_eq!(files.list("/a").unwrap(), [b"b".to_vec(), b"up".to_vec()]);
    assert_eq!(files.list("/a/b/file"), Err(CallError::WrongKind));
    assert_eq!(files.read(Which::Path("/link/file"), 3, 2).unwrap(), b"te");
    assert_eq!(files.read(Which::Id(id), 4, 99).unwrap(), b"ent");
    assert_eq!(files.read(Which::Path("/link/file"), u64::MAX, 2), Err(CallError::Io));
    assert_eq!(files.checked(Which::Id(id), 99).unwrap(), (b"content".to_vec(), id));
    assert_eq!(files.checked(Which::Id(7), 99), Err(CallError::Digest));
    assert_eq!(files.checked(Which::Path("/a/b/file"), 3), Err(CallError::Io));
    for (path, error) in [
        ("/none", CallError::NotFound),
        ("/a/up", CallError::NotFound),
        ("/loop", CallError::Io),
        ("/a/b/file/x", CallError::NotFound),
    ] {
        assert_eq!(files.stat(path), Err(error), "{path}");
        assert_eq!(files.canonical(path), Err(error), "{path}");
        assert_eq!(files.requires(path), Err(error), "{path}");
    }
    assert_eq!(files.resolve("/a"), Err(CallError::WrongKind));
    let long = format!("/{}", "x/".repeat(3000));
    assert!(files.canonical(&long).is_err() && files.stat(&long).is_err());
}

#[test]
fn what_the_file_system_declares_counts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    std::fs::write(&path, "content").unwrap();
    let digest: String = Sha256::digest(b"content").iter().map(|b| format!("{b:02x}")).collect();
    let source = DirRoot::open(dir.path()).unwrap();
    let files = BootFiles::new(&source);
    let checked = || files.checked(Which::Path("/f"), 99).map(|(_, id)| id);
    set_xattr(&path, "user.pxfs.sha256", &digest);
    assert_eq!(checked(), Ok(id_of(b"content")));
    // On a clash of ids a content has the next four bytes of its digest.
    let second = u32::from_str_radix(&digest[8..16], 16).unwrap();
    set_xattr(&path, "user.pxfs.id", &format!("0x{second:08X}"));
    assert_eq!((checked(), files.resolve("/f")), (Ok(second), Ok(second)));
    set_xattr(&path, "user.pxfs.type", "world");
    assert_eq!(files.stat("/f").unwrap().pixel_type, 3);
    set_xattr(&path, "user.pxfs.id", "0x00000001");
    assert_eq!(checked(), Err(CallError::Digest));
    set_xattr(&path, "user.pxfs.id", "nonsense \u{1F600}");
    assert_eq!(checked(), Err(CallError::Digest));
    set_xattr(&path, "user.pxfs.requires", "/x\n/y\n");
    assert_eq!(files.requires("/f").unwrap(), ["/x", "/y"]);
}

#[test]
fn names_that_are_no_text_are_listed_and_lead_nowhere() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"\xFFx");
    std::fs::create_dir(dir.path().join(odd)).unwrap();
    symlink(odd, dir.path().join("to")).unwrap();
    let source = DirRoot::open(dir.path()).unwrap();
    let files = BootFiles::new(&source);
    assert_eq!(files.list("/").unwrap(), [b"to".to_vec(), b"\xFFx".to_vec()]);
    assert_eq!(files.canonical("/to"), Err(CallError::Io));
}
