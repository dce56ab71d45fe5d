//! Source text to syntax tree, with ruff's parser, behind bounds.
//!
//! The tree is walked by recursion, here and in ruff. So nesting is counted on
//! the tokens, which are read in a loop, before anything recursive sees them.

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{ModModule, PythonVersion};
use ruff_python_parser::{Mode, ParseOptions, lexer, parse_unchecked};
use ruff_text_size::{Ranged, TextRange};

use super::diagnostic::Lines;
use crate::pxi::asm::Diagnostic;

/// Longest source in bytes.
pub const MAX_SOURCE: usize = 1 << 20;

/// Deepest indentation, as in CPython.
const MAX_INDENT: usize = 100;

/// Most tokens that may lie between two commas of a list, brackets counted with
/// those around them. No tree is deeper than this.
const MAX_CHAIN: usize = 400;

/// Parses a module.
pub(super) fn parse(source: &str, lines: &Lines<'_>) -> Result<ModModule, Vec<Diagnostic>> {
    if source.len() > MAX_SOURCE {
        let message =
            format!("the source is {} bytes, at most {MAX_SOURCE} are allowed", source.len());
        return Err(vec![lines.error(TextRange::default(), &message, "split it into modules")]);
    }
    check_nesting(source, lines)?;
    let options = ParseOptions::from(Mode::Module).with_target_version(PythonVersion::PY311);
    let parsed = parse_unchecked(source, options);
    let errors = parsed.errors().iter().map(|error| (error.range(), error.error.to_string()));
    let newer = parsed.unsupported_syntax_errors().iter();
    let all = errors.chain(newer.map(|error| (error.range, error.to_string())));
    let errors: Vec<_> = all.take(20).map(|(at, text)| lines.error(at, &text, "")).collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    match parsed.try_into_module() {
        Some(module) => Ok(module.into_syntax()),
        None => Err(vec![lines.error(TextRange::default(), "this is no module", "")]),
    }
}

fn check_nesting(source: &str, lines: &Lines<'_>) -> Result<(), Vec<Diagnostic>> {
    let Some(message) = too_deep(source) else { return Ok(()) };
    // The lexer does not say where it is: the place is the shortest beginning
    // of the source that is too deep.
    let (mut fine, mut deep) = (0, source.len());
    while deep - fine > 1 {
        let middle = fine + (deep - fine) / 2;
        let is_deep = source.get(..middle).is_some_and(|start| too_deep(start).is_some());
        *(if is_deep { &mut deep } else { &mut fine }) = middle;
    }
    let range = TextRange::new((fine as u32).into(), (deep as u32).into());
    Err(vec![lines.error(range, &message, "split it")])
}

fn too_deep(source: &str) -> Option<String> {
    let mut lexer = lexer::lex(source, Mode::Module);
    let mut nesting = Nesting::default();
    loop {
        let kind = lexer.next_token();
        if kind == TokenKind::EndOfFile {
            return None;
        }
        let message = nesting.take(kind);
        if message.is_some() {
            return message;
        }
    }
}

/// Tokens since the last comma, for each open bracket, and all that a comma
/// does not end.
#[derive(Default)]
struct Nesting {
    /// `lambda` and `yield` in the line: behind a comma they still go on.
    open: usize,
    indent: usize,
    outer: Vec<usize>,
    own: usize,
    sum: usize,
}

impl Nesting {
    fn take(&mut self, kind: TokenKind) -> Option<String> {
        match kind {
            TokenKind::Indent => self.indent += 1,
            TokenKind::Dedent => self.indent = self.indent.saturating_sub(1),
            TokenKind::Newline => *self = Self { indent: self.indent, ..Self::default() },
            TokenKind::Lambda | TokenKind::Yield => self.open += 1,
            TokenKind::NonLogicalNewline | TokenKind::Comment => {}
            TokenKind::Comma | TokenKind::Semi => {
                self.sum -= self.own;
                self.own = 0;
            }
            TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace | TokenKind::FStringStart => {
                self.sum += 1;
                self.outer.push(self.own + 1);
                self.own = 0;
            }
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace | TokenKind::FStringEnd => {
                self.sum -= self.own;
                self.own = self.outer.pop().unwrap_or(0);
            }
            _ => {
                self.own += 1;
                self.sum += 1;
            }
        }
        if self.indent > MAX_INDENT {
            return Some(format!("more than {MAX_INDENT} levels of indentation"));
        }
        (self.sum + self.open > MAX_CHAIN)
            .then(|| format!("an expression of more than {MAX_CHAIN} parts"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(source: &str) -> String {
        let errors = parse(source, &Lines::new("a.py", source)).err();
        errors.map(|errors| errors[0].message.clone()).unwrap_or_default()
    }

    #[test]
    fn deep_trees_are_refused_before_they_are_built() {
        for (open, close) in
            [("(", ")"), ("[", "]"), ("f(", ")"), ("-", ""), ("not ", ""), ("{", "}")]
        {
            let source = format!("x = {}1{}\n", open.repeat(50_000), close.repeat(50_000));
            assert!(refused(&source).contains("more than 400"), "{open}");
        }
        for chain in ["+1", "[0]", "(1, 2)", ".a", " if 1 else 1", "**1", " < 1", " and 1"] {
            let source = format!("x = 1{}\n", chain.repeat(50_000));
            assert!(refused(&source).contains("more than 400"), "{chain}");
        }
        for open in [
            "lambda: ",
            "lambda a,:",
            "lambda a, b=1, *c,: ",
            "lambda a=lambda b,: 1,:",
            "yield a, ",
        ] {
            for start in ["", "[", "f(1, "] {
                let source = format!("x = {start}{}1\n", open.repeat(20_000));
                assert!(refused(&source).contains("more than 400"), "{start}{open}");
            }
        }
        let indents: String = (0..200).map(|n| format!("{}if x:\n", " ".repeat(n))).collect();
        assert!(refused(&indents).contains("levels of indentation"));
    }

    #[test]
    fn long_lists_and_files_are_fine() {
        let source = format!("x = [{}]\n", "1, ".repeat(100_000));
        assert_eq!(refused(&source), "");
        assert!(refused(&" ".repeat(MAX_SOURCE + 1)).contains("bytes"));
    }

    #[test]
    fn syntax_of_later_pythons_is_refused() {
        assert_ne!(refused("type X = int\n"), "");
        assert_ne!(refused("def f(:\n"), "");
    }
}
