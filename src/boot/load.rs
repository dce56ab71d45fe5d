//! From a stage to a machine that is about to run: read, compared with its
//! digest, decoded, verified, linked.

use std::io;

use crate::boot::failure::StageError;
use crate::boot::files::{BootFiles, add_requires, check_content};
use crate::boot::log::{Entry, Level, Log};
use crate::boot::sequence::Stage;
use crate::pxi::raster::MAX_PNG_BYTES;
use crate::pxi::{self, Governor, Machine, Pixel, Program, Raster, link};

/// A module that was read and has the content that was declared.
pub(super) struct Module {
    pub(super) id: u32,
    /// Whether the root declares what its content is.
    is_declared: bool,
    pub(super) requires: Vec<String>,
    /// Told only after what it requires was seen to.
    program: Result<Program, StageError>,
}

/// A program with all that it imports.
pub(super) struct Linked {
    pub(super) id: u32,
    is_declared: bool,
    pub(super) program: Program,
    pub(super) memory: Vec<Pixel>,
}

impl Module {
    /// Reads the module of a stage.
    pub(super) fn read(files: &BootFiles<'_>, stage: &Stage) -> Result<Self, StageError> {
        let file = files.root().read_file(&stage.path, MAX_PNG_BYTES)?;
        let id = check_content(&file.bytes, &file.declared)?;
        let is_declared = file.declared.sha256.is_some();
        let program = parse(&file.bytes);
        let mut requires = file.requires;
        if let Some(header) = program.as_ref().ok().and_then(Program::header) {
            add_requires(&mut requires, &header.requires);
        }
        Ok(Self { id, is_declared, requires, program })
    }

    /// The program, with all that it imports.
    pub(super) fn link(
        self,
        files: &BootFiles<'_>,
        governor: &Governor,
        stage: &Stage,
    ) -> Result<Linked, StageError> {
        let program = self.program?;
        // A stage may import what it may see. It runs at least at depth 1: under the policy.
        let permit = |path: &str| governor.permits_file(1, files, path);
        let memory = link::link_as(&program, Some(&stage.path), files, &permit)
            .map_err(|(error, path)| StageError::Import { path, error })?;
        Ok(Linked { id: self.id, is_declared: self.is_declared, program, memory })
    }
}

fn parse(bytes: &[u8]) -> Result<Program, StageError> {
    let program = Program::parse(Raster::from_png(bytes)?)?;
    verify(&program)?;
    Ok(program)
}

/// What can be known of code before it runs: only modules of PXI-2 are held to it.
fn verify(program: &Program) -> Result<(), StageError> {
    let Some(header) = program.header() else {
        return Ok(());
    };
    match pxi::verify::verify(program.raster().pixels(), header) {
        Ok(_) => Ok(()),
        Err(findings) => {
            let first = findings.first().map(ToString::to_string).unwrap_or_default();
            Err(StageError::Code(first))
        }
    }
}

impl Linked {
    /// The machine, about to run.
    pub(super) fn into_machine(self) -> Machine {
        match self.program.header() {
            Some(_) => self.program.into_linked(self.memory),
            None => self.program.into_machine(),
        }
    }

    /// Logs what was found out about it.
    pub(super) fn log(&self, stage: &Stage, log: &mut Log<'_>) -> io::Result<()> {
        let [r, g, b, a] = self.id.to_be_bytes();
        let message =
            format!("Resolved: {} -> 0x{:08X}, RGBA ({r}, {g}, {b}, {a})", stage.path, self.id);
        log.write(&Entry::new(Level::Info, "resolved", message).of(stage).id(self.id))?;
        let (raster, program) = (self.program.raster(), &self.program);
        let message = format!(
            "Checked: {}, {}x{} pixels, entry {}, SHA-256 {}",
            program.layout(),
            raster.width(),
            raster.height(),
            program.entry(),
            if self.is_declared { "as declared" } else { "not declared by this root" }
        );
        log.write(&Entry::new(Level::Info, "checked", message).of(stage).id(self.id))
    }
}
