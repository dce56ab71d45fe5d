//! What a model sees of a file that it wants to read.

use crate::boot::BootRoot;
use crate::pxi::disasm::disassemble;
use crate::pxi::{Program, Raster};

use super::action::cut;
use super::make::MAX_MODULE_BYTES;

/// Bytes of a text that are shown.
const MAX_SHOWN: usize = 12 << 10;

/// A text as it is, a module as its disassembly; a sentence of anything else.
pub fn show_file(root: &dyn BootRoot, path: &str) -> String {
    let bytes = match root.read_file(path, MAX_MODULE_BYTES) {
        Ok(file) => file.bytes,
        Err(error) => return format!("{path}: {error}"),
    };
    if let Ok(raster) = Raster::from_png(&bytes) {
        return show_module(path, raster);
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => format!("{path}, {} bytes:\n{}", bytes.len(), cut(text, MAX_SHOWN)),
        Err(_) => format!("{path} is no text, and no module"),
    }
}

fn show_module(path: &str, raster: Raster) -> String {
    /// Pixels that are disassembled; of a larger module the beginning says little.
    const MOST: usize = 1 << 16;
    let pixels = raster.pixels().len();
    if pixels > MOST {
        return format!("{path} is a module of {pixels} pixels");
    }
    let layout = match Program::parse(raster.clone()) {
        Ok(program) => program.layout().to_string(),
        Err(error) => return format!("{path} is a picture, but no module: {error}"),
    };
    let text = disassemble(&raster);
    format!("{path} is a {layout}; it reads, disassembled:\n{}", cut(&text, MAX_SHOWN))
}
