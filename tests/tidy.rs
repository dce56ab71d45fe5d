//! The architecture as tests: they read the sources. docs/architecture.md says
//! what the rules are for.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers, lowest first: a folder may import from those further up in this
/// list only. Those on one line may not import each other.
const LAYERS: &[&[&str]] = &[
    &["picture"],
    &["format"],
    &["store"],
    &["fs"],
    &["legacy"],
    &["pxi"],
    &["pxc"],
    &["fuse", "mkfs", "boot", "extract"],
    &["builder"],
    &["llm"],
    &["mcp", "architect"],
    &["map"],
    &["web"],
    &["cli"],
];

const MOST_LINES: usize = 1000;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `dir` whose names end in one of `ends`.
fn files(dir: &str, ends: &[&str]) -> Vec<PathBuf> {
    let (mut found, mut dirs) = (Vec::new(), vec![root().join(dir)]);
    while let Some(dir) = dirs.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries.map(Result::unwrap) {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                dirs.push(path);
            } else if ends.iter().any(|end| path.to_string_lossy().ends_with(end)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<PathBuf> {
    let found = files("src", &[".rs"]);
    assert!(found.len() > 20, "the sources were not found");
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// The source without its comments (also not doc comments).
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The folder of src/ that a file belongs to; `cli` for src/cli/mod.rs.
fn layer(path: &Path) -> Option<String> {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside.iter().next().unwrap().to_str().unwrap();
    (inside.iter().count() > 1).then(|| first.to_owned())
}

fn rank(layer: &str) -> usize {
    let found = LAYERS.iter().position(|layers| layers.contains(&layer));
    found.unwrap_or_else(|| panic!("src/{layer} has no place in LAYERS"))
}

/// The modules of this crate that a source names, each after `crate::` or in a
/// list of its own: `use crate::{fs::Tree, store}`.
fn imports(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let name_of = |text: &str| -> String {
        text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
    };
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(list) = rest.strip_prefix('{') else {
            names.insert(name_of(rest));
            continue;
        };
        let mut depth = 0;
        let mut item = String::new();
        for c in list.chars() {
            match c {
                '}' if depth == 0 => break,
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    names.insert(name_of(item.trim()));
                    item.clear();
                    continue;
                }
                _ => {}
            }
            item.push(c);
        }
        names.insert(name_of(item.trim()));
    }
    names.remove("");
    names
}

#[test]
fn lists_of_imports_are_understood() {
    let found = imports("use crate::{fs::{Tree, Ino},\n store};\nuse crate::picture::Medium;");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["fs", "picture", "store"]);
}

#[test]
fn imports_point_down_only() {
    let known: BTreeSet<&str> = LAYERS.iter().flat_map(|layers| layers.iter().copied()).collect();
    let mut wrong = Vec::new();
    for path in sources() {
        let Some(own) = layer(&path) else { continue };
        let own_rank = rank(&own);
        for other in imports(&code(&path)) {
            // What is no folder is a macro or an item of lib.rs.
            if other != own && known.contains(other.as_str()) && rank(&other) >= own_rank {
                wrong.push(format!("{} imports {other}", shown(&path)));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that do not point down:\n{}", wrong.join("\n"));
}

#[test]
fn every_folder_has_a_place_among_the_layers() {
    for path in sources() {
        if let Some(layer) = layer(&path) {
            rank(&layer);
        }
    }
}

#[test]
fn only_the_adapter_knows_fuser() {
    for path in sources() {
        if layer(&path).as_deref() == Some("fuse") {
            continue;
        }
        let code = code(&path);
        assert!(!code.contains("fuser::") && !code.contains("use fuser"), "{}", shown(&path));
    }
}

#[test]
fn the_format_does_no_io() {
    for path in sources().iter().filter(|path| layer(path).as_deref() == Some("format")) {
        let code = code(path);
        for banned in ["std::fs", "std::io", "std::net", "std::process", "rustix", "libc::"] {
            assert!(!code.contains(banned), "{} names {banned}", shown(path));
        }
    }
}

#[test]
fn every_source_says_what_it_is_for() {
    let mut sources = sources();
    for dir in ["tests", "benches"] {
        sources.extend(files(dir, &[".rs"]));
    }
    for path in sources {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} does not open with //!", shown(&path));
    }
}

#[test]
fn sources_are_ascii_and_no_longer_than_can_be_read() {
    let mut sources = sources();
    for dir in ["tests", "benches", "scripts", "boot"] {
        sources.extend(files(dir, &[".rs", ".pxs", ".sh"]));
    }
    for path in sources {
        let bytes = fs::read(&path).unwrap();
        let lines = bytes.split(|byte| *byte == b'\n');
        for (number, line) in lines.clone().enumerate() {
            assert!(line.is_ascii(), "{}:{}: not ASCII", shown(&path), number + 1);
        }
        assert!(lines.count() <= MOST_LINES + 1, "{}: too long, split it", shown(&path));
    }
}

#[test]
fn only_marked_files_are_unsafe() {
    for path in sources() {
        let code = code(&path);
        let uses = code.contains("unsafe {") || code.contains("unsafe fn");
        if uses {
            let allowed =
                code.contains("allow(unsafe_code)") || code.contains("expect(unsafe_code");
            assert!(allowed, "{}: unsafe without saying so", shown(&path));
        }
    }
}

/// Pairs of quoted strings: `field: "value"`.
fn quoted_after<'a>(code: &'a str, field: &str) -> Vec<&'a str> {
    let found = code.match_indices(field).filter_map(|(at, _)| {
        let rest = code[at + field.len()..].trim_start().strip_prefix('"')?;
        rest.split('"').next()
    });
    found.collect()
}

#[test]
fn every_tool_has_a_page() {
    let code = code(&root().join("src/cli/mod.rs"));
    let verbs = quoted_after(&code, "verb:");
    assert!(verbs.len() > 5, "the table of tools was not found: {verbs:?}");
    let pages: String =
        files("docs", &[".md"]).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for verb in verbs {
        // A tool is known as `pxfs VERB`, or by the name of its link.
        let link = code
            .split_once(&format!("\", \"{verb}\")"))
            .and_then(|(before, _)| before.rsplit('"').next());
        let names = [Some(format!("pxfs {verb}")), link.map(str::to_owned)];
        for (text, shown) in [(&pages, "docs/"), (&readme, "README.md")] {
            let named = names.iter().flatten().any(|name| text.contains(name));
            assert!(named, "{shown} does not say what the tool '{verb}' does");
        }
    }
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let mut pages = files("docs", &[".md"]);
    pages.extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name)));
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', '#', ' ']).next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = page.parent().unwrap().join(target);
            assert!(path.exists(), "{} links to {target}, which is not there", shown(&page));
        }
    }
}

#[test]
fn scripts_can_be_run() {
    use std::os::unix::fs::PermissionsExt;
    for path in files("scripts", &[""]) {
        let text = fs::read_to_string(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(text.starts_with("#!"), mode & 0o111 != 0, "{}: mode {mode:o}", shown(&path));
    }
}
