//! `file_boot_registry.json` and its blobs, as SYS_BLOB reads them.
//!
//! The rules are the old machine's, oddities included, with two differences:
//! no path leaves the root (it read absolute and `../` paths), and inflating is
//! bounded. It inflated the whole blob and so saw damage anywhere in it; here
//! the part beyond the bytes wanted is inflated too and thrown away, up to
//! [`CHECKED_BEYOND`]: damage farther on goes unseen.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::ZlibDecoder;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::legacy::beneath::{self, Outside};

const REGISTRY: &str = "file_boot_registry.json";
const PACK: &str = "project_files.bin";

/// Longest registry that is read; 500 bytes an entry make this 130,000 files.
const MAX_REGISTRY: u64 = 64 << 20;
/// Bytes inflated beyond those wanted, only to see whether the stream is whole.
const CHECKED_BEYOND: u64 = 16 << 20;

/// Why a blob cannot be had from a registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The directory holds no registry.
    #[error("{REGISTRY} not found")]
    NoRegistry,
    /// The registry has no entry of this id, or an empty one.
    #[error("the registry has no entry for 0x{0:08X}")]
    NotFound(u32),
    /// A field of the entry is missing or of the wrong type.
    #[error("the entry's {0} is missing or not usable")]
    Field(&'static str),
    /// The registry is no JSON object.
    #[error("{REGISTRY}: {0}")]
    Json(#[from] serde_json::Error),
    /// The registry is longer than anything the tools write.
    #[error("{REGISTRY} is longer than {MAX_REGISTRY} bytes")]
    TooLong,
    /// The path of the blob leads out of the root.
    #[error("{0} leads out of the root and is not read")]
    Outside(String),
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The file, as the registry names it.
        path: String,
        /// The failure.
        source: io::Error,
    },
    /// The blob does not inflate.
    #[error("{path}: not a whole zlib stream: {source}")]
    Inflate {
        /// The file that holds it.
        path: String,
        /// The failure.
        source: io::Error,
    },
}

/// A blob, or why there is none, and what it cost to find out.
#[derive(Debug)]
pub struct Fetched {
    /// The first bytes of the content, as many as were wanted at most.
    pub result: Result<Vec<u8>, RegistryError>,
    /// Bytes read and inflated.
    pub cost: u64,
}

/// A directory that the old tools packed files into.
#[derive(Debug)]
pub struct RegistryRoot {
    directory: File,
}

impl RegistryRoot {
    /// Opens the directory. Whether it holds a registry is seen at each fetch:
    /// the old machine, too, read the registry anew each time.
    ///
    /// # Errors
    /// When it cannot be opened or is no directory.
    pub fn open(directory: &Path) -> io::Result<Self> {
        let directory = File::open(directory)?;
        if !directory.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { directory })
    }

    /// The first `max_len` bytes of the blob with this id. `inflate` inflates
    /// even a blob whose entry has no compressed size.
    pub fn fetch(&self, id: u32, max_len: usize, inflate: bool) -> Fetched {
        let mut cost = 0;
        let result = self.try_fetch(id, max_len as u64, inflate, &mut cost);
        Fetched { result, cost }
    }

    fn try_fetch(
        &self,
        id: u32,
        max_len: u64,
        inflate: bool,
        cost: &mut u64,
    ) -> Result<Vec<u8>, RegistryError> {
        let text = self.read_registry(cost)?;
        let entry = entry(&text, &id.to_string())?.ok_or(RegistryError::NotFound(id))?;
        if entry.get("name").is_none() {
            return Err(RegistryError::Field("name"));
        }
        let (path, mut blob) = self.open_blob(&entry)?;
        if inflate || is_compressed(&entry)? {
            inflate_bounded(&mut blob, max_len, cost)
                .map_err(|source| RegistryError::Inflate { path, source })
        } else {
            let mut bytes = Vec::new();
            let read = blob.take(max_len).read_to_end(&mut bytes);
            *cost += bytes.len() as u64;
            read.map_err(|source| RegistryError::Io { path, source })?;
            Ok(bytes)
        }
    }

    fn read_registry(&self, cost: &mut u64) -> Result<String, RegistryError> {
        let file = match self.open_file(REGISTRY) {
            Err(RegistryError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(RegistryError::NoRegistry);
            }
            file => file?,
        };
        let mut text = String::new();
        let read = file.take(MAX_REGISTRY + 1).read_to_string(&mut text);
        *cost += text.len() as u64;
        read.map_err(|source| RegistryError::Io { path: REGISTRY.to_owned(), source })?;
        if text.len() as u64 > MAX_REGISTRY {
            return Err(RegistryError::TooLong);
        }
        Ok(text)
    }

    /// The bytes of the blob: a stretch of the pack if the entry has an offset
    /// (the single file is not tried then), else the single file.
    fn open_blob(&self, entry: &Value) -> Result<(String, io::Take<File>), RegistryError> {
        if let Some(offset) = entry.get("blob_offset") {
            let offset = offset.as_u64().ok_or(RegistryError::Field("blob_offset"))?;
            let len = entry.get("blob_len").and_then(Value::as_u64);
            let len = len.ok_or(RegistryError::Field("blob_len"))?;
            let mut pack = self.open_file(PACK)?;
            pack.seek(SeekFrom::Start(offset))
                .map_err(|source| RegistryError::Io { path: PACK.to_owned(), source })?;
            return Ok((PACK.to_owned(), pack.take(len)));
        }
        let path = entry.get("blob_file").and_then(Value::as_str);
        let path = path.ok_or(RegistryError::Field("blob_file"))?;
        Ok((path.to_owned(), self.open_file(path)?.take(u64::MAX)))
    }

    fn open_file(&self, path: &str) -> Result<File, RegistryError> {
        beneath::open(&self.directory, path, Outside::Refuse).map_err(|source| {
            if source.kind() == io::ErrorKind::CrossesDevices {
                RegistryError::Outside(path.to_owned())
            } else {
                RegistryError::Io { path: path.to_owned(), source }
            }
        })
    }
}

/// Whether the entry says that its blob is compressed: a number other than 0.
fn is_compressed(entry: &Value) -> Result<bool, RegistryError> {
    match entry.get("compressed_size") {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Number(size)) => Ok(size.as_f64() != Some(0.0)),
        Some(_) => Err(RegistryError::Field("compressed_size")),
    }
}

/// Inflates `max_len` bytes, then looks whether the rest inflates as well.
/// Bytes after the stream are ignored, as the old machine ignored them.
fn inflate_bounded(blob: impl Read, max_len: u64, cost: &mut u64) -> io::Result<Vec<u8>> {
    let mut stream = ZlibDecoder::new(blob);
    let mut bytes = Vec::new();
    let read = (&mut stream).take(max_len).read_to_end(&mut bytes);
    let rest = match read {
        Ok(_) => io::copy(&mut (&mut stream).take(CHECKED_BEYOND), &mut io::sink()),
        Err(error) => Err(error),
    };
    *cost += stream.total_in() + stream.total_out();
    rest.map(|_| bytes)
}

/// The entry of `key`, the last one if there are several (as Python's json has
/// it), none if it is empty; the others are skipped without being kept.
fn entry(text: &str, key: &str) -> Result<Option<Value>, serde_json::Error> {
    struct Find<'a>(&'a str);
    impl<'de> Visitor<'de> for Find<'_> {
        type Value = Option<Value>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object with an entry for each file")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Option<Value>, M::Error> {
            let mut found = None;
            while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                if key == self.0 {
                    found = Some(map.next_value::<Value>()?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let found = json.deserialize_map(Find(key))?;
    json.end()?;
    Ok(found.filter(|entry| entry.as_object().is_some_and(|fields| !fields.is_empty())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use flate2::{Compression, write::ZlibEncoder};
    use std::io::Write;

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// A root with these files and this registry.
    fn root(registry: &str, files: &[(&str, &[u8])]) -> (tempfile::TempDir, RegistryRoot) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("root")).unwrap();
        for (name, bytes) in files {
            std::fs::write(directory.path().join("root").join(name), bytes).unwrap();
        }
        std::fs::write(directory.path().join("root").join(REGISTRY), registry).unwrap();
        let root = RegistryRoot::open(&directory.path().join("root")).unwrap();
        (directory, root)
    }

    fn fetch(entry: &str, files: &[(&str, &[u8])], max_len: usize) -> Result<Vec<u8>, String> {
        let (_directory, root) = root(&format!("{{\"5\": {entry}}}"), files);
        root.fetch(5, max_len, false).result.map_err(|error| error.to_string())
    }

    #[test]
    fn single_blobs_and_packed_blobs_are_read_and_cut() {
        let blob = zlib(b"hello, pixels");
        let single = r#"{"name":"x","compressed_size":9,"blob_file":"b"}"#;
        assert_eq!(fetch(single, &[("b", &blob)], 5).unwrap(), b"hello");
        let pack = [b"xyz".as_slice(), &blob, b"rest"].concat();
        let packed = format!(
            r#"{{"name":"x","compressed_size":9,"blob_file":"b","blob_offset":3,"blob_len":{}}}"#,
            blob.len() + 2
        );
        assert_eq!(fetch(&packed, &[(PACK, &pack)], 99).unwrap(), b"hello, pixels");
        let raw = r#"{"name":"x","compressed_size":0,"blob_file":"b"}"#;
        assert_eq!(fetch(raw, &[("b", b"as it is")], 99).unwrap(), b"as it is");
    }

    #[test]
    fn each_fault_is_an_error_with_its_reason() {
        let blob = zlib(b"hello");
        let files: &[(&str, &[u8])] = &[("b", &blob), ("cut", &blob[..blob.len() - 3])];
        let cases = [
            (r#"{}"#, "no entry for 0x00000005"),
            (r#"null"#, "no entry for 0x00000005"),
            (r#"{"blob_file":"b"}"#, "name is missing"),
            (r#"{"name":"x"}"#, "blob_file is missing"),
            (r#"{"name":"x","blob_file":"b","blob_offset":0,"blob_len":3}"#, "project_files.bin"),
            (r#"{"name":"x","blob_file":"b","blob_offset":-5,"blob_len":3}"#, "blob_offset"),
            (r#"{"name":"x","blob_file":"b","blob_offset":5}"#, "blob_len"),
            (r#"{"name":"x","blob_file":"cut","compressed_size":1}"#, "not a whole zlib stream"),
            (r#"{"name":"x","blob_file":"none","compressed_size":1}"#, "none: "),
            (r#"{"name":"x","blob_file":"b","compressed_size":"9"}"#, "compressed_size"),
            (r#"{"name":"x","blob_file":"."}"#, "not a regular file"),
            (r#"{"name":"x"},"#, REGISTRY),
        ];
        for (entry, text) in cases {
            let error = fetch(entry, files, 99).unwrap_err();
            assert!(error.contains(text), "{entry}: {error}");
        }
    }

    #[test]
    fn no_path_leaves_the_root() {
        let entry = |path: &str| format!(r#"{{"5": {{"name":"x","blob_file":"{path}"}}}}"#);
        let (directory, _) = root("{}", &[]);
        std::fs::write(directory.path().join("secret"), b"secret").unwrap();
        let inside = directory.path().join("root");
        std::os::unix::fs::symlink("../secret", inside.join("link")).unwrap();
        let absolute = directory.path().join("secret").display().to_string();
        for path in ["../secret", "link", absolute.as_str()] {
            std::fs::write(inside.join(REGISTRY), entry(path)).unwrap();
            let fetched = RegistryRoot::open(&inside).unwrap().fetch(5, 99, false);
            assert!(matches!(fetched.result, Err(RegistryError::Outside(_))), "{path}");
        }
    }

    #[test]
    fn a_bomb_costs_no_more_than_what_is_checked() {
        let bomb = zlib(&vec![0; 64 << 20]);
        let entry = r#"{"5": {"name":"x","compressed_size":9,"blob_file":"b"}}"#;
        let (_directory, root) = root(entry, &[("b", &bomb)]);
        let fetched = root.fetch(5, 10, false);
        assert_eq!(fetched.result.unwrap(), [0; 10]);
        assert!(fetched.cost < CHECKED_BEYOND + (1 << 20), "{}", fetched.cost);
    }
}
