//! Sub-boot pixels: which contents there are, and the id each one has.

use sha2::{Digest as _, Sha256};

use super::contents::spill_error;
use super::error::{MkfsError, Result};
use super::scratch::Scratch;
use super::spool::Spool;
use super::table::Table;
use crate::format::{ContentNo, Digest, PixelId, id_candidates};

/// All contents so far, by id and by layout of holes, and the plane of their pixels.
#[derive(Debug)]
pub(super) struct Pixels {
    /// The content that each id stands for.
    by_id: Table<4, CONTENT>,
    /// By digest and layout of holes: contents that are equal byte for byte
    /// but not hole for hole have records of their own.
    variants: Table<32, 4>,
    /// Ids in the order of content numbers, as many bytes of each as a pixel has.
    plane: Spool,
    pixel_bytes: usize,
    len: u32,
}

/// Bytes of a [`Content`]: its number, its digest, whether it has holes.
const CONTENT: usize = 4 + 32 + 1;

/// The content that an id stands for.
#[derive(Debug, Clone, Copy)]
struct Content {
    number: u32,
    digest: Digest,
    sparse: bool,
}

/// What became of a content that was looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// It is stored already.
    Known(ContentNo),
    /// It is new and has this number and id now.
    New {
        /// Its number.
        number: ContentNo,
        /// Its id.
        id: PixelId,
        /// Whether the id stands for it (false: for the same bytes with other holes).
        first: bool,
    },
}

impl Pixels {
    /// No contents. Of each id, `pixel_bytes` go onto the plane.
    pub(super) fn new(scratch: &Scratch, pixel_bytes: usize) -> Result<Self> {
        let (by_id, variants) = (Table::new(scratch), Table::new(scratch));
        Ok(Self { by_id, variants, plane: Spool::new(scratch)?, pixel_bytes, len: 0 })
    }

    /// Looks a content up by its digest and the digest of its layout, which
    /// only a content with holes has, and enters it if it is new.
    pub(super) fn enter(&mut self, digest: &Digest, layout: Option<&Digest>) -> Result<Found> {
        let (id, known) = self.id_for(digest)?;
        if let Some(known) = known
            && layout.is_none()
            && !known.sparse
        {
            return Ok(Found::Known(u64::from(known.number)));
        }
        let number = self.len.checked_add(1);
        let number =
            number.ok_or_else(|| MkfsError::Invalid("more than 2^32 different contents".into()))?;
        if layout.is_some() || known.is_some() {
            let key = variant_key(digest, layout);
            if let Some(known) = self.variants.get(&key).map_err(spill_error)? {
                return Ok(Found::Known(u64::from(u32::from_le_bytes(known))));
            }
            self.variants.insert(&key, &number.to_le_bytes()).map_err(spill_error)?;
        }
        if known.is_none() {
            let content = Content { number, digest: *digest, sparse: layout.is_some() };
            self.by_id.insert(&id, &content.to_bytes()).map_err(spill_error)?;
        }
        self.plane.write(&id[..self.pixel_bytes])?;
        self.len = number;
        Ok(Found::New { number: u64::from(number), id, first: known.is_none() })
    }

    /// Whether a content of this digest is stored.
    pub(super) fn is_known(&mut self, digest: &Digest) -> Result<bool> {
        Ok(self.id_for(digest)?.1.is_some())
    }

    /// The id for a digest, and the content that has it already if it is the
    /// same: the first four bytes, on a clash the next four, and so on.
    fn id_for(&mut self, digest: &Digest) -> Result<(PixelId, Option<Content>)> {
        for id in id_candidates(digest) {
            match self.by_id.get(&id).map_err(spill_error)? {
                None => return Ok((id, None)),
                Some(bytes) => {
                    let content = Content::parse(&bytes);
                    if content.digest == *digest {
                        return Ok((id, Some(content)));
                    }
                }
            }
        }
        Err(MkfsError::Invalid(format!(
            "all ids of the content with SHA-256 {} are taken",
            crate::store::hex(digest)
        )))
    }

    /// Number of contents.
    pub(super) fn len(&self) -> u64 {
        u64::from(self.len)
    }

    /// The plane: a pixel a content, in the order of their numbers.
    pub(super) fn into_plane(self) -> Spool {
        self.plane
    }
}

impl Content {
    fn parse(bytes: &[u8; CONTENT]) -> Self {
        let (mut number, mut digest) = ([0; 4], [0; 32]);
        number.copy_from_slice(&bytes[..4]);
        digest.copy_from_slice(&bytes[4..36]);
        Self { number: u32::from_le_bytes(number), digest, sparse: bytes[36] != 0 }
    }

    fn to_bytes(self) -> [u8; CONTENT] {
        let mut bytes = [0; CONTENT];
        bytes[..4].copy_from_slice(&self.number.to_le_bytes());
        bytes[4..36].copy_from_slice(&self.digest);
        bytes[36] = u8::from(self.sparse);
        bytes
    }
}

fn variant_key(digest: &Digest, layout: Option<&Digest>) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(digest);
    hasher.update(layout.map_or(&[][..], |layout| layout));
    hasher.finalize().into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn empty() -> Pixels {
        Pixels::new(&Scratch::new(&std::env::temp_dir()), 4).unwrap()
    }

    fn enter(pixels: &mut Pixels, text: &str) -> Found {
        pixels.enter(&Sha256::digest(text).into(), None).unwrap()
    }

    #[test]
    fn a_clash_takes_the_next_four_bytes() {
        let mut pixels = empty();
        let first = enter(&mut pixels, "pixel probe 72644\n");
        let Found::New { id, .. } = first else { panic!("{first:?}") };
        assert_eq!(id, [0xf7, 0x02, 0x2b, 0x07]);
        let second = enter(&mut pixels, "pixel probe 83008\n");
        let Found::New { number: 2, id, first: true } = second else { panic!("{second:?}") };
        assert_eq!(id, Sha256::digest("pixel probe 83008\n")[4..8]);
        assert_eq!(enter(&mut pixels, "pixel probe 72644\n"), Found::Known(1));
        assert_eq!(enter(&mut pixels, "pixel probe 83008\n"), Found::Known(2));
    }

    #[test]
    fn holes_make_a_record_of_their_own_under_the_same_id() {
        let digest = [9; 32];
        let mut pixels = empty();
        let holes = Some(&[1; 32]);
        let first = pixels.enter(&digest, holes).unwrap();
        assert_eq!(first, Found::New { number: 1, id: [9; 4], first: true });
        let second = pixels.enter(&digest, None).unwrap();
        assert_eq!(second, Found::New { number: 2, id: [9; 4], first: false });
        assert_eq!(pixels.enter(&digest, holes).unwrap(), Found::Known(1));
        assert_eq!(pixels.enter(&digest, None).unwrap(), Found::Known(2));
        assert_eq!(pixels.len(), 2);
        assert_eq!(pixels.into_plane().len(), 8);
    }
}
