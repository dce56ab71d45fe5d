//! kill -9 at random moments of `add`, `pack` and `auto-add`: the root stays
//! loadable and no entry that was there before is lost.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{PXFS, run, temp_dir};

/// Times that something is killed.
const TRIES: u64 = 200;

fn pxfs(root: &Path, args: &[&str]) -> support::Outcome {
    run(Command::new(PXFS).args(args).current_dir(root))
}

/// Paths and what they hold, each content proven.
fn entries(root: &Path) -> BTreeMap<String, String> {
    let said = pxfs(root, &["check", "--json"]);
    let report: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(report["errors"], 0, "{report:#}");
    let list = pxfs(root, &["list", "--json"]).expect(0).stdout;
    let list: Vec<Value> = serde_json::from_str(&list).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list.iter().map(|entry| (text(&entry["path"]), text(&entry["sha256"]))).collect()
}

/// Runs a command and kills it after a while; tells whether it was still running.
fn kill_after(root: &Path, args: &[&str], wait: Duration) -> bool {
    let mut child = Command::new(PXFS)
        .args(args)
        .current_dir(root)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(wait);
    let is_running = child.try_wait().unwrap().is_none();
    let _ = child.kill();
    child.wait().unwrap();
    is_running
}

#[test]
fn whenever_it_ends_nothing_is_lost() {
    let (dir, source) = (temp_dir(), temp_dir());
    let root = dir.path();
    pxfs(root, &["init"]).expect(0);
    let mut state = 88172645463325252_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut before = entries(root);
    let (mut killed, mut most) = (0, [0; 4]);
    let source_path = source.path().display().to_string();
    for attempt in 0..TRIES {
        let file = source.path().join(format!("f{attempt}"));
        let text = format!("{attempt} ").repeat(1 + (random() % 60_000) as usize);
        fs::write(&file, text).unwrap();
        let (path, file) = (format!("/add/{attempt}"), file.display().to_string());
        let under = format!("/auto/{attempt}");
        let args: &[&str] = match attempt % 4 {
            0 => &["add", &path, &file],
            1 => &["auto-add", &source_path, "--under", &under],
            2 => &["pack"],
            _ => &["pack", "--compact"],
        };
        // How long it takes depends on the machine: the moments lie within that.
        let kind = (attempt % 4) as usize;
        if attempt < 4 {
            let start = Instant::now();
            pxfs(root, args).expect(0);
            most[kind] = start.elapsed().as_micros() as u64;
            before = entries(root);
            continue;
        }
        let wait = Duration::from_micros(random() % most[kind]);
        killed += u64::from(kill_after(root, args, wait));
        let after = entries(root);
        for (path, sha256) in &before {
            assert_eq!(after.get(path), Some(sha256), "{args:?} killed after {wait:?}: {path}");
        }
        before = after;
        // Else the root grows with the square of the tries.
        if attempt % 20 == 19 {
            pxfs(root, &["rm", "-r", "/auto", "--purge"]);
            before = entries(root);
        }
    }
    assert!(killed > TRIES / 4, "only {killed} of {TRIES} were still running");
    let file = source.path().join("f0").display().to_string();
    pxfs(root, &["add", "/last", &file]).expect(0);
    for dir in [root.to_owned(), root.join("file_blobs")] {
        for entry in fs::read_dir(dir).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(!name.ends_with(".tmp"), "{name} was left");
        }
    }
    let before = entries(root);
    pxfs(root, &["pack", "--compact"]).expect(0);
    assert_eq!(entries(root), before);
}
