//! Any bytes as a pxOS registry, beside one good blob: a fetch gives bytes or a
//! typed error, costs no more than the files hold and leaves its directory never.
#![no_main]

use std::cell::OnceCell;

use libfuzzer_sys::fuzz_target;
use pxfs::legacy::RegistryRoot;

/// The most that a fetch may give.
const MAX: usize = 10_000;

thread_local! {
    static DIR: OnceCell<tempfile::TempDir> = const { OnceCell::new() };
}

fuzz_target!(|data: &[u8]| {
    DIR.with(|dir| {
        let dir = dir.get_or_init(|| tempfile::tempdir().expect("a directory"));
        std::fs::write(dir.path().join("file_boot_registry.json"), data).expect("written");
        let root = RegistryRoot::open(dir.path()).expect("it is there");
        for id in [0, 1, 42, u32::MAX] {
            for inflate in [false, true] {
                match root.fetch(id, MAX, inflate).result {
                    Ok(bytes) => assert!(bytes.len() <= MAX),
                    Err(error) => assert!(!error.to_string().is_empty()),
                }
            }
        }
    });
});
