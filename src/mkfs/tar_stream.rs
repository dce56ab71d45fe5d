//! The bytes of a tar stream, decompressed if need be.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::GzDecoder;

use super::error::{MkfsError, Result};

/// Bytes that are read at once; headers are read block by block.
const BUFFER: usize = 1 << 18;

/// Looks at the first bytes of `input` and unpacks gzip or zstd on the way.
pub(super) fn open_stream(mut input: Box<dyn Read>) -> Result<Box<dyn Read>> {
    let failed = |error: io::Error| MkfsError::Tar(error.to_string());
    let mut head = Vec::new();
    input.by_ref().take(6).read_to_end(&mut head).map_err(failed)?;
    let compression = match head.as_slice() {
        [] => return Err(MkfsError::Tar("is empty".into())),
        [0x1f, 0x8b, ..] => "gzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "xz",
        [b'B', b'Z', b'h', ..] => "bzip2",
        _ => "",
    };
    let whole = BufReader::with_capacity(BUFFER, Cursor::new(head).chain(input));
    Ok(match compression {
        "" => Box::new(whole),
        "gzip" => {
            let members = GzipMembers { member: Some(GzDecoder::new(whole)) };
            Box::new(BufReader::with_capacity(BUFFER, members))
        }
        "zstd" => {
            let decoder = zstd::stream::read::Decoder::with_buffer(whole).map_err(failed)?;
            Box::new(BufReader::with_capacity(BUFFER, decoder))
        }
        other => {
            let what = format!("is compressed with {other}: unpack it on the way, as in");
            return Err(MkfsError::Tar(format!("{what} `{other} -dc ... | mkfs.pxfs ... -`")));
        }
    })
}

/// Gzip files one after the other. What follows them and is none, like the
/// zeros that fill a tape's last block, is passed over, as gzip does.
struct GzipMembers<R> {
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let len = member.read(buf)?;
            if len > 0 || buf.is_empty() {
                return Ok(len);
            }
            let Some(mut input) = self.member.take().map(GzDecoder::into_inner) else {
                break;
            };
            if input.fill_buf()?.first() == Some(&0x1f) {
                self.member = Some(GzDecoder::new(input));
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        open_stream(Box::new(Cursor::new(bytes))).unwrap().read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn gzip_files_may_follow_one_another_and_be_padded() {
        let both = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(unpack(both.clone()).unwrap(), b"one two");
        assert_eq!(unpack([both.clone(), vec![0; 700]].concat()).unwrap(), b"one two");
        assert!(unpack(both[..both.len() - 3].to_vec()).is_err());
        let mut wrong_sum = both;
        let at = wrong_sum.len() - 8;
        wrong_sum[at] ^= 1;
        assert!(unpack(wrong_sum).is_err());
    }

    #[test]
    fn the_kind_of_compression_is_seen() {
        let packed = zstd::encode_all(&b"text"[..], 1).unwrap();
        assert_eq!(unpack(packed).unwrap(), b"text");
        assert_eq!(unpack(b"BZ".to_vec()).unwrap(), b"BZ");
        for refused in [&b""[..], b"BZh9xx", b"\xfd7zXZ\0"] {
            assert!(open_stream(Box::new(refused)).is_err());
        }
    }
}
