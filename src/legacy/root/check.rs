//! Everything that is wrong with a root, the contents of its blobs included.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::contents::prove_content;
use super::entry::{PIXELFS, REGISTRY, id_text};
use super::finding::{Finding, Level};
use super::paths::circle_text;
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

/// Bytes of circles that are named path by path: there can be as many circles as
/// requirements, and all paths in each.
const MAX_CIRCLES: usize = 1 << 20;

/// Requirements that are missing, or that lead in a circle. Each circle is named
/// once; of those that share paths some may show only when the others are mended.
/// The order of the entries does not matter: paths are taken in their own.
fn requirements(tree: &RootTree, findings: &mut Vec<Finding>) {
    let paths = &tree.root().paths;
    let by_path: HashMap<&str, usize> =
        paths.iter().enumerate().map(|(index, entry)| (entry.path.as_str(), index)).collect();
    let (mut room, mut closed) = (MAX_CIRCLES, HashSet::new());
    let mut state = vec![State::New; paths.len()];
    let mut order: Vec<usize> = (0..paths.len()).collect();
    order.sort_unstable_by_key(|&index| paths[index].path.as_str());
    for start in order {
        if !matches!(state[start], State::New) {
            continue;
        }
        // The way to where we are, each with the requirement that is next.
        let mut way = vec![(start, 0)];
        state[start] = State::OnWay(0);
        while let Some((at, next)) = way.last_mut() {
            let (at, entry) = (*at, &paths[*at]);
            let Some(required) = entry.requires.get(*next) else {
                state[at] = State::Done;
                way.pop();
                continue;
            };
            *next += 1;
            let Some(&found) = by_path.get(required.as_str()) else {
                let place = format!("{PIXELFS} {:?}", entry.path);
                let problem = format!("requires {required:?}, which is not there");
                findings.push(Finding::error("requires-missing", &place, problem));
                continue;
            };
            match state[found] {
                State::New => {
                    state[found] = State::OnWay(way.len());
                    way.push((found, 0));
                }
                // A requirement that is there twice makes one circle.
                State::OnWay(depth) if closed.insert((at, found)) => {
                    let circle = way[depth..].iter().map(|(at, _)| paths[*at].path.as_str());
                    findings.push(circle_finding(circle, &mut room));
                }
                State::OnWay(_) | State::Done => {}
            }
        }
    }
}

/// How far an entry is.
#[derive(Debug, Clone, Copy)]
enum State {
    New,
    /// On the way, so many requirements from its beginning.
    OnWay(usize),
    Done,
}

/// A circle, in full while there is room.
fn circle_finding<'a>(
    mut circle: impl ExactSizeIterator<Item = &'a str> + DoubleEndedIterator + Clone,
    room: &mut usize,
) -> Finding {
    let left = circle.clone().try_fold(*room, |left, path| left.checked_sub(path.len() + 4));
    // Once there was too much all are cut, or counting would take for ever.
    *room = left.unwrap_or_default();
    let (first, text) = if left.is_some() {
        let mut paths: Vec<&str> = circle.collect();
        let smallest = (0..paths.len()).min_by_key(|&index| paths[index]).unwrap_or_default();
        paths.rotate_left(smallest);
        (paths[0], circle_text(&paths))
    } else {
        let len = circle.len();
        let (first, last) = (circle.next().unwrap_or_default(), circle.next_back());
        let last = last.unwrap_or(first);
        (first, format!("of {len} paths, from {first:?} to {last:?}, which requires it"))
    };
    let problem = format!("requires itself in a circle: {text}");
    Finding::error("requires-cycle", &format!("{PIXELFS} {first:?}"), problem)
}
