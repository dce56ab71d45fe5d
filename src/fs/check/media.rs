//! The container, the superblock slots, and what the info tree names.

use super::finding::{Place, Problem};
use super::span::Owner;
use super::{Check, OnStep};
use crate::format::{HEADER_LEN, SLOT_OFFSETS, SUPERBLOCK_LEN, Superblock, TreeKind};
use crate::picture::check_container;

/// Pixels of the plane that are read at a time.
const PLANE_STEP: u64 = 16 << 10;

impl Check<'_> {
    /// Reads the whole file for the container's own checksums.
    pub(super) fn check_container(&mut self, step: &mut OnStep<'_>) {
        let picture = self.store.picture();
        self.report.checked.container_bytes = picture.file_len();
        match check_container(picture, step) {
            Ok(findings) => {
                for finding in findings {
                    let problem = Problem::Container { what: finding.to_string() };
                    self.report.push(problem, Place::default());
                }
            }
            Err(error) => {
                let problem = Problem::Container { what: error.to_string() };
                self.report.push(problem, Place::default());
            }
        }
    }

    /// Both slots must be valid; which one is in force does not matter here.
    pub(super) fn check_slots(&mut self) {
        for (name, offset) in ['A', 'B'].into_iter().zip(SLOT_OFFSETS) {
            if let Some(reason) = self.slot_problem(offset) {
                let place = Place { offset: Some(offset), ..Place::default() };
                self.report.push(Problem::Superblock { slot: name, reason }, place);
            } else if self.has_unknown_fields(offset) {
                let place = Place { offset: Some(offset), ..Place::default() };
                self.report.push(Problem::Reserved { slot: name }, place);
            }
        }
    }

    fn slot_problem(&self, offset: u64) -> Option<String> {
        let mut slot = [0; SUPERBLOCK_LEN];
        if let Err(error) = self.store.read_stream(offset, &mut slot) {
            return Some(error.to_string());
        }
        let in_force = self.store.superblock();
        match Superblock::parse(&slot) {
            Err(error) => Some(error.to_string()),
            Ok(found) if found.generation == in_force.generation && found != *in_force => {
                Some("differs from the other slot, which has the same generation".into())
            }
            Ok(found) if (found.channels, found.width) != (in_force.channels, in_force.width) => {
                Some("is that of another picture".into())
            }
            Ok(_) => None,
        }
    }

    /// Whether a sound slot says what this version would not write: a newer minor
    /// version may, and its bits of compatible features.
    fn has_unknown_fields(&self, offset: u64) -> bool {
        let mut slot = [0; SUPERBLOCK_LEN];
        if self.store.read_stream(offset, &mut slot).is_err() {
            return false;
        }
        Superblock::parse(&slot).is_ok_and(|found| found.to_bytes() != slot)
    }

    /// Checks the info tree; gives the plane of pixels if there is one.
    pub(super) fn check_info(&mut self) -> Option<Plane> {
        let mut plane = None;
        let width = self.store.superblock().channels.bytes();
        self.walk_tree(TreeKind::Info, &mut |check, name, value| {
            let (owner, unit) = match name {
                b"plane" => (Owner::Plane, width),
                b"cover" => (Owner::Cover, 1),
                _ => return,
            };
            match check.parse_span(value, unit) {
                Ok((offset, count)) => {
                    check.spans.push(owner, offset, count * unit);
                    if owner == Owner::Plane {
                        plane = Some(Plane::new(offset, count));
                    }
                }
                Err(reason) => {
                    let name = name.escape_ascii().to_string();
                    let problem = Problem::InfoRecord { name, reason };
                    check.report.push(problem, Place::tree(TreeKind::Info));
                }
            }
        });
        plane
    }

    /// Offset and count of things of `unit` bytes, if they lie in the stream.
    fn parse_span(&self, value: &[u8], unit: u64) -> Result<(u64, u64), String> {
        let ([offset, count], []) = value.as_chunks::<8>() else {
            return Err(format!("has {} bytes instead of 16", value.len()));
        };
        let (offset, count) = (u64::from_le_bytes(*offset), u64::from_le_bytes(*count));
        let end = count.checked_mul(unit).and_then(|len| offset.checked_add(len));
        let len = self.store.superblock().stream_len;
        if offset < HEADER_LEN || end.is_none_or(|end| end > len) {
            return Err(format!("lies outside the stream of {len} bytes"));
        }
        Ok((offset, count))
    }
}

/// The plane of pixels, read in order.
#[derive(Debug)]
pub(super) struct Plane {
    offset: u64,
    /// Contents that have a pixel in it.
    pub(super) count: u64,
    /// Pixels at hand, and the index of the first.
    pixels: Vec<u8>,
    first: u64,
}

impl Plane {
    fn new(offset: u64, count: u64) -> Self {
        Self { offset, count, pixels: Vec::new(), first: 0 }
    }

    /// Bytes of the pixel of a content; `None` if it has none.
    pub(super) fn pixel(
        &mut self,
        number: u64,
        check: &Check<'_>,
    ) -> Result<Option<&[u8]>, String> {
        if number > self.count {
            return Ok(None);
        }
        let width = check.store.superblock().channels.bytes();
        let index = number - 1;
        let held = self.pixels.len() as u64 / width;
        if index < self.first || index >= self.first + held {
            let take = PLANE_STEP.min(self.count - index);
            self.pixels.resize((take * width) as usize, 0);
            self.first = index;
            let read = check.store.read_stream(self.offset + index * width, &mut self.pixels);
            if let Err(error) = read {
                self.pixels.clear();
                return Err(error.to_string());
            }
        }
        let at = ((index - self.first) * width) as usize;
        Ok(self.pixels.get(at..at + width as usize))
    }
}
