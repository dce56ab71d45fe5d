//! Every way in which a stage can fail, required and optional.

use pxfs::boot::{Options, Outcome};
use pxfs::pxi::isa;
use pxfs::pxi::pxim2::Import;

use crate::build::{Module, root, set_xattr};
use crate::run::{Event, boot, names};

/// Names of failures and how a module comes to them.
fn failing() -> Vec<(&'static str, Vec<u8>)> {
    let importing = |path: &str| {
        // The slot is the text's first pixel: slots lie in the data.
        let mut module = Module::new().write("slot").exit(0);
        module.parts.imports =
            vec![Import { slot: 416, path: path.to_owned(), name: "f".to_owned() }];
        module.png()
    };
    let mut requiring = Module::new().exit(0);
    requiring.parts.requires = vec!["/boot/none".to_owned()];
    let mut circular = Module::new().exit(0);
    circular.parts.requires = vec!["/boot/m".to_owned()];
    let mut changed = pxfs::pxi::Raster::from_png(&Module::new().exit(0).png()).unwrap();
    let mut pixels = changed.pixels().to_vec();
    pixels[20] = pxfs::pxi::Pixel::new(isa::HALT, 0, 0, 0);
    changed = pxfs::pxi::Raster::new(changed.width(), changed.height(), pixels).unwrap();
    vec![
        ("exit", Module::new().exit(3).png()),
        ("trap", Module::new().op(isa::POP, 0, 0, 0).png()),
        ("out-of-fuel", Module::new().back(0).png()),
        ("not-a-program", b"text".to_vec()),
        ("bad-header", changed.to_png().unwrap()),
        ("bad-import", importing("/boot/none")),
        ("bad-import", importing("/boot_sequence.json")),
        ("requires", requiring.png()),
        ("cycle", circular.png()),
    ]
}

fn level(events: &[Event], event: &str) -> String {
    let found = events.iter().rfind(|found| found.is(event)).unwrap();
    found.0["level"].as_str().unwrap().to_owned()
}

#[test]
fn required_ones_stop_the_boot_and_optional_ones_do_not() {
    let options = Options { fuel: 1000, ..Options::default() };
    for (event, bytes) in failing() {
        let good = Module::new().exit(0).png();
        let required = root(&[("m", bytes.clone()), ("last", good.clone())]);
        let (outcome, events) = boot(required.path(), options);
        assert_eq!(outcome, Outcome::Failed, "{event}");
        assert_eq!(level(&events, event), "error");
        assert!(!events.iter().any(|event| event.0["path"] == "/boot/last"), "{event}");
        let optional = root(&[("m?", bytes), ("last", good)]);
        let (outcome, events) = boot(optional.path(), options);
        assert_eq!(outcome, Outcome::Complete { done: 1, skipped: 1 }, "{event}");
        assert_eq!(level(&events, event), "warn");
    }
}

#[test]
fn missing_unreadable_and_changed_files_are_told_apart() {
    let event = |change: &dyn Fn(&std::path::Path)| {
        let root = root(&[("m", Module::new().exit(0).png())]);
        change(&root.path().join("boot/m"));
        let (outcome, events) = boot(root.path(), Options::default());
        assert_eq!(outcome, Outcome::Failed);
        names(&events)[1].to_owned()
    };
    assert_eq!(event(&|path| std::fs::remove_file(path).unwrap()), "missing");
    let directory = |path: &std::path::Path| {
        std::fs::remove_file(path).unwrap();
        std::fs::create_dir(path).unwrap();
    };
    assert_eq!(event(&directory), "unreadable");
    assert_eq!(
        event(&|path| set_xattr(path, "user.pxfs.sha256", &"0".repeat(64))),
        "digest-mismatch"
    );
    assert_eq!(event(&|path| set_xattr(path, "user.pxfs.id", "0x00000001")), "digest-mismatch");
}

#[test]
fn what_a_header_requires_runs_first_and_circles_are_named() {
    let mut first = Module::new().write("first\n").exit(0);
    first.parts.requires = vec!["/boot/second".to_owned()];
    let second = Module::new().write("second\n").exit(0);
    let root = root(&[("first", first.png()), ("second", second.png())]);
    let (outcome, events) = boot(root.path(), Options::default());
    assert_eq!(outcome, Outcome::Complete { done: 2, skipped: 0 });
    assert_eq!(crate::run::messages(&events, "print"), ["| second", "| first"]);
    set_xattr(&root.path().join("boot/second"), "user.pxfs.requires", "/boot/first\n");
    let (outcome, events) = boot(root.path(), Options::default());
    assert_eq!(outcome, Outcome::Failed);
    let circle = "/boot/first -> /boot/second -> /boot/first";
    assert!(crate::run::messages(&events, "cycle")[0].contains(circle));
}

#[test]
fn a_stage_can_have_fuel_of_its_own() {
    let slow = Module::new().li(5, 5000).op(isa::ADDI, 5, 5, 0xFF).op(isa::BNZ, 5, 0xFF, 0xFF);
    let root = root(&[("m", slow.exit(0).png())]);
    let options = Options { fuel: 1000, ..Options::default() };
    assert_eq!(boot(root.path(), options).0, Outcome::Failed);
    let text = r#"{"sequence": [{"path": "/boot/m", "required": true, "fuel": 20000}]}"#;
    std::fs::write(root.path().join("boot_sequence.json"), text).unwrap();
    assert_ne!(boot(root.path(), options).0, Outcome::Failed);
}

#[test]
fn a_stage_that_floods_the_log_is_held() {
    let flood = Module::new().log(0, "x", &"y".repeat(999)).skip_if(1, 2).back(7).exit(7);
    let root = root(&[("m", flood.png())]);
    let (outcome, events) = boot(root.path(), Options::default());
    assert_eq!(outcome, Outcome::Failed);
    assert!(names(&events).contains(&"exit") && events.len() < 1000, "{}", events.len());
}
