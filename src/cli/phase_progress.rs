//! Progress of checks: a bar for people, JSON lines for programs.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::mkfs_progress::ProgressChoice;
use super::size::show_size;

/// What is shown while the check runs.
pub(super) enum Display {
    Nothing,
    Bar(ProgressBar, Instant),
    Lines(Instant),
}

/// Between two changes on the screen.
const REDRAW: Duration = Duration::from_millis(100);
/// Between two JSON lines.
const LINE: Duration = Duration::from_millis(500);

impl Display {
    /// The display for a choice.
    pub(super) fn new(choice: ProgressChoice) -> Self {
        match choice {
            ProgressChoice::Auto if std::io::stderr().is_terminal() => {
                let bar = ProgressBar::new(1);
                if let Ok(style) = ProgressStyle::with_template("{msg:10} {wide_bar} {percent}%") {
                    bar.set_style(style);
                }
                Self::Bar(bar, Instant::now())
            }
            ProgressChoice::Json => Self::Lines(Instant::now()),
            _ => Self::Nothing,
        }
    }

    /// Tells how many bytes are done when nobody knows how many there are.
    pub(super) fn count(&mut self, phase: &'static str, done: u64) {
        match self {
            Self::Bar(bar, shown) if shown.elapsed() >= REDRAW => {
                *shown = Instant::now();
                bar.set_style(ProgressStyle::default_spinner());
                bar.set_message(format!("{phase} {}", show_size(done)));
                bar.tick();
            }
            Self::Bar(..) => {}
            other => other.show(phase, done, 0),
        }
    }

    /// Tells how much of a phase is done.
    pub(super) fn show(&mut self, phase: &'static str, done: u64, total: u64) {
        match self {
            Self::Nothing => {}
            Self::Bar(bar, shown) => {
                if done == total || shown.elapsed() >= REDRAW {
                    *shown = Instant::now();
                    bar.set_message(phase);
                    bar.set_length(total);
                    bar.set_position(done);
                }
            }
            Self::Lines(shown) => {
                if done == total || shown.elapsed() >= LINE {
                    *shown = Instant::now();
                    let line = json!({"phase": phase, "done": done, "total": total});
                    eprintln!("{line}");
                }
            }
        }
    }

    /// Clears what is on the screen.
    pub(super) fn close(self) {
        if let Self::Bar(bar, _) = self {
            bar.finish_and_clear();
        }
    }
}
