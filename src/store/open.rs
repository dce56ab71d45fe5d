//! Finding the file system in a picture: superblock slots, and what to say when there is none.

use super::cache::Cache;
use super::hints::Hints;
use super::{Result, Store, StoreError};
use crate::format::{
    CANARY_OFFSET, Digest, FormatError, HEADER_LEN, SLOT_OFFSETS, SUPERBLOCK_LEN, Superblock,
};
use crate::picture::{CANARY, CANARY_RGB, Channels, Harm, Picture, PixelStream, diagnose, opaque};

/// How to open a store.
#[derive(Debug, Clone, Copy)]
pub struct OpenOptions {
    /// Budget for decoded nodes and blocks, in bytes.
    pub cache: u64,
    /// Refuse the picture unless its digest is this one, and check every read
    /// down to it.
    pub digest: Option<Digest>,
}

type Slot = [u8; SUPERBLOCK_LEN];

impl Store {
    /// Opens the file system of a picture. Reads the superblocks and nothing else.
    ///
    /// # Errors
    /// [`StoreError::NotAFileSystem`] with what seems to have happened to the
    /// picture; [`StoreError::Truncated`]; [`StoreError::Pinned`].
    pub fn open(picture: Picture, options: &OpenOptions) -> Result<Self> {
        let (stream, superblock) = find_superblock(&picture)?;
        if superblock.width != picture.width() {
            return Err(StoreError::NotAFileSystem(other_width(&picture, superblock.width)));
        }
        if stream.len() < superblock.stream_len {
            let (have, need) = (stream.len(), superblock.stream_len);
            return Err(StoreError::Truncated { have, need });
        }
        if let Some(pinned) = options.digest
            && pinned != superblock.digest
        {
            let (found, pinned) = (Box::new(superblock.digest), Box::new(pinned));
            return Err(StoreError::Pinned { found, pinned });
        }
        // Nodes have their own share: a stream of file data must not push out
        // the metadata that finds the next file.
        let cache = usize::try_from(options.cache).unwrap_or(usize::MAX);
        Ok(Self {
            picture,
            stream,
            superblock,
            pinned: options.digest.is_some(),
            nodes: Cache::new(cache / 4),
            blocks: Cache::new(cache - cache / 4),
            hints: Hints::default(),
        })
    }
}

/// The newest valid superblock, and the view of the pixels it lies in.
fn find_superblock(picture: &Picture) -> Result<(PixelStream, Superblock)> {
    let mut first_error = None;
    for channels in [Channels::Rgba, Channels::Rgb] {
        let stream = picture.stream(channels);
        let mut best: Option<Superblock> = None;
        // The newest of what cannot be read by us, and why.
        let mut newest_refused: Option<(u64, FormatError)> = None;
        for slot in read_slots(&stream)? {
            match Superblock::parse(&slot) {
                Ok(found) if found.channels == channels => {
                    if best.as_ref().is_none_or(|best| best.generation < found.generation) {
                        best = Some(found);
                    }
                }
                Ok(_) | Err(FormatError::NoMagic) => {}
                Err(error) => {
                    if let Some(generation) = Superblock::generation_of(&slot)
                        && newest_refused.as_ref().is_none_or(|(other, _)| *other < generation)
                    {
                        newest_refused = Some((generation, error.clone()));
                    }
                    first_error.get_or_insert(error);
                }
            }
        }
        // An older generation must not pass for the one in force.
        if let Some((generation, error)) = newest_refused
            && best.as_ref().is_some_and(|best| best.generation < generation)
        {
            return Err(StoreError::NotAFileSystem(error.to_string()));
        }
        if let Some(best) = best {
            if let Some(error) = first_error {
                log::warn!("one of the two superblocks is damaged ({error}); using the other");
            }
            return Ok((stream, best));
        }
    }
    // What is not there may be missing because the file ends before it.
    if let Some(layout) = picture.layout() {
        let have = picture.stream(layout.geometry().channels()).len();
        let need = layout.payload_len();
        if have < need.min(HEADER_LEN) {
            return Err(StoreError::Truncated { have, need });
        }
    }
    Err(explain_failure(picture, first_error))
}

/// The slots that the stream is long enough to hold.
fn read_slots(stream: &PixelStream) -> Result<Vec<Slot>> {
    let mut slots = Vec::new();
    for offset in SLOT_OFFSETS {
        if stream.len() >= offset + SUPERBLOCK_LEN as u64 {
            let mut slot = [0; SUPERBLOCK_LEN];
            stream.read_at(offset, &mut slot)?;
            slots.push(slot);
        }
    }
    Ok(slots)
}

/// One sentence on why no superblock could be used.
fn explain_failure(picture: &Picture, error: Option<FormatError>) -> StoreError {
    if let Some(error @ (FormatError::Version { .. } | FormatError::Features(_))) = error {
        return StoreError::NotAFileSystem(error.to_string());
    }
    let explained = match (canary_of(picture), error) {
        (Canary::Intact { width }, _) if width != picture.width() => other_width(picture, width),
        (Canary::Intact { .. }, error) => {
            let error = error.unwrap_or(FormatError::NoMagic);
            format!("both superblocks are damaged: {error}")
        }
        (Canary::Harmed(harm), _) => {
            format!("{harm}; the file system in it is lost in this copy")
        }
        (Canary::Gone, Some(_)) => "the picture begins as a pxfs file system does, but its pixels \
                                    are not where they were: it was resized, cropped or re-encoded \
                                    with losses"
            .into(),
        (Canary::Gone, None) => no_trace(picture),
    };
    StoreError::NotAFileSystem(explained)
}

fn other_width(picture: &Picture, width: u32) -> String {
    format!(
        "the picture is {} pixels wide, but its file system was made {width} wide: it was cropped \
         or resized",
        picture.width()
    )
}

/// What is left of the canary pixels.
enum Canary {
    /// All of it; and what then stands in the field for the width.
    Intact { width: u32 },
    /// Enough to tell what was done to the picture.
    Harmed(Harm),
    /// Nothing like it.
    Gone,
}

fn canary_of(picture: &Picture) -> Canary {
    let mut found = Canary::Gone;
    for (channels, canary) in [(Channels::Rgba, CANARY), (Channels::Rgb, CANARY_RGB.map(opaque))] {
        let slot = |channels| read_slots(&picture.stream(channels)).ok()?.into_iter().next();
        let (Some(seen), Some(slot)) = (slot(Channels::Rgba), slot(channels)) else { continue };
        let first = CANARY_OFFSET / channels.bytes() as usize;
        let seen = &seen.as_chunks::<4>().0[first..first + canary.len()];
        match diagnose(&canary, seen) {
            None => {
                let field = [slot[48], slot[49], slot[50], slot[51]];
                return Canary::Intact { width: u32::from_le_bytes(field) };
            }
            Some(Harm::Unknown) => {}
            Some(harm) => found = Canary::Harmed(harm),
        }
    }
    found
}

fn no_trace(picture: &Picture) -> String {
    match picture.comment() {
        Some(comment) if comment.starts_with("pxfs") => format!(
            "the picture says \"{comment}\", but its pixels hold no file system any more: \
             it was resized, cropped or re-encoded with losses"
        ),
        _ if (picture.width(), picture.rows()) == (1, 1) => {
            "the picture is a single pixel, which holds no file system; a project pixel can be mounted and imported".into()
        }
        _ => "the picture holds no pxfs file system (make one with mkfs.pxfs)".into(),
    }
}
