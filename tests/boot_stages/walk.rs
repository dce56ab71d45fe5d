//! The boot kernel made of pixels walks as the hosted one does: the same stages
//! and results in both logs, on good systems and on damaged ones.

use std::path::Path;

use pxfs::boot::{Options, Outcome};
use pxfs::pxi::isa;
use pxfs::pxi::pxim2::Import;
use tempfile::TempDir;

use crate::build::{Module, root, set_xattr};
use crate::run::{Event, boot, native};

/// A module of this repository, compiled.
pub(crate) fn compiled(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("boot/{name}.py"));
    let source = std::fs::read_to_string(&path).unwrap();
    let compiled =
        pxfs::pxc::compile(name, &source).unwrap_or_else(|errors| panic!("{name}: {errors:?}"));
    compiled.parts.build(None).unwrap().to_png().unwrap()
}

/// What must be the same: level, event, stage, name, path and id of each line of the kernel.
fn told(events: &[Event]) -> Vec<String> {
    // Of the host alone: how it began, what it read, how long the kernel took.
    const HOST: &[&str] = &["start", "sequence", "native"];
    let of_kernel = events.iter().filter(|event| !HOST.iter().any(|name| event.is(name)));
    let line = |event: &Event| {
        let part = |name: &str| event.0[name].to_string();
        let parts = ["level", "event", "stage", "name", "path", "id"].map(part);
        let message = if event.is("print") { event.message() } else { "" };
        format!("{} {message}", parts.join(" "))
    };
    of_kernel.map(line).collect()
}

fn compare(what: &str, root: &TempDir, options: Options) -> (Outcome, Vec<Event>) {
    let (outcome, hosted) = boot(root.path(), options);
    let (native_outcome, native) = native(root.path(), options);
    let ours: Vec<_> = native.iter().map(|event| event.0.to_string()).collect();
    assert_eq!(told(&hosted), told(&native), "{what}: {}", ours.join("\n"));
    // Only whether it failed: a native kernel keeps its own count.
    assert_eq!(outcome == Outcome::Failed, native_outcome == Outcome::Failed, "{what}");
    (outcome, native)
}

const OPTIONS: Options = Options { dry_run: false, fuel: 200_000, seed: 0, memory: 1 << 20 };

/// The kernel, a stage under test, and one behind it.
fn with(name: &str, bytes: Vec<u8>) -> TempDir {
    let last = Module::new().write("last").exit(0).png();
    root(&[("00_bios", compiled("00_bios")), (name, bytes), ("last", last)])
}

fn failing() -> Vec<(&'static str, Vec<u8>)> {
    let importing = |path: &str| {
        // The slot is the text's first pixel: slots lie in the data.
        let mut module = Module::new().write("slot").exit(0);
        let import = Import { slot: 416, path: path.to_owned(), name: "f".to_owned() };
        module.parts.imports = vec![import];
        module.png()
    };
    let requiring = |path: &str| {
        let mut module = Module::new().exit(0);
        module.parts.requires = vec![path.to_owned()];
        module.png()
    };
    let cut = Module::new().exit(0).png();
    vec![
        ("exit", Module::new().exit(3).png()),
        ("trap", Module::new().op(isa::POP, 0, 0, 0).png()),
        ("out of fuel", Module::new().back(0).png()),
        ("text", b"text".to_vec()),
        ("empty", Vec::new()),
        ("cut", cut[..cut.len() / 2].to_vec()),
        ("import", importing("/boot/none")),
        ("import of a text", importing("/boot_sequence.json")),
        ("requires", requiring("/boot/none")),
        ("cycle", requiring("/boot/m")),
        ("requires what comes later", requiring("/boot/last")),
    ]
}

#[test]
fn every_failure_is_told_alike() {
    for (what, bytes) in failing() {
        for name in ["m", "m?"] {
            let (_, events) = compare(what, &with(name, bytes.clone()), OPTIONS);
            let is_last = |event: &Event| event.0["path"] == "/boot/last" && event.is("ran");
            let is_fatal = name == "m" && what != "requires what comes later";
            assert_eq!(events.iter().any(is_last), !is_fatal, "{what} {name}");
        }
    }
}

#[test]
fn missing_unreadable_and_changed_modules_are_told_alike() {
    for name in ["m", "m?"] {
        let good = Module::new().exit(0).png();
        let missing = with(name, good.clone());
        std::fs::remove_file(missing.path().join("boot/m")).unwrap();
        compare("missing", &missing, OPTIONS);

        let directory = with(name, good.clone());
        std::fs::remove_file(directory.path().join("boot/m")).unwrap();
        std::fs::create_dir(directory.path().join("boot/m")).unwrap();
        compare("directory", &directory, OPTIONS);

        let changed = with(name, good.clone());
        set_xattr(&changed.path().join("boot/m"), "user.pxfs.sha256", &"0".repeat(64));
        compare("digest", &changed, OPTIONS);

        let circle = with(name, good);
        set_xattr(&circle.path().join("boot/m"), "user.pxfs.requires", "/boot/last\n");
        set_xattr(&circle.path().join("boot/last"), "user.pxfs.requires", "/boot/m\n");
        let (_, events) = compare("circle", &circle, OPTIONS);
        assert!(events.iter().any(|event| event.is("cycle")));
    }
}

#[test]
fn the_nine_stages_boot_alike_hosted_and_native() {
    let stages = nine();
    let stages: Vec<(&str, Vec<u8>)> =
        stages.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let root = root(&stages);
    for (path, bytes) in [("worlds/a", &[7u8; 1000][..]), ("models/m.pxdigest.png", b"model")] {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let options = Options { fuel: 10_000_000, ..OPTIONS };
    let (outcome, events) = compare("nine", &root, options);
    assert_eq!(outcome, Outcome::Complete { done: 9, skipped: 0 });
    let complete = events.iter().filter(|event| event.is("stage-complete")).count();
    assert_eq!(complete, 9);
    compare("dry", &root, Options { dry_run: true, ..options });
    for (name, _) in &stages {
        let name = name.trim_end_matches('?');
        let file = root.path().join("boot").join(name);
        let bytes = std::fs::read(&file).unwrap();
        if name != "00_bios" {
            std::fs::write(&file, &bytes[..bytes.len() - 20]).unwrap();
            compare(name, &root, options);
            std::fs::write(&file, bytes).unwrap();
        }
    }
}

/// The nine modules, those that need not be there with a `?`.
fn nine() -> Vec<(String, Vec<u8>)> {
    let stages = pxfs::boot::sequence::parse(pxfs::boot::sequence::TEMPLATE).unwrap().stages;
    let named = stages.iter().map(|stage| {
        let name = stage.path.trim_start_matches("/boot/");
        let mark = if stage.required { "" } else { "?" };
        (format!("{name}{mark}"), compiled(name))
    });
    named.collect()
}
