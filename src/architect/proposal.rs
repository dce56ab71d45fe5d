//! What a person is shown before a change is kept.

use serde::Serialize;
use similar::TextDiff;

use super::staged::Change;
use super::trial::Trial;

/// Lines of a difference that are shown at most, and bytes of each.
const MAX_LINES: usize = 400;
const MAX_LINE: usize = 400;
/// Longest text that is compared line by line.
const MAX_COMPARED: usize = 128 << 10;

/// A change that passed every check.
#[derive(Debug, Clone, Serialize)]
pub struct Proposal {
    /// What it does, in one line.
    pub summary: String,
    /// What the model says about it.
    pub note: String,
    /// The files.
    pub files: Vec<FileChange>,
    /// How it boots now.
    pub before: String,
    /// How it boots with the change.
    pub after: String,
}

/// A file that is made or changed.
#[derive(Debug, Clone, Serialize)]
pub struct FileChange {
    /// Its path.
    pub path: String,
    /// Bytes that it has now, if it is there.
    pub old_size: Option<usize>,
    /// Bytes that it will have.
    pub size: usize,
    /// For texts, the lines that go and come, `-` and `+` before them.
    pub diff: Vec<String>,
}

impl Proposal {
    /// The proposal of changes.
    pub fn new(
        summary: &str,
        note: &str,
        changes: &[Change],
        before: &Trial,
        after: &Trial,
    ) -> Self {
        Self {
            summary: summary.to_owned(),
            note: note.to_owned(),
            files: changes.iter().map(FileChange::of).collect(),
            before: before.real.summary(),
            after: after.real.summary(),
        }
    }
}

impl FileChange {
    fn of(change: &Change) -> Self {
        let old = change.old.as_deref();
        Self {
            path: change.path.clone(),
            old_size: old.map(<[u8]>::len),
            size: change.bytes.len(),
            diff: diff(old.unwrap_or_default(), &change.bytes),
        }
    }
}

/// The difference of two texts; none if one of them is no text.
fn diff(old: &[u8], new: &[u8]) -> Vec<String> {
    let texts = (std::str::from_utf8(old), std::str::from_utf8(new));
    let (Ok(old), Ok(new)) = texts else {
        return Vec::new();
    };
    if old.len() + new.len() > MAX_COMPARED {
        return vec![format!("a text of {} bytes, before {}", new.len(), old.len())];
    }
    let diff =
        TextDiff::configure().timeout(std::time::Duration::from_secs(2)).diff_lines(old, new);
    let mut lines = Vec::new();
    for hunk in diff.unified_diff().context_radius(2).iter_hunks() {
        for line in hunk.iter_changes() {
            if lines.len() == MAX_LINES {
                lines.push("... more lines than are shown".to_owned());
                return lines;
            }
            let value = super::action::cut(line.value().trim_end_matches('\n'), MAX_LINE);
            lines.push(format!("{}{value}", line.tag()));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_of_texts_is_shown() {
        assert_eq!(diff(b"a\nb\n", b"a\nc\n"), [" a", "-b", "+c"]);
        assert_eq!(diff(b"", b"x"), ["+x"]);
        assert!(diff(b"\xFF", b"x").is_empty());
        let long = "x\n".repeat(5000);
        assert_eq!(diff(b"", long.as_bytes()).len(), MAX_LINES + 1);
    }
}
