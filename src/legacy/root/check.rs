//! Everything that is wrong with a root, the contents of its blobs included.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::contents::prove_content;
use super::entry::{PIXELFS, REGISTRY, id_text};
use super::finding::{Finding, Level};
use super::tree::RootTree;

/// What was checked and found.
#[derive(Debug, Clone, Serialize)]
pub struct CheckReport {
    /// Whether there are no errors.
    pub ok: bool,
    /// Errors among the findings.
    pub errors: usize,
    /// Warnings among them.
    pub warnings: usize,
    /// Paths in pixelfs.json that could be read.
    pub paths: usize,
    /// Contents in the registry that could be read.
    pub contents: usize,
    /// Bytes of the contents.
    pub content_bytes: u64,
    /// All findings: of the paths, the registry, then the blobs.
    pub findings: Vec<Finding>,
}

/// Checks all entries and every blob; `progress` is told the bytes done and the
/// bytes there are.
pub fn check(tree: &RootTree, progress: &mut dyn FnMut(u64, u64)) -> CheckReport {
    let root = tree.root();
    let mut findings = root.findings.clone();
    findings.extend_from_slice(tree.path_findings());
    requirements(tree, &mut findings);
    let total = root.contents.iter().fold(0u64, |sum, one| sum.saturating_add(one.original_size));
    let mut done = 0u64;
    let named: HashSet<u32> = root.paths.iter().map(|path| path.id).collect();
    for content in &root.contents {
        let place = format!("{REGISTRY} {}", id_text(content.id));
        if let Err(error) = prove_content(&*root.files, content) {
            findings.push(Finding::error("blob", &place, error.to_string()));
        }
        if !named.contains(&content.id) {
            let problem = format!("no path in {PIXELFS} leads to it");
            findings.push(Finding::warning("content-unlisted", &place, problem));
        }
        done = done.saturating_add(content.original_size);
        progress(done, total);
    }
    let errors = findings.iter().filter(|finding| finding.level == Level::Error).count();
    CheckReport {
        ok: errors == 0,
        errors,
        warnings: findings.len() - errors,
        paths: root.paths.len(),
        contents: root.contents.len(),
        content_bytes: total,
        findings,
    }
}

/// Requirements that are missing, or that lead in a circle.
fn requirements(tree: &RootTree, findings: &mut Vec<Finding>) {
    let paths = &tree.root().paths;
    let by_path: HashMap<&str, usize> =
        paths.iter().enumerate().map(|(index, entry)| (entry.path.as_str(), index)).collect();
    // 0: not looked at, 1: on the way, 2: done.
    let mut state = vec![0u8; paths.len()];
    for start in 0..paths.len() {
        let mut stack = vec![(start, 0)];
        while let Some((at, next)) = stack.pop() {
            if next == 0 {
                if state[at] == 2 {
                    continue;
                }
                state[at] = 1;
            }
            let entry = &paths[at];
            let Some(required) = entry.requires.get(next) else {
                state[at] = 2;
                continue;
            };
            stack.push((at, next + 1));
            let place = format!("{PIXELFS} {:?}", entry.path);
            match by_path.get(required.as_str()).copied() {
                None => {
                    let problem = format!("requires {required:?}, which is not there");
                    findings.push(Finding::error("requires-missing", &place, problem));
                }
                Some(found) if state[found] == 1 => {
                    let problem = format!("requires {required:?}, which requires it in turn");
                    findings.push(Finding::error("requires-cycle", &place, problem));
                }
                Some(found) if state[found] == 0 => stack.push((found, 0)),
                Some(_) => {}
            }
        }
    }
}
