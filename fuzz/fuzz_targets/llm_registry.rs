//! Any bytes as a registry of cartridges: cartridges that can be used and named
//! faults, or a sentence; and what is written is read as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxfs::llm::{Registry, Routes};

fuzz_target!(|text: &[u8]| {
    let mut registry = match Registry::parse(text) {
        Ok(registry) => registry,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    for fault in registry.faults() {
        let said = fault.to_string();
        assert!(said.len() < 2000 && !said.chars().any(char::is_control), "{said:?}");
    }
    let written = registry.to_json();
    let again = Registry::parse(written.as_bytes()).expect("what was written is a registry");
    assert_eq!(again.cartridges(), registry.cartridges());
    assert_eq!(again.to_json(), written);
    let names: Vec<String> =
        registry.cartridges().iter().map(|cartridge| cartridge.name.clone()).collect();
    for name in &names {
        let removed = registry.remove(name).expect("it is there");
        assert_eq!(removed.name, *name);
    }
    assert!(registry.cartridges().is_empty());
    assert!(Routes::new(registry, vec![(1, 2)]).by_id(0).is_err());
});
