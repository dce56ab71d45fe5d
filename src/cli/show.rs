//! How names, modes and times are shown to people, and what programs get of an inode.

use std::io::{IsTerminal as _, Write};

use serde_json::{Value, json};

use crate::fs::{Attr, FileKind, Pixel, PixelTree, Time};

/// A name for a terminal: control characters and what is no UTF-8 are escaped,
/// so that no name can move the cursor or forge a line. Elsewhere the bytes as
/// they are.
pub(super) fn show_name(name: &[u8]) -> Vec<u8> {
    if std::io::stdout().is_terminal() { escape(name).into_bytes() } else { name.to_vec() }
}

/// Printable form: `\n`, `\x1b` and the like for what is not.
pub(super) fn escape(name: &[u8]) -> String {
    let mut out = String::new();
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() {
                out.extend(c.escape_default());
            } else {
                out.push(c);
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// The letter that find(1) and ls(1) have for a type.
pub(super) fn kind_letter(kind: FileKind) -> char {
    match kind {
        FileKind::Regular => '-',
        FileKind::Directory => 'd',
        FileKind::Symlink => 'l',
        FileKind::CharDevice => 'c',
        FileKind::BlockDevice => 'b',
        FileKind::Fifo => 'p',
        FileKind::Socket => 's',
    }
}

/// `drwxr-sr-t` and so on.
pub(super) fn mode_text(attr: &Attr) -> String {
    let mut text = String::from(kind_letter(attr.kind));
    let triples = [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')];
    for (shift, special, letter) in triples {
        let bits = attr.perm >> shift & 7;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, attr.perm & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// `2026-11-23 08:15:30.123456789 UTC`, whatever the year.
pub(super) fn time_text(time: Time) -> String {
    let (days, secs) = (time.secs.div_euclid(86_400), time.secs.rem_euclid(86_400));
    let (year, month, day) = civil_date(days);
    let (hour, minute, second) = (secs / 3600, secs / 60 % 60, secs % 60);
    let nanos = time.nanos;
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{nanos:09} UTC")
}

/// The Gregorian date of a number of days since 1970-01-01: years are counted
/// from March, so that leap days come last, in eras of 400 years.
fn civil_date(days: i64) -> (i64, i64, i64) {
    let days = i128::from(days) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    (year as i64, month as i64, day as i64)
}

/// An inode as JSON, with its pixel if it is a file that has one.
pub(super) fn attr_json(tree: &dyn PixelTree, path: &[u8], attr: &Attr) -> Value {
    let mut value = json!({
        "path": String::from_utf8_lossy(path),
        "kind": attr.kind.word(),
        "ino": attr.ino,
        "mode": format!("{:04o}", attr.perm),
        "nlink": attr.nlink,
        "uid": attr.uid,
        "gid": attr.gid,
        "size": attr.size,
        "blocks": attr.blocks,
        "mtime": {"secs": attr.mtime.secs, "nanos": attr.mtime.nanos},
    });
    if std::str::from_utf8(path).is_err() {
        value["path_hex"] = crate::store::hex(path).into();
    }
    match attr.kind {
        FileKind::Symlink => {
            if let Ok(target) = tree.read_link(attr.ino) {
                value["target"] = String::from_utf8_lossy(&target).into();
            }
        }
        FileKind::CharDevice | FileKind::BlockDevice => {
            value["rdev"] = json!([attr.rdev.0, attr.rdev.1]);
        }
        FileKind::Regular => match pixel_of(tree, attr) {
            Ok(Some((pixel, kind))) => {
                value["pixel"] = json!({
                    "id": Pixel::id_text(pixel.id),
                    "rgba": pixel.id,
                    "sha256": crate::store::hex(&pixel.sha256),
                    "type": kind,
                });
            }
            Ok(None) => {}
            Err(error) => value["error"] = error.to_string().into(),
        },
        _ => {}
    }
    value
}

/// The pixel and the PixelFS type of a file.
pub(super) fn pixel_of(
    tree: &dyn PixelTree,
    attr: &Attr,
) -> crate::fs::Result<Option<(Pixel, &'static str)>> {
    // What `.pxfs` holds has no pixels of its own.
    if attr.kind != FileKind::Regular || attr.ino >> 63 != 0 {
        return Ok(None);
    }
    let kind = tree.pixel_type(attr.ino)?.name();
    Ok(Some((tree.pixel(attr.ino)?, kind)))
}

/// Prints JSON and a newline. Control characters are escaped, also those that JSON
/// allows (U+007F to U+009F): a terminal may obey them.
pub(super) fn print_json(out: &mut dyn Write, value: &Value) -> std::io::Result<()> {
    let text = format!("{value:#}");
    let mut rest = text.as_str();
    while let Some(at) = rest.find(|c: char| c.is_control() && c != '\n') {
        out.write_all(&rest.as_bytes()[..at])?;
        let mut after = rest[at..].chars();
        if let Some(c) = after.next() {
            write!(out, "\\u{:04x}", u32::from(c))?;
        }
        rest = after.as_str();
    }
    writeln!(out, "{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_all_ages() {
        let cases = [
            (0, "1970-01-01 00:00:00"),
            (-1, "1969-12-31 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (-2_208_988_800, "1900-01-01 00:00:00"),
            (4_102_444_800, "2100-01-01 00:00:00"),
            (253_402_300_799, "9999-12-31 23:59:59"),
        ];
        for (secs, expected) in cases {
            assert!(time_text(Time { secs, nanos: 0 }).starts_with(expected), "{secs}");
        }
        for secs in [i64::MIN, i64::MAX] {
            assert!(time_text(Time { secs, nanos: 0 }).ends_with("UTC"));
        }
    }

    #[test]
    fn json_cannot_move_the_cursor() {
        let value = json!({"a": "x\u{9b}2J\u{1b}\u{7f}\n\u{e4}", "b": []});
        let mut out = Vec::new();
        print_json(&mut out, &value).expect("memory does not fail");
        let text = String::from_utf8(out).expect("it is text");
        assert!(text.contains(r"x\u009b2J\u001b\u007f\n") && text.contains('\u{e4}'), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).ok(), Some(value));
    }

    #[test]
    fn names_cannot_move_the_cursor() {
        assert_eq!(escape(b"a\x1b[2Jb\n\xff"), "a\\u{1b}[2Jb\\n\\xff");
        assert_eq!(escape("gr\u{f6}\u{df}e".as_bytes()), "gr\u{f6}\u{df}e");
    }
}
