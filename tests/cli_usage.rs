//! The tools as commands: help, versions, usage errors, links by name, and what
//! happens when nobody reads what they print. Nothing here mounts.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Outcome, PXFS, mkfs, pxfs, run, temp_dir};

/// Arguments with which each tool does not find its file. `{}` is a directory that exists.
const MISSING_FILE: &[(&str, &[&str])] = &[
    ("mkfs", &["{}/new.png", "{}/missing"]),
    ("mount", &["{}/missing", "{}"]),
    ("umount", &["{}/missing"]),
    ("ls", &["{}/missing"]),
    ("cat", &["{}/missing", "file"]),
    ("stat", &["{}/missing", "file"]),
    ("tree", &["{}/missing"]),
    ("find", &["{}/missing"]),
    ("cp", &["{}/missing", "file", "{}/copy"]),
    ("export", &["{}/missing"]),
    ("convert", &["{}/missing", "{}/new.png"]),
    ("info", &["{}/missing"]),
    ("verify", &["{}/missing"]),
    ("check", &["{}/missing"]),
    ("init", &["--root", "/proc/missing"]),
    ("add", &["--root", "{}/missing", "/path", "{}/missing"]),
    ("auto-add", &["--root", "{}/missing", "{}"]),
    ("auto-discover", &["--root", "{}/missing"]),
    ("list", &["--root", "{}/missing"]),
    ("resolve", &["--root", "{}/missing", "/path"]),
    ("show", &["--root", "{}/missing", "/path"]),
    ("extract", &["--root", "{}/missing", "/path"]),
    ("rm", &["--root", "{}/missing", "/path"]),
    ("mv", &["--root", "{}/missing", "/path", "/new"]),
    ("pack", &["--root", "{}/missing"]),
    ("desktop", &["--root", "{}/missing"]),
    ("import", &["{}/missing", "{}/new.png"]),
    ("boot-pixel", &["{}/missing"]),
    ("god-pixel", &["{}/missing"]),
    ("resurrect", &["{}/missing"]),
    ("boot", &["{}/missing"]),
    ("llm", &["list", "{}/missing"]),
    ("mcp", &["{}/missing"]),
    ("architect", &["{}/missing", "run", "--yes"]),
    ("chat", &["{}/missing", "0,0", "text"]),
    ("shell", &["--web", "{}/missing"]),
    ("pxi", &["run", "{}/missing"]),
];

/// The links that an installation has, and the tools they stand for.
const LINKS: &[(&str, &str)] =
    &[("mkfs.pxfs", "mkfs"), ("mount.pxfs", "mount"), ("pxboot", "boot"), ("pxi", "pxi")];

/// The tools, as `pxfs help` lists them.
fn tools() -> Vec<String> {
    let help = pxfs(["help"]).expect(0).stdout;
    let lines = help.lines().skip_while(|line| *line != "Tools:").skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

/// mount(8) and umount(8) say 1 for wrong usage, and 2 means something else to
/// them; `verify` and `check` say 16, as fsck(8) does.
fn usage_status(tool: &str) -> i32 {
    match tool {
        "mount" | "umount" => 1,
        "verify" | "check" => 16,
        _ => 2,
    }
}

fn no_panic(said: &Outcome) {
    assert!(!said.stderr.contains("panicked"), "{}: {}", said.command, said.stderr);
    assert_ne!(said.status, Some(101), "{}", said.command);
}

/// A picture with so many files that no list of them fits into a pipe.
fn large_picture(dir: &Path) -> PathBuf {
    let (source, picture) = (dir.join("source"), dir.join("large.png"));
    fs::create_dir(&source).unwrap();
    for number in 0..1500 {
        fs::write(source.join(format!("{number:04}-{}", "n".repeat(150))), "x").unwrap();
    }
    fs::write(source.join("text"), "a line of text\n".repeat(50_000)).unwrap();
    mkfs(&picture, &source);
    picture
}

#[test]
fn help_lists_every_tool_that_is_tested_here() {
    let tools = tools();
    for tool in ["mkfs", "mount", "ls", "cat", "stat", "tree", "find", "info", "boot", "pxi"] {
        assert!(tools.iter().any(|known| known == tool), "{tool} is not in pxfs help");
    }
    for tool in &tools {
        let known = MISSING_FILE.iter().any(|(known, _)| known == tool);
        assert!(known, "add {tool} to MISSING_FILE");
    }
}

#[test]
fn every_tool_has_help_and_a_version() {
    for tool in tools() {
        let help = pxfs([&tool, "--help"]).expect(0);
        assert!(help.stdout.contains("Usage:"), "{tool}: {}", help.stdout);
        assert!(help.stdout.contains(&tool), "{tool} --help does not name it");
        assert_eq!(help.stderr, "", "{tool}");
        let version = pxfs([&tool, "--version"]).expect(0).stdout;
        assert!(version.contains(env!("CARGO_PKG_VERSION")), "{tool}: {version}");
    }
    let version = pxfs(["--version"]).expect(0).stdout;
    assert_eq!(version, concat!("pxfs ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!(pxfs(["--help"]).expect(0).stdout, pxfs(["help"]).expect(0).stdout);
}

#[test]
fn an_unknown_flag_is_a_usage_error_that_names_it() {
    for tool in tools() {
        pxfs([&tool, "--no-such-flag"]).expect(usage_status(&tool)).says("--no-such-flag");
    }
}

#[test]
fn without_arguments_the_tools_are_listed_as_an_error() {
    let nothing: [&str; 0] = [];
    let said = pxfs(nothing).expect(2);
    assert_eq!(said.stdout, "");
    for tool in tools() {
        assert!(said.stderr.contains(&tool), "{tool} is not listed: {}", said.stderr);
    }
    pxfs(["no-such-tool"]).expect(2).says("no-such-tool").says("pxfs help");
}

#[test]
fn a_missing_file_is_one_line_that_names_the_tool_and_the_file() {
    let tools = tools();
    let dir = temp_dir();
    let here = dir.path().display().to_string();
    let rows = MISSING_FILE.iter().filter(|(tool, _)| tools.iter().any(|known| known == tool));
    for (tool, args) in rows {
        let args = args.iter().map(|arg| arg.replace("{}", &here));
        let said = pxfs(std::iter::once((*tool).to_owned()).chain(args));
        let text = said.stderr.trim_end();
        assert!(!matches!(said.status, Some(0 | 101) | None), "{tool}: {:?}", said.status);
        assert_eq!(text.lines().count(), 1, "{tool}: {text}");
        // A tool with a link may go by the link's name.
        let link = LINKS.iter().find(|(_, verb)| verb == tool).map_or("pxfs", |(link, _)| link);
        let named = [format!("pxfs {tool}"), format!("{link}: ")];
        assert!(named.iter().any(|name| text.starts_with(name)), "{tool}: {text}");
        assert!(text.contains("missing"), "{tool}: {text}");
        let parts: Vec<&str> = text.split(": ").collect();
        assert!(parts.windows(2).all(|two| two[0] != two[1]), "{tool} says it twice: {text}");
        assert_eq!(said.stdout, "", "{tool}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "something was left behind");
}

#[test]
fn a_file_that_is_no_picture_is_refused() {
    let dir = temp_dir();
    let empty = dir.path().join("empty");
    let text = dir.path().join("text");
    let plain = dir.path().join("plain.png");
    fs::write(&empty, "").unwrap();
    fs::write(&text, "not a picture\n".repeat(100)).unwrap();
    image::RgbaImage::from_pixel(300, 200, image::Rgba([1, 2, 3, 4])).save(&plain).unwrap();
    for file in [&empty, &text, &plain] {
        for tool in ["ls", "info", "tree", "find"] {
            let said = pxfs([tool.as_ref(), file.as_os_str()]).expect(1);
            assert_eq!(said.stderr.trim_end().lines().count(), 1, "{}", said.stderr);
        }
    }
}

#[test]
fn links_choose_the_tool_by_their_name() {
    let dir = temp_dir();
    for (link, tool) in LINKS {
        let path = dir.path().join(link);
        symlink(PXFS, &path).unwrap();
        let by_link = run(Command::new(&path).arg("--help")).expect(0).stdout;
        let by_verb = pxfs([tool, "--help"]).expect(0).stdout;
        // They may differ in the name by which they call themselves.
        let tail = |text: &str| text.lines().last().unwrap().to_owned();
        assert_eq!(tail(&by_link), tail(&by_verb), "{link}");
        let said = run(Command::new(&path).arg("--no-such-flag"));
        said.expect(usage_status(tool)).says("--no-such-flag");
        // As login shells and exec -a do it: only argv[0] says the name.
        let by_name = run(Command::new(PXFS).arg0(link).arg("--help")).expect(0).stdout;
        assert_eq!(by_name, by_link, "{link}");
    }
    // The whole name decides, not a part of it.
    let other = dir.path().join("my-mount.pxfs");
    symlink(PXFS, &other).unwrap();
    run(&mut Command::new(&other)).expect(2).says("my-mount.pxfs");
    // fsck(8) must not take "ls" for what is to be done.
    let other = dir.path().join("fsck.pxfs");
    symlink(PXFS, &other).unwrap();
    run(Command::new(&other).arg("ls")).expect(8).says("pxfs verify");
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let dir = temp_dir();
    let picture = large_picture(dir.path()).display().to_string();
    let commands =
        ["ls P", "ls -l P", "cat P text", "tree P", "find P", "help", "ls --help", "export P"];
    for command in commands {
        let command = command.replace('P', &picture);
        let script = format!("{PXFS} {command} | head -c 1; exit ${{PIPESTATUS[0]}}");
        let said = run(Command::new("bash").args(["-c", &script]));
        no_panic(&said);
        assert!(matches!(said.status, Some(0 | 141)), "{command}: {said:?}");
    }
    // Nobody there from the start.
    for command in ["help", "--version", "ls P", "info P"] {
        let command = command.replace('P', &picture);
        let script = format!("(sleep 0.2; exec {PXFS} {command}) | true; exit ${{PIPESTATUS[0]}}");
        no_panic(&run(Command::new("bash").args(["-c", &script])));
    }
}

#[test]
fn a_full_disk_under_the_output_is_an_error() {
    let dir = temp_dir();
    let picture = large_picture(dir.path()).display().to_string();
    for command in ["help", "ls P", "cat P text", "tree P", "find P", "info P", "export P"] {
        let command = command.replace('P', &picture);
        let said = run(Command::new("bash").args(["-c", &format!("{PXFS} {command} >/dev/full")]));
        no_panic(&said);
        assert_ne!(said.status, Some(0), "{command}: the loss of output went unnoticed");
        assert_ne!(said.stderr, "", "{command}");
    }
}

#[test]
fn output_is_the_same_in_every_locale_and_without_an_environment() {
    let dir = temp_dir();
    let picture = large_picture(dir.path());
    let with = |locale: &str| {
        let mut command = Command::new(PXFS);
        command.args(["ls".as_ref(), picture.as_os_str()]).env_clear();
        run(command.env("LC_ALL", locale)).expect(0).stdout
    };
    assert_eq!(with("C"), with("C.UTF-8"));
}
