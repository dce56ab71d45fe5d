//! The published test vectors: small pictures and, beside each, what it holds.
//!
//! Checked for each: mkfs still makes these very bytes from the same source,
//! whatever the number of threads; a reader finds what the JSON says; `pxfs
//! verify` finds nothing wrong. What the JSON says is worked out from the
//! source, not from the picture.
//!
//! After a change of the format, `PXFS_UPDATE_VECTORS=1 cargo test --test vectors`
//! writes pictures and JSON anew.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

#[path = "vectors/expect.rs"]
mod expect;
#[path = "vectors/set.rs"]
mod set;
#[path = "vectors/source.rs"]
mod source;

use std::path::{Path, PathBuf};
use std::process::Command;

use pxfs::fs::Volume;
use pxfs::mkfs::{Progress, Source, make};
use pxfs::picture::{self, Picture};
use pxfs::store::{self, Store};
use serde_json::{Value, json};
use set::{Form, Vector};
use sha2::{Digest, Sha256};

struct Quiet;

impl Progress for Quiet {
    fn file(&mut self, _: &Path) {}
    fn bytes(&mut self, _: u64) {}
    fn writing(&mut self) {}
}

fn path_of(vector: &Vector, extension: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors");
    dir.join(vector.name).with_extension(extension)
}

/// The bytes that mkfs makes of a vector's source.
fn made(vector: &Vector, threads: usize) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("made.png");
    let tree = dir.path().join("tree");
    let source = match vector.form {
        Form::Empty => Source::Empty,
        Form::Tar => {
            let tar = source::tar_of(&vector.members);
            Source::Tar(Box::new(std::io::Cursor::new(tar)))
        }
        Form::Directory => {
            std::fs::create_dir(&tree).unwrap();
            source::directory_of(&tree, &vector.members);
            Source::Directory(tree)
        }
    };
    let mut options = vector.options.clone();
    options.threads = threads;
    make(&image, source, &options, &mut Quiet).unwrap();
    std::fs::read(&image).unwrap()
}

fn open(path: &Path) -> Volume {
    let picture = Picture::open(path, &picture::OpenOptions::default()).unwrap();
    let options = store::OpenOptions { cache: 64 << 20, digest: None };
    let store = Store::open(picture, &options).unwrap();
    // Once more with its own digest, so that every read is held against it.
    let digest = Some(store.superblock().digest);
    let picture = Picture::open(path, &picture::OpenOptions::default()).unwrap();
    Volume::new(Store::open(picture, &store::OpenOptions { digest, ..options }).unwrap()).unwrap()
}

/// What the JSON beside a picture says of it.
fn description(vector: &Vector, bytes: &[u8], volume: &Volume, entries: Value) -> Value {
    let superblock = volume.store().superblock();
    let picture = volume.store().picture();
    json!({
        "about": vector.about,
        "picture": {
            "sha256": expect::hex(&Sha256::digest(bytes)), "bytes": bytes.len(),
            "width": picture.width(), "height": picture.rows(),
            "channels": superblock.channels.bytes(),
        },
        "superblock": {
            "label": superblock.label, "uuid": expect::hex(&superblock.uuid),
            "digest": expect::hex(&superblock.digest), "generation": superblock.generation,
            "created": [superblock.created.0, i64::from(superblock.created.1)],
            "stream_length": superblock.stream_len, "file_bytes": superblock.file_bytes,
            "next_inode": superblock.next_ino, "next_content": superblock.next_content,
            "next_block": superblock.next_block, "next_xattr_set": superblock.next_xattr,
        },
        "entries": entries,
    })
}

/// JSON with one line an entry, so that a change can be read.
fn printed(description: &Value) -> String {
    let mut outline = description.clone();
    outline["entries"] = json!({});
    let entries = description["entries"].as_object().unwrap();
    let lines: Vec<_> =
        entries.iter().map(|(path, entry)| format!("    {}: {entry}", json!(path))).collect();
    let outline = format!("{outline:#}\n");
    outline.replace("\"entries\": {}", &format!("\"entries\": {{\n{}\n  }}", lines.join(",\n")))
}

/// Compares value by value: the whole would be a wall of text.
fn assert_same(name: &str, found: &Value, expected: &Value) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let keys: std::collections::BTreeSet<_> = found.keys().chain(expected.keys()).collect();
            for key in keys {
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned();
                let name = format!("{name} {key}");
                assert_same(
                    &name,
                    &of(found).unwrap_or_default(),
                    &of(expected).unwrap_or_default(),
                );
            }
        }
        _ => assert_eq!(found, expected, "{name}"),
    }
}

fn check(vector: &Vector) {
    let bytes = made(vector, 1);
    let (picture, json) = (path_of(vector, "png"), path_of(vector, "json"));
    let expected = expect::expected(&vector.members, (0, 0));
    if std::env::var_os("PXFS_UPDATE_VECTORS").is_some() {
        std::fs::write(&picture, &bytes).unwrap();
        let description = description(vector, &bytes, &open(&picture), expected.clone());
        std::fs::write(&json, printed(&description)).unwrap();
    }
    let published = std::fs::read(&picture).unwrap();
    assert!(bytes == published, "{}: mkfs makes another picture now", vector.name);
    for threads in [2, 7] {
        assert!(made(vector, threads) == published, "{}: {threads} threads", vector.name);
    }
    let volume = open(&picture);
    let entries = expect::found_whole(&volume);
    assert_same(vector.name, &entries, &expected);
    let text = std::fs::read_to_string(&json).unwrap();
    let published_json: Value = serde_json::from_str(&text).unwrap();
    let description = description(vector, &bytes, &volume, entries);
    assert_same(vector.name, &description, &published_json);
    let mut verify = Command::new(env!("CARGO_BIN_EXE_pxfs"));
    let output = verify.arg("verify").arg(&picture).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn every_vector_is_what_it_says() {
    for vector in set::vectors() {
        check(&vector);
    }
}

#[test]
fn the_two_clashing_contents_have_ids_of_their_own() {
    let json = |path: &str| -> Value {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors").join(path);
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    let entries = &json("id-clash.json")["entries"];
    assert_eq!(entries["/first"]["id"], "f7022b07");
    let second = &entries["/second"];
    assert!(second["sha256"].as_str().unwrap().starts_with("f7022b07"));
    assert_eq!(second["id"], second["sha256"].as_str().unwrap()[8..16]);
}

#[test]
fn no_file_lies_about_that_is_no_vector() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors");
    let names: Vec<&str> = set::vectors().iter().map(|vector| vector.name).collect();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert!(names.contains(&stem), "{}", path.display());
    }
}
