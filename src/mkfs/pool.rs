//! Worker threads: jobs go in, results come back through tickets in any order.
//!
//! Workers never wait for anything but jobs, so whoever holds tickets can wait
//! for them in the order it likes.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

use crate::store::{Encoded, Encoder, Encoding};

type Job = Box<dyn FnOnce(&mut Encoder) + Send>;

/// The threads and their queues.
#[derive(Debug)]
pub(super) struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    queues: Mutex<Queues>,
    more: Condvar,
}

#[derive(Default)]
struct Queues {
    /// Served first: what is read already holds memory until it is encoded.
    encode: VecDeque<Job>,
    read: VecDeque<Job>,
    closed: bool,
}

/// The promise of a result.
#[derive(Debug)]
pub(super) struct Ticket<T>(Receiver<T>);

impl<T> Ticket<T> {
    /// Waits for the result.
    pub(super) fn wait(self) -> io::Result<T> {
        self.0.recv().map_err(|_| io::Error::other("a worker thread died"))
    }
}

impl Pool {
    /// Starts `threads` workers, each with an encoder of its own.
    pub(super) fn new(threads: usize, encoding: Encoding) -> io::Result<Self> {
        let shared = Arc::new(Shared { queues: Mutex::default(), more: Condvar::new() });
        let mut pool = Self { shared, threads: Vec::new() };
        for index in 0..threads.max(1) {
            let mut encoder = Encoder::new(encoding)?;
            let shared = Arc::clone(&pool.shared);
            let thread = std::thread::Builder::new().name(format!("mkfs-{index}"));
            pool.threads.push(thread.spawn(move || work(&shared, &mut encoder))?);
        }
        Ok(pool)
    }

    /// Queues a block to be encoded.
    pub(super) fn encode(&self, raw: Vec<u8>) -> Ticket<io::Result<Encoded>> {
        let (sender, receiver) = sync_channel(1);
        self.submit(sender, move |encoder| encoder.encode(raw), |queues| &mut queues.encode);
        Ticket(receiver)
    }

    /// Queues a job that reads.
    pub(super) fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Ticket<T> {
        let (sender, receiver) = sync_channel(1);
        self.submit(sender, move |_| job(), |queues| &mut queues.read);
        Ticket(receiver)
    }

    fn submit<T: Send + 'static>(
        &self,
        sender: SyncSender<T>,
        job: impl FnOnce(&mut Encoder) -> T + Send + 'static,
        queue: impl FnOnce(&mut Queues) -> &mut VecDeque<Job>,
    ) {
        let job: Job = Box::new(move |encoder| {
            // The one who asked may have failed and gone.
            let _ = sender.send(job(encoder));
        });
        queue(&mut self.shared.queues.lock()).push_back(job);
        self.shared.more.notify_one();
    }
}

fn work(shared: &Shared, encoder: &mut Encoder) {
    loop {
        let mut queues = shared.queues.lock();
        let job = loop {
            if let Some(job) = queues.encode.pop_front().or_else(|| queues.read.pop_front()) {
                break job;
            }
            if queues.closed {
                return;
            }
            shared.more.wait(&mut queues);
        };
        drop(queues);
        job(encoder);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut queues = self.shared.queues.lock();
        queues.closed = true;
        // After a failure nobody wants what is still queued.
        queues.encode.clear();
        queues.read.clear();
        drop(queues);
        self.shared.more.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::format::Codec;

    #[test]
    fn results_can_be_waited_for_in_order() {
        let pool = Pool::new(3, Encoding { codec: Codec::Zstd, level: 1 }).unwrap();
        let tickets: Vec<_> = (0..100u64).map(|i| pool.read(move || i * i)).collect();
        for (i, ticket) in tickets.into_iter().enumerate() {
            assert_eq!(ticket.wait().unwrap(), (i * i) as u64);
        }
        let encoded = pool.encode(vec![5; 100_000]).wait().unwrap().unwrap();
        assert!(encoded.bytes.len() < 1000);
    }
}
