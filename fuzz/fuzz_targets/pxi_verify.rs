//! Any pixels as a program, and as code, data and tables of a module of version 2:
//! the verifier ends in a report or in findings, the disassembler in a text that
//! gives the same pixels back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxfs::pxi::asm::{Options, assemble};
use pxfs::pxi::disasm::disassemble;
use pxfs::pxi::pxim2::{Function, Header, Import, Parts};
use pxfs::pxi::verify::{MAX_FINDINGS, verify, verify_old};
use pxfs::pxi::{Pixel, Raster};

fuzz_target!(|data: &[u8]| {
    let pixels: Vec<Pixel> = data.as_chunks::<4>().0.iter().copied().map(Pixel::from).collect();
    if pixels.len() > 4096 {
        return;
    }
    if let Some(module) = module(data, &pixels) {
        check(&module);
    }
    if let Ok(raster) = Raster::new(pixels.len() as u32, 1, pixels) {
        check(&raster);
    }
});

fn check(raster: &Raster) {
    let pixels = raster.pixels();
    if let Ok(header) = Header::parse(pixels)
        && let Err(findings) = verify(pixels, &header)
    {
        assert!((1..=MAX_FINDINGS).contains(&findings.len()));
    }
    verify_old(pixels, pixels.len() / 3);
    let text = disassemble(raster);
    let again = assemble(&text, Options::default()).expect("own text");
    assert_eq!(&again.raster, raster, "{text}");
}

/// A module with a header and a checksum that are right, which no fuzzer would guess.
fn module(data: &[u8], pixels: &[Pixel]) -> Option<Raster> {
    let (&[split, kind, at, ..], text) = (data.first_chunk::<3>()?, data.get(3..)?);
    let (code, rest) = pixels.split_at_checked(usize::from(split) + 1)?;
    let all = pixels.len() as u32;
    let words = String::from_utf8_lossy(&text[..text.len().min(64)]).into_owned();
    let mut names = words.split('\n').filter(|name| !name.is_empty()).map(str::to_owned);
    let address = 16 + u32::from(at) % code.len() as u32;
    let function = |name| Function { name, address };
    let functions = names.by_ref().take(usize::from(kind & 3)).map(function).collect();
    let slot = 16 + u32::from(at) % all;
    let import = |path: String| Import { slot, name: path.clone(), path };
    let imports = names.by_ref().take(usize::from(kind >> 2 & 3)).map(import).collect();
    let parts = Parts {
        code: code.to_vec(),
        data: rest.to_vec(),
        entry: address,
        heap: u32::from(at),
        frame: (kind & 16 > 0).then_some((3, 5)),
        functions,
        imports,
        requires: names.collect(),
    };
    parts.build(None).ok()
}
