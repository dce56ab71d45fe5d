//! Any text as assembly: a picture or errors that can be shown; a picture's
//! disassembly gives the same picture.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxfs::pxi::asm::{Options, assemble};
use pxfs::pxi::disasm::disassemble;

fuzz_target!(|source: &str| {
    match assemble(source, Options::default()) {
        // Larger pictures only make the fuzzer slow.
        Ok(raster) if raster.pixels().len() <= 4096 => {
            let text = disassemble(&raster);
            assert_eq!(assemble(&text, Options::default()).expect("own text"), raster);
        }
        Ok(_) => {}
        Err(errors) => {
            for error in errors {
                let _ = error.render("fuzz.pxs", source);
            }
        }
    }
});
