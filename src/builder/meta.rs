//! META self-extracting pictures: a picture's zlib stream as the pixels of
//! another, behind a header that a machine can run over.
//!
//! ```text
//! pixel 0    4D 45 54 41 "META"        2  height hi, lo, 0, 0    4.. 31  placeholders
//!       1    width hi, lo, 0, 0        3  length of the payload  32..    the payload
//! ```
//! Format: PXOS.md, section (a).

use std::io::{self, Read as _};

use flate2::read::ZlibDecoder;
use sha2::{Digest as _, Sha256};

use super::god::Raster;

const MAGIC: [u8; 4] = *b"META";
/// Bytes before the payload.
const HEADER: usize = 32 * 4;

/// The picture in a META picture, if it is one; also behind the row that the
/// self-bootstrapping god pixel has on top.
///
/// # Errors
/// A header or a payload that makes no sense.
pub fn extract_meta(outer: &Raster) -> io::Result<Option<Raster>> {
    let rgba = &outer.rgba;
    if rgba.starts_with(&MAGIC) {
        return read_payload(rgba).map(Some);
    }
    let row = outer.size.0 as usize * 4;
    match rgba.get(row..) {
        Some(inner) if inner.starts_with(&MAGIC) => {
            if Sha256::digest(inner)[..4] != rgba[..4] {
                return Err(invalid("the META picture is not the one its god pixel stands for"));
            }
            read_payload(inner).map(Some)
        }
        _ => Ok(None),
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn read_payload(rgba: &[u8]) -> io::Result<Raster> {
    let (header, rest) = rgba.split_at_checked(HEADER).ok_or_else(|| invalid("it is too small"))?;
    let side = |at: usize| u32::from(u16::from_be_bytes([header[at], header[at + 1]]));
    let size = (side(4), side(8));
    let len = u32::from_be_bytes([header[12], header[13], header[14], header[15]]) as usize;
    let payload = rest.get(..len).ok_or_else(|| invalid("its payload is longer than itself"))?;
    let expected = u64::from(size.0) * u64::from(size.1) * 4;
    if expected == 0 {
        return Err(invalid("it holds a picture without pixels"));
    }
    // No stream inflates to more than 1032 times its length.
    if expected > payload.len() as u64 * 1032 {
        return Err(invalid("its payload cannot be a picture of that size"));
    }
    let mut inner = Vec::new();
    let mut stream = ZlibDecoder::new(payload).take(expected + 1);
    stream.read_to_end(&mut inner)?;
    if inner.len() as u64 != expected {
        return Err(invalid("its payload is not a picture of that size"));
    }
    Ok(Raster { size, rgba: inner })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A META picture as `pxi_compress` lays it out.
    fn meta(size: (u16, u16), payload: &[u8]) -> Raster {
        let mut rgba = MAGIC.to_vec();
        rgba.extend([size.0.to_be_bytes(), [0; 2], size.1.to_be_bytes(), [0; 2]].concat());
        rgba.extend((payload.len() as u32).to_be_bytes());
        rgba.extend([0xd0, 0, 0, 0].repeat(28));
        rgba.extend(payload);
        let pixels = 32 + payload.len().div_ceil(4);
        let mut side = 1;
        while side * side < pixels {
            side *= 2;
        }
        rgba.resize(pixels * 4, 0);
        while rgba.len() < side * side * 4 {
            rgba.extend([0, 0, 0, 255]);
        }
        Raster { size: (side as u32, side as u32), rgba }
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut stream = super::super::zlib::Stock::new(Vec::new()).unwrap();
        stream.write_all(bytes).unwrap();
        stream.finish().unwrap()
    }

    #[test]
    fn pictures_come_out_of_pictures() {
        let inner: Vec<u8> = (0..5 * 3 * 4).collect();
        let outer = meta((5, 3), &zlib(&inner));
        let found = extract_meta(&outer).unwrap().unwrap();
        assert_eq!((found.size, &found.rgba), ((5, 3), &inner));
        let mut row = Sha256::digest(&outer.rgba)[..4].to_vec();
        row.resize(outer.size.0 as usize * 4, 0);
        let god = Raster {
            size: (outer.size.0, outer.size.1 + 1),
            rgba: [row, outer.rgba.clone()].concat(),
        };
        assert_eq!(extract_meta(&god).unwrap().unwrap().rgba, inner);
        let mut other = god;
        other.rgba[0] ^= 1;
        assert!(extract_meta(&other).is_err());
        let plain = Raster { size: (1, 1), rgba: vec![1, 2, 3, 4] };
        assert!(extract_meta(&plain).unwrap().is_none());
    }

    #[test]
    fn headers_and_payloads_are_not_trusted() {
        let inner = zlib(&[7; 4 * 4 * 4]);
        for size in [(4, 5), (4, 3), (0, 4), (65535, 65535)] {
            assert!(extract_meta(&meta(size, &inner)).is_err(), "{size:?}");
        }
        assert!(extract_meta(&meta((4, 4), &inner[..inner.len() - 6])).is_err());
        let mut long = meta((4, 4), &inner);
        long.rgba[12] = 0xff;
        assert!(extract_meta(&long).is_err());
        let small = Raster { size: (2, 1), rgba: [MAGIC, [0; 4]].concat() };
        assert!(extract_meta(&small).is_err());
    }
}
