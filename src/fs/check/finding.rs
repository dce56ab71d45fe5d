//! What a check can find: typed problems with a stable slug each, where they
//! are, and the report that collects them. `docs/verify.md` explains the slugs.

use serde::Serialize;

/// Findings that are listed; what comes after is counted.
const MAX_FINDINGS: usize = 1000;

/// Paths that are named with one finding.
pub(super) const MAX_PATHS: usize = 8;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something is lost, wrong or about to be.
    Error,
    /// Something could not be checked.
    Warning,
}

/// One table makes the enum, its slugs, levels and sentences, so that none can
/// be forgotten.
macro_rules! problems {
    ($($slug:literal $level:ident $name:ident { $($field:ident: $kind:ty),* } $text:literal)*) => {
        /// A rule of the format that a picture breaks.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
        #[serde(untagged)]
        #[non_exhaustive]
        // The sentences say what the fields are.
        #[allow(missing_docs)]
        pub enum Problem {
            $(#[error($text)] $name { $($field: $kind),* },)*
        }

        impl Problem {
            /// All slugs with their levels, in the order of the documentation.
            pub const SLUGS: &[(&str, Level)] = &[$(($slug, Level::$level)),*];

            /// The name that programs know the problem by.
            pub fn slug(&self) -> &'static str {
                match self { $(Self::$name { .. } => $slug,)* }
            }

            /// How bad it is.
            pub fn level(&self) -> Level {
                match self { $(Self::$name { .. } => Level::$level,)* }
            }
        }
    };
}

problems! {
    "container" Error Container { what: String } "{what}"
    "superblock" Error Superblock { slot: char, reason: String } "superblock slot {slot}: {reason}"
    "reserved" Warning Reserved { slot: char }
        "superblock slot {slot} has something where this version has zeros"
    "counter" Error Counter { counter: &'static str, next: u64, found: u64 }
        "next {counter} number is {next}, but number {found} is in use"
    "totals" Error Totals { what: &'static str, expected: u64, found: u64 }
        "the superblock counts {expected} {what}, there are {found}"

    "node-outside" Error NodeOutside {} "tree node lies outside the stream"
    "node-checksum" Error NodeChecksum { found: String, expected: String }
        "tree node: checksum is {found}, should be {expected}"
    "node-digest" Error NodeDigest {} "tree node: does not have the digest its parent gives it"
    "node-decode" Error NodeDecode { raw: u32 } "tree node: cannot be decompressed to {raw} bytes"
    "node-read" Error NodeRead { reason: String } "tree node: cannot be read: {reason}"
    "node-structure" Error NodeStructure { reason: String } "{reason}"
    "node-order" Error NodeOrder {} "tree node: its keys are not the ones its place calls for"
    "node-abandoned" Error NodeAbandoned {} "too many bad nodes: the rest of the tree is not checked"

    "block-reference" Error BlockReference { reason: String } "{reason}"
    "block-outside" Error BlockOutside {} "lies outside the stream"
    "block-checksum" Error BlockChecksum { found: String, expected: String }
        "checksum is {found}, should be {expected}"
    "block-digest" Error BlockDigest {} "does not have the digest its reference gives it"
    "block-decode" Error BlockDecode { raw: u32 } "cannot be decompressed to {raw} bytes"
    "block-read" Error BlockRead { reason: String } "cannot be read: {reason}"
    "overlap" Error Overlap { what: String, other: String } "{what} overlaps {other}"

    "content-record" Error ContentRecord { reason: String } "{reason}"
    "content-id" Error ContentId { id: String, sha256: String }
        "pixel {id} is none of the ids that the digest {sha256} allows"
    "content-extents" Error ContentExtents { reason: String } "{reason}"
    "content-unreadable" Error ContentUnreadable { reason: String } "cannot be read: {reason}"
    "content-digest" Error ContentDigest { found: String, expected: String }
        "SHA-256 is {found}, should be {expected}"
    "content-not-hashed" Warning ContentNotHashed { size: u64 }
        "its {size} bytes are far more than the picture stores: the SHA-256 was not checked"
    "extent-record" Error ExtentRecord { reason: String } "{reason}"
    "extent-orphan" Error ExtentOrphan {} "an extent belongs to no content"
    "id-record" Error IdRecord { reason: String } "{reason}"
    "id-content" Error IdContent { id: String, reason: String } "pixel {id}: {reason}"
    "plane" Error Plane { reason: String } "plane of pixels: {reason}"
    "info-record" Error InfoRecord { name: String, reason: String } "info '{name}': {reason}"

    "xattr-record" Error XattrRecord { set: u64, reason: String } "xattr set {set}: {reason}"
    "inode-record" Error InodeRecord { reason: String } "{reason}"
    "root" Error Root { reason: String } "root directory: {reason}"
    "inode-content" Error InodeContent { reason: String } "{reason}"
    "inode-xattrs" Error InodeXattrs { set: u64 } "xattr set {set} does not exist or is damaged"
    "inode-size" Error InodeSize { size: u64, content: u64 }
        "has {size} bytes, its content {content}"
    "inode-allocated" Error InodeAllocated { allocated: u64, found: u64 }
        "says that {allocated} bytes are not holes, its extents cover {found}"
    "inode-links" Error InodeLinks { links: u32, found: u64 }
        "has {links} links, its names make {found}"
    "inode-unreachable" Error InodeUnreachable {} "no path leads to it"
    "name-record" Error NameRecord { reason: String } "{reason}"
    "name-invalid" Error NameInvalid { name: String } "'{name}' is no file name"
    "name-directory" Error NameDirectory { directory: u64 }
        "is a name in inode {directory}, which is no directory"
    "name-inode" Error NameInode { reason: String } "{reason}"
    "name-type" Error NameType {} "its name and its inode differ about its type"
    "directory-parent" Error DirectoryParent { directory: u64, parent: u64 }
        "is a directory of inode {parent}, but has a name in {directory}"
    "directory-names" Error DirectoryNames {} "is a directory with more than one name"
}

/// Where a problem is, as far as it can be told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree: Option<&'static str>,
    /// Offset in the pixel stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Number of the block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<u64>,
    /// Number of the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<u64>,
    /// Number of the inode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inode: Option<u64>,
    /// Paths of the files concerned, from the root, the first few.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Whether there are more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub more_paths: bool,
}

impl Place {
    /// A content.
    pub(super) fn content(number: u64) -> Self {
        Self { content: Some(number), ..Self::default() }
    }

    /// An inode.
    pub(super) fn inode(number: u64) -> Self {
        Self { inode: Some(number), ..Self::default() }
    }

    /// A tree, as a whole.
    pub(super) fn tree(tree: crate::format::TreeKind) -> Self {
        Self { tree: Some(super::tree_name(tree)), ..Self::default() }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts: Vec<String> = self.paths.clone();
        if self.more_paths {
            parts.push("and more".into());
        }
        if self.paths.is_empty() {
            parts.extend(self.content.map(|number| format!("content {number}")));
            parts.extend(self.inode.map(|number| format!("inode {number}")));
        }
        parts.extend(self.tree.map(|tree| format!("{tree} tree")));
        parts.extend(self.block.map(|number| format!("block {number}")));
        parts.extend(self.offset.map(|offset| format!("offset {offset}")));
        f.write_str(&parts.join(", "))
    }
}

/// A problem and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub problem: Problem,
    /// Where.
    pub place: Place,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = self.place.to_string();
        let gap = if place.is_empty() { "" } else { ": " };
        write!(f, "{}: {place}{gap}{}", self.problem.slug(), self.problem)
    }
}

impl Serialize for Finding {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            slug: &'static str,
            level: Level,
            message: String,
            place: &'a Place,
            detail: &'a Problem,
        }
        Shown {
            slug: self.problem.slug(),
            level: self.problem.level(),
            message: self.problem.to_string(),
            place: &self.place,
            detail: &self.problem,
        }
        .serialize(serializer)
    }
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Bytes of the picture's file.
    pub container_bytes: u64,
    /// Nodes of all trees.
    pub nodes: u64,
    /// Data blocks.
    pub blocks: u64,
    /// Stored bytes of data blocks.
    pub block_bytes: u64,
    /// Contents, which are pixels.
    pub contents: u64,
    /// Bytes of contents whose SHA-256 was computed.
    pub content_bytes: u64,
    /// Sets of extended attributes.
    pub xattr_sets: u64,
    /// Inodes.
    pub inodes: u64,
    /// Directory entries.
    pub names: u64,
}

/// All that a check found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Whether there is no error.
    pub ok: bool,
    /// Errors, listed or not.
    pub errors: u64,
    /// Warnings, listed or not.
    pub warnings: u64,
    /// The first findings.
    pub findings: Vec<Finding>,
    /// Findings beyond those listed.
    pub omitted: u64,
    /// How much was looked at.
    pub checked: Checked,
}

impl Report {
    pub(super) fn push(&mut self, problem: Problem, place: Place) {
        match problem.level() {
            Level::Error => self.errors += 1,
            Level::Warning => self.warnings += 1,
        }
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { problem, place });
        } else {
            self.omitted += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_unique_and_stand_before_the_sentence() {
        let mut slugs: Vec<&str> = Problem::SLUGS.iter().map(|(slug, _)| *slug).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), Problem::SLUGS.len());
        let place = Place { paths: vec!["/a/b".into()], block: Some(7), ..Place::content(3) };
        let finding = Finding { problem: Problem::BlockDigest {}, place };
        assert!(finding.to_string().starts_with("block-digest: /a/b, block 7: does not"));
    }

    #[test]
    fn every_slug_is_documented_and_every_documented_slug_exists() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/verify.md");
        let text = std::fs::read_to_string(path).expect("docs/verify.md");
        let (_, tables) = text.split_once("## FINDINGS").expect("the section");
        let documented: Vec<&str> = tables
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
            .map(|(slug, _)| slug)
            .collect();
        let known: Vec<&str> = Problem::SLUGS.iter().map(|(slug, _)| *slug).collect();
        assert_eq!(documented, known);
    }

    #[test]
    fn a_finding_is_json_with_slug_level_and_place() {
        let problem = Problem::InodeLinks { links: 2, found: 1 };
        let json = serde_json::to_value(Finding { problem, place: Place::inode(9) }).expect("json");
        let expected = serde_json::json!({
            "slug": "inode-links", "level": "error", "message": "has 2 links, its names make 1",
            "place": {"inode": 9}, "detail": {"links": 2, "found": 1},
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn findings_beyond_the_limit_are_counted() {
        let mut report = Report::default();
        for _ in 0..MAX_FINDINGS + 5 {
            report.push(Problem::BlockDigest {}, Place::default());
        }
        assert_eq!((report.findings.len(), report.omitted, report.errors), (1000, 5, 1005));
    }
}
