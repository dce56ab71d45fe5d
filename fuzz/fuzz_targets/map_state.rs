//! Any bytes as the state of a map and, after a NUL, as its journal: what is read is
//! written and read again the same, and nothing of it panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxfs::map::{MapState, read_records};

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let (state, journal) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut state = MapState::parse(state).unwrap_or_default();
    let json = state.to_json();
    let again = MapState::parse(&json).expect("what was written cannot be read");
    assert!(again.findings().is_empty(), "{:?}", again.findings());
    assert_eq!(again.to_json(), json);
    let (records, whole, _) = read_records(journal);
    assert!(whole <= journal.len());
    for record in records {
        let line = record.line().expect("a record that was read cannot be written");
        assert_eq!(read_records(line.as_bytes()).0, [record.clone()]);
        let _ = state.apply(record.tile(), &record.change, None);
    }
    for tile in state.tiles().values() {
        let asked = tile.conversation(tile.questions().saturating_sub(1), 1000);
        assert!(asked.windows(2).all(|pair| pair[0].role != pair[1].role));
    }
    let json = state.to_json();
    assert_eq!(MapState::parse(&json).expect("a changed state cannot be read").to_json(), json);
});
