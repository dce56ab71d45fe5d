//! Tells picture formats apart by their first bytes, and says of those that
//! cannot hold a file system why.

use super::Container;
use super::error::{PictureError, Result};

/// Bytes of a file that [`recognise`] wants to see.
pub(crate) const SNIFF_LEN: usize = 4096;

/// Which readable format, PNG aside, starts with these bytes.
///
/// # Errors
/// `Lossy` and `Unsupported` for pictures that are not read, `NotAPicture`.
pub(crate) fn recognise(start: &[u8]) -> Result<Container> {
    let starts = |magic: &[u8]| start.starts_with(magic);
    if starts(b"RIFF") && start.get(8..12) == Some(b"WEBP") {
        return webp(start);
    }
    if starts(b"qoif") {
        return Ok(Container::Qoi);
    }
    if starts(b"II*\0") || starts(b"MM\0*") || starts(b"II+\0") || starts(b"MM\0+") {
        return Ok(Container::Tiff);
    }
    if starts(b"BM") && start.len() >= 26 {
        return Ok(Container::Bmp);
    }
    if pnm(start) {
        return Ok(Container::Pnm);
    }
    Err(refused(start))
}

/// Netpbm: P and a digit, then white space or a comment.
fn pnm(start: &[u8]) -> bool {
    matches!(start, [b'P', b'1'..=b'7', b' ' | b'\t' | b'\r' | b'\n' | b'#', ..])
}

/// A WebP is lossless when its pixels are in a VP8L chunk.
fn webp(start: &[u8]) -> Result<Container> {
    let mut at = 12;
    // An extended file has few chunks before its pixels; metadata follows them.
    for _ in 0..8 {
        let Some(kind) = start.get(at..at + 4) else { break };
        match kind {
            b"VP8L" => return Ok(Container::WebP),
            b"VP8 " | b"ALPH" => return Err(PictureError::Lossy("this WebP")),
            b"ANIM" | b"ANMF" => return Err(unsupported("an animated WebP is not read")),
            _ => {}
        }
        let Some(len) = start.get(at + 4..at + 8) else { break };
        let len = u32::from_le_bytes([len[0], len[1], len[2], len[3]]) as usize;
        at = at.saturating_add(8).saturating_add(len).saturating_add(len & 1);
        at = at.min(start.len());
    }
    // The pixels lie behind a long colour profile: the decoder will tell.
    Ok(Container::WebP)
}

/// Why a picture that starts so is not read.
fn refused(start: &[u8]) -> PictureError {
    let starts = |magic: &[u8]| start.starts_with(magic);
    if starts(b"\xFF\xD8\xFF") {
        return PictureError::Lossy("JPEG");
    }
    if starts(b"GIF8") {
        return unsupported(
            "GIF keeps 256 colours: it cannot keep the pixels that hold the file \
                            system",
        );
    }
    if starts(b"\xFF\x0A") || starts(b"\0\0\0\x0CJXL ") {
        return unsupported("JPEG XL is not read: convert the picture to PNG");
    }
    if starts(b"\0\0\0\x0CjP  ") {
        return unsupported("JPEG 2000 is not read: convert the picture to PNG");
    }
    if start.get(4..8) == Some(b"ftyp") {
        return match start.get(8..12) {
            Some(b"avif" | b"avis") => PictureError::Lossy("AVIF"),
            Some(b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" | b"mif1" | b"msf1") => {
                PictureError::Lossy("HEIC")
            }
            _ => PictureError::NotAPicture,
        };
    }
    if starts(b"8BPS") {
        return unsupported("a Photoshop document is not read: export it as PNG");
    }
    PictureError::NotAPicture
}

fn unsupported(reason: &str) -> PictureError {
    PictureError::Unsupported(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_lead_to_their_answers() {
        let cases: [(&[u8], &str); 14] = [
            (b"qoif\0\0\0\x40", "Qoi"),
            (b"II*\0", "Tiff"),
            (b"BM\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "Bmp"),
            (b"P7\nWIDTH", "Pnm"),
            (b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0", "WebP"),
            (b"RIFF\0\0\0\0WEBPVP8X\x02\0\0\0xxVP8L\0\0\0\0", "WebP"),
            (b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0", "this WebP is lossy"),
            (b"RIFF\0\0\0\0WEBPVP8X\x02\0\0\0xxALPH\0\0\0\0", "this WebP is lossy"),
            (b"\xFF\xD8\xFF\xE0", "JPEG is lossy"),
            (b"GIF89a", "256 colours"),
            (b"\0\0\0\x20ftypavif", "AVIF is lossy"),
            (b"\0\0\0\x20ftypheic", "HEIC is lossy"),
            (b"Pxfs", "not a picture"),
            (b"", "not a picture"),
        ];
        for (start, want) in cases {
            let said = match recognise(start) {
                Ok(container) => format!("{container:?}"),
                Err(e) => e.to_string(),
            };
            assert!(said.contains(want), "{start:?}: {said}");
        }
    }
}
