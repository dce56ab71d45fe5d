//! Pictures that are not mounted: the same boots, hosted and native.

use std::os::unix::fs::symlink;
use std::process::Command;

use pxfs::pxi::isa::calls;

use crate::build::{Module, root};
use crate::run::{err, events, messages, names, out, pxboot};
use crate::support;

/// A picture of a directory.
fn picture(root: &std::path::Path) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_pxfs"))
        .args(["mkfs", "-q"])
        .arg(place.path().join("p.png"))
        .arg(root)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", err(&made));
    place
}

#[test]
fn a_picture_gives_what_the_directory_gives() {
    let ask =
        |module: Module, path: &str, call| module.text(0, path).li(2, 4).sys(call).print_error();
    let mut module = Module::new().policy(r#"{"paths": ["/boot", "/in"]}"#);
    for path in ["/boot/m", "/in/link", "/in/out", "/in/loop", "/in/none", "/in/../boot"] {
        module = ask(module, path, calls::RESOLVE);
        module = ask(module, path, calls::STAT);
    }
    let module = module.text(0, "/in").li(2, 1700).li(3, 200).li(4, 0).sys(calls::LIST);
    let module = module.mov(1, 0).li(0, 1700).sys(calls::WRITE).exit(0).png();
    let root = root(&[("m", module)]);
    std::fs::create_dir(root.path().join("in")).unwrap();
    symlink("../boot/m", root.path().join("in/link")).unwrap();
    symlink("/boot_sequence.json", root.path().join("in/out")).unwrap();
    symlink("loop", root.path().join("in/loop")).unwrap();
    let place = picture(root.path());
    let boot = |path: &std::path::Path| {
        let output = pxboot(path, &["--log-format=json"], "");
        assert_eq!(output.status.code(), Some(0), "{}{}", out(&output), err(&output));
        events(&output.stdout)
    };
    let (from_picture, from_directory) = (boot(&place.path().join("p.png")), boot(root.path()));
    let printed = messages(&from_picture, "print");
    assert_eq!(printed, messages(&from_directory, "print"));
    let errors = ["0", "0", "0", "0", "3", "3", "7", "7", "2", "2", ":", "0"];
    assert_eq!(printed[..12], errors.map(|error| format!("| {error}")));
    assert_eq!(printed[12], "| link\\u{0}loop\\u{0}out\\u{0}");
    assert_eq!(names(&from_picture), names(&from_directory));
    support::need_fuse();
    std::fs::create_dir(place.path().join("mnt")).unwrap();
    let mounted =
        support::Mounted::new(&place.path().join("p.png"), &place.path().join("mnt"), "ro");
    let from_mount = boot(&mounted.path(""));
    mounted.unmount();
    assert_eq!(messages(&from_mount, "print"), printed);
    assert_eq!(names(&from_mount), names(&from_picture));
    let ids = |events: &[crate::run::Event]| -> Vec<String> {
        events.iter().map(|event| event.0["id"].to_string()).collect()
    };
    assert_eq!(ids(&from_mount), ids(&from_picture));
    assert!(messages(&from_picture, "checked")[0].ends_with("SHA-256 as declared"));
}

#[test]
fn a_picture_boots_natively() {
    let kernel = Module::new().log(0, "complete", "all").exit(0).png();
    let root = root(&[("00_bios", kernel)]);
    let place = picture(root.path());
    let output = pxboot(&place.path().join("p.png"), &["--native"], "");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains("[INFO] all\n"), "{}", out(&output));
}

/// The events of a boot are those of the table, and the table is in the document.
#[test]
fn every_event_is_documented() {
    let document = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/boot.md");
    let document = std::fs::read_to_string(document).unwrap();
    for (event, _) in pxfs::boot::events::EVENTS {
        assert!(document.contains(&format!("`{event}`")), "{event} is not in docs/boot.md");
    }
}
