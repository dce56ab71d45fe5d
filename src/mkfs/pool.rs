//! Worker threads: jobs go in, results come back through tickets in any order.
//!
//! Workers never wait for anything but jobs, so whoever holds tickets can wait
//! for them in the order it likes.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

use crate::store::{Encoded, Encoder, Nature};

type Job<W> = Box<dyn FnOnce(&mut W) + Send>;

/// The threads and their queues. Each thread has a `W`, such as an encoder, that
/// its jobs work with.
#[derive(Debug)]
pub(crate) struct Pool<W = Encoder> {
    shared: Arc<Shared<W>>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared<W> {
    queues: Mutex<Queues<W>>,
    more: Condvar,
}

struct Queues<W> {
    /// Served first: what is read already holds memory until it is encoded.
    urgent: VecDeque<Job<W>>,
    other: VecDeque<Job<W>>,
    closed: bool,
}

/// The promise of a result.
#[derive(Debug)]
pub(crate) struct Ticket<T>(Receiver<T>);

impl<T> Ticket<T> {
    /// Waits for the result.
    pub(crate) fn wait(self) -> io::Result<T> {
        self.0.recv().map_err(|_| io::Error::other("a worker thread died"))
    }
}

impl Pool<Encoder> {
    /// Queues a block to be encoded.
    pub(super) fn encode(&self, nature: Nature, raw: Vec<u8>) -> Ticket<io::Result<Encoded>> {
        self.run_urgent(move |encoder| encoder.encode_as(nature, raw))
    }
}

impl<W: Send + 'static> Pool<W> {
    /// Starts `threads` workers; `make` makes what each works with.
    pub(crate) fn new(threads: usize, make: impl Fn() -> io::Result<W>) -> io::Result<Self> {
        let (urgent, other) = (VecDeque::new(), VecDeque::new());
        let queues = Mutex::new(Queues { urgent, other, closed: false });
        let shared = Arc::new(Shared { queues, more: Condvar::new() });
        let mut pool = Self { shared, threads: Vec::new() };
        for index in 0..threads.max(1) {
            let mut tool = make()?;
            let shared = Arc::clone(&pool.shared);
            let thread = std::thread::Builder::new().name(format!("worker-{index}"));
            pool.threads.push(thread.spawn(move || work(&shared, &mut tool))?);
        }
        Ok(pool)
    }

    /// Queues a job that takes up more, such as a file to be read.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut W) -> T + Send + 'static,
    ) -> Ticket<T> {
        self.submit(job, |queues| &mut queues.other)
    }

    /// Queues a job that comes before those, as it ends with what was taken up.
    pub(crate) fn run_urgent<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut W) -> T + Send + 'static,
    ) -> Ticket<T> {
        self.submit(job, |queues| &mut queues.urgent)
    }

    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut W) -> T + Send + 'static,
        queue: impl FnOnce(&mut Queues<W>) -> &mut VecDeque<Job<W>>,
    ) -> Ticket<T> {
        let (sender, receiver) = sync_channel(1);
        let job: Job<W> = Box::new(move |tool| {
            // The one who asked may have failed and gone.
            let _ = sender.send(job(tool));
        });
        queue(&mut self.shared.queues.lock()).push_back(job);
        self.shared.more.notify_one();
        Ticket(receiver)
    }
}

fn work<W>(shared: &Shared<W>, tool: &mut W) {
    loop {
        let mut queues = shared.queues.lock();
        let job = loop {
            if let Some(job) = queues.urgent.pop_front().or_else(|| queues.other.pop_front()) {
                break job;
            }
            if queues.closed {
                return;
            }
            shared.more.wait(&mut queues);
        };
        drop(queues);
        // The sender goes with a job that panics, and who waits for it is told.
        let _ = catch_unwind(AssertUnwindSafe(|| job(tool)));
    }
}

impl<W> Drop for Pool<W> {
    fn drop(&mut self) {
        let mut queues = self.shared.queues.lock();
        queues.closed = true;
        // After a failure nobody wants what is still queued.
        queues.urgent.clear();
        queues.other.clear();
        drop(queues);
        self.shared.more.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl<W> std::fmt::Debug for Shared<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::format::Codec;
    use crate::store::Encoding;

    #[test]
    fn results_can_be_waited_for_in_order() {
        let pool =
            Pool::new(3, || Encoder::new(Encoding { codec: Codec::Zstd, level: 1 })).unwrap();
        let tickets: Vec<_> = (0..100u64).map(|i| pool.run(move |_| i * i)).collect();
        for (i, ticket) in tickets.into_iter().enumerate() {
            assert_eq!(ticket.wait().unwrap(), (i * i) as u64);
        }
        let encoded = pool.encode(Nature::Plain, vec![5; 100_000]).wait().unwrap().unwrap();
        assert!(encoded.bytes.len() < 1000);
    }
}
