//! Any text as assembly: a picture or errors that can be shown; a picture's
//! disassembly gives the same picture. What the text includes is the text itself,
//! up to a depth that the assembler sets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxfs::pxi::asm::{Options, Source, assemble, assemble_source};
use pxfs::pxi::disasm::disassemble;

fuzz_target!(|text: &str| {
    let mut count = 0;
    let mut include = |_: &str, path: &str| {
        count += 1;
        Ok(Source { name: format!("{path} {count}"), text: text.to_owned() })
    };
    let source = Source { name: "fuzz.pxs".to_owned(), text: text.to_owned() };
    match assemble_source(source, Options::default(), &mut include) {
        // Larger pictures only make the fuzzer slow.
        Ok(assembly) if assembly.raster.pixels().len() <= 4096 => {
            let text = disassemble(&assembly.raster);
            let again = assemble(&text, Options::default()).expect("own text");
            assert_eq!(again.raster, assembly.raster);
            let _ = assembly.listing();
        }
        Ok(_) => {}
        Err(errors) => {
            for error in errors {
                let _ = error.render();
            }
        }
    }
});
