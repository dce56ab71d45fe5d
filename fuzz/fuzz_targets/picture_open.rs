//! Opens arbitrary bytes as a picture and reads around in it: no panic, no
//! unbounded memory, every read within `len` succeeds or says what is missing.

#![no_main]

use std::fs::File;
use std::os::unix::fs::FileExt;

use libfuzzer_sys::fuzz_target;
use pxfs::picture::{
    Channels, Layout, OpenOptions, Picture, PngWriter, check_container, patch_in_place,
};

/// Decoding may take this much: small, so that limits are reached often.
const MEM: u64 = 4 << 20;
/// Bytes read from each place.
const READ: u64 = 100_000;

fuzz_target!(|data: &[u8]| {
    // The first two bytes choose an offset, so that embedding is reached too.
    let (offset, bytes) = match data {
        [0xFE, offset, bytes @ ..] => (u64::from(*offset), bytes),
        bytes => (0, bytes),
    };
    // The WebP decoder asserts what damaged files break. Opening catches that,
    // but the fuzzer stops at every panic, caught or not.
    if bytes.get(offset as usize..).is_some_and(|bytes| bytes.starts_with(b"RIFF")) {
        return;
    }
    let Some(file) = memory_file(bytes) else { return };
    let Ok(copy) = file.try_clone() else { return };
    let options = OpenOptions { offset, mem: MEM };
    if let Ok(picture) = Picture::from_file(file, &options) {
        read_around(&picture);
        let _ = check_container(&picture, &mut |_, _| {});
    }
    if offset == 0 {
        write_around(copy);
    }
});

/// An anonymous file with that content.
fn memory_file(bytes: &[u8]) -> Option<File> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let file = File::from(rustix::fs::memfd_create("picture", flags).ok()?);
    file.write_all_at(bytes, 0).ok()?;
    Some(file)
}

/// Reads the start, the end, across the end and far beyond, in both views.
fn read_around(picture: &Picture) {
    for channels in [Channels::Rgba, Channels::Rgb] {
        let stream = picture.stream(channels);
        let len = stream.len();
        for offset in [0, 1, len / 2, len.saturating_sub(READ), len, u64::MAX] {
            let mut buf = vec![0; READ.min(len.saturating_sub(offset)) as usize];
            stream.read_at(offset.min(len), &mut buf).expect("a read within len");
            assert!(
                stream.read_at(offset, &mut vec![0; len.min(READ) as usize + 1]).is_err()
                    || offset.saturating_add(len.min(READ) + 1) <= len
            );
        }
    }
}

/// Patches and appends to whatever passes for a seekable PNG.
fn write_around(file: File) {
    let Ok(Some(layout)) = Layout::read(&file, 0) else { return };
    let _ = patch_in_place(&file, &layout, layout.payload_len() / 2, b"patched");
    if let Ok(mut writer) = PngWriter::append_to(file, layout.payload_len().min(1 << 20)) {
        let _ = writer.write(&[0xA5; 5000]);
        let _ = writer.commit();
    }
}
