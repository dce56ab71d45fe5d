//! JSON as Python's `json.dump(value, file, indent=2)` writes it, which is how
//! all of pxOS's files look: two spaces a level, nothing beyond ASCII.

use std::borrow::Cow;

/// Escapes everything beyond ASCII as JSON's `\uXXXX`.
pub(crate) fn ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out.into()
}

/// Indented JSON of a value that stands `depth` levels deep.
pub(crate) fn nested(json: &str, depth: usize) -> String {
    ascii(json).replace('\n', &format!("\n{}", "  ".repeat(depth)))
}

/// Appends `"key": value` and the line break and comma before it; `value` is
/// JSON already.
pub(crate) fn push_member(out: &mut String, depth: usize, key: &str, value: &str, is_first: bool) {
    out.push_str(if is_first { "\n" } else { ",\n" });
    out.push_str(&"  ".repeat(depth));
    out.push_str(&ascii(&serde_json::Value::from(key).to_string()));
    out.push_str(": ");
    out.push_str(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_beyond_ascii_is_escaped() {
        assert_eq!(ascii("gr\u{f6}\u{df}e \u{1f600}"), "gr\\u00f6\\u00dfe \\ud83d\\ude00");
    }

    #[test]
    fn members_are_indented() {
        let mut out = String::from("{");
        push_member(
            &mut out,
            1,
            "a\n",
            &nested(&format!("{:#}", serde_json::json!([1, {}])), 1),
            true,
        );
        push_member(&mut out, 1, "\u{fc}", "2", false);
        assert_eq!(out, "{\n  \"a\\n\": [\n    1,\n    {}\n  ],\n  \"\\u00fc\": 2");
    }
}
