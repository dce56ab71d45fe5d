//! Any pixels as a program: it ends in a typed stop, within its fuel and limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxfs::pxi::host::Sealed;
use pxfs::pxi::{Limits, Pixel, Program, Raster};

fuzz_target!(|data: &[u8]| {
    let pixels: Vec<Pixel> = data.as_chunks::<4>().0.iter().copied().map(Pixel::from).collect();
    let Ok(raster) = Raster::new(pixels.len() as u32, 1, pixels) else { return };
    let limits = Limits { stack_bytes: 4096, ..Limits::default() };
    let mut machine = Program::raw(raster).into_machine().with_limits(limits);
    machine.run(&mut Sealed::new(4096), 20_000);
    assert!(machine.steps() <= 20_000);
    assert!(machine.stack().len() <= 1024);
});
