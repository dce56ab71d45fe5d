//! From a file to a module in memory: checked, decoded, and with the modules
//! behind it whose functions it calls.

use std::collections::HashMap;
use std::rc::Rc;

use crate::pxi::call::Loaded;
use crate::pxi::governor::clean;
use crate::pxi::host::{Files, Which};
use crate::pxi::isa::calls::CallError;
use crate::pxi::module::Program;
use crate::pxi::pxim2::{Header, Import};
use crate::pxi::raster::{MAX_PIXELS, MAX_PNG_BYTES};
use crate::pxi::{Pixel, Raster, verify};

/// Modules that may be linked together.
const MAX_MODULES: usize = 256;

/// Asks whether a path may be read.
pub type Permit<'p> = dyn Fn(&str) -> Result<(), CallError> + 'p;

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
    let (program, id) = read(files, which)?;
    let Some(header) = program.header() else {
        return Ok(Loaded { memory: program.raster().pixels().to_vec(), id });
    };
    let path = match which {
        Which::Path(path) => Some(path),
        Which::Id(_) => None,
    };
    let mut linker = Linker::new(files, permit);
    let memory = linker.whole(program.raster(), header, path)?;
    Ok(Loaded { memory, id })
}

/// Links a program that is already at hand: its memory. If its path is given, what
/// it imports may import it.
/// With an error comes the path of the import that could not be had.
///
/// # Errors
/// As for MODULE.
pub fn link_as(
    program: &Program,
    path: Option<&str>,
    files: &dyn Files,
    permit: &Permit<'_>,
) -> Result<Vec<Pixel>, (CallError, String)> {
    let Some(header) = program.header() else {
        return Ok(program.raster().pixels().to_vec());
    };
    let mut linker = Linker::new(files, permit);
    let memory = linker.whole(program.raster(), header, path);
    memory.map_err(|error| (error, linker.at))
}

fn read(files: &dyn Files, which: Which<'_>) -> Result<(Program, u32), CallError> {
    let (bytes, id) = files.checked(which, MAX_PNG_BYTES)?;
    let raster = Raster::from_png(&bytes).map_err(|_| CallError::NotAProgram)?;
    files.spend(raster.pixels().len() * 4);
    let program = Program::parse(raster).map_err(|_| CallError::BadModule)?;
    if let Some(header) = program.header() {
        verify::verify(program.raster().pixels(), header).map_err(|_| CallError::BadModule)?;
    }
    Ok((program, id))
}

/// A module in the common memory.
struct Placed {
    address: u32,
    functions: HashMap<String, u32>,
    imports: Vec<Import>,
}

impl Placed {
    fn new(address: u32, header: &Header) -> Rc<Self> {
        let functions = header.functions.iter().map(|f| (f.name.clone(), f.address));
        let (functions, imports) = (functions.collect(), header.imports.clone());
        Rc::new(Self { address, functions, imports })
    }
}

struct Linker<'a> {
    files: &'a dyn Files,
    permit: &'a Permit<'a>,
    memory: Vec<Pixel>,
    /// By their paths, made clean: one module lies here once.
    placed: HashMap<String, Rc<Placed>>,
    /// The import that is looked at.
    at: String,
}

impl<'a> Linker<'a> {
    fn new(files: &'a dyn Files, permit: &'a Permit<'a>) -> Self {
        let (memory, placed) = (Vec::new(), HashMap::new());
        Self { files, permit, memory, placed, at: String::new() }
    }

    /// The memory of a module with all that it leads to.
    fn whole(
        &mut self,
        raster: &Raster,
        header: &Header,
        path: Option<&str>,
    ) -> Result<Vec<Pixel>, CallError> {
        let address = self.place(raster, header)?;
        let placed = Placed::new(address, header);
        if let Some(path) = path {
            self.placed.insert(key(path), placed.clone());
        }
        self.link(placed)?;
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

    /// Fills the slots of a module, and of all that it leads to.
    fn link(&mut self, first: Rc<Placed>) -> Result<(), CallError> {
        let mut open = vec![first];
        while let Some(module) = open.pop() {
            for import in &module.imports {
                self.at.clone_from(&import.path);
                let path = key(&import.path);
                let target = match self.placed.get(&path) {
                    Some(placed) => placed.clone(),
                    None => {
                        let found = self.fetch(path)?;
                        open.push(found.clone());
                        found
                    }
                };
                let function = target.functions.get(&import.name).ok_or(CallError::Import)?;
                let slot = (module.address + import.slot) as usize;
                self.memory[slot] = Pixel::of_value(target.address + function);
            }
        }
        Ok(())
    }

    fn fetch(&mut self, path: String) -> Result<Rc<Placed>, CallError> {
        if self.placed.len() >= MAX_MODULES {
            return Err(CallError::NoRoom);
        }
        (self.permit)(&path).map_err(|_| CallError::Import)?;
        let (program, _) = read(self.files, Which::Path(&path)).map_err(|_| CallError::Import)?;
        let header = program.header().ok_or(CallError::Import)?;
        let placed = Placed::new(self.place(program.raster(), header)?, header);
        self.placed.insert(path, placed.clone());
        Ok(placed)
    }
}

/// A path as modules are known by it: `/m`, `//m` and `/./m` are one.
fn key(path: &str) -> String {
    clean(path).unwrap_or_else(|| path.to_owned())
}
