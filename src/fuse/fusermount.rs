//! Mounting without being root: fuse3's setuid helper does it for us and hands
//! the open /dev/fuse back over a socket. The protocol is fusermount3(1)'s.
//!
//! fuser can call the helper too, but only after it has opened /dev/fuse itself,
//! which a user may not be allowed to where the helper is.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::device::{MountError, UnmountError};

/// Where the helper lies when PATH does not lead to it: mount(8) may run us
/// with an empty environment.
const USUAL_DIRS: &str = "/usr/bin:/bin:/usr/local/bin:/usr/sbin:/sbin";

/// The helper's path, fuse3's before fuse2's.
fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<PathBuf> =
        std::env::split_paths(&path).chain(std::env::split_paths(USUAL_DIRS)).collect();
    ["fusermount3", "fusermount"]
        .iter()
        .flat_map(|name| dirs.iter().map(move |dir| dir.join(name)))
        .find(|path| path.is_absolute() && path.is_file())
}

/// Mounts at `dir` with the helper's `options`; returns the FUSE device.
pub(super) fn mount(dir: &Path, options: &OsStr) -> Result<OwnedFd, MountError> {
    let helper = find().ok_or(MountError::NoHelper)?;
    let (ours, theirs) = UnixStream::pair().map_err(MountError::Helper)?;
    // The helper's end becomes its standard input, which is where it is told
    // to send to: no descriptor has to survive exec by number.
    let child = Command::new(helper)
        .env("_FUSE_COMMFD", "0")
        .arg("-o")
        .arg(options)
        .arg("--")
        .arg(dir)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(MountError::Helper)?;
    let device = receive_fd(&ours);
    let output = child.wait_with_output().map_err(MountError::Helper)?;
    match device {
        Ok(Some(device)) if output.status.success() => Ok(device),
        Err(error) => Err(MountError::Helper(error)),
        Ok(_) => Err(match one_line(&output.stderr) {
            said if said.contains("/dev/fuse") => MountError::HelperDenied(said),
            said => MountError::HelperRefused(said),
        }),
    }
}

/// Unmounts `dir` through the helper.
pub(super) fn unmount(dir: &Path, lazy: bool) -> Result<(), UnmountError> {
    let helper = find().ok_or(UnmountError::NoHelper)?;
    let mut command = Command::new(helper);
    command.env("LC_ALL", "C").arg("-u").args(lazy.then_some("-z")).arg("--").arg(dir);
    let output = command.stdin(Stdio::null()).output().map_err(UnmountError::Failed)?;
    let said = one_line(&output.stderr);
    match output.status.success() {
        true => Ok(()),
        false if said.contains("busy") => Err(UnmountError::Busy),
        false => Err(UnmountError::Failed(io::Error::other(said))),
    }
}

/// Escapes a value for the helper's comma-separated options.
pub(super) fn escape(value: &OsStr) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut out = Vec::new();
    for &byte in value.as_bytes() {
        if matches!(byte, b',' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    OsString::from_vec(out)
}

/// What the helper said, without its name and line ends.
fn one_line(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text
        .lines()
        .map(|line| line.split_once(": ").map_or(line, |(_, rest)| rest).trim())
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("; ")
}

/// Receives one descriptor sent with SCM_RIGHTS; None at the end of the stream.
#[allow(unsafe_code)]
fn receive_fd(socket: &UnixStream) -> io::Result<Option<OwnedFd>> {
    let mut byte = [0_u8; 1];
    // u64s, so that the control message header in it is aligned; four hold
    // the header and a descriptor with room to spare.
    let mut control = [0_u64; 4];
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: byte.len() };
    // SAFETY: all-zero is a valid msghdr (null pointers, zero lengths). The
    // pointers then set are to locals that outlive recvmsg, with their lengths.
    // CMSG_FIRSTHDR gives null or a header within `control`; cmsg_len says that
    // a whole descriptor follows it before it is read, unaligned. The kernel
    // has installed that descriptor for us alone, so owning it is right.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        let got = loop {
            let got = libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_CMSG_CLOEXEC);
            let error = io::Error::last_os_error();
            match got {
                0.. => break got,
                _ if error.kind() == io::ErrorKind::Interrupted => continue,
                _ => return Err(error),
            }
        };
        let header = libc::CMSG_FIRSTHDR(&message);
        if got == 0 || header.is_null() {
            return Ok(None);
        }
        let whole = libc::CMSG_LEN(size_of::<libc::c_int>() as u32) as usize;
        let is_fd = (*header).cmsg_level == libc::SOL_SOCKET
            && (*header).cmsg_type == libc::SCM_RIGHTS
            && (*header).cmsg_len as usize == whole;
        if !is_fd {
            return Ok(None);
        }
        let fd = libc::CMSG_DATA(header).cast::<libc::c_int>().read_unaligned();
        Ok(Some(OwnedFd::from_raw_fd(fd)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_a_picture_name_do_not_end_the_option() {
        assert_eq!(escape(OsStr::new("/a,b\\c.png")), "/a\\,b\\\\c.png");
    }

    #[test]
    fn what_the_helper_says_becomes_one_line() {
        let said = b"fusermount3: user has no write access to mountpoint /mnt\n";
        assert_eq!(one_line(said), "user has no write access to mountpoint /mnt");
    }
}
