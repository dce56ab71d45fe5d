//! Any bytes as a module's file: a program or an error; programs end in a typed stop.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxfs::pxi::host::Sealed;
use pxfs::pxi::{Pixel, Program, Raster};

fuzz_target!(|data: &[u8]| {
    if let Ok(raster) = Raster::from_png(data) {
        run(raster);
    }
    // PNG checksums keep a fuzzer out, so the same bytes are also taken as pixels.
    let cells = data.as_chunks::<4>().0.iter().copied().map(Pixel::from);
    let pixels: Vec<Pixel> = [Pixel::from(*b"PXIM")].into_iter().chain(cells).collect();
    if let Ok(raster) = Raster::new(pixels.len() as u32, 1, pixels) {
        run(raster);
    }
});

fn run(raster: Raster) {
    if let Ok(program) = Program::parse(raster) {
        assert!(program.entry() < program.raster().pixels().len());
        program.into_machine().run(&mut Sealed::new(4096), 20_000);
    }
}
