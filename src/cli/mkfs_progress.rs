//! Progress and summary of mkfs: a bar for people, JSON lines for programs.

use std::io::{IsTerminal as _, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::size::show_size;
use crate::mkfs::{Progress, Summary};

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ProgressChoice {
    /// A bar if standard error is a terminal.
    Auto,
    /// Nothing.
    None,
    /// A JSON object a line, twice a second.
    Json,
}

/// A progress display that is taken down at the end.
pub(super) trait ClosableProgress: Progress {
    /// Clears what is on the screen.
    fn close(&mut self);
}

/// The display for a choice.
pub(super) fn progress_for(choice: ProgressChoice) -> Box<dyn ClosableProgress> {
    match choice {
        ProgressChoice::Auto if std::io::stderr().is_terminal() => Box::new(Bar::new()),
        ProgressChoice::Json => Box::new(Lines::default()),
        _ => Box::new(Silent),
    }
}

struct Silent;

impl Progress for Silent {
    fn file(&mut self, _path: &Path) {}
    fn bytes(&mut self, _bytes: u64) {}
    fn writing(&mut self) {}
}

impl ClosableProgress for Silent {
    fn close(&mut self) {}
}

struct Bar {
    bar: ProgressBar,
    files: u64,
    shown: Instant,
}

/// Between two changes of the text: names fly by faster than anyone reads.
const REDRAW: Duration = Duration::from_millis(100);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        let template = "{spinner} {elapsed} {binary_bytes} ({binary_bytes_per_sec}) {wide_msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(REDRAW);
        Self { bar, files: 0, shown: Instant::now() }
    }
}

impl Progress for Bar {
    fn file(&mut self, path: &Path) {
        self.files += 1;
        if self.shown.elapsed() >= REDRAW {
            self.shown = Instant::now();
            let name = path.display().to_string();
            let name: String = name.chars().filter(|c| !c.is_control()).collect();
            self.bar.set_message(format!("{} files, {name}", HumanCount(self.files)));
        }
    }

    fn bytes(&mut self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn writing(&mut self) {
        self.bar.set_message(format!("{} files, writing the picture", HumanCount(self.files)));
    }
}

impl ClosableProgress for Bar {
    fn close(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[derive(Default)]
struct Lines {
    files: u64,
    bytes: u64,
    shown: Option<Instant>,
}

impl Lines {
    fn print(&mut self, phase: &str) {
        self.shown = Some(Instant::now());
        let line = serde_json::json!({"phase": phase, "files": self.files, "bytes": self.bytes});
        eprintln!("{line}");
    }

    fn print_sometimes(&mut self) {
        let due = |shown: Instant| shown.elapsed() >= Duration::from_millis(500);
        if self.shown.is_none_or(due) {
            self.print("reading");
        }
    }
}

impl Progress for Lines {
    fn file(&mut self, _path: &Path) {
        self.files += 1;
        self.print_sometimes();
    }

    fn bytes(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.print_sometimes();
    }

    fn writing(&mut self) {
        self.print("writing");
    }
}

impl ClosableProgress for Lines {
    fn close(&mut self) {
        self.print("done");
    }
}

/// What was made, for people.
pub(super) fn print_summary(
    out: &mut dyn Write,
    image: &Path,
    summary: &Summary,
) -> std::io::Result<()> {
    let ratio = match summary.bytes_out {
        0 => 0.0,
        out => summary.bytes_in as f64 / out as f64,
    };
    writeln!(out, "{}: {} x {} pixels", image.display(), summary.width, summary.height)?;
    writeln!(
        out,
        "  {} files, {} directories, {} others, {} hard links; {} sub-boot pixels",
        summary.files, summary.directories, summary.others, summary.hard_links, summary.pixels
    )?;
    writeln!(
        out,
        "  {} in, {} out, ratio {ratio:.2}, {} in {} files deduplicated, {:.1} s",
        show_size(summary.bytes_in),
        show_size(summary.bytes_out),
        show_size(summary.deduplicated_bytes),
        summary.deduplicated_files,
        summary.seconds
    )?;
    writeln!(out, "  uuid {}", summary.uuid)?;
    writeln!(out, "  digest {}", summary.digest)
}
