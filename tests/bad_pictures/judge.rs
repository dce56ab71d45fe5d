//! What becomes of a bad picture: refused with a sentence, or opened, and then
//! every byte that is given out is the right one.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use pxfs::fs::Volume;
use pxfs::fs::check::{CheckOptions, Report, check};
use pxfs::picture::{self, Picture};
use pxfs::store::{self, Store};
use serde_json::Value;

use super::expect;
use super::forge::file_with;

/// Longer than this for a picture of some kilobytes is as bad as a hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// A published vector: its bytes and its entries.
pub struct Base {
    pub bytes: Vec<u8>,
    pub entries: Value,
}

impl Base {
    pub fn paths(&self) -> Vec<&str> {
        self.entries.as_object().unwrap().keys().map(String::as_str).collect()
    }
}

pub fn base(name: &str) -> Base {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors").join(name);
    let json = std::fs::read_to_string(path.with_extension("json")).unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    let bytes = std::fs::read(path.with_extension("png")).unwrap();
    Base { bytes, entries: json["entries"].clone() }
}

/// What was seen of a picture.
#[derive(Debug)]
pub enum Verdict {
    /// It was not opened, and why.
    Refused(String),
    /// It was: the paths that gave an error or were not found, and the check's report.
    Opened(BTreeSet<String>, Report),
}

impl Verdict {
    /// Whether the check found nothing wrong.
    pub fn is_clean(&self) -> bool {
        matches!(self, Self::Opened(failed, report) if failed.is_empty() && report.ok)
    }

    pub fn refusal(&self) -> &str {
        match self {
            Self::Refused(reason) => reason,
            Self::Opened(failed, report) => panic!("opened: {failed:?} {report:?}"),
        }
    }

    pub fn opened(&self) -> (&BTreeSet<String>, &Report) {
        match self {
            Self::Refused(reason) => panic!("refused: {reason}"),
            Self::Opened(failed, report) => (failed, report),
        }
    }

    pub fn slugs(&self) -> BTreeSet<&'static str> {
        self.opened().1.findings.iter().map(|finding| finding.problem.slug()).collect()
    }

    /// Everything that the report names, line breaks in names as they are.
    pub fn named_paths(&self) -> BTreeSet<String> {
        let findings = self.opened().1.findings.iter();
        let paths = findings.flat_map(|finding| &finding.place.paths);
        paths.map(|path| path.replace("\\n", "\n")).collect()
    }
}

fn open(bytes: &[u8]) -> Result<Store, String> {
    let options = picture::OpenOptions { offset: 0, mem: 64 << 20 };
    let picture =
        Picture::from_file(file_with(bytes), &options).map_err(|error| error.to_string())?;
    let options = store::OpenOptions { cache: 16 << 20, digest: None };
    Store::open(picture, &options).map_err(|error| error.to_string())
}

/// The file system of a picture that opens.
pub fn open_volume(bytes: &[u8]) -> Volume {
    Volume::new(open(bytes).unwrap()).unwrap()
}

/// Opens, checks and reads all of a picture; `name` is for messages. Panics
/// at a wrong byte: what is read must be what `entries` say or an error.
pub fn judge(name: &str, bytes: &[u8], entries: &Value) -> Verdict {
    judge_changed(name, bytes, entries, &[])
}

/// As [`judge`], for a picture in which the entries at `changed` are others by design.
pub fn judge_changed(name: &str, bytes: &[u8], entries: &Value, changed: &[&str]) -> Verdict {
    let start = Instant::now();
    let store = match open(bytes) {
        Ok(store) => store,
        Err(reason) => {
            assert_sentence(name, &reason);
            return Verdict::Refused(reason);
        }
    };
    let options = CheckOptions { max_extra: 1 << 30 };
    let report = check(&store, &options, &mut |_, _, _| {});
    assert_eq!(report.ok, report.errors == 0, "{name}");
    let failed = match Volume::new(store) {
        Ok(volume) => survey(name, &volume, entries, changed),
        Err(error) => {
            assert_sentence(name, &error.to_string());
            assert_eq!(error.errno(), libc::EIO, "{name}: {error}");
            entries.as_object().unwrap().keys().cloned().collect()
        }
    };
    assert!(start.elapsed() < PATIENCE, "{name}: took {:?}", start.elapsed());
    Verdict::Opened(failed, report)
}

/// One line, not empty, no debugging output.
fn assert_sentence(name: &str, text: &str) {
    assert!(!text.is_empty() && !text.contains('\n'), "{name}: {text:?}");
    assert!(!text.contains(" { ") && !text.contains("Error("), "{name}: {text:?}");
}

/// Paths that give errors; panics at one that gives anything but what is right.
fn survey(name: &str, volume: &Volume, entries: &Value, changed: &[&str]) -> BTreeSet<String> {
    let entries = entries.as_object().unwrap();
    let mut failed: BTreeSet<String> = entries.keys().cloned().collect();
    for (path, found) in expect::found(volume) {
        let is_changed = changed.contains(&path.as_str());
        match found {
            Ok(_) if is_changed => {}
            Ok(found) => {
                let expected = entries.get(&path);
                assert_eq!(Some(&found), expected, "{name}: {path}");
            }
            Err(error) => {
                assert_sentence(name, &error.to_string());
                assert_eq!(error.errno(), libc::EIO, "{name}: {path}: {error}");
                failed.insert(path);
                continue;
            }
        }
        failed.remove(&path);
    }
    failed
}

/// Exit status, standard output and standard error of `pxfs ARGS`.
pub fn pxfs<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_pxfs")).args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().expect("no signal"), text(output.stdout), text(output.stderr))
}

/// Runs `pxfs verify` on the bytes; status, standard output, standard error.
pub fn verify(bytes: &[u8], more: &[&str]) -> (i32, String, String) {
    on_picture(bytes, &[&["verify"], more].concat())
}

/// Runs `pxfs TOOL PICTURE MORE` on the bytes, options of the tool among what is more.
pub fn on_picture(bytes: &[u8], tool_and_more: &[&str]) -> (i32, String, String) {
    let mut file = tempfile::NamedTempFile::with_suffix(".png").unwrap();
    file.write_all(bytes).unwrap();
    let mut args = tool_and_more.to_vec();
    args.insert(1, file.path().to_str().unwrap());
    pxfs(&args)
}
