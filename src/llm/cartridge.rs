//! A cartridge: one model behind one pixel, as an entry of the registry says it.
//! Entries are read as what they are, texts of strangers, and written in the
//! fields and the order of the Python tools.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Map, Value};

use super::chat::{ChatRequest, Message, Role};
use super::endpoint::Endpoint;
use super::harmless::harmless;
use super::secret::{KeySource, holds_key, is_variable};

/// Longest name, in bytes.
pub const MAX_NAME: usize = 128;

/// Longest system prompt or description, in bytes.
pub const MAX_PROMPT: usize = 64 << 10;

/// Longest name of a model, endpoint or file, in bytes.
const MAX_FIELD: usize = 2048;

/// Tokens of an answer unless an entry says otherwise; the Python tools' number.
pub const DEFAULT_MAX_TOKENS: u32 = 512;

/// Most tokens that an entry may ask for.
pub const MOST_TOKENS: u32 = 1 << 20;

/// Temperature unless an entry says otherwise; the Python tools' number.
pub const DEFAULT_TEMPERATURE: f64 = 0.7;

/// Highest temperature of the API.
pub const MOST_TEMPERATURE: f64 = 2.0;

/// The end of a pixel file's name.
pub const PIXEL_END: &str = ".pxdigest.png";

/// What answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// LM Studio on this machine.
    LmStudio,
    /// Ollama on this machine.
    Ollama,
    /// Any server with the chat completions API.
    Custom,
    /// The model that lies in the picture, run by this process.
    Embedded,
}

impl Backend {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::LmStudio, Self::Ollama, Self::Custom, Self::Embedded];

    /// The word for it in registries.
    pub fn name(self) -> &'static str {
        match self {
            Self::LmStudio => "lmstudio",
            Self::Ollama => "ollama",
            Self::Custom => "custom",
            Self::Embedded => "embedded",
        }
    }

    /// Where such a server listens unless told otherwise.
    pub fn usual_endpoint(self) -> Option<&'static str> {
        match self {
            Self::LmStudio => Some("http://localhost:1234/v1"),
            Self::Ollama => Some("http://localhost:11434/v1"),
            Self::Custom | Self::Embedded => None,
        }
    }

    /// The backend that a word means.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|backend| backend.name() == name)
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A model behind a pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct Cartridge {
    /// Its number: the pixel's colour, red first. Never 0, which asks for the default.
    pub id: u32,
    /// What people call it; no two in a registry are alike but for upper case.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What answers.
    pub backend: Backend,
    /// The server's address; empty if the model is embedded.
    pub endpoint: String,
    /// The model's name at the server, or the path of its weights in the picture.
    pub model_name: String,
    /// Tokens of an answer, at most.
    pub max_tokens: u32,
    /// 0 is the likeliest answer; up to 2.
    pub temperature: f64,
    /// Instructions before each conversation.
    pub system_prompt: Option<String>,
    /// Where the server's key is; never the key.
    pub key: Option<KeySource>,
    /// The file with its pixel, beside the registry.
    pub file: String,
}

impl Cartridge {
    /// The channels of its pixel.
    pub fn rgba(&self) -> [u8; 4] {
        self.id.to_be_bytes()
    }

    /// The number as registries write it: `0x` and eight upper-case digits.
    pub fn id_text(&self) -> String {
        format!("0x{:08X}", self.id)
    }

    /// A request with this cartridge's settings. Its system prompt comes first
    /// unless the conversation brings one.
    pub fn request(&self, mut messages: Vec<Message>) -> ChatRequest {
        let has_own = messages.first().is_some_and(|first| first.role == Role::System);
        if let Some(prompt) = self.system_prompt.as_ref().filter(|_| !has_own) {
            messages.insert(0, Message::new(Role::System, prompt));
        }
        ChatRequest {
            messages,
            max_tokens: self.max_tokens,
            temperature: self.temperature as f32,
            seed: None,
        }
    }

    /// What is wrong with it, if it is to be written.
    pub(super) fn check_new(&self) -> Result<(), String> {
        self.check()?;
        if self.name.contains('/') {
            return Err("the name holds a '/', and becomes that of a file".into());
        }
        let texts = [
            ("the name", self.name.as_str()),
            ("the description", &self.description),
            ("the endpoint", &self.endpoint),
            ("the model's name", &self.model_name),
            ("the system prompt", self.system_prompt.as_deref().unwrap_or_default()),
        ];
        for (what, text) in texts {
            if holds_key(text) {
                return Err(format!(
                    "{what} holds what looks like a key; keys stay out of registries and \
                     pictures: put it in a variable or a file and name that"
                ));
            }
        }
        Ok(())
    }

    /// What is wrong with it, whoever wrote it.
    fn check(&self) -> Result<(), String> {
        if self.id == 0 {
            return Err("id 0 asks for the default model and cannot be a cartridge's".into());
        }
        check_name(&self.name)?;
        let long = [
            ("description", self.description.len(), MAX_PROMPT),
            ("system_prompt", self.system_prompt.as_ref().map_or(0, String::len), MAX_PROMPT),
            ("model_name", self.model_name.len(), MAX_FIELD),
            ("endpoint", self.endpoint.len(), MAX_FIELD),
            ("file", self.file.len(), MAX_FIELD),
        ];
        for (field, len, most) in long {
            if len > most {
                return Err(format!("{field} has {len} bytes, more than {most}"));
            }
        }
        if self.model_name.is_empty() || self.model_name.chars().any(char::is_control) {
            return Err("model_name is empty or holds control characters".into());
        }
        if !(1..=MOST_TOKENS).contains(&self.max_tokens) {
            return Err(format!("max_tokens {} is not within 1 to {MOST_TOKENS}", self.max_tokens));
        }
        if !(0.0..=MOST_TEMPERATURE).contains(&self.temperature) {
            let given = self.temperature;
            return Err(format!("temperature {given} is not within 0 to {MOST_TEMPERATURE}"));
        }
        match self.backend {
            Backend::Embedded if !self.model_name.starts_with('/') => Err(format!(
                "the backend is embedded, so model_name must be the path of the weights in the \
                 picture, as /models/NAME.gguf, and not {:?}",
                harmless(&self.model_name, 80)
            )),
            Backend::Embedded => Ok(()),
            _ => Endpoint::parse(&self.endpoint).map(|_| ()).map_err(|why| why.to_string()),
        }
    }

    /// The entry, as JSON that the Python tools read.
    pub(super) fn to_entry(&self) -> Map<String, Value> {
        let mut entry = Map::new();
        let mut put = |field: &str, value: Value| {
            entry.insert(field.to_owned(), value);
        };
        put("name", self.name.as_str().into());
        put("description", self.description.as_str().into());
        put("backend", self.backend.name().into());
        put("endpoint", self.endpoint.as_str().into());
        put("model_name", self.model_name.as_str().into());
        put("max_tokens", self.max_tokens.into());
        put("temperature", self.temperature.into());
        put("system_prompt", self.system_prompt.as_deref().into());
        put("pixel", self.rgba().to_vec().into());
        put("id", self.id_text().into());
        put("file", self.file.as_str().into());
        match &self.key {
            Some(KeySource::Env(name)) => put("api_key_env", name.as_str().into()),
            Some(KeySource::File(path)) => {
                put("api_key_file", path.to_string_lossy().into_owned().into());
            }
            None => {}
        }
        entry
    }

    /// Reads the entry that stands under `key`. What is amiss but does not keep
    /// it from being used is added to `remarks`.
    pub(super) fn from_entry(
        key: &str,
        value: &str,
        remarks: &mut Vec<String>,
    ) -> Result<Self, String> {
        let id = parse_key(key)?;
        let fields: Map<String, Value> =
            serde_json::from_str(value).map_err(|_| "is no object".to_owned())?;
        let name = text(&fields, "name")?.ok_or("has no name")?;
        let word = text(&fields, "backend")?.ok_or("has no backend")?;
        let backend = Backend::of_name(&word).ok_or_else(|| {
            let known = Backend::ALL.map(Backend::name).join(", ");
            format!("backend {:?} is none of {known}", harmless(&word, 40))
        })?;
        let usual = || backend.usual_endpoint().unwrap_or_default().to_owned();
        let cartridge = Self {
            id,
            description: text(&fields, "description")?.unwrap_or_default(),
            endpoint: text(&fields, "endpoint")?
                .filter(|text| !text.is_empty())
                .unwrap_or_else(usual),
            model_name: text(&fields, "model_name")?
                .filter(|text| !text.is_empty())
                .unwrap_or_else(|| name.clone()),
            max_tokens: max_tokens(&fields)?,
            temperature: temperature(&fields)?,
            system_prompt: text(&fields, "system_prompt")?.filter(|text| !text.is_empty()),
            key: key_source(&fields)?,
            file: text(&fields, "file")?.unwrap_or_default(),
            name,
            backend,
        };
        cartridge.check()?;
        cartridge.remark(&fields, remarks);
        Ok(cartridge)
    }

    /// What an entry says of itself that is not so, or should not be in it.
    fn remark(&self, fields: &Map<String, Value>, remarks: &mut Vec<String>) {
        let id = fields.get("id").and_then(Value::as_str);
        if id.is_some_and(|id| !id.eq_ignore_ascii_case(&self.id_text())) {
            remarks
                .push(format!("its id is not that of its key, {}, which counts", self.id_text()));
        }
        let rgba = self.rgba();
        let is_own = |value: &Value| {
            value.as_array().is_some_and(|channels| {
                channels.iter().map(Value::as_u64).eq(rgba.iter().map(|c| Some(u64::from(*c))))
            })
        };
        if fields.get("pixel").is_some_and(|value| !is_own(value)) {
            remarks.push(format!("its pixel is not that of its key, {rgba:?}, which counts"));
        }
        for (field, value) in fields {
            let named = field.to_ascii_lowercase();
            let is_named = ["api_key", "apikey", "secret", "password", "token", "authorization"]
                .iter()
                .any(|word| named.ends_with(word));
            let is_set = value.as_str().is_some_and(|text| !text.is_empty());
            if is_set && is_named || value.as_str().is_some_and(holds_key) {
                remarks.push(format!(
                    "its field {:?} looks like a secret, which has no place in a registry and \
                     is not used",
                    harmless(field, 40)
                ));
            }
        }
    }
}

/// Whether a text can be a cartridge's name.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    if name.trim().is_empty() {
        return Err("its name is empty".into());
    }
    if name.len() > MAX_NAME {
        return Err(format!("its name has {} bytes, more than {MAX_NAME}", name.len()));
    }
    if name.chars().any(char::is_control) {
        return Err("its name holds control characters".into());
    }
    Ok(())
}

/// The file name that the Python tools give the pixel of a name.
pub(super) fn pixel_file_name(name: &str) -> String {
    format!("llm_{}{PIXEL_END}", name.replace(' ', "_").to_lowercase())
}

/// The number that a key of the registry is.
fn parse_key(key: &str) -> Result<u32, String> {
    let is_number = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
    let id = is_number.then(|| key.parse::<u32>().ok()).flatten();
    let id = id.filter(|id| id.to_string() == key);
    id.ok_or_else(|| "its key is no 32-bit number in decimal".into())
}

/// A field that is a text, or is not there.
fn text(fields: &Map<String, Value>, field: &str) -> Result<Option<String>, String> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("{field} is no text")),
    }
}

fn max_tokens(fields: &Map<String, Value>) -> Result<u32, String> {
    match fields.get("max_tokens") {
        None | Some(Value::Null) => Ok(DEFAULT_MAX_TOKENS),
        Some(value) => {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            number.ok_or_else(|| format!("max_tokens is not within 1 to {MOST_TOKENS}"))
        }
    }
}

fn temperature(fields: &Map<String, Value>) -> Result<f64, String> {
    match fields.get("temperature") {
        None | Some(Value::Null) => Ok(DEFAULT_TEMPERATURE),
        Some(value) => value.as_f64().ok_or_else(|| "temperature is no number".into()),
    }
}

fn key_source(fields: &Map<String, Value>) -> Result<Option<KeySource>, String> {
    let env = text(fields, "api_key_env")?.filter(|text| !text.is_empty());
    let file = text(fields, "api_key_file")?.filter(|text| !text.is_empty());
    match (env, file) {
        (Some(_), Some(_)) => Err("it has both api_key_env and api_key_file".into()),
        (Some(name), None) if is_variable(&name) => Ok(Some(KeySource::Env(name))),
        // It may be the key itself, put in the wrong field: it is not repeated.
        (Some(_), None) => Err("api_key_env is not the name of a variable".into()),
        (None, Some(path)) if path.len() <= MAX_FIELD && path.starts_with('/') => {
            Ok(Some(KeySource::File(PathBuf::from(path))))
        }
        (None, Some(_)) => Err("api_key_file is no absolute path".into()),
        (None, None) => Ok(None),
    }
}
