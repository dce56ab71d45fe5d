//! Rewrites payload bytes of a seekable PNG where they lie and keeps its
//! checksums right, reading nothing but the bytes that change.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::error::{PictureError, Result};
use super::geometry::{CHUNK_HEAD, Geometry};
use super::head::{be32, build_tail};
use super::medium::read_full_at;
use super::seekable::Layout;
use super::sums::{Adler, crc_after_change};

/// Rewrites the payload from `offset` on of the finished seekable PNG `file`
/// with `bytes`, so that it is a valid PNG again afterwards.
///
/// Payload first, then its chunk's CRC-32, the Adler-32 last: a crash between
/// leaves the new payload readable and a checksum that [`check_container`]
/// reports. Damage that was there before stays detectable: the checksums change
/// by the difference, they are not recomputed.
///
/// [`check_container`]: super::check_container
///
/// # Errors
/// `Truncated` when the range is not within the picture; `Damaged` when its
/// tail is missing (nothing is written then); `Io`.
pub fn patch_in_place(file: &File, layout: &Layout, offset: u64, bytes: &[u8]) -> Result<()> {
    let need = offset.saturating_add(bytes.len() as u64);
    if need > layout.payload_len() {
        return Err(PictureError::Truncated { have: layout.payload_len(), need });
    }
    let Some(adler) = layout.read_adler(file)? else {
        return Err(PictureError::Damaged(
            "its end (the final IDAT and IEND) is missing, so it cannot be changed".to_owned(),
        ));
    };
    let total = u64::from(layout.rows()) * layout.geometry().stride();
    let mut sum = Adler::from_value(adler);
    patch_bands(file, layout, offset, bytes, &mut sum, total)?;
    write_at(file, layout.tail_position(), &build_tail(sum.value()))
}

/// Patches bands that are complete in the file; `sum` is the Adler-32 of the
/// first `total` uncompressed bytes, and follows the change.
pub(crate) fn patch_bands(
    file: &File,
    layout: &Layout,
    offset: u64,
    bytes: &[u8],
    sum: &mut Adler,
    total: u64,
) -> Result<()> {
    let band_payload = layout.geometry().band_payload();
    let mut done = 0;
    while done < bytes.len() {
        let at = offset + done as u64;
        let room = (band_payload - at % band_payload).min((bytes.len() - done) as u64) as usize;
        patch_one_band(file, layout, at, &bytes[done..done + room], sum, total)?;
        done += room;
    }
    Ok(())
}

/// Patches bytes that all lie in one band.
fn patch_one_band(
    file: &File,
    layout: &Layout,
    offset: u64,
    bytes: &[u8],
    sum: &mut Adler,
    total: u64,
) -> Result<()> {
    let Some(last) = offset.checked_add(bytes.len() as u64 - 1) else { return Ok(()) };
    let position = |at| layout.payload_position(at).ok_or(out_of_range(at));
    let (start, end) = (position(offset)?, position(last)? + 1);
    let mut old = vec![0; (end - start) as usize];
    read_full_at(file, start, &mut old)?;
    let new = overlay(layout.geometry(), offset, bytes, &old, sum, total);

    let band = offset / layout.geometry().band_payload();
    let rows = layout.geometry().rows_of_band(layout.rows(), band);
    let data_end =
        layout.band_position(band) + CHUNK_HEAD + layout.geometry().band_data_len_for(rows);
    let mut crc = [0; 4];
    read_full_at(file, data_end, &mut crc)?;
    let crc = crc_after_change(be32(&crc), &old, &new, data_end - end);
    write_at(file, start, &new)?;
    write_at(file, data_end, &crc.to_be_bytes())
}

/// `old`, the raw file bytes from payload `offset` on, with `bytes` laid over
/// its payload; `sum` follows every run.
fn overlay(
    geometry: Geometry,
    offset: u64,
    bytes: &[u8],
    old: &[u8],
    sum: &mut Adler,
    total: u64,
) -> Vec<u8> {
    let mut new = old.to_vec();
    let mut start = None;
    for piece in geometry.pieces(offset, bytes.len() as u64) {
        let from = (piece.position - *start.get_or_insert(piece.position)) as usize;
        let payload = &bytes[piece.payload.start as usize..piece.payload.end as usize];
        let target = from..from + payload.len();
        // Uncompressed bytes after the run: what the Adler-32 weights it by.
        let at = offset + piece.payload.start;
        let row = at / geometry.row_payload();
        let end = row * geometry.stride() + 1 + at % geometry.row_payload() + payload.len() as u64;
        *sum = sum.after_change(&old[target.clone()], payload, total.saturating_sub(end));
        new[target].copy_from_slice(payload);
    }
    new
}

/// Writes all of `bytes` at a file position.
pub(crate) fn write_at(file: &File, position: u64, bytes: &[u8]) -> Result<()> {
    file.write_all_at(bytes, position).map_err(PictureError::io("write the picture"))
}

/// A payload offset no file can hold.
fn out_of_range(offset: u64) -> PictureError {
    PictureError::Truncated { have: 0, need: offset }
}
