//! The bytes of a tar stream: decompressed if need be, watched for a proper end.

use std::io::{self, BufReader, Cursor, Read};

use super::error::{MkfsError, Result};

/// A tar stream that knows whether it ended with a block of zeros, as it must.
pub(super) struct TarStream {
    input: Box<dyn Read>,
    /// Zero bytes since the last other one.
    zeros: u64,
}

/// Tar works in blocks of this many bytes; two of zeros end an archive, and
/// one is what writers that count on the reader's patience leave.
const BLOCK: u64 = 512;

impl TarStream {
    /// Looks at the first bytes of `input` and unpacks gzip or zstd on the way.
    pub(super) fn new(mut input: Box<dyn Read>) -> Result<Self> {
        let mut head = Vec::new();
        input.by_ref().take(6).read_to_end(&mut head).map_err(|e| MkfsError::Tar(e.to_string()))?;
        let compression = match head.as_slice() {
            [] => return Err(MkfsError::Tar("is empty".into())),
            [0x1f, 0x8b, ..] => "gzip",
            [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
            [0xfd, b'7', b'z', b'X', b'Z', ..] => "xz",
            [b'B', b'Z', b'h', ..] => "bzip2",
            _ => "",
        };
        let whole = BufReader::with_capacity(1 << 18, Cursor::new(head).chain(input));
        let input: Box<dyn Read> = match compression {
            "" => Box::new(whole),
            "gzip" => Box::new(flate2::read::MultiGzDecoder::new(whole)),
            "zstd" => {
                let decoder = zstd::stream::read::Decoder::with_buffer(whole);
                Box::new(decoder.map_err(|error| MkfsError::Tar(error.to_string()))?)
            }
            other => {
                let what = format!("is compressed with {other}: unpack it on the way, as in");
                return Err(MkfsError::Tar(format!("{what} `{other} -dc ... | mkfs.pxfs ... -`")));
            }
        };
        Ok(Self { input, zeros: 0 })
    }

    /// Whether what was read so far ends with a block of zeros.
    pub(super) fn ended_properly(&self) -> bool {
        self.zeros >= BLOCK
    }
}

impl Read for TarStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.input.read(buf)?;
        match buf[..len].iter().rposition(|&byte| byte != 0) {
            None => self.zeros += len as u64,
            Some(last) => self.zeros = (len - last - 1) as u64,
        }
        Ok(len)
    }
}

/// A pax time: decimal seconds with a fraction, negative before 1970.
pub(super) fn pax_time(value: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let negative = whole.starts_with('-');
    let secs: i64 = whole.parse().ok()?;
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanos: u32 = digits.parse().ok()?;
    if negative && nanos > 0 {
        return Some((secs.checked_sub(1)?, 1_000_000_000 - nanos));
    }
    Some((secs, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pax_times_keep_their_nanoseconds() {
        let cases: [(&str, Option<(i64, u32)>); 6] = [
            ("1700000000", Some((1_700_000_000, 0))),
            ("1.5", Some((1, 500_000_000))),
            ("-0.000000001", Some((-1, 999_999_999))),
            ("-2208988800.25", Some((-2_208_988_801, 750_000_000))),
            ("9.1234567899", Some((9, 123_456_789))),
            ("x", None),
        ];
        for (text, expected) in cases {
            assert_eq!(pax_time(text.as_bytes()), expected, "{text}");
        }
    }
}
