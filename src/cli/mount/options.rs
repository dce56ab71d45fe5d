//! The `-o` options: one table says what each is called, takes, means and does.
//! Parsing touches nothing outside; names are resolved and files opened later.

use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use super::names::Owner;
use crate::cli::image_args::{DigestArg, parse_digest};
use crate::format::Digest;

/// Most serving threads: more than this only costs memory.
const MAX_THREADS: usize = 64;

/// Threads if none are asked for: beyond four the kernel's queue is the limit.
const DEFAULT_THREADS: usize = 4;

/// Processors up to which idle ones are kept awake if nothing else is asked for:
/// it would be all of them, and on a large machine most have nothing to do with it.
const FEW_PROCESSORS: usize = 8;

/// What `-o` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MountOptions {
    pub(super) read_write: bool,
    pub(super) dev: bool,
    pub(super) suid: bool,
    pub(super) exec: bool,
    pub(super) noatime: bool,
    pub(super) allow_other: bool,
    pub(super) allow_root: bool,
    pub(super) uid: Option<Owner>,
    pub(super) gid: Option<Owner>,
    pub(super) umask: u32,
    pub(super) fmask: Option<u32>,
    pub(super) dmask: Option<u32>,
    pub(super) threads: usize,
    /// Whether idle processors are kept awake while requests come.
    pub(super) low_latency: bool,
    /// Bytes of memory for everything cached.
    pub(super) mem: u64,
    pub(super) subdir: Option<PathBuf>,
    /// Where in SOURCE the picture starts, in bytes.
    pub(super) offset: u64,
    pub(super) digest: Option<Digest>,
    /// Where registry and blob of a project pixel lie.
    pub(super) store: Option<PathBuf>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) log_level: Option<LevelFilter>,
    pub(super) log_file: Option<PathBuf>,
    pub(super) fsname: Option<String>,
}

impl Default for MountOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            read_write: false,
            dev: false,
            suid: false,
            exec: true,
            noatime: false,
            allow_other: false,
            allow_root: false,
            uid: None,
            gid: None,
            umask: 0,
            fmask: None,
            dmask: None,
            threads: cores.min(DEFAULT_THREADS),
            low_latency: cores <= FEW_PROCESSORS,
            mem: 256 << 20,
            subdir: None,
            offset: 0,
            digest: None,
            store: None,
            idle_timeout: None,
            log_level: None,
            log_file: None,
            fsname: None,
        }
    }
}

/// What is wrong with the options.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum OptionError {
    #[error("unknown option '{0}': see 'mount.pxfs --help'")]
    Unknown(String),
    #[error("option '{0}' needs a value: {0}={1}")]
    NeedsValue(&'static str, &'static str),
    #[error("option '{0}' takes no value")]
    TakesNoValue(&'static str),
    #[error("option '{0}={1}': {2}")]
    BadValue(&'static str, String, &'static str),
    #[error("allow_other and allow_root exclude each other")]
    TwoAudiences,
    #[error("remounting is not there yet: unmount the picture and mount it again")]
    Remount,
}

/// What an option does: the value is empty for those that take none, and the
/// error says what would be right.
type Apply = fn(&mut MountOptions, &str) -> Result<(), &'static str>;

/// How an option is written and what it does.
pub(super) struct Spec {
    pub(super) name: &'static str,
    /// Name of the value in the help; None for an option without one.
    pub(super) value: Option<&'static str>,
    pub(super) help: &'static str,
    apply: Apply,
}

const fn flag(name: &'static str, help: &'static str, apply: Apply) -> Spec {
    Spec { name, value: None, help, apply }
}

const fn valued(name: &'static str, value: &'static str, help: &'static str, apply: Apply) -> Spec {
    Spec { name, value: Some(value), help, apply }
}

/// Sets a field and succeeds: what most options do.
macro_rules! set {
    ($field:ident = $value:expr) => {
        |options, _| {
            options.$field = $value;
            Ok(())
        }
    };
    ($field:ident from $parse:expr) => {
        |options, text| {
            options.$field = $parse(text)?;
            Ok(())
        }
    };
}

/// Every option with a meaning.
pub(super) const SPECS: &[Spec] = &[
    flag("ro", "read-only (default)", set!(read_write = false)),
    flag("rw", "accepted, but mounted read-only with a warning", set!(read_write = true)),
    valued("uid", "USER", "owner of all files, name or number", set!(uid from owner)),
    valued("gid", "GROUP", "group of all files, name or number", set!(gid from owner)),
    valued("umask", "MODE", "permissions taken away, octal", set!(umask from mask)),
    valued("fmask", "MODE", "the same for files only", set!(fmask from some_mask)),
    valued("dmask", "MODE", "the same for directories only", set!(dmask from some_mask)),
    flag("allow_other", "let all users in, as permissions allow", set!(allow_other = true)),
    flag("allow_root", "let root in beside the user who mounts", set!(allow_root = true)),
    flag("default_permissions", "let the kernel check permissions (always on)", |_, _| Ok(())),
    valued(
        "threads",
        "N",
        "serving threads (default: one a core, at most 4)",
        set!(threads from threads),
    ),
    valued(
        "latency",
        "LEVEL",
        "low: idle processors stay awake in bursts of requests; normal: not",
        set!(low_latency from latency),
    ),
    valued("mem", "SIZE", "memory for all caches (default 256M)", set!(mem from memory)),
    valued("subdir", "PATH", "mount this directory of the picture", set!(subdir from path)),
    valued("offset", "BYTES", "where in SOURCE the picture starts", set!(offset from size)),
    valued("store", "DIR", "registry and blob of a project pixel", set!(store from path)),
    valued("digest", "HEX", "refuse any other tree than this one", set!(digest from digest)),
    valued(
        "idle_timeout",
        "SECONDS",
        "unmount when unused for so long",
        set!(idle_timeout from seconds),
    ),
    valued(
        "log_level",
        "LEVEL",
        "off, error, warn, info, debug or trace",
        set!(log_level from level),
    ),
    valued("log_file", "FILE", "append the log to FILE", set!(log_file from path)),
    valued("fsname", "NAME", "source shown in /proc/mounts", set!(fsname from name)),
    flag("dev", "device files work (root only)", set!(dev = true)),
    flag("nodev", "device files do not work (default)", set!(dev = false)),
    flag("suid", "setuid and setgid bits work (root only)", set!(suid = true)),
    flag("nosuid", "setuid and setgid bits do not work (default)", set!(suid = false)),
    flag("exec", "programs can be run (default)", set!(exec = true)),
    flag("noexec", "programs cannot be run", set!(exec = false)),
    flag("atime", "without effect: access times never change", set!(noatime = false)),
    flag("noatime", "the same, and shown in /proc/mounts", set!(noatime = true)),
];

/// Options that mount(8) and fstab use for themselves, with or without value.
pub(super) const IGNORED: &[&str] = &[
    "_netdev",
    "async",
    "auto",
    "comment",
    "defaults",
    "diratime",
    "dirsync",
    "group",
    "iversion",
    "lazytime",
    "loud",
    "mand",
    "noauto",
    "nodiratime",
    "nofail",
    "nogroup",
    "noiversion",
    "nolazytime",
    "nomand",
    "noowner",
    "norelatime",
    "nostrictatime",
    "nouser",
    "nousers",
    "owner",
    "relatime",
    "silent",
    "strictatime",
    "sync",
    "uhelper",
    "user",
    "users",
];

/// Options by which other programs leave notes in fstab.
pub(super) const IGNORED_PREFIXES: &[&str] = &["x-", "X-"];

impl MountOptions {
    /// Parses the values of all `-o`, in order; a later option beats an earlier
    /// one. `sloppy` passes over what is unknown, as mount(8)'s `-s` asks.
    pub(super) fn parse<'a>(
        texts: impl IntoIterator<Item = &'a str>,
        sloppy: bool,
    ) -> Result<Self, OptionError> {
        let mut options = Self::default();
        for item in texts.into_iter().flat_map(split) {
            let (name, value) = match item.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (item.as_str(), None),
            };
            match options.apply(name, value) {
                Err(OptionError::Unknown(_)) if sloppy => {}
                other => other?,
            }
        }
        match options.allow_other && options.allow_root {
            true => Err(OptionError::TwoAudiences),
            false => Ok(options),
        }
    }

    fn apply(&mut self, name: &str, value: Option<&str>) -> Result<(), OptionError> {
        if name == "remount" {
            return Err(OptionError::Remount);
        }
        let Some(spec) = SPECS.iter().find(|spec| spec.name == name) else {
            let prefixed = IGNORED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
            return match prefixed || IGNORED.contains(&name) {
                true => Ok(()),
                false => Err(OptionError::Unknown(name.to_owned())),
            };
        };
        let text = match (spec.value, value) {
            (None, Some(_)) => return Err(OptionError::TakesNoValue(spec.name)),
            (Some(hint), None) => return Err(OptionError::NeedsValue(spec.name, hint)),
            (_, value) => value.unwrap_or_default(),
        };
        (spec.apply)(self, text)
            .map_err(|why| OptionError::BadValue(spec.name, text.to_owned(), why))
    }

    /// Permission bits taken from files, and from directories.
    pub(super) fn masks(&self) -> (u32, u32) {
        (self.fmask.unwrap_or(self.umask), self.dmask.unwrap_or(self.umask))
    }
}

/// Splits at commas; a backslash keeps the next character as it is.
fn split(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, items.last_mut()) {
            (',', _) => items.push(String::new()),
            ('\\', Some(last)) => last.extend(chars.next()),
            (c, Some(last)) => last.push(c),
            (_, None) => {}
        }
    }
    items.retain(|item| !item.is_empty());
    items
}

fn owner(text: &str) -> Result<Option<Owner>, &'static str> {
    Owner::parse(text).map(Some).ok_or("expected a name or a number")
}

fn mask(text: &str) -> Result<u32, &'static str> {
    let digits = !text.is_empty() && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    let mask = u32::from_str_radix(text, 8).ok().filter(|&mask| digits && mask <= 0o7777);
    mask.ok_or("expected octal permissions, 0 to 7777")
}

fn some_mask(text: &str) -> Result<Option<u32>, &'static str> {
    mask(text).map(Some)
}

fn latency(text: &str) -> Result<bool, &'static str> {
    match text {
        "low" => Ok(true),
        "normal" => Ok(false),
        _ => Err("expected low or normal"),
    }
}

fn threads(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|n| (1..=MAX_THREADS).contains(n)).ok_or("expected 1 to 64")
}

/// Bytes, or with K, M, G, T (also KiB ...) units of 1024.
fn size(text: &str) -> Result<u64, &'static str> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let shift = match unit.strip_suffix("iB").unwrap_or(unit) {
        "" => 0,
        "K" | "k" => 10,
        "M" | "m" => 20,
        "G" | "g" => 30,
        "T" | "t" => 40,
        _ => return Err("expected a size such as 4096, 64K, 256M or 2G"),
    };
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    bytes.ok_or("expected a size such as 4096, 64K, 256M or 2G")
}

fn memory(text: &str) -> Result<u64, &'static str> {
    size(text).and_then(|bytes| match bytes {
        0 => Err("nothing can be read without memory: at least 1M is sensible"),
        bytes => Ok(bytes),
    })
}

fn seconds(text: &str) -> Result<Option<Duration>, &'static str> {
    let seconds: u32 = text.parse().map_err(|_| "expected seconds; 0 means never")?;
    Ok((seconds > 0).then(|| Duration::from_secs(seconds.into())))
}

fn digest(text: &str) -> Result<Option<Digest>, &'static str> {
    let parsed = parse_digest(text).map(|DigestArg(digest)| Some(digest));
    parsed.map_err(|_| "expected the 64 hexadecimal digits of 'pxfs info'")
}

fn path(text: &str) -> Result<Option<PathBuf>, &'static str> {
    name(text).map(|name| name.map(PathBuf::from))
}

fn name(text: &str) -> Result<Option<String>, &'static str> {
    match text {
        "" => Err("expected a name"),
        text => Ok(Some(text.to_owned())),
    }
}

fn level(text: &str) -> Result<Option<LevelFilter>, &'static str> {
    text.parse().map(Some).map_err(|_| "expected off, error, warn, info, debug or trace")
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
