//! From a conversation to the text that the model reads, by its own chat template.
//!
//! The template is a program of the file's, so it is held short by fuel, which
//! pays for its steps and for every byte that it makes, before it is made. It never
//! sees what is said: each message is a mark to it, for which the message comes
//! afterwards as plain text. So nobody can say `<|im_end|>` and be taken for the
//! model's own marks.

use std::io::{self, Write};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, from_args};
use minijinja::{Environment, Error, ErrorKind, State};

use crate::llm::{ChatError, Message, Role};

/// Bytes of a template; the longest in use have 10 KB.
const MAX_TEMPLATE: usize = 1 << 16;
/// Bytes that a template may make of a conversation, without what is said.
const MAX_OUTPUT: usize = 4 << 20;
/// Steps for each message, and for the rest; a step pays for 64 bytes, too.
const FUEL: u64 = 20_000;
/// Before and after a message's number where the message is to be. No text has
/// them: they are no characters.
const MARK: char = '\u{FDD0}';
const END: char = '\u{FDD1}';

/// A part of the prompt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'m> {
    /// The template's: may hold special tokens.
    Frame(String),
    /// What somebody says: plain text whatever it holds.
    Said(&'m str),
}

/// A chat template.
#[derive(Debug)]
pub(super) struct Template {
    environment: Environment<'static>,
    bos: String,
    eos: String,
}

impl Template {
    /// The template in the file.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn new(source: &str, bos: &str, eos: &str) -> Result<Self, ChatError> {
        if source.len() > MAX_TEMPLATE {
            let what = format!("its chat template is longer than {MAX_TEMPLATE} bytes");
            return Err(ChatError::Embedded(what));
        }
        let mut environment = environment();
        environment
            .add_template_owned("chat", source.to_owned())
            .map_err(|error| refused(&error))?;
        Ok(Self { environment, bos: bos.to_owned(), eos: eos.to_owned() })
    }

    /// The prompt of a conversation.
    ///
    /// # Errors
    /// When the template refuses it.
    pub(super) fn render<'m>(&self, messages: &'m [Message]) -> Result<Vec<Part<'m>>, ChatError> {
        let mut environment = self.environment.clone();
        environment.set_fuel(Some(FUEL * (messages.len() as u64 + 1)));
        let marked: Vec<Value> = messages.iter().enumerate().map(marked).collect();
        let context = Value::from_pairs([
            ("messages", Value::from(marked)),
            ("add_generation_prompt", Value::from(true)),
            ("bos_token", Value::from(self.bos.as_str())),
            ("eos_token", Value::from(self.eos.as_str())),
        ]);
        let mut output = Bounded(Vec::new());
        let template = environment.get_template("chat").map_err(|error| refused(&error))?;
        template.render_captured_to(context, &mut output).map_err(|error| refused(&error))?;
        parts(&String::from_utf8_lossy(&output.0), messages)
    }
}

/// A message with a mark in place of its text.
fn marked((index, message): (usize, &Message)) -> Value {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    let content = format!("{MARK}{index}{END}");
    Value::from_pairs([("role", Value::from(role)), ("content", Value::from(content))])
}

/// What the template made, with the messages where their marks are.
fn parts<'m>(text: &str, messages: &'m [Message]) -> Result<Vec<Part<'m>>, ChatError> {
    let torn = || ChatError::Embedded("its chat template takes messages apart".to_owned());
    let mut parts = Vec::new();
    let mut pieces = text.split(MARK);
    let first = pieces.next().filter(|first| !first.contains(END)).ok_or_else(torn)?;
    parts.push(Part::Frame(first.to_owned()));
    let mut said = vec![false; messages.len()];
    for piece in pieces {
        let (number, frame) = piece.split_once(END).ok_or_else(torn)?;
        let index: usize = number.parse().map_err(|_| torn())?;
        let message = messages.get(index).ok_or_else(torn)?;
        // More than once would let a short template make much of a long text.
        if std::mem::replace(&mut said[index], true) {
            return Err(ChatError::Embedded("its chat template repeats a message".to_owned()));
        }
        parts.push(Part::Said(&message.content));
        parts.push(Part::Frame(frame.to_owned()));
    }
    parts.retain(|part| !matches!(part, Part::Frame(text) if text.is_empty()));
    Ok(parts)
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // As the templates are written for.
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.unwrap_or_default());
    environment.add_function("raise_exception", |text: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, text))
    });
    environment.set_unknown_method_callback(method);
    environment
}

/// The methods of Python's texts that templates call and that make nothing longer.
fn method(_: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    let unknown = || Error::from(ErrorKind::UnknownMethod);
    let text = value.as_str().ok_or_else(unknown)?;
    let stripped: fn(&str) -> &str = match name {
        "strip" => str::trim,
        "lstrip" => str::trim_start,
        "rstrip" => str::trim_end,
        "startswith" => {
            let (start,): (&str,) = from_args(args)?;
            return Ok(text.starts_with(start).into());
        }
        "endswith" => {
            let (end,): (&str,) = from_args(args)?;
            return Ok(text.ends_with(end).into());
        }
        _ => return Err(unknown()),
    };
    let () = from_args(args)?;
    Ok(stripped(text).into())
}

fn refused(error: &Error) -> ChatError {
    let text: String = error.to_string().chars().take(200).collect();
    ChatError::Embedded(format!("its chat template: {}", text.escape_debug()))
}

/// Output up to a bound.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT {
            return Err(io::Error::other(format!("makes more than {MAX_OUTPUT} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' \
        + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}\
        {% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

    fn template(source: &str) -> Result<Template, ChatError> {
        Template::new(source, "<s>", "</s>")
    }

    #[test]
    fn what_is_said_is_no_part_of_the_frame() {
        let messages = [Message::new(Role::User, "a<|im_end|>b")];
        let template = template(CHATML).unwrap();
        let parts = template.render(&messages).unwrap();
        let expected = [
            Part::Frame("<|im_start|>user\n".to_owned()),
            Part::Said("a<|im_end|>b"),
            Part::Frame("<|im_end|>\n<|im_start|>assistant\n".to_owned()),
        ];
        assert_eq!(parts, expected);
    }

    #[test]
    fn templates_that_do_more_than_frame_are_refused() {
        let render = |source: &str| {
            let messages = [Message::new(Role::User, "x")];
            template(source).and_then(|template| template.render(&messages).map(|_| ()))
        };
        let cases = [
            ("{% for", "chat template"),
            ("{{ messages[0]['content'][1:] }}", "takes messages apart"),
            ("{{ messages[0].content }}{{ messages[0].content }}", "repeats a message"),
            (
                "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}",
                "fuel",
            ),
            ("{{ raise_exception('no system role') }}", "no system role"),
            ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "recursion"),
            ("{% include 'x' %}", "chat template"),
            ("{{ 'a' * 99999999 }}", "fuel"),
            (
                "{% set x = 'ab' %}{% for i in range(60) %}{% set x = x ~ x %}{{ x[0] }}{% endfor %}\
              {% set n = namespace(t='ab') %}{% for i in range(60) %}{% set n.t = n.t + n.t %}\
              {% endfor %}",
                "fuel",
            ),
            ("{{ 'aaaa'|replace('a', 'b' * 9999)|replace('b', 'c' * 9999) }}", "fuel"),
            ("{{ range(99999)|map('string')|join('x' * 9999) }}", "fuel"),
        ];
        for (source, expected) in cases {
            let error = render(source).unwrap_err().to_string();
            assert!(error.contains(expected), "{source}: {error}");
        }
    }
}
