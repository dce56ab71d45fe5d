//! Any bytes as a module's file, and as the files of the modules it imports: a
//! program or an error; what is linked runs to a typed stop.
#![no_main]

use std::cell::Cell;

use libfuzzer_sys::fuzz_target;
use pxfs::pxi::host::{Sealed, Stat, Which};
use pxfs::pxi::link::link_as;
use pxfs::pxi::pxim2::Header;
use pxfs::pxi::{CallError, Files, Pixel, Program, Raster};

const FUEL: u64 = 20_000;
/// Where a header of PXIM 2.x has its checksum.
const CHECKSUM: usize = 12;
const LENGTH: usize = 3;

fuzz_target!(|data: &[u8]| {
    if let Ok(raster) = Raster::from_png(data) {
        run(raster, &Disk::of(data));
    }
    // The checksums of PNG keep a fuzzer out, so the same bytes are also taken as pixels.
    let pixels: Vec<Pixel> = data.as_chunks::<4>().0.iter().copied().map(Pixel::from).collect();
    for version in [None, Some(Pixel::new(2, 0, 0, 0))] {
        let head = [Some(Pixel::from(*b"PXIM")), version];
        let mut pixels: Vec<Pixel> = head.into_iter().flatten().chain(pixels.clone()).collect();
        if version.is_some() {
            seal(&mut pixels);
        }
        if let Ok(raster) = Raster::new(pixels.len() as u32, 1, pixels) {
            run(raster, &Disk::of(data));
        }
    }
});

/// Writes the checksum that the header must have, so that more than it is tried.
fn seal(pixels: &mut [Pixel]) {
    if pixels.len() < 16 {
        return;
    }
    let length = pixels[LENGTH].value() as usize;
    let mut bytes = Vec::new();
    for (index, pixel) in pixels.iter().take(length).enumerate() {
        bytes.extend(if index == CHECKSUM { [0; 4] } else { pixel.channels() });
    }
    pixels[CHECKSUM] = Pixel::of_value(crc32(&bytes));
}

/// CRC-32 bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    let all =
        bytes.iter().fold(!0, |crc: u32, byte| (0..8).fold(crc ^ u32::from(*byte), |c, _| step(c)));
    !all
}

fn run(raster: Raster, disk: &Disk) {
    let Ok(program) = Program::parse(raster) else { return };
    assert!(program.entry() < program.raster().pixels().len());
    if let Some(header) = program.header() {
        assert_eq!(Header::parse(program.raster().pixels()).as_ref(), Ok(header));
        // Only what is not much larger than the input is worth the time.
        if header.memory > 1 << 20 {
            return;
        }
    }
    if let Ok(memory) = link_as(&program, None, disk, &|_| Ok(()))
        && program.header().is_some()
    {
        program.clone().into_linked(memory).run(&mut Sealed::new(4096), FUEL);
    }
    program.into_machine().run(&mut Sealed::new(4096), FUEL);
}

/// Files cut out of the input, a few at most.
struct Disk {
    bytes: Vec<u8>,
    left: Cell<u32>,
}

impl Disk {
    fn of(data: &[u8]) -> Self {
        Self { bytes: data.to_vec(), left: Cell::new(8) }
    }
}

impl Files for Disk {
    fn canonical(&self, path: &str) -> Result<String, CallError> {
        Ok(path.to_owned())
    }

    fn stat(&self, _: &str) -> Result<Stat, CallError> {
        Err(CallError::NotSupported)
    }

    fn resolve(&self, _: &str) -> Result<u32, CallError> {
        Err(CallError::NotSupported)
    }

    fn list(&self, _: &str) -> Result<Vec<Vec<u8>>, CallError> {
        Err(CallError::NotSupported)
    }

    fn read(&self, _: Which<'_>, _: u64, _: usize) -> Result<Vec<u8>, CallError> {
        Err(CallError::NotSupported)
    }

    fn checked(&self, which: Which<'_>, _: u64) -> Result<(Vec<u8>, u32), CallError> {
        let Which::Path(path) = which else { return Err(CallError::NotFound) };
        let left = self.left.get().checked_sub(1).ok_or(CallError::NotFound)?;
        self.left.set(left);
        let skip = path.len() * 4;
        let bytes = self.bytes.get(skip..).ok_or(CallError::NotFound)?;
        let mut pixels: Vec<Pixel> =
            bytes.as_chunks::<4>().0.iter().copied().map(Pixel::from).collect();
        seal(&mut pixels);
        let raster = Raster::new(pixels.len() as u32, 1, pixels);
        let raster = raster.map_err(|_| CallError::BadModule)?;
        Ok((raster.to_png().map_err(|_| CallError::Io)?, skip as u32))
    }

    fn requires(&self, _: &str) -> Result<Vec<String>, CallError> {
        Err(CallError::NotSupported)
    }
}
