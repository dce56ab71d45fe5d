//! The few system calls that need unsafe code: forking, waiting for signals, taking
//! over a descriptor that was inherited by number, and setting up the allocator.

#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::process::Pid;

/// Makes a copy of this process, which goes on with `None`; here comes its id. To
/// be called only before any thread is started.
pub(super) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: what is dangerous in a forked process are locks that other threads
    // held; there are none yet, as the tools call this first of all.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(Pid::from_raw(pid)),
    }
}

/// The signals that end a mount cleanly.
const ENDING: [libc::c_int; 3] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP];

/// Signals that are blocked: from now on they only reach who waits for them.
#[derive(Clone, Copy)]
pub(in crate::cli) struct Signals(libc::sigset_t);

impl Signals {
    /// Blocks the ending signals in this thread and in those it starts later,
    /// so it must be called before any thread is started: one that was missed
    /// would let a signal kill the process and leave a dead mount behind.
    pub(super) fn block() -> io::Result<Self> {
        Self::block_all(ENDING.into_iter().filter(|&signal| !is_ignored(signal)))
    }

    /// Blocks one signal, and waits for that alone. As above: before any thread.
    pub(in crate::cli) fn block_one(signal: libc::c_int) -> io::Result<Self> {
        Self::block_all([signal].into_iter())
    }

    fn block_all(signals: impl Iterator<Item = libc::c_int>) -> io::Result<Self> {
        let mut set = MaybeUninit::uninit();
        // SAFETY: sigemptyset initialises the whole set before it is read, the
        // signal numbers are valid, and a null old set is allowed.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in signals {
                libc::sigaddset(set.as_mut_ptr(), signal);
            }
            let set = set.assume_init();
            match libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) {
                0 => Ok(Self(set)),
                errno => Err(io::Error::from_raw_os_error(errno)),
            }
        }
    }

    /// Waits for the next of them.
    pub(in crate::cli) fn wait(self) -> i32 {
        loop {
            let mut signal = 0;
            // SAFETY: both pointers are to live locals, the set is initialised.
            if unsafe { libc::sigwait(&self.0, &mut signal) } == 0 {
                return signal;
            }
        }
    }
}

/// Whether whoever started us wants `signal` to have no effect: nohup(1) does,
/// and a shell for what it puts into the background. Blocking alone would undo it.
fn is_ignored(signal: libc::c_int) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null new action only asks; all-zero is a valid sigaction, so the
    // old one is initialised also if the call fails.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr());
        action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

/// Takes over the inherited descriptor `fd`, and keeps it from children. The
/// standard streams are copied instead: they stay in use under their numbers.
pub(super) fn take_fd(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_GETFD takes no argument and only looks at the number.
    if fd < 0 || unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    if fd <= 2 {
        // SAFETY: the standard streams are open for the life of the process.
        let stream = unsafe { BorrowedFd::borrow_raw(fd) };
        return stream.try_clone_to_owned();
    }
    // SAFETY: the descriptor is open, and its number came from whoever started
    // us: nothing in this process has opened it, so nothing else owns it.
    let owned = unsafe { OwnedFd::from_raw_fd(fd) };
    rustix::io::fcntl_setfd(&owned, rustix::io::FdFlags::CLOEXEC)?;
    Ok(owned)
}

/// Allocations of this size and more are given back to the system when they are freed.
#[cfg(target_env = "gnu")]
const GIVEN_BACK: libc::c_int = 256 << 10;

/// Keeps the memory of a server near to what is in its caches. glibc gives large
/// allocations back when they are freed, but after the first one of a size it keeps
/// those in its heaps, of which there is one a thread: decoded blocks that come and
/// go left four times their budget behind.
pub(super) fn give_memory_back() {
    // SAFETY: no pointers; it locks what it changes.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, GIVEN_BACK);
    }
}
