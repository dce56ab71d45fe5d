//! Pictures that break rules with every checksum right: the trees of a good
//! one are taken apart, changed, written anew behind it, and a superblock is
//! made to fit.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{Cursor, Read, Seek, Write};

use pxfs::format::{
    Codec, ContentRecord, DirentRecord, InodeRecord, Node, NodeRef, SLOT_OFFSETS, SUPERBLOCK_LEN,
    StoredRef, Superblock, TREE_COUNT, TreeKind, TreeRoot, dirent_key, number_key,
};
use pxfs::picture::{Geometry, OpenOptions, Picture, PngWriter};
use pxfs::store::{Encoded, Encoder, Encoding, NodeSink, TreeWriter};
use sha2::{Digest, Sha256};

pub type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// A node and where it is.
#[derive(Debug, Clone)]
pub struct NodeAt {
    pub tree: TreeKind,
    pub level: u8,
    pub is_root: bool,
    /// The first key below it.
    pub first: Vec<u8>,
    pub at: StoredRef,
}

/// A picture taken apart.
#[derive(Debug, Clone)]
pub struct Forge {
    pub superblock: Superblock,
    /// The stream up to its committed length; what is appended comes behind.
    pub payload: Vec<u8>,
    pub trees: [Entries; TREE_COUNT],
    pub nodes: Vec<NodeAt>,
}

impl Forge {
    /// Takes the picture `bytes` apart.
    pub fn of(bytes: &[u8]) -> Self {
        let picture = Picture::from_file(file_with(bytes), &OpenOptions::default()).unwrap();
        let layout = picture.layout().unwrap();
        let stream = picture.stream(layout.geometry().channels());
        let mut payload = vec![0; stream.len() as usize];
        stream.read_at(0, &mut payload).unwrap();
        let superblock = Superblock::parse(payload[..SUPERBLOCK_LEN].try_into().unwrap()).unwrap();
        payload.truncate(superblock.stream_len as usize);
        let mut forge = Self { superblock, payload, trees: Default::default(), nodes: vec![] };
        for tree in TreeKind::ALL {
            if let Some(root) = forge.superblock.root(tree).copied() {
                forge.take_apart(tree, root.level, &root.node, true);
            }
        }
        forge
    }

    fn take_apart(&mut self, tree: TreeKind, level: u8, at: &NodeRef, is_root: bool) {
        let node = Node::parse(self.raw(&at.at), tree as u8, level, at.entries).unwrap();
        self.nodes.push(NodeAt { tree, level, is_root, first: node.key(0).to_vec(), at: at.at });
        for index in 0..node.count() {
            let (key, value) = (node.key(index).to_vec(), node.value(index).to_vec());
            if level == 0 {
                self.trees[tree as usize].insert(key, value);
            } else {
                self.take_apart(tree, level - 1, &NodeRef::parse(&value).unwrap(), false);
            }
        }
    }

    /// The raw bytes that a reference stands for.
    pub fn raw(&self, at: &StoredRef) -> Vec<u8> {
        let stored = &self.payload[at.offset as usize..][..at.stored as usize];
        match at.codec {
            Codec::None => stored.to_vec(),
            Codec::Zstd => zstd::decode_all(Cursor::new(stored)).unwrap(),
            Codec::ZstdX86 => unreachable!("no program in these pictures"),
        }
    }

    pub fn tree(&mut self, tree: TreeKind) -> &mut Entries {
        &mut self.trees[tree as usize]
    }

    /// The inode that a path leads to.
    pub fn ino(&self, path: &str) -> u64 {
        path.split('/').filter(|part| !part.is_empty()).fold(1, |dir, name| {
            let key = dirent_key(dir, name.as_bytes());
            DirentRecord::parse(&self.trees[TreeKind::Dirents as usize][&key]).unwrap().ino
        })
    }

    pub fn inode(&self, ino: u64) -> InodeRecord {
        InodeRecord::parse(&self.trees[TreeKind::Inodes as usize][&number_key(ino)[..]]).unwrap()
    }

    /// Changes an inode.
    pub fn edit_inode(&mut self, ino: u64, edit: impl FnOnce(&mut InodeRecord)) {
        let mut record = self.inode(ino);
        edit(&mut record);
        self.tree(TreeKind::Inodes).insert(number_key(ino).to_vec(), record.to_bytes());
    }

    /// The number and record of the content at a path.
    pub fn content(&self, path: &str) -> (u64, ContentRecord) {
        let pxfs::format::InodeData::Regular(number) = self.inode(self.ino(path)).data else {
            panic!("{path} is no file");
        };
        let contents = &self.trees[TreeKind::Contents as usize];
        (number, ContentRecord::parse(&contents[&number_key(number)[..]]).unwrap())
    }

    /// Changes the record of the content at a path.
    pub fn edit_content(&mut self, path: &str, edit: impl FnOnce(&mut ContentRecord)) {
        let (number, mut record) = self.content(path);
        edit(&mut record);
        self.tree(TreeKind::Contents).insert(number_key(number).to_vec(), record.to_bytes());
    }

    /// Enters a name.
    pub fn link(&mut self, dir: u64, name: &[u8], ino: u64) {
        let kind = self.inode(ino).data.kind();
        let entry = DirentRecord { ino, kind };
        self.tree(TreeKind::Dirents).insert(dirent_key(dir, name), entry.to_bytes().to_vec());
    }

    /// Appends stored bytes; gives a reference with its checksums right.
    pub fn store(&mut self, stored: &[u8], raw: u32, codec: Codec) -> StoredRef {
        let offset = self.payload.len() as u64;
        self.payload.extend_from_slice(stored);
        StoredRef {
            offset,
            stored: stored.len() as u32,
            raw,
            codec,
            xxh3: xxhash_rust::xxh3::xxh3_64(stored),
            sha256: Sha256::digest(stored).into(),
        }
    }

    /// The picture with all trees written anew.
    pub fn build(self) -> Vec<u8> {
        self.build_with(|_| {})
    }

    /// As [`Forge::build`], with a last change before the superblock is written.
    pub fn build_with(mut self, edit: impl FnOnce(&mut Self)) -> Vec<u8> {
        for tree in TreeKind::ALL {
            let mut writer = TreeWriter::new(tree);
            let entries = std::mem::take(&mut self.trees[tree as usize]);
            let mut sink = Sink::new(&mut self.payload);
            for (key, value) in &entries {
                writer.push(key, value, &mut sink).unwrap();
            }
            self.superblock.roots[tree as usize] = writer.finish(&mut sink).unwrap();
        }
        self.superblock.stream_len = self.payload.len() as u64;
        edit(&mut self);
        let slot = self.superblock.to_bytes();
        self.seal(&slot)
    }

    /// The picture as taken apart, with other bytes in both slots.
    pub fn with_slots(&self, edit: impl Fn(&mut [u8; SUPERBLOCK_LEN])) -> Vec<u8> {
        let mut slot = self.superblock.to_bytes();
        edit(&mut slot);
        self.seal(&sealed(slot))
    }

    fn seal(&self, slot: &[u8; SUPERBLOCK_LEN]) -> Vec<u8> {
        let mut payload = self.payload.clone();
        for offset in SLOT_OFFSETS {
            payload[offset as usize..][..SUPERBLOCK_LEN].copy_from_slice(slot);
        }
        let geometry = Geometry::new(self.superblock.width, self.superblock.channels).unwrap();
        picture_of(geometry, &payload)
    }

    /// A root that is a leaf or inner node of these raw bytes.
    pub fn root_of(&mut self, raw: &[u8], level: u8, entries: u64) -> TreeRoot {
        let at = self.store(raw, raw.len() as u32, Codec::None);
        TreeRoot { level, node: NodeRef { entries, at } }
    }
}

/// A slot with its digest and checksum made right.
pub fn sealed(mut slot: [u8; SUPERBLOCK_LEN]) -> [u8; SUPERBLOCK_LEN] {
    let digest = Sha256::digest(&slot[..984]);
    slot[984..1016].copy_from_slice(&digest);
    let checksum = xxhash_rust::xxh3::xxh3_64(&slot[..1016]);
    slot[1016..].copy_from_slice(&checksum.to_le_bytes());
    slot
}

/// A file without a name that holds these bytes.
pub fn file_with(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn bytes_of(file: &mut File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

/// A picture of that payload.
pub fn picture_of(geometry: Geometry, payload: &[u8]) -> Vec<u8> {
    let file = tempfile::tempfile().unwrap();
    let mut writer = PngWriter::create(file, geometry).unwrap();
    writer.write(payload).unwrap();
    let mut file = writer.finish().unwrap();
    file.flush().unwrap();
    bytes_of(&mut file)
}

struct Sink<'a> {
    payload: &'a mut Vec<u8>,
    encoder: Encoder,
    begun: VecDeque<Encoded>,
}

impl<'a> Sink<'a> {
    fn new(payload: &'a mut Vec<u8>) -> Self {
        let encoder = Encoder::new(Encoding { codec: Codec::Zstd, level: 3 }).expect("an encoder");
        Self { payload, encoder, begun: VecDeque::new() }
    }
}

impl NodeSink for Sink<'_> {
    fn begin(&mut self, raw: Vec<u8>) -> std::io::Result<()> {
        self.begun.push_back(self.encoder.encode(raw)?);
        Ok(())
    }

    fn place(&mut self) -> std::io::Result<StoredRef> {
        let encoded = self.begun.pop_front().expect("a node that was begun");
        let at = encoded.placed_at(self.payload.len() as u64);
        self.payload.extend_from_slice(&encoded.bytes);
        Ok(at)
    }
}
