//! `pxfs llm test`: one question, its answer as it comes, and how fast that was.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::super::Outcome;
use super::super::show::{escape, print_json};
use super::open_routes;
use crate::llm::{
    Answer, Audit, Cancel, ChatError, Finish, Limits, MOST_TOKENS, Message, Role, chat_recorded,
    connect_with, for_terminal,
};

/// Ask a cartridge's model one question, and show the answer as it comes.
#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// A picture, a pxOS root or a directory
    target: PathBuf,
    /// The cartridge's name or number [default: the one that SYS_LLM asks]
    name: Option<String>,
    /// The question
    #[arg(short, long, value_name = "TEXT", default_value = "Say hello in one short sentence.")]
    prompt: String,
    /// Tokens of the answer, at most [default: the cartridge's]
    #[arg(long, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_TOKENS)))]
    max_tokens: Option<u32>,
    /// Seconds that all of it may take
    #[arg(long, value_name = "S", default_value_t = 600,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// Add a line to this audit log
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    /// As JSON, when the answer is whole
    #[arg(long)]
    json: bool,
}

/// What was seen of an answer while it came.
#[derive(Debug, Default)]
struct Seen {
    first: Option<Instant>,
    broken: Option<std::io::Error>,
}

/// Runs `pxfs llm test`.
pub(super) fn test(args: &TestArgs) -> Outcome {
    let (editor, routes) = open_routes(&args.target)?;
    let route = match &args.name {
        Some(name) => routes.by_name(name)?,
        None => routes.default_route()?,
    };
    let cartridge = route.cartridge;
    let audit = args
        .audit
        .as_ref()
        .map(|path| Audit::open(path).with_context(|| path.display().to_string()));
    let audit = audit.transpose()?;
    let total = Duration::from_secs(args.timeout);
    let limits = Limits { total, first_byte: total, ..Limits::default() };
    let model = connect_with(cartridge, &*editor.tree(), limits)?;
    let mut request = cartridge.request(vec![Message::new(Role::User, &args.prompt)]);
    request.max_tokens = args.max_tokens.unwrap_or(request.max_tokens);
    let (start, cancel, mut seen) = (Instant::now(), Cancel::default(), Seen::default());
    let mut out = super::super::stdout();
    let mut on_text = |text: &str| {
        seen.first.get_or_insert_with(Instant::now);
        if !args.json {
            let shown = write!(out, "{}", for_terminal(text)).and_then(|()| out.flush());
            if let Err(error) = shown {
                seen.broken = Some(error);
                cancel.cancel();
            }
        }
    };
    let asked = (cartridge, &*model);
    let answer = chat_recorded(audit.as_ref(), "llm test", asked, &request, &cancel, &mut on_text);
    if let Some(error) = seen.broken {
        return Err(error.into());
    }
    let answer = answer.map_err(|error| after_text(&mut out, seen.first.is_some(), args, error))?;
    let speed = tokens_per_second(&answer, seen.first, Instant::now());
    if args.json {
        let waited = seen.first.map(|first| first.duration_since(start).as_secs_f64());
        let value = json!({
            "id": cartridge.id_text(),
            "name": cartridge.name,
            "model": answer.model,
            "answer": answer.text,
            "finish": answer.finish,
            "prompt_tokens": answer.prompt_tokens,
            "answer_tokens": answer.answer_tokens,
            "seconds": rounded(answer.duration.as_secs_f64()),
            "first_text_seconds": waited.map(rounded),
            "tokens_per_second": speed.map(rounded),
        });
        print_json(&mut out, &value)?;
        out.flush()?;
    } else {
        writeln!(out)?;
        out.flush()?;
        eprintln!("{}", summary(&escape(cartridge.name.as_bytes()), &answer, speed));
    }
    Ok(ExitCode::SUCCESS)
}

/// Ends the line that a broken answer left.
fn after_text(
    out: &mut dyn std::io::Write,
    has_text: bool,
    args: &TestArgs,
    error: ChatError,
) -> ChatError {
    if has_text && !args.json {
        // The error that is under way matters more than one of this line.
        let _ = writeln!(out).and_then(|()| out.flush());
    }
    error
}

fn summary(name: &str, answer: &Answer, speed: Option<f64>) -> String {
    let seconds = answer.duration.as_secs_f64();
    let tokens = answer.answer_tokens.map_or(String::new(), |tokens| format!("{tokens} tokens, "));
    let speed = speed.map_or(String::new(), |speed| format!(", {speed:.1} tokens/s"));
    let cut = match answer.finish {
        Finish::Length => "; cut at its greatest length",
        Finish::Stop => "",
    };
    let model = escape(answer.model.as_bytes());
    format!("{name} ({model}): {tokens}{seconds:.1} s{speed}{cut}")
}

/// Tokens after the first, by the time after the first: what the reading of the
/// question took is left out.
fn tokens_per_second(answer: &Answer, first: Option<Instant>, end: Instant) -> Option<f64> {
    let tokens = answer.answer_tokens?.checked_sub(1).filter(|tokens| *tokens > 0)?;
    let seconds = end.duration_since(first?).as_secs_f64();
    (seconds > 0.0).then(|| tokens as f64 / seconds)
}

fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
