//! `pxfs llm create` and `delete`.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::super::Outcome;
use super::super::show::escape;
use crate::llm::{
    Backend, Cartridge, DEFAULT_MAX_TOKENS, DEFAULT_TEMPERATURE, KeySource, MAX_PROMPT,
    MOST_TOKENS, add_cartridge, parse_id, remove_cartridge,
};

/// What answers, on a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lowercase")]
enum BackendArg {
    /// LM Studio, http://localhost:1234/v1
    LmStudio,
    /// Ollama, http://localhost:11434/v1
    Ollama,
    /// Any server with the chat completions API
    Custom,
    /// The model that lies in the picture
    Embedded,
}

impl From<BackendArg> for Backend {
    fn from(arg: BackendArg) -> Self {
        match arg {
            BackendArg::LmStudio => Self::LmStudio,
            BackendArg::Ollama => Self::Ollama,
            BackendArg::Custom => Self::Custom,
            BackendArg::Embedded => Self::Embedded,
        }
    }
}

/// Make a cartridge: an entry in the registry and a pixel. No server is asked.
#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// A picture, a pxOS root or a directory
    target: PathBuf,
    /// What to call it; upper and lower case are one
    name: String,
    /// What answers
    #[arg(short, long, value_enum)]
    backend: BackendArg,
    /// The server's address [default: the backend's usual one]
    #[arg(short, long, value_name = "URL", required_if_eq("backend", "custom"))]
    endpoint: Option<String>,
    /// The model's name at the server, or the path of its weights in TARGET
    /// [default: NAME]
    #[arg(short, long, value_name = "MODEL", required_if_eq("backend", "embedded"))]
    model: Option<String>,
    /// What it is for [default: LLM cartridge: NAME]
    #[arg(short, long, value_name = "TEXT")]
    desc: Option<String>,
    /// Tokens of an answer, at most
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_TOKENS,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_TOKENS)))]
    max_tokens: u32,
    /// 0 is the likeliest answer, up to 2
    #[arg(long, value_name = "F", default_value_t = DEFAULT_TEMPERATURE)]
    temperature: f64,
    /// Instructions before each conversation
    #[arg(short, long, value_name = "TEXT", conflicts_with = "system_prompt_file")]
    system_prompt: Option<String>,
    /// The same from a file
    #[arg(long, value_name = "FILE")]
    system_prompt_file: Option<PathBuf>,
    /// The variable that holds the server's key
    #[arg(long, value_name = "NAME", conflicts_with = "api_key_file")]
    api_key_env: Option<String>,
    /// The file, private and outside of TARGET, that holds the server's key
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Its number [default: a random one]
    #[arg(long, value_name = "ID", value_parser = id)]
    id: Option<u32>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Take a cartridge and its pixel away.
#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    /// A picture, a pxOS root or a directory
    target: PathBuf,
    /// The cartridge's name or number
    name: String,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

fn id(text: &str) -> Result<u32, String> {
    let id = parse_id(text).filter(|id| *id != 0);
    id.ok_or_else(|| "is no number from 1 to 0xFFFFFFFF".into())
}

/// Runs `pxfs llm create`.
pub(super) fn create(args: CreateArgs) -> Outcome {
    let key = key_source(&args)?;
    let backend = Backend::from(args.backend);
    if backend == Backend::Embedded && args.endpoint.is_some() {
        bail!("an embedded model has no endpoint");
    }
    let system_prompt = match &args.system_prompt_file {
        Some(file) => Some(read_prompt(file)?),
        None => args.system_prompt.clone(),
    };
    let usual = backend.usual_endpoint().unwrap_or_default();
    let new = Cartridge {
        id: args.id.map_or_else(random_id, Ok)?,
        description: args.desc.unwrap_or_else(|| format!("LLM cartridge: {}", args.name)),
        backend,
        endpoint: args.endpoint.unwrap_or_else(|| usual.to_owned()),
        model_name: args.model.unwrap_or_else(|| args.name.clone()),
        name: args.name,
        max_tokens: args.max_tokens,
        temperature: args.temperature,
        system_prompt: system_prompt.filter(|text| !text.is_empty()),
        key,
        file: String::new(),
    };
    let mut editor = super::open(&args.target)?;
    let made =
        add_cartridge(&mut editor, new).with_context(|| args.target.display().to_string())?;
    if made.backend == Backend::Embedded
        && !matches!(crate::fs::resolve(&*editor.tree(), made.model_name.as_bytes(), true),
            Ok(found) if found.kind == crate::fs::FileKind::Regular)
    {
        log::warn!("there is no {:?} yet; 'pxfs add' puts the weights there", made.model_name);
    }
    let [red, green, blue, alpha] = made.rgba();
    let (name, id, file) = (escape(made.name.as_bytes()), made.id_text(), &made.file);
    let sentence = format!("{name}: {id}, pixel ({red}, {green}, {blue}, {alpha}) in {file}");
    super::say(args.json, &super::cartridge_json(&made), &sentence)
}

fn key_source(args: &CreateArgs) -> anyhow::Result<Option<KeySource>> {
    if let Some(name) = &args.api_key_env {
        // What is no name may be the key itself, and is not repeated.
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        if !is_name {
            bail!("--api-key-env takes the name of a variable, not a key");
        }
        return Ok(Some(KeySource::Env(name.clone())));
    }
    let Some(file) = &args.api_key_file else { return Ok(None) };
    let failed = || format!("the key file {}", file.display());
    let file = std::path::absolute(file).with_context(failed)?;
    // Where it leads to is what would be in the picture, or not.
    let real = file.canonicalize().with_context(failed)?;
    let target = args.target.canonicalize();
    if target.is_ok_and(|target| real.starts_with(&target)) {
        bail!("{} lies in {}: a key stays outside", file.display(), args.target.display());
    }
    Ok(Some(KeySource::File(real)))
}

fn read_prompt(file: &Path) -> anyhow::Result<String> {
    let failed = || format!("{}", file.display());
    let opened = std::fs::File::open(file).with_context(failed)?;
    let mut text = String::new();
    opened.take(MAX_PROMPT as u64 + 1).read_to_string(&mut text).with_context(failed)?;
    if text.len() > MAX_PROMPT {
        bail!("{}: has more than {MAX_PROMPT} bytes", file.display());
    }
    Ok(text)
}

/// A number as the Python tools draw it, from all 32 bits; but not 0, which asks
/// for the default.
fn random_id() -> anyhow::Result<u32> {
    let mut random = std::fs::File::open("/dev/urandom").context("/dev/urandom")?;
    loop {
        let mut bytes = [0; 4];
        random.read_exact(&mut bytes).context("/dev/urandom")?;
        match u32::from_be_bytes(bytes) {
            0 => {}
            id => return Ok(id),
        }
    }
}

/// Runs `pxfs llm delete`.
pub(super) fn delete(args: &DeleteArgs) -> Outcome {
    let mut editor = super::open(&args.target)?;
    let shown = escape(args.name.as_bytes());
    if !args.yes && !is_confirmed(&shown)? {
        eprintln!("pxfs llm: {shown:?} stays");
        return Ok(ExitCode::FAILURE);
    }
    let removed = remove_cartridge(&mut editor, &args.name)
        .with_context(|| args.target.display().to_string())?;
    let id = removed.id.map(|id| format!("0x{id:08X}"));
    let sentence = format!("{}: removed", escape(removed.name.as_bytes()));
    super::say(args.json, &json!({"removed": removed.name, "id": id}), &sentence)
}

/// Asks a person; without one there must be `--yes`.
fn is_confirmed(shown: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("without a terminal to ask at, --yes is needed to delete {shown:?}");
    }
    eprint!("Delete {shown:?} and its pixel? (yes/no) ");
    std::io::stderr().flush()?;
    let mut line = String::new();
    std::io::stdin().lock().take(100).read_line(&mut line)?;
    Ok(line.trim().eq_ignore_ascii_case("yes"))
}
