//! Keys of servers: where they come from, and what must never hold one.
//!
//! A registry names the variable or the file that holds a key. A registry may
//! come with a picture from anywhere, so that alone is no reason to send a key
//! to the endpoint that stands beside it: the host must be this machine, or one
//! that the user named in [`KEY_HOSTS`].

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::chat::ChatError;

/// Hosts that keys may be sent to, separated by commas: the user's word.
pub const KEY_HOSTS: &str = "PXFS_LLM_KEY_HOSTS";

/// Longest key; those of today have some 200 characters.
const MAX_KEY: usize = 4096;

/// Beginnings of keys as vendors make them.
const KEY_MARKS: &[&str] = &[
    "sk-",
    "sk_",
    "pk-",
    "rk_",
    "gsk_",
    "xai-",
    "hf_",
    "ghp_",
    "github_pat_",
    "glpat-",
    "AIza",
    "AKIA",
    "xoxb-",
    "xoxp-",
    "eyJhbGciOi",
];

/// Characters after such a beginning that make it a key.
const KEY_TAIL: usize = 16;

/// Where a key is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A variable of the environment.
    Env(String),
    /// A file that only its owner can read.
    File(PathBuf),
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "${name}"),
            Self::File(path) => write!(f, "{path:?}"),
        }
    }
}

/// A key; it is never shown.
#[derive(Clone)]
pub(crate) struct Key(String);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// The key for a header.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

/// Whether a name can be that of a variable.
pub(crate) fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= 128
        && bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether something in `text` looks like a key.
pub(crate) fn holds_key(text: &str) -> bool {
    let is_of_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.split(|c: char| !is_of_key(c)).any(|word| {
        KEY_MARKS.iter().any(|mark| {
            word.strip_prefix(mark).is_some_and(|tail| {
                tail.len() >= KEY_TAIL && tail.bytes().any(|byte| byte.is_ascii_digit())
            })
        })
    })
}

/// Reads the key for `host`.
///
/// # Errors
/// A refusal when it may not be sent there, is not there, or others can read it.
pub(crate) fn read_key(source: &KeySource, host: &str, is_local: bool) -> Result<Key, ChatError> {
    if !is_local && !is_allowed(&std::env::var(KEY_HOSTS).unwrap_or_default(), host) {
        return Err(ChatError::Refused(format!(
            "the cartridge wants the key in {source} sent to {host}; if that is right, say so \
             with {KEY_HOSTS}={host}"
        )));
    }
    let text = match source {
        KeySource::Env(name) => std::env::var(name)
            .map_err(|_| ChatError::Refused(format!("there is no key: ${name} is not set")))?,
        KeySource::File(path) => read_key_file(path)
            .map_err(|why| ChatError::Refused(format!("the key in {path:?} is not used: {why}")))?,
    };
    let key = text.trim();
    let is_sound = |byte: u8| byte.is_ascii_graphic();
    if key.is_empty() || key.len() > MAX_KEY || !key.bytes().all(is_sound) {
        let sentence = format!("what {source} holds is no key: one line of visible ASCII is");
        return Err(ChatError::Refused(sentence));
    }
    Ok(Key(key.to_owned()))
}

/// Whether `hosts`, a list with commas, names `host`.
fn is_allowed(hosts: &str, host: &str) -> bool {
    !host.is_empty() && hosts.split(',').any(|allowed| allowed.trim().eq_ignore_ascii_case(host))
}

/// The text of a key file, if nobody else can read it.
fn read_key_file(path: &Path) -> Result<String, String> {
    if !path.is_absolute() {
        return Err("the path is not absolute".into());
    }
    let failed = |error: std::io::Error| error.to_string();
    // A pipe must not keep us waiting, nor a link lead elsewhere.
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
    let file: File =
        OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err("it is no regular file".into());
    }
    let own = rustix::process::geteuid().as_raw();
    if found.uid() != own && found.uid() != 0 {
        return Err("it belongs to somebody else".into());
    }
    if found.mode() & 0o077 != 0 {
        let mode = found.mode() & 0o777;
        return Err(format!("others can read it (mode {mode:o}); chmod 600 makes it private"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_KEY as u64 + 2).read_to_end(&mut bytes).map_err(failed)?;
    String::from_utf8(bytes).map_err(|_| "it is no text".into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn keys_are_known_when_they_are_seen() {
        for text in [
            "sk-proj-0123456789abcdefghij",
            "use hf_abcdefghij0123456789 please",
            "Bearer gsk_AbCdEfGhIjKlMnOp0123",
            "https://x/?key=AIzaSyA-0123456789abcdefghijk",
        ] {
            assert!(holds_key(text), "{text}");
        }
        for text in
            ["sk-", "a task-oriented helper", "hf_model", "sk-learn-is-not-a-key-at-all", ""]
        {
            assert!(!holds_key(text), "{text}");
        }
        assert!(is_variable("OPENAI_API_KEY") && is_variable("_x1"));
        assert!(!is_variable("sk-123") && !is_variable("") && !is_variable("1A"));
    }

    #[test]
    fn a_key_goes_only_where_the_user_said() {
        let source = KeySource::Env("PXFS_NO_SUCH_KEY".into());
        let error = read_key(&source, "evil.example", false).unwrap_err().to_string();
        assert!(error.contains("evil.example") && error.contains(KEY_HOSTS), "{error}");
        let error = read_key(&source, "localhost", true).unwrap_err().to_string();
        assert_eq!(error, "there is no key: $PXFS_NO_SUCH_KEY is not set");
        assert!(is_allowed("a.example, API.example", "api.example"));
        assert!(!is_allowed("", "") && !is_allowed("a.example", "b.a.example"));
    }

    #[test]
    fn a_key_file_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let read = |path: &Path| {
            let key = read_key(&KeySource::File(path.to_owned()), "localhost", true);
            key.map(|key| key.expose().to_owned()).map_err(|error| error.to_string())
        };
        assert!(read(&path).unwrap_err().contains("No such file"));
        std::fs::write(&path, "abc-123\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(&path).unwrap_err().contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(&path).unwrap(), "abc-123");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(read(&link).is_err());
        assert!(read(dir.path()).unwrap_err().contains("no regular file"));
        assert!(read(Path::new("key")).unwrap_err().contains("not absolute"));
        std::fs::write(&path, "-----BEGIN\nKEY-----\n").unwrap();
        assert!(read(&path).unwrap_err().contains("no key"));
        assert!(!format!("{:?}", Key("geheim".into())).contains("geheim"));
    }
}
