//! What the model is shown: the tree, the boot sequence, the last boot, what it
//! did so far. All of it as long as there is room for, most important first.

use std::fmt::Write as _;

use super::action::cut;
use super::paths::is_shown;
use super::record::State;
use super::report::{End, Report};
use super::trial::Trial;
use crate::boot::BootRoot;

/// Files and directories of the tree that are listed at most.
const MAX_FILES: usize = 200;
/// Directories that are entered at most, and how deep.
const MAX_DIRS: usize = 100;
const MAX_DEPTH: usize = 5;

/// Lists the tree: a line for each file that the architect may know of.
pub fn list_tree(root: &dyn BootRoot) -> Vec<String> {
    let mut lines = Vec::new();
    let mut dirs = vec![(String::new(), 0)];
    let mut entered = 0;
    while let Some((dir, depth)) = dirs.pop() {
        entered += 1;
        if entered > MAX_DIRS {
            break;
        }
        let path = if dir.is_empty() { "/" } else { dir.as_str() };
        let mut names = root.list(path).unwrap_or_default();
        names.sort_unstable();
        let mut inside = Vec::new();
        for name in names.iter().filter_map(|name| std::str::from_utf8(name).ok()) {
            if depth == 0 && !is_listed(name) || name.starts_with('.') {
                continue;
            }
            if lines.len() >= MAX_FILES {
                lines.push("... and more".to_owned());
                return lines;
            }
            let path = format!("{dir}/{name}");
            match root.look(&path) {
                Ok(look) if look.stat.kind == 1 => {
                    lines.push(format!("{} {}", path.escape_default(), look.stat.size));
                }
                Ok(look) if look.stat.kind == 2 && depth < MAX_DEPTH => {
                    inside.push((path, depth + 1));
                }
                _ => {}
            }
        }
        dirs.extend(inside.into_iter().rev());
    }
    lines
}

/// Models may be known by name; what else a directory holds is nobody's business.
fn is_listed(name: &str) -> bool {
    is_shown(name) || name == "models" || name == "boot_sequence.json"
}

/// What the state is made of.
#[derive(Debug)]
pub struct View<'a> {
    /// What the person wants.
    pub goal: &'a str,
    /// How it boots now.
    pub trial: &'a Trial,
    /// The tree.
    pub tree: &'a [String],
    /// What was done before.
    pub state: &'a State,
    /// What the model wanted to see.
    pub shown: Option<&'a str>,
    /// Iterations that are left.
    pub left: u32,
}

impl View<'_> {
    /// The state as a text of at most `room` bytes.
    pub fn text(&self, room: usize) -> String {
        // What is cut first stands last; each part has its share, and what it leaves
        // over is for those behind it.
        let parts: [(&str, String, usize); 7] = [
            ("Goal", self.goal.to_owned(), 10),
            ("Last boot", boot_text(&self.trial.real), 15),
            ("Boot sequence", self.sequence_text(), 20),
            ("Your last actions", self.history_text(), 15),
            ("What you asked to see", self.shown.unwrap_or_default().to_owned(), 30),
            ("Warnings and errors", self.troubles_text(), 20),
            ("Tree (path, bytes)", self.tree.join("\n"), 30),
        ];
        let left = self.left;
        let end = format!("# Now\nYou have {left} actions left. Answer with one JSON object.");
        let room = room.saturating_sub(end.len());
        let mut text = String::new();
        let mut unused = 0;
        for (title, body, share) in parts {
            let body = body.trim_end();
            let most = (room * share / 140 + unused).min(room.saturating_sub(text.len()));
            let head = title.len() + 4;
            if body.is_empty() || most <= head + 8 {
                unused = most;
                continue;
            }
            let kept = cut(body, most - head - 8);
            let dots = if kept.len() < body.len() { "\n..." } else { "" };
            let _ = write!(text, "# {title}\n{kept}{dots}\n");
            unused = most.saturating_sub(head + kept.len() + dots.len());
        }
        text + &end
    }

    fn sequence_text(&self) -> String {
        let own = &self.trial.own;
        let mut text = format!("{}\n", own.origin());
        for stage in &own.sequence.stages {
            let need = if stage.required { "required" } else { "optional" };
            let run = self.trial.real.stage(&stage.path);
            let end = match run.map(|run| &run.end) {
                None => "not run".to_owned(),
                Some(End::Open) => "began".to_owned(),
                Some(End::Done) => format!("done, {} steps", run.map_or(0, |run| run.steps)),
                Some(End::Failed(how)) => format!("FAILED: {how}"),
            };
            let _ = writeln!(text, "{} ({need}): {end}", stage.path.escape_default());
        }
        text
    }

    fn history_text(&self) -> String {
        let last = self.state.history.iter().rev().take(8);
        let line = |done: &super::record::Iteration| {
            let action = done.action.as_deref().unwrap_or("no action");
            format!("{}: {action}: {}: {}", done.iteration, done.result, done.summary)
        };
        last.map(line).collect::<Vec<_>>().join("\n")
    }

    fn troubles_text(&self) -> String {
        let mut lines = self.trial.real.troubles.clone();
        lines.extend(self.state.errors.iter().rev().take(3).cloned());
        lines.join("\n")
    }
}

fn boot_text(report: &Report) -> String {
    let mut text = report.summary();
    let printed: Vec<&String> =
        report.tail.iter().filter(|line| line.starts_with("| ")).rev().take(6).collect();
    for line in printed.into_iter().rev() {
        let _ = write!(text, "\n{line}");
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::boot::{DirRoot, OwnSequence, sequence};

    fn trial() -> Trial {
        let text = r#"{"sequence": [{"path": "/boot/a", "required": true}, {"path": "/boot/b"}]}"#;
        let sequence = sequence::parse(text).unwrap();
        let own =
            OwnSequence { path: Some("/boot_sequence.json"), text: text.to_owned(), sequence };
        let real = Report {
            troubles: (0..30).map(|n| format!("warning {n} {}", "w".repeat(200))).collect(),
            ..Report::default()
        };
        Trial { own, dry: Report::default(), real }
    }

    #[test]
    fn a_state_fits_its_room_and_keeps_what_matters() {
        let (trial, mut state) = (trial(), State::default());
        for _ in 0..20 {
            state.begin();
            state.add(Some("plan_only"), "plan_only", &"p".repeat(190));
        }
        let tree: Vec<String> = (0..200).map(|n| format!("/data/file{n} 100")).collect();
        let shown = "s".repeat(20_000);
        let view = View {
            goal: "be good",
            trial: &trial,
            tree: &tree,
            state: &state,
            shown: Some(&shown),
            left: 3,
        };
        for room in [400, 1000, 4000, 20_000, 100_000] {
            let text = view.text(room);
            assert!(text.len() <= room, "{room}: {}", text.len());
            assert!(text.contains("be good") && text.contains("3 actions left"), "{room}: {text}");
        }
        let text = view.text(20_000);
        for part in ["/boot/b (optional): not run", "20: plan_only", "warning 0", "/data/file9 100"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn the_tree_has_the_systems_files_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["boot/a", "apps/x/y", "models/m.gguf", "home/diary", ".env", "data/.key"] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "12345").unwrap();
        }
        let tree = list_tree(&DirRoot::open(dir.path()).unwrap());
        assert_eq!(tree, ["/apps/x/y 5", "/boot/a 5", "/models/m.gguf 5"]);
    }
}
