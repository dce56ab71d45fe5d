//! Finding the file system in a picture: superblock slots, and what to say when there is none.

use super::cache::Cache;
use super::{Result, Store, StoreError};
use crate::format::{CANARY_OFFSET, Digest, FormatError, SLOT_OFFSETS, SUPERBLOCK_LEN, Superblock};
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
            return Err(StoreError::NotAFileSystem(format!(
                "the picture is {} pixels wide, but its file system was made {} wide: \
                 it was cropped or resized",
                picture.width(),
                superblock.width
            )));
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
        })
    }
}

/// The newest valid superblock, and the view of the pixels it lies in.
fn find_superblock(picture: &Picture) -> Result<(PixelStream, Superblock)> {
    let mut first_error = None;
    for channels in [Channels::Rgba, Channels::Rgb] {
        let stream = picture.stream(channels);
        let mut best: Option<Superblock> = None;
        for slot in read_slots(&stream)? {
            match Superblock::parse(&slot) {
                Ok(found) if found.channels == channels => {
                    if best.as_ref().is_none_or(|best| best.generation < found.generation) {
                        best = Some(found);
                    }
                }
                Ok(_) | Err(FormatError::NoMagic) => {}
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        if let Some(best) = best {
            if let Some(error) = first_error {
                log::warn!("one of the two superblocks is damaged ({error}); using the other");
            }
            return Ok((stream, best));
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
    let explained = match error {
        Some(error @ (FormatError::Version { .. } | FormatError::Features(_))) => error.to_string(),
        error => match (harm_done(picture), error) {
            (Some(harm), _) => format!("{harm}; the file system in it is lost in this copy"),
            (None, Some(error)) => format!("both superblocks are damaged: {error}"),
            (None, None) => no_trace(picture),
        },
    };
    StoreError::NotAFileSystem(explained)
}

/// What the canary pixels tell about what was done to the picture, if they are
/// still like enough to what they were to tell anything.
fn harm_done(picture: &Picture) -> Option<Harm> {
    let stream = picture.stream(Channels::Rgba);
    let slot = read_slots(&stream).ok()?.into_iter().next()?;
    let (pixels, _) = slot.as_chunks::<4>();
    let canaries = [(Channels::Rgba, CANARY), (Channels::Rgb, CANARY_RGB.map(opaque))];
    canaries.iter().find_map(|(channels, canary)| {
        let first = CANARY_OFFSET / channels.bytes() as usize;
        let seen = &pixels[first..first + canary.len()];
        diagnose(canary, seen).filter(|harm| *harm != Harm::Unknown)
    })
}

fn no_trace(picture: &Picture) -> String {
    match picture.comment() {
        Some(comment) if comment.starts_with("pxfs") => format!(
            "the picture says \"{comment}\", but its pixels hold no file system any more: \
             it was resized, cropped or re-encoded with losses"
        ),
        _ => "the picture holds no pxfs file system (make one with mkfs.pxfs)".into(),
    }
}
