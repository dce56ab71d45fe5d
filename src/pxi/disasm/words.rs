//! Texts among data: what looks like one, and how it is written.

use std::fmt::Write;

use crate::pxi::Pixel;

/// Pixels of one `.ascii` line.
const LINE: usize = 16;

/// Fewest bytes that are taken for a text.
const LEAST: usize = 4;

/// Text at the start of pixels, as a line of assembly and the pixels it takes.
pub(super) fn text(pixels: &[Pixel]) -> Option<(String, usize)> {
    let mut bytes = Vec::new();
    let mut count = 0;
    for pixel in pixels.iter().take(LINE) {
        let channels = pixel.channels();
        let used = channels.iter().position(|byte| *byte == 0).unwrap_or(4);
        if channels[used..].iter().any(|byte| *byte != 0) || !channels[..used].iter().all(is_text) {
            break;
        }
        if used == 0 {
            break;
        }
        bytes.extend_from_slice(&channels[..used]);
        count += 1;
        if used < 4 {
            break;
        }
    }
    let plain = bytes.iter().filter(|byte| byte.is_ascii_alphanumeric() || **byte == b' ').count();
    let valid = bytes.utf8_chunks().map(|chunk| chunk.invalid().len()).sum::<usize>() < LEAST;
    let plausible = bytes.len() >= LEAST && valid && plain * 2 >= bytes.len();
    plausible.then(|| (format!(".ascii \"{}\"", escaped(&bytes)), count))
}

fn is_text(byte: &u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\n' | b'\t' | b'\r' | 0x80..)
}

/// Bytes as they are written between double quotes.
pub(super) fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            escape(c, &mut text);
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    text
}

fn escape(c: char, text: &mut String) {
    match c {
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        '"' | '\\' => text.extend(['\\', c]),
        ' '..='~' => text.push(c),
        // Letters are safe to show; marks that turn the writing around are not.
        _ if c.is_alphanumeric() => text.push(c),
        _ => {
            let _ = write!(text, "\\u{{{:X}}}", u32::from(c));
        }
    }
}
