//! Names that are safe to show, and back: a listing has a line a name, whatever
//! characters a name has.

/// A name in printable characters: what controls a terminal, turns the direction of
/// writing, cannot be seen or is no UTF-8 is written as an escape.
pub(super) fn show(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            match is_plain(c) {
                true => out.push(c),
                false => out.extend(c.escape_default()),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

fn is_plain(c: char) -> bool {
    let is_hidden = matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    );
    !c.is_control() && !is_hidden
}

/// The bytes that a shown name stands for; `None` if it has no escapes.
pub(super) fn unshow(shown: &str) -> Option<Vec<u8>> {
    let (mut out, mut rest, mut has_escapes) = (Vec::new(), shown, false);
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let (bytes, after) = escape(rest).unwrap_or((b"\\".to_vec(), rest));
        has_escapes |= after.len() < rest.len();
        out.extend(bytes);
        rest = after;
    }
    out.extend_from_slice(rest.as_bytes());
    has_escapes.then_some(out)
}

/// What an escape behind its backslash means, and what comes after it.
fn escape(text: &str) -> Option<(Vec<u8>, &str)> {
    let after = text.get(1..)?;
    match text.as_bytes().first()? {
        b'n' => Some((b"\n".to_vec(), after)),
        b't' => Some((b"\t".to_vec(), after)),
        b'r' => Some((b"\r".to_vec(), after)),
        b'x' => {
            let byte = u8::from_str_radix(after.get(..2)?, 16).ok()?;
            Some((vec![byte], &after[2..]))
        }
        b'u' => {
            let (digits, after) = after.strip_prefix('{')?.split_once('}')?;
            let c = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
            Some((c.to_string().into_bytes(), after))
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_in_one_line_and_can_be_given_back() {
        let cases: [(&[u8], &str); 5] = [
            (b"a\n[DIR] b", "a\\n[DIR] b"),
            (b"\x1b[2J\x9bx\xff", "\\u{1b}[2J\\x9bx\\xff"),
            ("x\u{202e}gnp".as_bytes(), "x\\u{202e}gnp"),
            ("\u{fc}\u{200b}\u{e0041}".as_bytes(), "\u{fc}\\u{200b}\\u{e0041}"),
            (b"\r\t", "\\r\\t"),
        ];
        for (name, shown) in cases {
            assert_eq!(show(name), shown);
            assert_eq!(unshow(shown).unwrap(), name);
        }
        for plain in ["", "a b", "C:\\dir", "\\", "\\u{110000}", "\\xZZ", "\\u{}"] {
            assert_eq!(show(plain.as_bytes()), plain);
            assert_eq!(unshow(plain), None, "{plain}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_name_is_one_line_that_leads_back(name: Vec<u8>) {
            let shown = show(&name);
            proptest::prop_assert!(shown.chars().all(is_plain));
            // A backslash of a name's own may be taken for an escape: such a path is
            // looked for as it is first.
            if !name.contains(&b'\\') {
                let meant = unshow(&shown).unwrap_or_else(|| shown.clone().into_bytes());
                proptest::prop_assert_eq!(meant, name);
            }
        }

        #[test]
        fn any_text_can_be_given_back(text: String) {
            let _ = unshow(&text);
        }
    }
}
