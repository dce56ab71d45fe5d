//! Any text as a boot sequence: stages, or a sentence that says what is wrong.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxfs::boot::sequence::parse;

fuzz_target!(|text: &str| match parse(text) {
    Ok(sequence) => {
        assert!(!sequence.stages.is_empty());
        for stage in &sequence.stages {
            let _ = stage.label();
        }
    }
    Err(error) => assert!(!error.to_string().is_empty()),
});
