//! Ctrl-C: what goes on ends as soon as it can, in good order.

use anyhow::Context as _;

use crate::cli::mount::Signals;
use crate::llm::Cancel;

/// Exit status of what Ctrl-C ended.
pub(super) const STOPPED: u8 = 130;

/// Something that the first Ctrl-C cancels; to be called before anything else. A
/// second one ends the process at once, which loses nothing: whatever is written is
/// written whole.
pub(super) fn cancel_on_ctrl_c() -> anyhow::Result<Cancel> {
    let cancel = Cancel::default();
    let handle = cancel.clone();
    let signals = Signals::block_one(libc::SIGINT).context("cannot wait for Ctrl-C")?;
    std::thread::spawn(move || {
        loop {
            signals.wait();
            if handle.is_cancelled() {
                std::process::exit(i32::from(STOPPED));
            }
            handle.cancel();
        }
    });
    Ok(cancel)
}
