//! What a picture does not hold yet: `IMAGE.map-journal` beside it.
//!
//! To change one file of a picture is to make the picture anew, which takes
//! seconds with a model in it. So a change is first a line of this file, on the
//! disk before it is confirmed; later all of them go into the picture at once.
//! A line is the CRC-32 of what follows, in eight digits, a blank, and JSON. A
//! last line that is not whole was never confirmed and counts for nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::map::error::{MapError, Result};
use crate::map::{Change, Coord, MAX_REVISION};

/// Bytes of a journal, at most: it goes into the picture long before.
const MAX_JOURNAL: u64 = 256 << 20;

/// One change in a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Column of the tile.
    pub x: i32,
    /// Row of the tile.
    pub y: i32,
    /// The revision that the tile has after it: what the picture holds already is
    /// told by it.
    pub revision: u64,
    /// What happens.
    pub change: Change,
}

impl Record {
    /// The tile.
    pub fn tile(&self) -> Coord {
        Coord::new(self.x, self.y)
    }

    /// The line of a record.
    ///
    /// # Errors
    /// Never for what is made here; JSON's own otherwise.
    pub fn line(&self) -> io::Result<String> {
        let json = serde_json::to_string(self)?;
        Ok(format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes())))
    }
}

/// The records of the whole lines of `bytes`, how many bytes those are, and how many
/// of them are damaged.
pub fn read_records(bytes: &[u8]) -> (Vec<Record>, usize, usize) {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let lines = bytes[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let (mut records, mut damaged) = (Vec::new(), 0);
    for line in lines {
        match read_line(line) {
            Some(record) => records.push(record),
            None => damaged += 1,
        }
    }
    (records, whole, damaged)
}

fn read_line(line: &[u8]) -> Option<Record> {
    let (sum, json) = line.split_at_checked(9)?;
    let sum = std::str::from_utf8(sum).ok()?.strip_suffix(' ')?;
    let sum = u32::from_str_radix(sum, 16).ok()?;
    let record: Record =
        (crc32fast::hash(json) == sum).then(|| serde_json::from_slice(json).ok())??;
    (record.revision <= MAX_REVISION).then_some(record)
}

/// The name of a picture's journal.
pub(super) fn journal_path(image: &Path) -> PathBuf {
    let mut name = image.as_os_str().to_owned();
    name.push(".map-journal");
    name.into()
}

/// A journal that is locked against other processes until it is dropped.
#[derive(Debug)]
pub(super) struct Locked {
    file: File,
    path: PathBuf,
}

/// Where a reader of a journal stands: which file it was, and how far it read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Position {
    file: Option<(u64, u64)>,
    read: u64,
}

impl Locked {
    /// Opens the journal, makes it if there is none, and waits for others.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let failed = MapError::file(path);
        loop {
            let mut options = OpenOptions::new();
            options.read(true).append(true).create(true).mode(0o600);
            options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
            let file = options.open(path).map_err(&failed)?;
            rustix::io::retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::LockExclusive))
                .map_err(|error| failed(error.into()))?;
            let held = file.metadata().map_err(&failed)?;
            if !held.is_file() {
                return Err(failed(io::Error::other("is no regular file")));
            }
            // Whoever put it into the picture removed it.
            let named = std::fs::symlink_metadata(path).ok();
            if named.is_some_and(|named| (named.dev(), named.ino()) == (held.dev(), held.ino())) {
                return Ok(Self { file, path: path.to_owned() });
            }
        }
    }

    /// Appends a line. It is on the disk when this returns; after a failure nothing
    /// of it is there.
    pub(super) fn append(&mut self, record: &Record) -> Result<()> {
        let failed = MapError::file(&self.path);
        let line = record.line().map_err(&failed)?;
        let len = self.file.metadata().map_err(&failed)?.len();
        // What is after the last whole line was never confirmed.
        let mut text = Vec::new();
        read_from(&mut self.file, 0, &mut text).map_err(&failed)?;
        let whole = read_records(&text).1 as u64;
        if whole != len {
            self.file.set_len(whole).map_err(&failed)?;
        }
        if whole + line.len() as u64 > MAX_JOURNAL {
            return Err(MapError::ReadOnly(format!("{} is full", self.path.display())));
        }
        let done = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_all());
        if done.is_err() {
            let _ = self.file.set_len(whole);
        } else if whole == 0 {
            sync_directory(&self.path).map_err(&failed)?;
        }
        done.map_err(failed)
    }

    /// All whole records, and how many lines are damaged.
    pub(super) fn records(&mut self) -> Result<(Vec<Record>, usize)> {
        let mut text = Vec::new();
        read_from(&mut self.file, 0, &mut text).map_err(MapError::file(&self.path))?;
        let (records, _, damaged) = read_records(&text);
        Ok((records, damaged))
    }

    /// Removes the journal: the picture holds all of it. With `keep` it only gets
    /// another name: something in it could not be used.
    pub(super) fn remove(self, keep: bool) -> Result<()> {
        let failed = MapError::file(&self.path);
        if keep {
            let mut name = self.path.clone().into_os_string();
            let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            name.push(format!(".kept-{}", seconds.unwrap_or_default().as_millis()));
            std::fs::rename(&self.path, &name).map_err(&failed)?;
            let name = Path::new(&name).display();
            log::warn!("some lines of the map's journal could not be used; it is kept as {name}");
        } else {
            std::fs::remove_file(&self.path).map_err(&failed)?;
        }
        sync_directory(&self.path).map_err(failed)
    }
}

/// Reads the records after `position` without a lock; `None` when the journal is
/// another one now, and all is to be read anew.
pub(super) fn read_new(path: &Path, position: &mut Position) -> Result<Option<Vec<Record>>> {
    let failed = MapError::file(path);
    let mut options = OpenOptions::new();
    let options = options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let mut file = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let is_same = position.file.is_none();
            *position = Position::default();
            return Ok(is_same.then(Vec::new));
        }
        file => file.map_err(&failed)?,
    };
    let found = file.metadata().map_err(&failed)?;
    let now = Some((found.dev(), found.ino()));
    let is_other = position.file != now || found.len() < position.read;
    if is_other {
        let is_first = position.file.is_none() && position.read == 0;
        *position = Position { file: now, read: 0 };
        if !is_first {
            return Ok(None);
        }
    }
    let mut text = Vec::new();
    read_from(&mut file, position.read, &mut text).map_err(&failed)?;
    let (records, whole, _) = read_records(&text);
    position.read += whole as u64;
    Ok(Some(records))
}

fn read_from(file: &mut File, offset: u64, text: &mut Vec<u8>) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.take(MAX_JOURNAL).read_to_end(text)?;
    Ok(())
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn record(revision: u64, text: &str) -> Record {
        Record { x: -3, y: 4, revision, change: Change::Ask { text: text.into() } }
    }

    #[test]
    fn torn_and_damaged_lines_count_for_nothing() {
        let one = record(1, "a\nb").line().unwrap();
        let two = record(2, "\u{1f600}").line().unwrap();
        let damaged = two.replacen("ask", "asl", 1);
        let text = format!("{one}{damaged}\nzzz\n{two}{}", &two[..two.len() - 1]);
        let (records, whole, bad) = read_records(text.as_bytes());
        assert_eq!(records, [record(1, "a\nb"), record(2, "\u{1f600}")]);
        assert_eq!((whole, bad), (text.len() - two.len() + 1, 2));
        assert_eq!(read_records(b""), (vec![], 0, 0));
    }

    #[test]
    fn readers_see_what_is_new_and_that_a_journal_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = journal_path(&dir.path().join("p.png"));
        let mut position = Position::default();
        assert_eq!(read_new(&path, &mut position).unwrap(), Some(vec![]));
        Locked::open(&path).unwrap().append(&record(1, "a")).unwrap();
        assert_eq!(read_new(&path, &mut position).unwrap(), Some(vec![record(1, "a")]));
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"torn").unwrap();
        assert_eq!(read_new(&path, &mut position).unwrap(), Some(vec![]));
        Locked::open(&path).unwrap().append(&record(2, "b")).unwrap();
        assert_eq!(read_new(&path, &mut position).unwrap(), Some(vec![record(2, "b")]));
        Locked::open(&path).unwrap().remove(false).unwrap();
        assert_eq!(read_new(&path, &mut position).unwrap(), None);
        Locked::open(&path).unwrap().append(&record(3, "c")).unwrap();
        assert_eq!(read_new(&path, &mut position).unwrap(), Some(vec![record(3, "c")]));
    }
}
