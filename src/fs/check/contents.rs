//! Contents: ids, the plane of pixels, extents, and the SHA-256 of every byte.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::extents::Covered;
use super::finding::{Place, Problem};
use super::media::Plane;
use super::nodes::number_of;
use super::{Check, OnStep};
use crate::format::{
    ContentNo, ContentRecord, Digest, Extent, ExtentKind, Extents, PixelId, TreeKind, extent_key,
    id_candidates, number_key,
};
use crate::store::{StoreError, hex};

/// Look-ups that are gathered, to be made in the order of what is looked up. Ids
/// are in no order of their contents: made at once, in a picture of millions of
/// contents, each would decode a node that the cache has no room to keep.
const BATCH: usize = 1 << 20;

/// Why a content could not be hashed.
enum Failure {
    /// Its extents contradict each other, its size or the blocks.
    Extents(String),
    /// A block or node is damaged.
    Unreadable(String),
    /// It would be more work than the picture is worth.
    TooMuch,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl Check<'_> {
    /// Checks every content record and hashes what it stands for.
    pub(super) fn check_contents(
        &mut self,
        covered: &Covered,
        mut plane: Option<Plane>,
        step: &mut OnStep<'_>,
    ) {
        let total = self.entries(TreeKind::Contents);
        let mut highest = 0;
        let mut ids = Vec::new();
        self.walk_tree(TreeKind::Contents, &mut |check, key, value| {
            check.report.checked.contents += 1;
            let parsed = number_of(key).and_then(|number| {
                highest = number;
                let record = ContentRecord::parse(value).map_err(|error| error.to_string())?;
                Ok((number, record))
            });
            match parsed {
                Ok((number, record)) => {
                    check.check_id(number, &record);
                    ids.push((record.id, number));
                    if ids.len() == BATCH {
                        check.check_entered(&mut ids);
                    }
                    check.check_pixel(number, record.id, plane.as_mut());
                    check.check_digest(number, &record, covered);
                }
                Err(reason) => {
                    let place = Place { content: number_of(key).ok(), ..Place::default() };
                    check.report.push(Problem::ContentRecord { reason }, place);
                }
            }
            step(check.report.checked.contents, total);
        });
        self.check_entered(&mut ids);
        let next = self.store.superblock().next_content;
        self.check_counter(TreeKind::Contents, highest, next);
        match plane {
            Some(plane) if plane.count >= next => {
                let reason = format!("has {} pixels, more than there are contents", plane.count);
                self.report.push(Problem::Plane { reason }, Place::default());
            }
            None if total > 0 && self.is_whole(TreeKind::Info) => {
                let reason = "is missing".into();
                self.report.push(Problem::Plane { reason }, Place::default());
            }
            _ => {}
        }
    }

    fn check_id(&mut self, number: u64, record: &ContentRecord) {
        if !id_candidates(&record.sha256).any(|candidate| candidate == record.id) {
            let id = hex(&record.id).to_uppercase();
            let problem = Problem::ContentId { id, sha256: hex(&record.sha256) };
            self.report.push(problem, Place::content(number));
        }
    }

    /// Checks that the id tree leads to these contents, and forgets them.
    fn check_entered(&mut self, ids: &mut Vec<(PixelId, ContentNo)>) {
        ids.sort_unstable();
        for (id, number) in ids.drain(..) {
            let reason = match self.store.get(TreeKind::Ids, &id) {
                Ok(None) => "is not in the id tree".into(),
                Ok(Some(entry)) => match content_of(entry.value()) {
                    Ok(first) if first == number || self.is_variant(first, number) => continue,
                    Ok(other) => format!("the id tree leads to content {other}"),
                    // Reported with the entry.
                    Err(_) => continue,
                },
                // Reported with the node.
                Err(_) => continue,
            };
            let id = hex(&id).to_uppercase();
            self.report.push(Problem::IdContent { id, reason }, Place::content(number));
        }
    }

    /// Whether `first` is the same bytes with other holes: it keeps the id.
    fn is_variant(&self, first: ContentNo, number: ContentNo) -> bool {
        let (Ok(one), Ok(other)) = (self.store.content(first), self.store.content(number)) else {
            return false;
        };
        let is_same = one.sha256 == other.sha256 && one.size == other.size && one.id == other.id;
        first < number && is_same
    }

    fn check_pixel(&mut self, number: u64, id: PixelId, plane: Option<&mut Plane>) {
        let reason = match plane.map(|plane| plane.pixel(number, self)) {
            Some(Err(reason)) => reason,
            Some(Ok(Some(pixel))) if !id.starts_with(pixel) => {
                let (pixel, id) = (hex(pixel), hex(&id));
                format!("pixel {number} is {pixel}, should be {id}")
            }
            _ => return,
        };
        self.report.push(Problem::Plane { reason }, Place::content(number));
    }

    fn check_digest(&mut self, number: u64, record: &ContentRecord, covered: &Covered) {
        let nothing_covered = covered.of(number, &record.extents) == 0;
        let found = if record.extents == Extents::Tree && nothing_covered {
            Err(Failure::Extents("none of its extents can be found".into()))
        } else {
            self.hash(number, record)
        };
        let problem = match found {
            Ok(found) if found == record.sha256 => return,
            Ok(found) => {
                Problem::ContentDigest { found: hex(&found), expected: hex(&record.sha256) }
            }
            Err(Failure::Extents(reason)) => Problem::ContentExtents { reason },
            Err(Failure::Unreadable(reason)) => Problem::ContentUnreadable { reason },
            Err(Failure::TooMuch) => Problem::ContentNotHashed { size: record.size },
        };
        self.report.push(problem, Place::content(number));
    }

    /// The SHA-256 of a content, read extent by extent.
    fn hash(&mut self, number: u64, record: &ContentRecord) -> Result<Digest, Failure> {
        self.spend(record.size)?;
        let mut hasher = Sha256::new();
        let mut at = 0;
        match record.extents {
            Extents::None => {}
            Extents::One(extent) => self.hash_extent(&extent, &mut at, &mut hasher)?,
            Extents::Tree => {
                let mut cursor = self.store.seek(TreeKind::Extents, &extent_key(number, 0))?;
                while let Some(entry) = cursor.next()? {
                    if !entry.key().starts_with(&number_key(number)) {
                        break;
                    }
                    let extent = Extent::parse(entry.value())
                        .map_err(|error| Failure::Extents(error.to_string()))?;
                    if extent.end() > record.size {
                        let reason = "an extent ends after the content";
                        return Err(Failure::Extents(reason.into()));
                    }
                    self.hash_extent(&extent, &mut at, &mut hasher)?;
                }
            }
        }
        hash_zeros(record.size - at, &mut hasher);
        self.report.checked.content_bytes += record.size;
        Ok(hasher.finalize().into())
    }

    fn hash_extent(
        &mut self,
        extent: &Extent,
        at: &mut u64,
        hasher: &mut Sha256,
    ) -> Result<(), Failure> {
        let Some(hole) = extent.logical.checked_sub(*at) else {
            return Err(Failure::Extents("extents overlap".into()));
        };
        hash_zeros(hole, hasher);
        *at = extent.logical;
        if extent.kind == ExtentKind::Zero {
            hash_zeros(extent.len, hasher);
            *at = extent.end();
        }
        while *at < extent.end() {
            let (number, within) = extent.locate(*at);
            let block = self.block(number)?;
            let len = piece_len(extent, *at, within, block.len())
                .ok_or_else(|| Failure::Extents(wrong_length(number, &block)))?;
            let within = within as usize;
            hasher.update(&block[within..within + len as usize]);
            *at += len;
        }
        Ok(())
    }

    fn block(&mut self, number: u64) -> Result<Arc<Vec<u8>>, Failure> {
        if let Some((last, block)) = &self.last_block
            && *last == number
        {
            return Ok(Arc::clone(block));
        }
        let block = match self.store.block(number) {
            Err(StoreError::Missing { .. }) => {
                return Err(Failure::Extents(format!("block {number} does not exist")));
            }
            other => other?,
        };
        self.spend(block.len() as u64)?;
        self.last_block = Some((number, Arc::clone(&block)));
        Ok(block)
    }

    fn spend(&mut self, bytes: u64) -> Result<(), Failure> {
        self.allowance = self.allowance.checked_sub(bytes).ok_or(Failure::TooMuch)?;
        Ok(())
    }

    /// Checks that every id leads to the content that has it.
    pub(super) fn check_ids(&mut self) {
        let mut numbers = Vec::new();
        self.walk_tree(TreeKind::Ids, &mut |check, key, value| {
            let place = Place::tree(TreeKind::Ids);
            let Ok(id) = PixelId::try_from(key) else {
                let reason = format!("a key has {} bytes instead of 4", key.len());
                return check.report.push(Problem::IdRecord { reason }, place);
            };
            match content_of(value) {
                Ok(number) => numbers.push((number, id)),
                Err(reason) => return check.report.push(Problem::IdRecord { reason }, place),
            }
            if numbers.len() == BATCH {
                check.check_numbers(&mut numbers);
            }
        });
        self.check_numbers(&mut numbers);
    }

    /// Checks that these contents have these ids, and forgets them.
    fn check_numbers(&mut self, numbers: &mut Vec<(ContentNo, PixelId)>) {
        numbers.sort_unstable();
        for (number, id) in numbers.drain(..) {
            let reason = match self.store.content(number) {
                Ok(record) if record.id == id => continue,
                Ok(_) => format!("leads to content {number}, which has another"),
                Err(StoreError::Missing { .. }) => {
                    format!("leads to content {number}, which does not exist")
                }
                // Reported with the content or its node.
                Err(_) => continue,
            };
            let id = hex(&id).to_uppercase();
            self.report.push(Problem::IdContent { id, reason }, Place::tree(TreeKind::Ids));
        }
    }
}

/// How many bytes at `at` come out of one block of `raw` bytes; `None` if the
/// block has not the length that the extent calls for.
fn piece_len(extent: &Extent, at: u64, within: u64, raw: usize) -> Option<u64> {
    let (raw, left) = (raw as u64, extent.end() - at);
    if extent.chunk_log == 0 {
        return (within + left <= raw).then_some(left);
    }
    let chunk = 1 << extent.chunk_log;
    let len = left.min(chunk - within);
    // All blocks of a run are full but the last, which may be shorter.
    let fits = if len < left { raw == chunk } else { within + len <= raw && raw <= chunk };
    fits.then_some(len)
}

fn wrong_length(number: u64, block: &[u8]) -> String {
    format!("block {number} has {} bytes, which is not what an extent calls for", block.len())
}

fn hash_zeros(mut len: u64, hasher: &mut Sha256) {
    static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
    while len > 0 {
        let take = len.min(ZEROS.len() as u64);
        hasher.update(&ZEROS[..take as usize]);
        len -= take;
    }
}

/// The content that an entry of the id tree leads to.
fn content_of(value: &[u8]) -> Result<ContentNo, String> {
    let bytes = <[u8; 8]>::try_from(value)
        .map_err(|_| format!("an entry has {} bytes instead of 8", value.len()))?;
    Ok(u64::from_le_bytes(bytes))
}
