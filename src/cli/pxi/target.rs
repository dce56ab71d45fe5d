//! What the tools that run a program have in common: which program, what it
//! starts with, and what serves its system calls.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use super::host::{Input, Screen, ToolHost};
use super::{read_bounded, read_picture};
use crate::boot::{BootRoot, DirRoot, TreeRoot};
use crate::cli::machine_model::ModelArgs;
use crate::cli::open::open_tree;
use crate::legacy::root::PIXELFS;
use crate::pxi::debug::{Names, Symbols, Tracer};
use crate::pxi::governor::MAX_POLICY;
use crate::pxi::link::link_as;
use crate::pxi::{Governor, Isa, Layout, Machine, Policy, Program};

/// Steps of the old machine, unless told otherwise.
const FUEL_1: u64 = 100_000;
/// Steps of PXI-2 programs, unless told otherwise: some seconds.
const FUEL_2: u64 = 1_000_000_000;
/// Longest symbol file.
const MAX_SYMBOLS: u64 = 1 << 30;

/// Options of every tool that runs a program.
#[derive(Debug, Args)]
pub(super) struct TargetArgs {
    /// Program picture (PNG, 8-bit RGBA): a raw program, or a module of PXIM 1.x or 2.x
    program: PathBuf,
    /// What serves files, blobs and imports: a mounted picture, a pxOS root, or a pxfs picture
    #[arg(long, value_name = "DIR|IMAGE")]
    root: Option<PathBuf>,
    /// Take pixel 0 as the first instruction even if there is a module header
    #[arg(long)]
    raw: bool,
    /// Seed of the random numbers
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// A register's number at the start, such as R0=5; can be given more than once
    #[arg(long, value_name = "Rn=N", value_parser = parse_set)]
    set: Vec<(usize, u32)>,
    /// File whose lines INPUT reads
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Policy that the program is under (JSON)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    models: ModelArgs,
    /// Symbol file of the assembler or compiler: names and lines
    #[arg(long, value_name = "FILE")]
    pub(super) symbols: Option<PathBuf>,
}

/// A program that is ready to run.
#[derive(Debug)]
pub(super) struct Target {
    /// The machine and the names of its addresses.
    pub(super) tracer: Tracer,
    /// How the picture is laid out.
    pub(super) layout: Layout,
    /// Pixels in a row of the picture.
    pub(super) width: u32,
    /// Lines that describe it.
    pub(super) about: String,
    /// Steps it may take unless told otherwise.
    pub(super) fuel: u64,
}

/// Where INPUT reads if there is no `--input`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// Standard input.
    Standard,
    /// Nowhere: standard input is needed for something else.
    None,
}

impl TargetArgs {
    /// Makes the program ready and gives it, with its host, to `act`.
    pub(super) fn with<T>(
        &self,
        screen: Screen,
        lines: Lines,
        act: impl FnOnce(Target, ToolHost<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let program = self.program()?;
        let input = match (&self.input, lines) {
            (Some(path), _) => Input::file(path)?,
            (None, Lines::Standard) => Input::standard(),
            (None, Lines::None) => Input::None,
        };
        let models = self.models.models(self.root.as_deref(), Some(self.seed), false)?;
        let Some(path) = &self.root else {
            let host = ToolHost::new(None, screen, input);
            return act(self.target(program, &host)?, host);
        };
        let act = |target, host: ToolHost<'_>| act(target, host.with_models(models));
        let shown = || format!("cannot open root {}", path.display());
        let is_dir = std::fs::metadata(path).with_context(shown)?.is_dir();
        // The paths of a pxOS root are in pixelfs.json; PXI-1 asks for blobs only.
        if is_dir && (program.isa() == Isa::Pxi1 || !path.join(PIXELFS).exists()) {
            let root = DirRoot::open(path).with_context(shown)?;
            return self.with_root(program, &root, screen, input, act);
        }
        let tree = open_tree(path)?;
        self.with_root(program, &TreeRoot(tree.as_ref()), screen, input, act)
    }

    fn with_root<T>(
        &self,
        program: Program,
        root: &dyn BootRoot,
        screen: Screen,
        input: Input,
        act: impl FnOnce(Target, ToolHost<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let host = ToolHost::new(Some(root), screen, input);
        act(self.target(program, &host)?, host)
    }

    fn program(&self) -> anyhow::Result<Program> {
        let raster = read_picture(&self.program)?;
        if self.raw {
            return Ok(Program::raw(raster));
        }
        Program::parse(raster).with_context(|| self.program.display().to_string())
    }

    fn target(&self, program: Program, host: &ToolHost<'_>) -> anyhow::Result<Target> {
        let (layout, width) = (program.layout(), program.raster().width());
        let about = self.about(&program);
        let mut machine = linked(program, host)?.with_seed(self.seed);
        for (register, value) in &self.set {
            machine.registers_mut()[*register] = *value;
        }
        if let Some(path) = &self.policy {
            machine = machine.with_governor(governor(path)?);
        }
        let symbols = match &self.symbols {
            Some(path) => Symbols::parse(&text(path, MAX_SYMBOLS)?)
                .with_context(|| path.display().to_string())?,
            None => Symbols::default(),
        };
        let names = Names::of(symbols, machine.memory().pixels());
        let fuel = if machine.isa() == Isa::Pxi1 { FUEL_1 } else { FUEL_2 };
        Ok(Target { tracer: Tracer::new(machine, names), layout, width, about, fuel })
    }

    fn about(&self, program: &Program) -> String {
        use std::fmt::Write;
        let (raster, entry) = (program.raster(), program.entry());
        let (width, height) = (raster.width(), raster.height());
        let (path, layout) = (self.program.display(), program.layout());
        let mut about = format!("{path}: {layout}, {width}x{height} pixels, entry {entry}\n");
        if let Some(header) = program.header() {
            let (length, memory, end) = (header.length, header.memory, header.code_end);
            let _ = writeln!(about, "code to {end}, {length} pixels, {memory} of memory");
            for path in &header.requires {
                let _ = writeln!(about, "requires {path:?}");
            }
            for import in &header.imports {
                let _ = writeln!(about, "imports {:?} of {:?}", import.name, import.path);
            }
            for function in &header.functions {
                let _ = writeln!(about, "function {:?} at {}", function.name, function.address);
            }
        }
        about
    }
}

/// The machine, with what the program imports of the root.
fn linked(program: Program, host: &ToolHost<'_>) -> anyhow::Result<Machine> {
    use crate::pxi::Host as _;
    let has_imports = program.header().is_some_and(|header| !header.imports.is_empty());
    if !has_imports {
        return Ok(program.into_machine());
    }
    let Some(files) = host.files() else {
        bail!("the program imports functions of other modules: --root says where they are");
    };
    let memory = link_as(&program, None, files, &|_| Ok(()))
        .map_err(|(error, path)| anyhow::anyhow!("cannot link {path}: {error}"))?;
    Ok(program.into_linked(memory))
}

fn governor(path: &Path) -> anyhow::Result<Governor> {
    let policy = Policy::parse(&text(path, MAX_POLICY as u64)?);
    let policy = policy.with_context(|| path.display().to_string())?;
    let mut governor = Governor::default();
    governor.narrow(&policy).map_err(anyhow::Error::new)?;
    Ok(governor)
}

/// Reads a text file.
pub(super) fn text(path: &Path, limit: u64) -> anyhow::Result<String> {
    let bytes = read_bounded(path, limit)?;
    String::from_utf8(bytes).ok().with_context(|| format!("{} is not UTF-8 text", path.display()))
}

/// `R0=5`: decimal, with a sign or without, or hexadecimal.
fn parse_set(text: &str) -> Result<(usize, u32), String> {
    let wrong = || format!("'{text}' is not of the form R0=5");
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let register = name.trim().strip_prefix(['R', 'r']).and_then(|n| n.parse().ok());
    let register = register.filter(|n| *n < 16).ok_or_else(wrong)?;
    let value = value.trim();
    let number = match value.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => value.parse().ok().or_else(|| value.parse::<i32>().ok().map(|n| n as u32)),
    };
    Ok((register, number.ok_or_else(wrong)?))
}
