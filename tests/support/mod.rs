//! What the tests of the binary share: running it, mounting with it, comparing trees.
//!
//! Everything is cleaned up by guards, also when a test panics. What the machine
//! lacks (FUSE, root) is a failure that says so, never a skip.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, missing_docs)]

pub mod compare;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The binary under test.
pub const PXFS: &str = env!("CARGO_BIN_EXE_pxfs");

/// A user who is neither root nor anyone.
pub const NOBODY: u32 = 65534;

/// No command here takes longer unless it hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// What a command did.
#[derive(Debug)]
pub struct Outcome {
    pub command: String,
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// Asserts an exit status.
    #[track_caller]
    pub fn expect(self, status: i32) -> Self {
        assert_eq!(
            self.status,
            Some(status),
            "{}\n-- stdout\n{}\n-- stderr\n{}",
            self.command,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Asserts that standard error holds `text`.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{}: no '{text}' in: {}", self.command, self.stderr);
        self
    }
}

/// Runs a command to its end; one that hangs is killed and fails the test. Its
/// output goes through files: what it leaves in the background cannot hold us.
#[track_caller]
pub fn run(command: &mut Command) -> Outcome {
    let shown = format!("{command:?}");
    let (stdout, stderr) = (tempfile::NamedTempFile::new(), tempfile::NamedTempFile::new());
    let (stdout, stderr) = (stdout.unwrap(), stderr.unwrap());
    command.stdin(Stdio::null());
    command.stdout(stdout.reopen().unwrap()).stderr(stderr.reopen().unwrap());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > LIMIT {
            let _ = child.kill();
            panic!("{shown}: still running after {LIMIT:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let text = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    Outcome {
        command: shown,
        status: status.code(),
        stdout: text(stdout.path()),
        stderr: text(stderr.path()),
    }
}

/// Runs `pxfs` with arguments.
#[track_caller]
pub fn pxfs<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Outcome {
    run(Command::new(PXFS).args(args))
}

/// Runs a program that must succeed; returns what it printed.
#[track_caller]
pub fn sh(script: &str) -> String {
    run(Command::new("bash").args(["-euc", script])).expect(0).stdout
}

/// A temporary directory that other users may enter.
pub fn temp_dir() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("pxfs-test.").tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// Makes a picture of `source`.
#[track_caller]
pub fn mkfs(picture: &Path, source: &Path) {
    let args = [OsStr::new("mkfs"), "--quiet".as_ref(), "--level=1".as_ref(), "--force".as_ref()];
    pxfs(args.into_iter().chain([picture.as_os_str(), source.as_os_str()])).expect(0);
}

/// Makes a small tree of everything that is hard to keep.
#[track_caller]
pub fn nasty_tree(dir: &Path) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/make-nasty-tree");
    run(Command::new(script).arg("--small").arg(dir)).expect(0);
}

/// Fails the test unless root runs it.
#[track_caller]
pub fn need_root() {
    assert!(rustix::process::geteuid().is_root(), "this test mounts as root: run it as root");
}

/// Fails the test unless FUSE is there; lets all users open it, as Debian does.
#[track_caller]
pub fn need_fuse() {
    let device = Path::new("/dev/fuse");
    assert!(device.exists(), "/dev/fuse is missing: nothing can be mounted here");
    if rustix::process::geteuid().is_root() {
        fs::set_permissions(device, fs::Permissions::from_mode(0o666)).unwrap();
    }
}

/// Waits until `done`, for ten seconds.
#[track_caller]
pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(10), "no {what} within 10 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether something is mounted on `dir`, dead mounts included.
pub fn is_mounted(dir: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    mounts.lines().any(|line| line.split(' ').nth(1) == dir.to_str())
}

/// A mount that ends when this goes out of scope, whatever became of it.
#[derive(Debug)]
pub struct Mounted {
    pub dir: PathBuf,
}

impl Mounted {
    /// Mounts `picture` on the new directory `dir`.
    #[track_caller]
    pub fn new(picture: &Path, dir: &Path, options: &str) -> Self {
        need_fuse();
        fs::create_dir_all(dir).unwrap();
        // The guard first: a mount that fails half-way must not stay either.
        let mounted = Self { dir: dir.to_owned() };
        let mut args = vec!["mount".as_ref(), picture.as_os_str(), dir.as_os_str()];
        if !options.is_empty() {
            args.extend(["-o".as_ref(), OsStr::new(options)]);
        }
        pxfs(args).expect(0);
        assert!(is_mounted(dir), "status 0, but nothing is mounted on {}", dir.display());
        mounted
    }

    /// Guards a directory that something else mounts on.
    pub fn guard(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// A path inside.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.dir.join(path)
    }

    /// Unmounts with umount(8), which must work.
    #[track_caller]
    pub fn unmount(self) {
        run(Command::new("umount").arg(&self.dir)).expect(0);
        assert!(!is_mounted(&self.dir));
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if is_mounted(&self.dir) {
            let quiet = |program: &str, option: &str| {
                let mut command = Command::new(program);
                command.arg(option).arg(&self.dir).stdout(Stdio::null()).stderr(Stdio::null());
                command.status().is_ok_and(|status| status.success())
            };
            let _ = quiet("umount", "-l") || quiet("fusermount3", "-uz");
        }
    }
}
