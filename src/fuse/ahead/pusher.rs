//! The threads that store ahead, and how serving threads set them going.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use fuser::{INodeNo, Notifier, ReplyDirectoryPlus};
use parking_lot::Mutex;

use super::policy::{Ahead, Policy, SMALL_FILE, Step};
use crate::fs::{FileKind, Ino, Tree};

/// Bytes stored before the end of a listing is told: whoever listed the directory
/// finds its first files there.
const FIRST_BATCH: u64 = 48 << 10;

/// Pages are the kernel's; a part of one at the end is only good at the end of a file.
const PAGE: u64 = 4096;

/// Files that are looked at for one job.
const MAX_FILES: usize = 8192;

/// How long whoever listed a directory waits at most, and how long a job takes.
const MAX_WAIT: Duration = Duration::from_millis(3);
const MAX_WORK: Duration = Duration::from_millis(250);

/// Jobs that wait for the pusher, and those that it has begun.
const MAX_WAITING: usize = 4;
const MAX_BEGUN: usize = 16;

/// What the pushing thread is given to do.
enum Job {
    /// Files whose numbers follow.
    Window(Ahead),
    /// What was decoded around this place of a file.
    Around(Ino, u64),
    /// The files of a directory, up to so many bytes, and the reply to whoever
    /// listed it.
    Directory(Ino, u64, ReplyDirectoryPlus),
}

/// The serving threads' end.
pub(in crate::fuse) struct Pusher {
    send: SyncSender<Job>,
    policy: Arc<Mutex<Policy>>,
}

/// The pushing thread's end.
pub(in crate::fuse) struct Pushes {
    receive: Receiver<Job>,
    policy: Arc<Mutex<Policy>>,
}

/// Both ends.
pub(in crate::fuse) fn channel() -> (Pusher, Pushes) {
    let (send, receive) = sync_channel(MAX_WAITING);
    let policy = Arc::new(Mutex::new(Policy::default()));
    (Pusher { send, policy: Arc::clone(&policy) }, Pushes { receive, policy })
}

impl Pusher {
    /// A small file was read from its start.
    pub(in crate::fuse) fn was_read(&self, ino: Ino) {
        let ahead = self.policy.lock().was_read(ino);
        if let Some(ahead) = ahead {
            // If it is busy, nothing is stored this time.
            let _ = self.send.try_send(Job::Window(ahead));
        }
    }

    /// Bytes of a large file were read, so few that it is no read-ahead.
    pub(in crate::fuse) fn was_read_at(&self, ino: Ino, offset: u64) {
        let _ = self.send.try_send(Job::Around(ino, offset));
    }

    /// The kernel was told of the numbers from `first` to `last`.
    pub(in crate::fuse) fn was_listed(&self, first: Ino, last: Ino) {
        self.policy.lock().was_listed(first, last);
    }

    /// The listing of `dir` is at its end, which `reply` tells, perhaps after some
    /// of its files were stored.
    pub(in crate::fuse) fn was_listed_whole(&self, dir: Ino, reply: ReplyDirectoryPlus) {
        let Some(bytes) = self.policy.lock().for_directory() else { return reply.ok() };
        match self.send.try_send(Job::Directory(dir, bytes, reply)) {
            Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => {
                if let Job::Directory(_, _, reply) = job {
                    reply.ok();
                }
            }
            Ok(()) => {}
        }
    }
}

/// A job that was begun.
struct Work {
    files: Box<dyn Iterator<Item = Ino>>,
    /// Bytes stored.
    stored: u64,
    reply: Option<ReplyDirectoryPlus>,
    /// The last file that was stored.
    last: Option<Ino>,
    begun: Instant,
}

impl Pushes {
    /// Stores until the serving threads are gone.
    pub(in crate::fuse) fn run(self, tree: &Arc<dyn Tree>, notifier: &Notifier) {
        let warm = warmer(tree);
        let mut begun: Vec<Work> = Vec::new();
        loop {
            // What was asked for last goes first: a reader is there now.
            let job = match begun.is_empty() {
                true => self.receive.recv().map_err(|_| TryRecvError::Disconnected),
                false => self.receive.try_recv(),
            };
            match job {
                Ok(Job::Around(ino, offset)) => {
                    let store = || store_around(&**tree, notifier, ino, offset);
                    let _ = catch_unwind(AssertUnwindSafe(store));
                }
                Ok(Job::Window(Ahead { from, bytes })) => {
                    let until = self.policy.lock().known_until(from);
                    let files = until.map(|until| (from..=until).take(MAX_FILES));
                    self.begin(&mut begun, files.into_iter().flatten(), bytes, None);
                }
                Ok(Job::Directory(dir, bytes, reply)) => {
                    let files = files_of(&**tree, dir).into_iter();
                    self.begin(&mut begun, files, bytes, Some(reply));
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return,
            }
            let Some(work) = begun.last_mut() else { continue };
            // A bug in one file must not end the storing of all others.
            let store = || self.store_next(&**tree, notifier, work);
            let Some(cut) = catch_unwind(AssertUnwindSafe(store)).unwrap_or(Some(false)) else {
                continue;
            };
            self.policy.lock().end(cut);
            let done = begun.pop();
            if let (Some(warm), Some(last)) = (&warm, done.and_then(Work::finish)) {
                let _ = warm.try_send(last);
            }
        }
    }

    /// Begins to store `files`, unless there are none or too much was begun.
    fn begin(
        &self,
        begun: &mut Vec<Work>,
        files: impl Iterator<Item = Ino> + 'static,
        bytes: u64,
        reply: Option<ReplyDirectoryPlus>,
    ) {
        // Nobody waits for more than one job.
        if let Some(below) = begun.last_mut() {
            below.answer();
        }
        let mut files = files.peekable();
        let first = files.peek().copied();
        let files = Box::new(files);
        let work = Work { files, stored: 0, reply, last: None, begun: Instant::now() };
        match first {
            Some(first) if begun.len() < MAX_BEGUN => {
                self.policy.lock().begin(first, bytes);
                begun.push(work);
            }
            _ => {
                work.finish();
            }
        }
    }

    /// Stores the next file of `work`; when there is no next, whether its length
    /// is the reason.
    fn store_next(&self, tree: &dyn Tree, notifier: &Notifier, work: &mut Work) -> Option<bool> {
        let elapsed = work.begun.elapsed();
        if work.stored >= FIRST_BATCH || elapsed > MAX_WAIT {
            work.answer();
        }
        let Some(ino) = work.files.next().filter(|_| elapsed <= MAX_WORK) else {
            return Some(false);
        };
        let mut step = Step::Leave;
        let looked = tree.small_file(ino, SMALL_FILE, &mut |content| {
            step = self.policy.lock().step(ino, content.len() as u64);
            if step == Step::Store {
                // An inode that the kernel does not know (any more) is refused: fine.
                let _ = notifier.store(INodeNo(ino), 0, content);
                work.stored += content.len() as u64;
                work.last = Some(ino);
            }
        });
        if let Err(error) = looked {
            log::debug!("content of inode {ino}, ahead: {error}");
        }
        (step == Step::Stop).then_some(true)
    }
}

impl Work {
    /// Answers who waits for it, if anyone does.
    fn answer(&mut self) {
        if let Some(reply) = self.reply.take() {
            reply.ok();
        }
    }

    /// Answers who waits for it; gives the last file that was stored.
    fn finish(mut self) -> Option<Ino> {
        self.answer();
        self.last
    }
}

/// Stores whole pages of what was decoded around a place of a file.
fn store_around(tree: &dyn Tree, notifier: &Notifier, ino: Ino, offset: u64) {
    let looked = tree.around(ino, offset, &mut |start, bytes| {
        let skip = start.next_multiple_of(PAGE) - start;
        if let Some(bytes) = bytes.get(skip as usize..) {
            let _ = notifier.store(INodeNo(ino), start + skip, bytes);
        }
    });
    if let Err(error) = looked {
        log::debug!("inode {ino} around {offset}: {error}");
    }
}

/// The regular files of a directory in the order of its listing.
fn files_of(tree: &dyn Tree, dir: Ino) -> Vec<Ino> {
    let mut files = Vec::new();
    let listed = tree.read_dir(dir, 0, &mut |entry| {
        if entry.kind == FileKind::Regular {
            files.push(entry.ino);
        }
        files.len() < MAX_FILES
    });
    if let Err(error) = listed {
        log::debug!("directory {dir}, ahead: {error}");
    }
    files
}

/// A thread that decodes what follows the files it is sent, until the sender is
/// gone; None if there can be none.
fn warmer(tree: &Arc<dyn Tree>) -> Option<SyncSender<Ino>> {
    let (send, receive) = sync_channel(1);
    let tree = Arc::clone(tree);
    let run = move || {
        while let Ok(ino) = receive.recv() {
            if let Err(error) = tree.warm_after(ino) {
                log::debug!("what follows inode {ino}, ahead: {error}");
            }
        }
    };
    let thread = std::thread::Builder::new().name("pxfs-warm".into()).spawn(run);
    thread.ok().map(|_| send)
}
