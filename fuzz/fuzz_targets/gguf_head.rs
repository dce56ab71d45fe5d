//! Any bytes as the head of a model file: a head whose tensors all lie in the file,
//! or a typed error, in bounded memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxfs::llm::gguf::Gguf;

fuzz_target!(|data: &[u8]| {
    // The same head in a file that goes on: then tensors can lie in it.
    for len in [data.len() as u64, 1 << 40] {
        match Gguf::read(&mut &*data, len) {
            Ok(gguf) => {
                for (name, tensor) in gguf.tensors() {
                    assert!(tensor.bytes > 0, "{name}");
                    assert!(tensor.offset + tensor.bytes <= len, "{name}");
                    let numbers: u64 = tensor.shape.iter().product();
                    let (block, bytes) = tensor.kind.block();
                    assert_eq!(numbers / block * bytes, tensor.bytes, "{name}");
                }
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
