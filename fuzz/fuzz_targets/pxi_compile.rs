//! Any text as a module of the Python subset: errors that can be shown, or a
//! module that the machine runs for a bounded time and stops.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxfs::pxc::compile;
use pxfs::pxi::Program;
use pxfs::pxi::host::Sealed;
use pxfs::pxi::pxim2::Header;
use pxfs::pxi::verify::verify;

fuzz_target!(|source: &str| {
    match compile("fuzz.py", source) {
        Ok(compiled) => {
            let pixels = compiled.parts.pixels();
            let header = Header::parse(&pixels).expect("what was compiled has a header");
            verify(&pixels, &header).expect("what was compiled passes the verifier");
            let raster = compiled.parts.build(None).expect("what was compiled is a module");
            // Large heaps only make the fuzzer slow.
            if compiled.parts.heap <= 1 << 18 {
                let program = Program::parse(raster).expect("what was compiled has a header");
                program.into_machine().run(&mut Sealed::new(1 << 16), 100_000);
            }
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors {
                assert!(!error.message.contains("bug in it"), "{}", error.message);
                let _ = error.render();
            }
        }
    }
});
