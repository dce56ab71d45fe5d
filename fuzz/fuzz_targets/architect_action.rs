//! Any text as a model's answer: an action within its bounds, or a sentence that
//! says what is wrong. What is taken out says the same when it is said again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxfs::architect::action::{Action, MAX_EDITS, MAX_NOTE, MAX_TEXT};
use pxfs::architect::paths::MAX_PATH;

fuzz_target!(|answer: &str| match Action::parse(answer) {
    Ok(action) => {
        assert!(action.note().len() <= MAX_NOTE);
        match &action {
            Action::WriteModule { path, source, .. } => {
                assert!(path.starts_with('/') && path.len() <= MAX_PATH && !path.contains("/."));
                assert!(source.len() <= MAX_TEXT);
            }
            Action::AddToPixelfs { path, text, .. } => {
                assert!(path.starts_with('/') && path.len() <= MAX_PATH && !path.contains("/."));
                assert!(text.len() <= MAX_TEXT);
            }
            Action::EditSequence { edits, .. } => assert!((1..=MAX_EDITS).contains(&edits.len())),
            _ => {}
        }
        let again = serde_json::to_string(&action).expect("an action can be written");
        assert_eq!(Action::parse(&again).expect("and read"), action);
    }
    Err(error) => assert!(!error.to_string().is_empty()),
});
