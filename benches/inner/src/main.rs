//! Times the inner loops of reading, each by itself: decoding a block, checking
//! it, searching nodes. Run it with
//! `cargo run --locked --release --manifest-path benches/inner/Cargo.toml`.
//!
//! Not a comparison with anybody: that is `scripts/bench`. These numbers say where
//! a change of that one came from.

use std::error::Error;
use std::hint::black_box;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::BytesCount;
use pxfs::format::{Node, NodeBuilder, StoredRef, TreeKind, number_key};
use pxfs::picture::{self, Picture};
use pxfs::store::{self, Store};
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_64;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The name under which this program is mkfs: a picture is made by the command
/// line, which stays, not by the structures behind it, which change.
const MKFS: &str = "mkfs.pxfs";
/// What a block of packed files has, and entries as many as fill a node.
const BLOCK: usize = 1 << 20;
const ENTRIES: u64 = 600;

static STORE: LazyLock<Store> =
    LazyLock::new(|| open().unwrap_or_else(|error| panic!("no picture to measure: {error}")));

fn main() -> ExitCode {
    if std::env::args().next().as_deref() == Some(MKFS) {
        return pxfs::cli::main();
    }
    divan::Divan::from_args().run_benches();
    ExitCode::SUCCESS
}

/// A picture of the sources of pxfs; its file has no name any more.
fn open() -> Result<Store> {
    let folder = tempfile::tempdir()?;
    let image = folder.path().join("sources.png");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src");
    let mut mkfs = Command::new(std::env::current_exe()?);
    let status = mkfs.arg0(MKFS).arg("--quiet").arg(&image).arg(sources).status()?;
    if !status.success() {
        return Err(format!("mkfs: {status}").into());
    }
    let picture = Picture::open(&image, &picture::OpenOptions::default())?;
    Ok(Store::open(picture, &store::OpenOptions { cache: 64 << 20, digest: None })?)
}

/// The first block: small files packed together.
fn first_block() -> StoredRef {
    let cursor = STORE.select(TreeKind::Blocks, 0).and_then(|mut cursor| cursor.next());
    let entry = cursor.expect("the tree of blocks").expect("a block");
    StoredRef::parse(entry.value()).expect("a reference")
}

/// A leaf with keys of 8 bytes, as most trees have them.
fn leaf() -> Vec<u8> {
    let mut node = NodeBuilder::new(TreeKind::Inodes as u8, 0);
    for number in 0..ENTRIES {
        node.push(&number_key(number * 3), &[7; 40]);
    }
    node.finish()
}

/// Bytes that do not repeat.
fn noise() -> Vec<u8> {
    (0..BLOCK as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

/// Read, XXH3, zstd: what a block costs that is not in the cache.
#[divan::bench]
fn block_decode(bencher: Bencher<'_, '_>) {
    let at = first_block();
    let bencher = bencher.counter(BytesCount::new(at.raw));
    bencher.bench(|| STORE.load("block", black_box(&at)).expect("a good block"));
}

/// The same with the SHA-256 of the stored bytes, as under `-o digest=`.
#[divan::bench]
fn block_decode_proven(bencher: Bencher<'_, '_>) {
    let at = first_block();
    let bencher = bencher.counter(BytesCount::new(at.raw));
    bencher.bench(|| STORE.load_proven("block", black_box(&at)).expect("a good block"));
}

/// A descent of a tree whose nodes are in the cache.
#[divan::bench]
fn tree_get_cached(bencher: Bencher<'_, '_>) {
    let key = number_key(STORE.superblock().next_ino / 2);
    bencher.bench(|| STORE.get(TreeKind::Inodes, black_box(&key)).expect("a good tree"));
}

/// Checking a node's whole structure, done once when it comes into the cache.
#[divan::bench]
fn node_parse(bencher: Bencher<'_, '_>) {
    let raw = leaf();
    let bencher = bencher.counter(BytesCount::new(raw.len())).with_inputs(|| raw.clone());
    bencher.bench_values(|raw| Node::parse(raw, TreeKind::Inodes as u8, 0, ENTRIES));
}

/// One search in a node, at keys that are there and keys that are not.
#[divan::bench]
fn node_search(bencher: Bencher<'_, '_>) {
    let node = Node::parse(leaf(), TreeKind::Inodes as u8, 0, ENTRIES).expect("a good node");
    let mut number = 0;
    bencher.bench_local(|| {
        number = (number + 601) % (ENTRIES * 3);
        node.search(black_box(&number_key(number)))
    });
}

/// The checksum of every read.
#[divan::bench]
fn xxh3(bencher: Bencher<'_, '_>) {
    let data = noise();
    bencher.counter(BytesCount::new(BLOCK)).bench(|| xxh3_64(black_box(&data)));
}

/// The digest of every content that mkfs takes up.
#[divan::bench]
fn sha256(bencher: Bencher<'_, '_>) {
    let data = noise();
    bencher.counter(BytesCount::new(BLOCK)).bench(|| Sha256::digest(black_box(&data)));
}
