//! A line of assembly as words, numbers, texts and marks.

use std::rc::Rc;

use super::diagnostic::{LineError, Span};
use super::text::{Text, Unit};

/// Longest line: more is no source a person or a tool writes.
const MAX_LINE: usize = 1 << 19;

/// What a line is made of. Comments and blanks are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A mnemonic, directive, register or name.
    Word(Rc<str>),
    /// A number, or a character in single quotes.
    Number(i64),
    /// A text in double quotes.
    Text(Text),
    /// One of [`MARKS`].
    Mark(&'static str),
}

/// A token and where it stands.
pub(super) type Lexed = (Token, Span);

/// Longer ones first.
const MARKS: [&str; 24] = [
    "<<", ">>", "==", "!=", "<=", ">=", ",", ":", "+", "-", "*", "/", "%", "&", "|", "^", "~", "(",
    ")", "{", "}", "<", ">", "=",
];

/// Splits a line.
pub(super) fn tokens(text: &str, file: u32, line: u32) -> Result<Vec<Lexed>, LineError> {
    if text.len() > MAX_LINE {
        let place = Span { file, line, column: 1, length: 1 };
        return Err(place.error(format!("the line has more than {MAX_LINE} bytes")));
    }
    let chars: Vec<char> = text.chars().collect();
    let mut scanner = Scanner { chars: &chars, at: 0, file, line };
    let mut found = Vec::new();
    while let Some(token) = scanner.token()? {
        found.push(token);
    }
    Ok(found)
}

struct Scanner<'a> {
    chars: &'a [char],
    at: usize,
    file: u32,
    line: u32,
}

impl Scanner<'_> {
    fn token(&mut self) -> Result<Option<Lexed>, LineError> {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
        let start = self.at;
        let token = match self.peek() {
            None | Some(';') => return Ok(None),
            Some(c) if is_word_start(c) && !self.is_lone_at(c) => Token::Word(self.word().into()),
            Some(c) if c.is_ascii_digit() => self.number()?,
            Some('\'') => self.character()?,
            Some('"') => self.text()?,
            Some(c) => match self.mark() {
                Some(mark) => Token::Mark(mark),
                None => {
                    self.at += 1;
                    return Err(self.since(start).error(format!("'{c}' has no meaning here")));
                }
            },
        };
        Ok(Some((token, self.since(start))))
    }

    /// An @ with no name behind it.
    fn is_lone_at(&self, c: char) -> bool {
        c == '@' && !self.chars.get(self.at + 1).is_some_and(|c| is_word_start(*c))
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn since(&self, start: usize) -> Span {
        let (column, length) = (start as u32 + 1, (self.at - start) as u32);
        Span { file: self.file, line: self.line, column, length }
    }

    fn mark(&mut self) -> Option<&'static str> {
        let rest = &self.chars[self.at..];
        let fits = |mark: &&str| mark.chars().zip(rest).filter(|(m, c)| m == *c).count();
        let mark = MARKS.into_iter().find(|mark| fits(mark) == mark.len())?;
        self.at += mark.len();
        Some(mark)
    }

    fn word(&mut self) -> String {
        let start = self.at;
        while self.peek().is_some_and(|c| is_word_start(c) || c.is_ascii_digit()) {
            self.at += 1;
        }
        self.chars[start..self.at].iter().collect()
    }

    fn number(&mut self) -> Result<Token, LineError> {
        let start = self.at;
        let text = self.word().replace('_', "").to_ascii_lowercase();
        let value = if let Some(hex) = text.strip_prefix("0x") {
            i64::from_str_radix(hex, 16)
        } else if let Some(binary) = text.strip_prefix("0b") {
            i64::from_str_radix(binary, 2)
        } else {
            text.parse()
        };
        match value {
            Ok(value) if value <= i64::from(u32::MAX) => Ok(Token::Number(value)),
            Ok(_) => Err(self.since(start).error("number is larger than 32 bits")),
            Err(_) => Err(self.since(start).error("not a number: write 10, 0x0A or 0b1010")),
        }
    }

    fn character(&mut self) -> Result<Token, LineError> {
        let start = self.at;
        self.at += 1;
        let unit = self.unit(start)?;
        if self.peek() != Some('\'') {
            return Err(self.since(start).error("a character is one sign in single quotes: 'A'"));
        }
        self.at += 1;
        Ok(Token::Number(i64::from(unit.code)))
    }

    fn text(&mut self) -> Result<Token, LineError> {
        let start = self.at;
        self.at += 1;
        let mut units = Vec::new();
        while self.peek() != Some('"') {
            units.push(self.unit(start)?);
        }
        self.at += 1;
        Ok(Token::Text(Text(units.into())))
    }

    /// One character of a quoted text, escapes understood.
    fn unit(&mut self, start: usize) -> Result<Unit, LineError> {
        let Some(c) = self.peek() else {
            return Err(self.since(start).error("the closing quote is missing"));
        };
        let at = self.at;
        self.at += 1;
        let (code, is_byte) = if c == '\\' { self.escape(at)? } else { (u32::from(c), false) };
        let Span { column, length, .. } = self.since(at);
        Ok(Unit { column, length, code, is_byte })
    }

    fn escape(&mut self, start: usize) -> Result<(u32, bool), LineError> {
        let escaped = self.peek();
        self.at += usize::from(escaped.is_some());
        let code = match escaped {
            Some('n') => 10,
            Some('r') => 13,
            Some('t') => 9,
            Some('0') => 0,
            Some(c @ ('\\' | '\'' | '"')) => u32::from(c),
            Some('x') => return Ok((self.hex_byte(start)?, true)),
            Some('u') => self.unicode(start)?,
            _ => {
                let message = "escapes are \\n \\r \\t \\0 \\\\ \\' \\\" \\xHH and \\u{HHHH}";
                return Err(self.since(start).error(message));
            }
        };
        Ok((code, false))
    }

    fn hex_byte(&mut self, start: usize) -> Result<u32, LineError> {
        let digits: String = self.chars.iter().skip(self.at).take(2).collect();
        self.at = (self.at + 2).min(self.chars.len());
        let hex = digits.len() == 2 && digits.chars().all(|c| c.is_ascii_hexdigit());
        let byte = u32::from_str_radix(&digits, 16).ok().filter(|_| hex);
        byte.ok_or_else(|| self.since(start).error("\\x takes two hex digits"))
    }

    fn unicode(&mut self, start: usize) -> Result<u32, LineError> {
        let rest = self.chars[self.at..].iter().take(8);
        let inner: String = rest.take_while(|c| **c != '}').collect();
        self.at = (self.at + inner.chars().count() + 1).min(self.chars.len());
        let digits = inner.strip_prefix('{').filter(|d| d.chars().all(|c| c.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let sign = code.and_then(char::from_u32).filter(|_| self.chars[self.at - 1] == '}');
        let message = "\\u takes the number of a character in braces: \\u{20AC}";
        sign.map(u32::from).ok_or_else(|| self.since(start).error(message))
    }
}

fn is_word_start(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '_' | '.' | '@')
}
