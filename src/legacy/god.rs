//! God pixels: a picture as one pixel, whose payload a registry leads to.
//!
//! The payload is the zlib stream of the picture's raw RGBA. The pixel is the
//! first four bytes of the SHA-256 of that stream (method "hash") or of the raw
//! RGBA ("seed"). Format: PXOS.md, section (a).

use std::io::{self, Read, Write};
use std::path::Path;

use flate2::read::ZlibDecoder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::root::{ReadAt, RootError, RootFiles, each_member, read_json};
use crate::format::Digest;

/// The registry of god pixels.
pub const GOD_REGISTRY: &str = "god_pixel_registry.json";

/// The largest picture that is resurrected, in pixels: a gigabyte of RGBA.
const MAX_PIXELS: u64 = 1 << 28;

/// A picture that became a pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GodPixel {
    /// The pixel: red is the first byte.
    pub id: u32,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// SHA-256 of the payload; none for the method "seed".
    pub payload_sha256: Option<Digest>,
    /// Width and height of the picture.
    pub size: (u32, u32),
    /// Where the payload lies in the root.
    pub payload: String,
}

/// Reads the registry. Entries that make no sense come back as sentences.
///
/// # Errors
/// When it is missing or no JSON.
pub fn read_gods(files: &dyn RootFiles) -> Result<(Vec<GodPixel>, Vec<String>), RootError> {
    let text = read_json(files, GOD_REGISTRY)?;
    let (mut gods, mut faults) = (Vec::new(), Vec::new());
    each_member(GOD_REGISTRY, &text, &mut |key, value| match entry(&key, value.get()) {
        Ok(god) => gods.push(god),
        Err(problem) => faults.push(format!("{GOD_REGISTRY} {key:?}: {problem}")),
    })?;
    Ok((gods, faults))
}

/// The id that a key `R,G,B,A` is.
pub(crate) fn parse_colour(key: &str) -> Option<u32> {
    let parts: Option<Vec<u8>> = key.split(',').map(|part| part.trim().parse().ok()).collect();
    Some(u32::from_be_bytes(parts?.try_into().ok()?))
}

fn entry(key: &str, text: &str) -> Result<GodPixel, String> {
    let id = parse_colour(key).ok_or("the key is no colour R,G,B,A")?;
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let payload_sha256 = match value.get("method").and_then(Value::as_str) {
        Some("hash") => {
            let digest = value.get("hash").and_then(Value::as_str).and_then(parse_digest);
            let digest = digest.ok_or("hash is missing or is not 64 hexadecimal digits")?;
            if u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) != id {
                return Err("its colour is not the beginning of its hash".into());
            }
            Some(digest)
        }
        Some("seed") => None,
        _ => return Err("method is neither hash nor seed".into()),
    };
    let side = |index: usize| {
        let side = value.get("original_size")?.get(index)?.as_u64()?;
        u32::try_from(side).ok().filter(|side| *side > 0)
    };
    let size = side(0).zip(side(1)).ok_or("original_size is no width and height")?;
    if u64::from(size.0) * u64::from(size.1) > MAX_PIXELS {
        return Err(format!("has more than {MAX_PIXELS} pixels"));
    }
    let payload = value.get("compressed_path").and_then(Value::as_str);
    let payload = payload.ok_or("compressed_path is missing")?;
    // The Python tools write absolute paths; the file lies beside the registry.
    let payload = match Path::new(payload).file_name().and_then(|name| name.to_str()) {
        Some(name) if payload.starts_with('/') => name.to_owned(),
        _ => payload.to_owned(),
    };
    let name = value.get("name").and_then(Value::as_str).map(str::to_owned);
    Ok(GodPixel { id, name, payload_sha256, size, payload })
}

/// 64 hexadecimal digits.
pub(crate) fn parse_digest(text: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(digits.as_chunks::<2>().0) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

impl GodPixel {
    /// Bytes of the picture's raw RGBA.
    pub fn raw_len(&self) -> u64 {
        u64::from(self.size.0) * u64::from(self.size.1) * 4
    }

    /// Writes the raw RGBA of the picture. What came out is right only if this
    /// succeeds: the hash is known when all was read.
    ///
    /// # Errors
    /// A payload that is missing, is another one, or is not a picture of that size.
    pub fn inflate(&self, files: &dyn RootFiles, out: &mut dyn Write) -> io::Result<()> {
        let named = |error: io::Error| {
            let what = if error.kind() == io::ErrorKind::CrossesDevices {
                "leads out of the root and is not read".to_owned()
            } else {
                error.to_string()
            };
            io::Error::new(error.kind(), format!("{:?}: {what}", self.payload))
        };
        let wrong = |what: &str| named(io::Error::new(io::ErrorKind::InvalidData, what));
        let file = files.open(&self.payload).map_err(named)?;
        let reader = Hashing { input: Sequential { file: &*file, at: 0 }, hasher: Sha256::new() };
        let mut stream = ZlibDecoder::new(reader);
        let (mut raw, mut left) = (Sha256::new(), self.raw_len());
        let mut piece = vec![0; 1 << 16];
        while left > 0 {
            let want = left.min(piece.len() as u64) as usize;
            let read = stream.read(&mut piece[..want]).map_err(named)?;
            if read == 0 {
                return Err(wrong("holds fewer pixels than the registry says"));
            }
            raw.update(&piece[..read]);
            out.write_all(&piece[..read])?;
            left -= read as u64;
        }
        if stream.read(&mut piece[..1]).map_err(named)? > 0 {
            return Err(wrong("holds more pixels than the registry says"));
        }
        let mut reader = stream.into_inner();
        // The hash is of the whole file.
        io::copy(&mut reader.by_ref().take(1 << 30), &mut io::sink()).map_err(named)?;
        let digest: Digest = reader.hasher.finalize().into();
        let seed: Digest = raw.finalize().into();
        let is_right = match self.payload_sha256 {
            Some(expected) => digest == expected,
            None => seed[..4] == self.id.to_be_bytes(),
        };
        match is_right {
            true => Ok(()),
            false => Err(wrong("its SHA-256 is not the one that the pixel stands for")),
        }
    }

    /// Writes the picture as a PNG.
    ///
    /// # Errors
    /// As for [`GodPixel::inflate`].
    pub fn write_png(&self, files: &dyn RootFiles, out: &mut dyn Write) -> io::Result<()> {
        write_rgba_png(self.size, out, |out| self.inflate(files, out))
    }
}

/// Writes a PNG of the raw RGBA that `fill` writes.
pub(crate) fn write_rgba_png(
    size: (u32, u32),
    out: &mut dyn Write,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut encoder = png::Encoder::new(out, size.0, size.1);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(io::Error::other)?;
    let mut stream = writer.stream_writer().map_err(io::Error::other)?;
    fill(&mut stream)?;
    stream.finish().map_err(io::Error::other)?;
    writer.finish().map_err(io::Error::other)
}

/// A file from its beginning on.
pub(crate) struct Sequential<'f> {
    pub(crate) file: &'f dyn ReadAt,
    pub(crate) at: u64,
}

impl Read for Sequential<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(self.at, buf)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Hashes what is read through it.
struct Hashing<R> {
    input: R,
    hasher: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buf)?;
        self.hasher.update(&buf[..read]);
        Ok(read)
    }
}
