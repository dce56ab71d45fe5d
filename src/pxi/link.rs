//! From a file to a module in memory: checked, decoded, and with the modules
//! behind it whose functions it calls.

use std::collections::HashMap;

use crate::pxi::call::Loaded;
use crate::pxi::host::{Files, Which};
use crate::pxi::isa::calls::CallError;
use crate::pxi::module::Program;
use crate::pxi::pxim2::Header;
use crate::pxi::raster::{MAX_PIXELS, MAX_PNG_BYTES};
use crate::pxi::{Pixel, Raster, verify};

/// Modules that may be linked together.
const MAX_MODULES: usize = 256;

/// Asks whether a path may be read.
type Permit<'p> = dyn Fn(&str) -> Result<(), CallError> + 'p;

/// Reads a module and what it imports.
///
/// # Errors
/// As for reading; [`CallError::BadModule`] when one of them is no module, or
/// has not the function that is asked of it.
pub(super) fn load(
    files: &dyn Files,
    which: Which<'_>,
    permit: &Permit<'_>,
) -> Result<Loaded, CallError> {
    let (program, id, cost) = read(files, which)?;
    let Some(header) = program.header() else {
        return Ok(Loaded { memory: program.raster().pixels().to_vec(), id, cost });
    };
    let path = match which {
        Which::Path(path) => Some(path),
        Which::Id(_) => None,
    };
    let mut linker = Linker::new(files, permit);
    let memory = linker.whole(program.raster(), header, path)?;
    Ok(Loaded { memory, id, cost: cost + linker.cost })
}

/// Links a program that is already at hand: its memory.
///
/// # Errors
/// As for MODULE.
pub fn link(program: &Program, files: &dyn Files) -> Result<Vec<Pixel>, CallError> {
    link_as(program, None, files).map_err(|(error, _)| error)
}

/// Links a program that lies at a path, so that what it imports may import it.
/// With an error comes the path of the import that could not be had.
///
/// # Errors
/// As for [`link`].
pub fn link_as(
    program: &Program,
    path: Option<&str>,
    files: &dyn Files,
) -> Result<Vec<Pixel>, (CallError, String)> {
    let permit = |_: &str| Ok(());
    let Some(header) = program.header() else {
        return Ok(program.raster().pixels().to_vec());
    };
    let mut linker = Linker::new(files, &permit);
    let memory = linker.whole(program.raster(), header, path);
    memory.map_err(|error| (error, linker.at))
}

fn read(files: &dyn Files, which: Which<'_>) -> Result<(Program, u32, usize), CallError> {
    let (bytes, id) = files.checked(which, MAX_PNG_BYTES)?;
    let raster = Raster::from_png(&bytes).map_err(|_| CallError::NotAProgram)?;
    let cost = bytes.len() + raster.pixels().len() * 4;
    let program = Program::parse(raster).map_err(|_| CallError::BadModule)?;
    if let Some(header) = program.header() {
        verify::verify(program.raster().pixels(), header).map_err(|_| CallError::BadModule)?;
    }
    Ok((program, id, cost))
}

struct Linker<'a> {
    files: &'a dyn Files,
    permit: &'a Permit<'a>,
    memory: Vec<Pixel>,
    /// Where each module lies, and its header.
    placed: HashMap<String, (u32, Header)>,
    /// The import that is looked at.
    at: String,
    cost: usize,
}

impl<'a> Linker<'a> {
    fn new(files: &'a dyn Files, permit: &'a Permit<'a>) -> Self {
        let (memory, placed) = (Vec::new(), HashMap::new());
        Self { files, permit, memory, placed, at: String::new(), cost: 0 }
    }

    /// The memory of a module with all that it leads to.
    fn whole(
        &mut self,
        raster: &Raster,
        header: &Header,
        path: Option<&str>,
    ) -> Result<Vec<Pixel>, CallError> {
        self.place(raster, header)?;
        if let Some(path) = path {
            self.placed.insert(path.to_owned(), (0, header.clone()));
        }
        self.link(0, header)?;
        Ok(std::mem::take(&mut self.memory))
    }

    /// Puts a module with the memory it wants behind what is there; its address.
    fn place(&mut self, raster: &Raster, header: &Header) -> Result<u32, CallError> {
        let start = self.memory.len();
        let end = start + header.memory as usize;
        if end as u64 > MAX_PIXELS {
            return Err(CallError::NoRoom);
        }
        self.memory.extend_from_slice(&raster.pixels()[..header.length as usize]);
        self.memory.resize(end, Pixel::default());
        Ok(start as u32)
    }

    /// Fills the slots of the module at `start`, and of all that it leads to.
    fn link(&mut self, start: u32, header: &Header) -> Result<(), CallError> {
        let mut open = vec![(start, header.clone())];
        while let Some((start, header)) = open.pop() {
            for import in &header.imports {
                self.at.clone_from(&import.path);
                let (address, target) = match self.placed.get(&import.path) {
                    Some((address, header)) => (*address, header.clone()),
                    None => {
                        let found = self.fetch(&import.path)?;
                        open.push(found.clone());
                        found
                    }
                };
                let function = target.functions.iter().find(|f| f.name == import.name);
                let function = function.ok_or(CallError::Import)?;
                let slot = (start + import.slot) as usize;
                self.memory[slot] = Pixel::of_value(address + function.address);
            }
        }
        Ok(())
    }

    fn fetch(&mut self, path: &str) -> Result<(u32, Header), CallError> {
        if self.placed.len() >= MAX_MODULES {
            return Err(CallError::NoRoom);
        }
        (self.permit)(path)?;
        let (program, _, cost) =
            read(self.files, Which::Path(path)).map_err(|_| CallError::Import)?;
        self.cost += cost;
        let header = program.header().ok_or(CallError::Import)?.clone();
        let address = self.place(program.raster(), &header)?;
        self.placed.insert(path.to_owned(), (address, header.clone()));
        Ok((address, header))
    }
}
