//! Sub-boot pixels: which contents there are, and the id each one has.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use sha2::{Digest as _, Sha256};

use super::error::{MkfsError, Result};
use crate::format::{ContentNo, Digest, PixelId, id_candidates};

/// All contents so far, by number, by id and by digest. About 60 bytes a content.
#[derive(Debug, Default)]
pub(super) struct Pixels {
    /// Content `n` is entry `n - 1`.
    contents: Vec<Content>,
    by_id: HashMap<PixelId, u32>,
    /// By digest and layout of holes: contents that are equal byte for byte
    /// but not hole for hole have records of their own.
    variants: HashMap<Digest, u32>,
}

#[derive(Debug)]
struct Content {
    id: PixelId,
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
    /// Looks a content up by its digest and its data segments (one, from 0 to
    /// the end, unless it is sparse), and enters it if it is new.
    pub(super) fn enter(
        &mut self,
        digest: &Digest,
        size: u64,
        segments: &[(u64, u64)],
    ) -> Result<Found> {
        let sparse = segments != [(0, size)];
        let (id, known) = self.id_for(digest)?;
        if let Some(known) = known
            && !sparse
            && !self.contents[known as usize - 1].sparse
        {
            return Ok(Found::Known(u64::from(known)));
        }
        let number = u32::try_from(self.contents.len() + 1)
            .map_err(|_| MkfsError::Invalid("more than 2^32 different contents".into()))?;
        if sparse || known.is_some() {
            match self.variants.entry(layout_digest(digest, segments)) {
                Entry::Occupied(known) => return Ok(Found::Known(u64::from(*known.get()))),
                Entry::Vacant(free) => free.insert(number),
            };
        }
        self.contents.push(Content { id, digest: *digest, sparse });
        if known.is_none() {
            self.by_id.insert(id, number);
        }
        Ok(Found::New { number: u64::from(number), id, first: known.is_none() })
    }

    /// Whether a dense content of this digest is stored.
    pub(super) fn is_known(&self, digest: &Digest) -> bool {
        matches!(self.id_for(digest), Ok((_, Some(_))))
    }

    /// The id for a digest, and the content that has it already if it is the
    /// same: the first four bytes, on a clash the next four, and so on.
    fn id_for(&self, digest: &Digest) -> Result<(PixelId, Option<u32>)> {
        for id in id_candidates(digest) {
            match self.by_id.get(&id) {
                None => return Ok((id, None)),
                Some(&number) if self.contents[number as usize - 1].digest == *digest => {
                    return Ok((id, Some(number)));
                }
                Some(_) => {}
            }
        }
        Err(MkfsError::Invalid(format!(
            "all ids of the content with SHA-256 {} are taken",
            crate::store::hex(digest)
        )))
    }

    /// Ids in the order of content numbers.
    pub(super) fn ids(&self) -> impl Iterator<Item = PixelId> {
        self.contents.iter().map(|content| content.id)
    }

    /// Number of contents.
    pub(super) fn len(&self) -> u64 {
        self.contents.len() as u64
    }
}

fn layout_digest(digest: &Digest, segments: &[(u64, u64)]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(digest);
    for (start, len) in segments {
        hasher.update(start.to_le_bytes());
        hasher.update(len.to_le_bytes());
    }
    hasher.finalize().into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn enter(pixels: &mut Pixels, text: &str) -> Found {
        let size = text.len() as u64;
        pixels.enter(&Sha256::digest(text).into(), size, &[(0, size)]).unwrap()
    }

    #[test]
    fn a_clash_takes_the_next_four_bytes() {
        let mut pixels = Pixels::default();
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
        let mut pixels = Pixels::default();
        let holes = [(4096, 4096)];
        let dense = [(0, 8192)];
        let first = pixels.enter(&digest, 8192, &holes).unwrap();
        assert_eq!(first, Found::New { number: 1, id: [9; 4], first: true });
        let second = pixels.enter(&digest, 8192, &dense).unwrap();
        assert_eq!(second, Found::New { number: 2, id: [9; 4], first: false });
        assert_eq!(pixels.enter(&digest, 8192, &holes).unwrap(), Found::Known(1));
        assert_eq!(pixels.enter(&digest, 8192, &dense).unwrap(), Found::Known(2));
    }
}
