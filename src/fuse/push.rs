//! Pushing neighbours into the kernel's page cache.
//!
//! Small files share a decoded block. When one of them is read, the ones that
//! follow it in its directory are stored in the page cache from here
//! (FUSE_NOTIFY_STORE), and most of them are then read without a request. It
//! has to be a thread that serves no requests: a store waits for pages that a
//! read in flight has locked, and somebody must be left to answer that read.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use fuser::{INodeNo, Notifier};
use parking_lot::Mutex;

use crate::fs::{Ino, Tree};

/// Reads that wait for the pusher; if it cannot follow, the rest is not pushed.
const QUEUE: usize = 16;

/// Bytes pushed for one read at most: beyond, the reader overtakes us anyway.
const MAX_BYTES: usize = 1 << 20;

/// Files of this size and more are read ahead by the kernel itself.
pub(super) const MAX_FILE: u64 = 1 << 19;

/// The serving threads' end.
#[derive(Debug)]
pub(super) struct Pusher {
    send: SyncSender<Ino>,
    /// The inode numbers that were pushed last: first and last.
    pushed: Arc<Mutex<(Ino, Ino)>>,
}

/// The pushing thread's end.
#[derive(Debug)]
pub(super) struct Pushes {
    receive: Receiver<Ino>,
    pushed: Arc<Mutex<(Ino, Ino)>>,
}

/// Both ends.
pub(super) fn channel() -> (Pusher, Pushes) {
    let (send, receive) = sync_channel(QUEUE);
    let pushed = Arc::new(Mutex::new((0, 0)));
    (Pusher { send, pushed: Arc::clone(&pushed) }, Pushes { receive, pushed })
}

impl Pusher {
    /// A small file was read from its start.
    pub(super) fn was_read(&self, ino: Ino) {
        let (first, last) = *self.pushed.lock();
        // A reader that was faster than the push: its neighbours are on their way.
        if first <= ino && ino < last {
            return;
        }
        // A full queue only means that nothing is pushed this time.
        let _ = self.send.try_send(ino);
    }
}

impl Pushes {
    /// Pushes until the serving threads are gone.
    pub(super) fn run(self, tree: &dyn Tree, notifier: &Notifier) {
        while let Ok(ino) = self.receive.recv() {
            let mut bytes = 0;
            let pushed = tree.neighbours(ino, &mut |neighbour, content| {
                bytes += content.len();
                if bytes > MAX_BYTES {
                    return false;
                }
                *self.pushed.lock() = (ino, neighbour);
                // An inode that the kernel does not know (any more) is refused: fine.
                notifier.store(INodeNo(neighbour), 0, content).is_ok()
            });
            if let Err(error) = pushed {
                log::debug!("neighbours of inode {ino}: {error}");
            }
        }
    }
}
