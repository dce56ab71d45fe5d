//! Any bytes as a model server's reply: an answer or a typed error, the same
//! wherever the bytes are cut, never longer than asked for, and heard in the same
//! words as it ends with.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxfs::llm::{Reply, read_reply};

/// The longest text that is wanted.
const MOST: usize = 1000;

fn read(kind: &str, pieces: &[&[u8]]) -> Result<Reply, String> {
    let mut heard = String::new();
    let reply = read_reply(kind, pieces, MOST, &mut |text| heard.push_str(text));
    assert!(heard.len() <= MOST);
    match reply {
        Ok(reply) => {
            assert_eq!(reply.text, heard);
            Ok(reply)
        }
        Err(error) => {
            let said = error.to_string();
            assert!(!said.is_empty() && said.len() < 4000, "{said}");
            assert!(!said.chars().any(char::is_control), "{said:?}");
            Err(said)
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&first, reply)) = data.split_first() else { return };
    let kind = if first & 1 == 0 { "application/json" } else { "text/event-stream" };
    let size = usize::from(first >> 1).max(1);
    let whole = read(kind, &[reply]);
    let pieces: Vec<&[u8]> = reply.chunks(size).collect();
    assert_eq!(read(kind, &pieces), whole);
});
