//! Good pictures whose trees and superblocks are changed while every checksum
//! stays right: opened, checked, walked and read without a panic, in bounded time.
#![no_main]

#[path = "../../tests/bad_pictures/forge.rs"]
#[allow(dead_code, missing_docs, unreachable_pub)]
mod forge;

use forge::{Forge, file_with};
use libfuzzer_sys::fuzz_target;
use pxfs::format::TreeKind;
use pxfs::fs::check::{CheckOptions, check};
use pxfs::fs::{FileKind, ROOT_INO, Seek, Step, Tree, Volume, walk};
use pxfs::picture::{self, Picture};
use pxfs::store::{self, Store};

const BASES: [&[u8]; 4] = [
    include_bytes!("../../tests/data/vectors/kinds.png"),
    include_bytes!("../../tests/data/vectors/rgba.png"),
    include_bytes!("../../tests/data/vectors/directory.png"),
    include_bytes!("../../tests/data/vectors/chunks.png"),
];

/// Entries that are looked at: a forged tree may have more paths than anybody can walk.
const STEPS: u32 = 2_000;

fuzz_target!(|data: &[u8]| {
    let Some((&base, edits)) = data.split_first() else { return };
    let mut forge = Forge::of(BASES[usize::from(base) % BASES.len()]);
    let bytes = if base & 0x80 != 0 {
        forge.with_slots(|slot| edit(edits, |at, bytes| overwrite(slot, at, bytes)))
    } else {
        edit(edits, |at, bytes| change(&mut forge, at, bytes));
        forge.build()
    };
    mount(&bytes);
});

/// Edits: a place (two bytes), a length (one byte) and so many bytes.
fn edit(mut edits: &[u8], mut apply: impl FnMut(u16, &[u8])) {
    while let [a, b, len, rest @ ..] = edits {
        let (bytes, rest) = rest.split_at(rest.len().min(usize::from(*len)));
        apply(u16::from_le_bytes([*a, *b]), bytes);
        edits = rest;
    }
}

fn overwrite(target: &mut [u8], at: u16, bytes: &[u8]) {
    let start = usize::from(at) % target.len();
    let len = bytes.len().min(target.len() - start);
    target[start..start + len].copy_from_slice(&bytes[..len]);
}

/// Changes, adds or removes an entry of a tree.
fn change(forge: &mut Forge, place: u16, bytes: &[u8]) {
    let tree = TreeKind::ALL[usize::from(place) % TreeKind::ALL.len()];
    let entries = forge.tree(tree);
    let [which, at, bytes @ ..] = bytes else { return };
    let index = usize::from(place >> 4) % entries.len().max(1);
    let key = entries.keys().nth(index).cloned();
    match (which % 4, key) {
        (0 | 1, Some(key)) => {
            let value = entries.get_mut(&key).expect("a key of it");
            if !value.is_empty() {
                overwrite(value, (*at).into(), bytes);
            }
        }
        (2, Some(key)) => drop(entries.remove(&key)),
        _ => {
            let (key, value) = bytes.split_at(bytes.len().min(usize::from(at % 32)));
            // Keys of no bytes and over-long entries cannot be written at all.
            if !key.is_empty() {
                entries.insert(key.to_vec(), value.to_vec());
            }
        }
    }
}

fn mount(bytes: &[u8]) {
    let options = picture::OpenOptions { offset: 0, mem: 8 << 20 };
    let Ok(picture) = Picture::from_file(file_with(bytes), &options) else { return };
    let options = store::OpenOptions { cache: 4 << 20, digest: None };
    let Ok(store) = Store::open(picture, &options) else { return };
    let _ = check(&store, &CheckOptions { max_extra: 1 << 20 }, &mut |_, _, _| {});
    let Ok(volume) = Volume::new(store) else { return };
    let mut steps = 0;
    let _ = walk(&volume, ROOT_INO, &mut |step| {
        steps += 1;
        if let Step::Entry(_, attr) = step {
            look_at(&volume, attr.ino, attr.kind, attr.size);
        }
        Ok(steps < STEPS)
    });
}

fn look_at(volume: &Volume, ino: u64, kind: FileKind, size: u64) {
    for name in volume.xattr_names(ino).unwrap_or_default() {
        let _ = volume.xattr(ino, &name);
    }
    match kind {
        FileKind::Symlink => drop(volume.read_link(ino)),
        FileKind::Regular => {
            let mut buf = vec![0; 5_000];
            for offset in [0, size / 2, size.saturating_sub(4_000), size, u64::MAX] {
                if let Ok(read) = volume.read(ino, offset, &mut buf) {
                    assert!(read as u64 <= size.saturating_sub(offset));
                }
                for what in [Seek::Data, Seek::Hole] {
                    if let Ok(found) = volume.seek(ino, offset, what) {
                        assert!(offset <= found && found <= size);
                    }
                }
            }
        }
        _ => {}
    }
}
