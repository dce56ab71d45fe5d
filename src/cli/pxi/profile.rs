//! `pxi profile`: where a program spends its steps.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde_json::{Value, json};

use super::host::ToolHost;
use super::output::Output;
use super::target::{Lines, Target, TargetArgs};
use super::trace::end;
use crate::cli::Outcome;
use crate::pxi::debug::{Profile, Profiler, Tracer, instruction};
use crate::pxi::{Isa, Stop};

/// Run a program and show where it spends its steps
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
A function is what was called, known by its name or as @ADDRESS. \"total\" counts what
it called, too. Exit status: 0 the profile is written; 1 error or trap; 2 wrong usage.")]
pub(super) struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// Steps after which to stop; 100000 for PXI-1, 1000000000 for PXI-2 unless given
    #[arg(long, value_name = "N", visible_alias = "max-steps")]
    fuel: Option<u64>,
    /// Entries in each table
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// Write the profile as one JSON object
    #[arg(long, conflicts_with = "folded")]
    json: bool,
    /// Write chains of calls with their steps, as flame graph tools read them
    #[arg(long)]
    folded: bool,
    /// File to write; the program's text is shown then, otherwise it is dropped
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs `pxi profile`.
pub(super) fn run(args: &Args) -> Outcome {
    let screen = Output::screen(args.output.as_ref());
    args.target.with(screen, Lines::Standard, |target, host| profile(args, target, host))
}

fn profile(args: &Args, target: Target, mut host: ToolHost<'_>) -> Outcome {
    let fuel = args.fuel.unwrap_or(target.fuel);
    let isa = target.tracer.machine.isa();
    let mut profiler = Profiler::new(target.tracer);
    let stop = profiler.run(&mut host, fuel);
    let (profile, tracer) = profiler.finish();
    let target = Target { tracer, ..target };
    let shown =
        Shown { profile: &profile, tracer: &target.tracer, isa, stop: &stop, top: args.top };
    let text = match (args.json, args.folded) {
        (true, _) => shown.to_json().to_string() + "\n",
        (_, true) => profile.folded(),
        _ => shown.to_text(),
    };
    let mut output = Output::open(args.output.as_ref())?;
    output.put(&text)?;
    output.finish()?;
    end(&target, &mut host, &stop)
}

struct Shown<'p> {
    profile: &'p Profile,
    tracer: &'p Tracer,
    isa: Isa,
    stop: &'p Stop,
    top: usize,
}

impl Shown<'_> {
    fn named(&self, address: u32) -> String {
        let name = self.tracer.names.at(address);
        name.map_or_else(|| "-".to_owned(), |name| name.to_string())
    }

    /// The instruction there. In a module that was run it may be another one now.
    fn instruction(&self, address: u32) -> String {
        let pixel = self.tracer.machine.memory().pixels().get(address as usize);
        let names = &self.tracer.names;
        pixel.map_or(String::new(), |pixel| instruction(*pixel, self.isa, 0, address, names))
    }

    fn to_text(&self) -> String {
        let profile = self.profile;
        let mut text = format!("{} steps, stopped by: {}\n\n", profile.steps, self.stop);
        text.push_str("        self       %       total       %       calls  function\n");
        for f in profile.functions.iter().take(self.top) {
            let (own, total) = (profile.percent(f.own), profile.percent(f.total));
            let _ = writeln!(
                text,
                "{:>12} {own:>7.2} {:>11} {total:>7.2} {:>11}  {}",
                f.own, f.total, f.calls, f.name
            );
        }
        text.push_str("\n       steps       %     address  instruction\n");
        for (address, hits) in profile.addresses.iter().take(self.top) {
            let (part, name) = (profile.percent(*hits), self.named(*address));
            let what = self.instruction(*address);
            let _ = writeln!(text, "{hits:>12} {part:>7.2} {address:>11}  {name:<20} {what}");
        }
        if !profile.lines.is_empty() {
            text.push_str("\n       steps       %  line\n");
        }
        for (file, line, hits) in profile.lines.iter().take(self.top) {
            let part = profile.percent(*hits);
            let _ = writeln!(text, "{hits:>12} {part:>7.2}  {file}:{line}");
        }
        text
    }

    fn to_json(&self) -> Value {
        let profile = self.profile;
        let functions = profile.functions.iter().take(self.top).map(|f| {
            json!({"name": f.name, "address": f.address, "self": f.own, "total": f.total,
                "calls": f.calls})
        });
        let addresses = profile.addresses.iter().take(self.top).map(|(address, steps)| {
            json!({"address": address, "steps": steps, "label": self.named(*address),
                "text": self.instruction(*address)})
        });
        let lines = profile.lines.iter().take(self.top);
        let lines =
            lines.map(|(file, line, steps)| json!({"file": file, "line": line, "steps": steps}));
        json!({
            "steps": profile.steps,
            "stop": self.stop.slug(),
            "functions": functions.collect::<Vec<_>>(),
            "addresses": addresses.collect::<Vec<_>>(),
            "lines": lines.collect::<Vec<_>>(),
        })
    }
}
