//! Any bytes as a tar stream: members or a sentence; if they hold little, a picture
//! that the checker finds nothing wrong with.
#![no_main]

use std::io::Cursor;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use pxfs::format::Codec;
use pxfs::fs::check::{CheckOptions, check};
use pxfs::mkfs::tar::{Kind, Reader};
use pxfs::mkfs::{self, Excludes, HardLinks, Options, Progress, Source, XattrChoice};
use pxfs::picture::{self, Channels, Picture};
use pxfs::store::{self, Encoding, Store};

/// Content that is made into a picture; holes of any size cost time by their length.
const LITTLE: u64 = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let data = sealed(data);
    if announced(&data).is_some_and(|size| size <= LITTLE) {
        make(&data);
    }
});

/// Checksums keep a fuzzer out: those of whatever looks like a header are made right.
fn sealed(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    for block in data.as_chunks_mut::<512>().0 {
        if block[257..].starts_with(b"ustar") {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
            block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        }
    }
    data
}

/// The bytes of all members; `None` if the stream is bad.
fn announced(data: &[u8]) -> Option<u64> {
    let mut reader = Reader::new(Cursor::new(data));
    let mut total = 0u64;
    loop {
        match reader.next_member() {
            Ok(Some(member)) => {
                assert!(member.segments.is_none() || member.kind == Kind::Regular);
                for (start, len) in member.segments.unwrap_or_default() {
                    assert!(start.checked_add(len).is_some_and(|end| end <= member.size));
                }
                total = total.saturating_add(member.size);
            }
            Ok(None) => return Some(total),
            Err(error) => {
                assert!(!error.to_string().contains('\n'));
                return None;
            }
        }
    }
}

/// Makes a picture; a tree that cannot be is refused, one that is made is clean.
fn make(data: &[u8]) {
    let dir = tempfile::tempdir().expect("a directory");
    let image = dir.path().join("made.png");
    let source = Source::Tar(Box::new(Cursor::new(data.to_vec())));
    if mkfs::make(&image, source, &options(), &mut Silent).is_err() {
        let left = std::fs::read_dir(dir.path()).expect("the directory").count();
        assert_eq!(left, 0, "a failure leaves nothing");
        return;
    }
    let picture = Picture::open(&image, &picture::OpenOptions::default()).expect("our picture");
    let options = store::OpenOptions { cache: 4 << 20, digest: None };
    let store = Store::open(picture, &options).expect("our file system");
    let report = check(&store, &CheckOptions { max_extra: u64::MAX }, &mut |_, _, _| {});
    assert!(report.ok, "{:?}", report.findings);
}

fn options() -> Options {
    Options {
        label: String::new(),
        uuid: None,
        encoding: Encoding { codec: Codec::Zstd, level: 1 },
        block_log: 15,
        threads: 1,
        channels: Channels::Rgba,
        cover: None,
        width: None,
        excludes: Excludes::new(Path::new(""), &[]).expect("no patterns"),
        all_root: false,
        xattrs: XattrChoice::All,
        hard_links: HardLinks::Keep,
        one_file_system: false,
        created: None,
        replace: false,
        skip_inodes: Vec::new(),
    }
}

struct Silent;

impl Progress for Silent {
    fn file(&mut self, _path: &Path) {}
    fn bytes(&mut self, _bytes: u64) {}
    fn writing(&mut self) {}
}
