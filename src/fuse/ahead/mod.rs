//! Reading ahead into the kernel's page cache.
//!
//! Small files share a decoded block, and whoever reads one of a directory mostly
//! reads them all, in their order. Their content is stored in the page cache
//! (FUSE_NOTIFY_STORE) before it is asked for, and they are then read without a
//! request. What is stored, and when, is decided as the kernel does it within one
//! large file: windows that grow while a reader keeps up with them, and a file left
//! out here and there ([`policy`]), whose reading tells that somebody still reads.
//!
//! Of a large file that is read here and there, the rest of what was decoded for a
//! read is stored after it.
//!
//! It has to be a thread that serves no requests: a store waits for pages that a
//! read in flight has locked, and somebody must be left to answer that read. A
//! second thread decodes the block that comes next.

mod listed;
mod policy;
mod pusher;

pub(super) use policy::SMALL_FILE;
pub(super) use pusher::{Pusher, channel};
