//! Texts of strangers (servers, models, registries) made fit for a message: no
//! control characters, so that nothing moves a cursor or forges a line, and not
//! longer than a person wants to read.

/// Characters of a stranger's text that a message repeats at most.
pub(crate) const EXCERPT: usize = 300;

/// One line of `text`: control characters and what turns the direction of
/// writing are escaped, blanks at the ends go, and what is beyond `most`
/// characters is cut.
pub(crate) fn harmless(text: &str, most: usize) -> String {
    let mut out = String::new();
    for (index, c) in text.trim().chars().enumerate() {
        if index >= most {
            out.push_str("...");
            break;
        }
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            c if c.is_control() || turns_direction(c) => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// An answer for a terminal: lines and tabs stay, everything else that could
/// steer the terminal is escaped.
pub fn for_terminal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if c.is_control() || turns_direction(c) => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// Whether a character makes what follows be shown in another order than it is.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor() {
        assert_eq!(harmless("  a\x1b[2Jb\r\nc\u{9b}1m \n", 99), "a\\u{1b}[2Jb  c\\u{9b}1m");
        assert_eq!(harmless("gr\u{fc}\u{df} dich", 4), "gr\u{fc}\u{df}...");
        assert_eq!(harmless("x\u{202e}y", 9), "x\\u{202e}y");
        assert_eq!(for_terminal("a\n\tb\r\x1b]0;t\x07"), "a\n\tb\\r\\u{1b}]0;t\\u{7}");
    }
}
