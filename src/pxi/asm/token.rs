//! A line of assembly as words, numbers, texts and marks.

use super::diagnostic::{LineError, Span};

/// What a line is made of. Comments and blanks are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A mnemonic, directive, register or name.
    Word(String),
    /// A number, or a character in single quotes.
    Number(i64),
    /// A text in double quotes, its characters as Latin-1 bytes.
    Text(Vec<u8>),
    /// One of `, : + - | ( )`.
    Mark(char),
}

/// Splits a line.
pub(super) fn tokens(line: &str) -> Result<Vec<(Token, Span)>, LineError> {
    let chars: Vec<char> = line.chars().collect();
    let mut scanner = Scanner { chars: &chars, at: 0 };
    let mut found = Vec::new();
    while let Some(token) = scanner.token()? {
        found.push(token);
    }
    Ok(found)
}

struct Scanner<'a> {
    chars: &'a [char],
    at: usize,
}

impl Scanner<'_> {
    fn token(&mut self) -> Result<Option<(Token, Span)>, LineError> {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
        let start = self.at;
        let token = match self.peek() {
            None | Some(';') => return Ok(None),
            Some(c) if is_word_start(c) => Token::Word(self.word()),
            Some(c) if c.is_ascii_digit() => self.number()?,
            Some('\'') => self.character()?,
            Some('"') => self.text()?,
            Some(c @ (',' | ':' | '+' | '-' | '|' | '(' | ')')) => {
                self.at += 1;
                Token::Mark(c)
            }
            Some(c) => {
                self.at += 1;
                return Err(self.since(start).error(format!("'{c}' has no meaning here")));
            }
        };
        Ok(Some((token, self.since(start))))
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn since(&self, start: usize) -> Span {
        Span { column: start + 1, length: self.at - start }
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
        // 32 bits are all that any place can hold; sums of them cannot overflow.
        match value {
            Ok(value) if value <= i64::from(u32::MAX) => Ok(Token::Number(value)),
            Ok(_) => Err(self.since(start).error("number is larger than 32 bits")),
            Err(_) => Err(self.since(start).error("not a number: write 10, 0x0A or 0b1010")),
        }
    }

    fn character(&mut self) -> Result<Token, LineError> {
        let start = self.at;
        self.at += 1;
        let byte = self.latin1(start)?;
        if self.peek() != Some('\'') {
            return Err(self.since(start).error("a character is one sign in single quotes: 'A'"));
        }
        self.at += 1;
        Ok(Token::Number(i64::from(byte)))
    }

    fn text(&mut self) -> Result<Token, LineError> {
        let start = self.at;
        self.at += 1;
        let mut bytes = Vec::new();
        while self.peek() != Some('"') {
            bytes.push(self.latin1(start)?);
        }
        self.at += 1;
        Ok(Token::Text(bytes))
    }

    /// One character of a quoted text, escapes understood.
    fn latin1(&mut self, start: usize) -> Result<u8, LineError> {
        let Some(c) = self.peek() else {
            return Err(self.since(start).error("the closing quote is missing"));
        };
        let at = self.at;
        self.at += 1;
        if c == '\\' {
            return self.escape(at);
        }
        u8::try_from(c).map_err(|_| {
            self.since(at).error(format!("'{c}' is beyond U+00FF, the last character there is"))
        })
    }

    fn escape(&mut self, start: usize) -> Result<u8, LineError> {
        let escaped = self.peek();
        self.at += usize::from(escaped.is_some());
        Ok(match escaped {
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('t') => b'\t',
            Some('0') => 0,
            Some(c @ ('\\' | '\'' | '"')) => c as u8,
            Some('x') => {
                let digits: String = self.chars.iter().skip(self.at).take(2).collect();
                self.at = (self.at + 2).min(self.chars.len());
                let hex = digits.len() == 2 && digits.chars().all(|c| c.is_ascii_hexdigit());
                let byte = u8::from_str_radix(&digits, 16).ok().filter(|_| hex);
                byte.ok_or_else(|| self.since(start).error("\\x takes two hex digits"))?
            }
            _ => {
                let message = "escapes are \\n \\r \\t \\0 \\\\ \\' \\\" and \\xHH";
                return Err(self.since(start).error(message));
            }
        })
    }
}

fn is_word_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == '.'
}
