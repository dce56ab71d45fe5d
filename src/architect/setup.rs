//! Finds a model for the architect, asks it one question, and enters it as the
//! cartridge `pxOS_Architect`.

use std::fmt;

use super::CARTRIDGE;
use super::prompt::SYSTEM;
use crate::builder::Editor;
use crate::fs::{FileKind, PixelTree, resolve};
use crate::llm::{
    Answer, Backend, Cancel, Cartridge, CartridgeError, ChatError, ChatModel, Endpoint, Found,
    Limits, Message, Role, add_cartridge, connect, discover, list_models, remove_cartridge,
    routes_of,
};

/// Tokens of an answer: a module and what is said around it.
const MAX_TOKENS: u32 = 2048;
/// A small temperature: actions should be dull.
const TEMPERATURE: f64 = 0.3;
/// The question that a setup and a test ask.
pub const QUESTION: &str = "In one short sentence: what is a boot sequence?";
/// Tokens of the answer to it.
const QUESTION_TOKENS: u32 = 96;

/// What somebody wants for an architect.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What answers.
    pub backend: Backend,
    /// Which model; without it, the first there is.
    pub model: Option<String>,
    /// Where the server is, if not where such servers are.
    pub endpoint: Option<String>,
}

/// Why there is no architect.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// No model.
    #[error("{0}")]
    NoModel(String),
    /// The model gives no answer.
    #[error("{model} gives no answer: {error}")]
    NoAnswer {
        /// The model.
        model: String,
        /// Why not.
        error: ChatError,
    },
    /// The cartridge cannot be read or written.
    #[error(transparent)]
    Cartridge(#[from] CartridgeError),
}

fn no_model(sentence: impl fmt::Display) -> SetupError {
    SetupError::NoModel(sentence.to_string())
}

/// A cartridge for what is wanted; nothing is written.
///
/// # Errors
/// When there is no such server or model; the sentence says what to do.
pub fn choose(editor: &Editor, wish: &Wish, cancel: &Cancel) -> Result<Cartridge, SetupError> {
    let (endpoint, model) = match wish.backend {
        Backend::Embedded => (String::new(), embedded(editor, wish.model.as_deref())?),
        _ => served(wish, cancel)?,
    };
    // The number stays: what else is in the place may know the architect by it.
    let old = routes_of(editor)?.registry().by_name(CARTRIDGE).map(|old| old.id);
    Ok(Cartridge {
        id: old.unwrap_or_else(number),
        name: CARTRIDGE.to_owned(),
        description: "The architect: builds and improves modules of this system".to_owned(),
        backend: wish.backend,
        endpoint,
        model_name: model,
        max_tokens: MAX_TOKENS,
        temperature: TEMPERATURE,
        system_prompt: Some(SYSTEM.to_owned()),
        key: None,
        file: String::new(),
    })
}

/// A number for a new cartridge: random, as those of the Python tools, never 0.
fn number() -> u32 {
    use std::hash::{BuildHasher as _, RandomState};
    (RandomState::new().hash_one(CARTRIDGE) as u32).max(1)
}

/// The endpoint and the model of a server.
fn served(wish: &Wish, cancel: &Cancel) -> Result<(String, String), SetupError> {
    let usual = wish.backend.usual_endpoint().map(str::to_owned);
    let endpoint = wish.endpoint.clone().or(usual);
    let endpoint = endpoint.ok_or_else(|| no_model("a custom server needs --endpoint URL"))?;
    let parsed = Endpoint::parse(&endpoint).map_err(no_model)?;
    let models = list_models(&parsed, &Limits::brief(), cancel).map_err(|error| {
        let start = match wish.backend {
            Backend::LmStudio => {
                "; start LM Studio's local server (Developer tab, or 'lms server start')"
            }
            Backend::Ollama => "; start Ollama with 'ollama serve'",
            _ => "",
        };
        no_model(format!("{error}{start}"))
    })?;
    let model = match &wish.model {
        Some(model) => models.iter().find(|known| is_model(known, model)).cloned(),
        None => models.first().cloned(),
    };
    let model = model.ok_or_else(|| match (&wish.model, models.is_empty()) {
        (_, true) => no_model(format!("the server at {endpoint} has no model; load one in it")),
        (wanted, false) => no_model(ChatError::NoSuchModel {
            model: wanted.clone().unwrap_or_default(),
            available: models.clone(),
        }),
    })?;
    Ok((endpoint, model))
}

/// Whether a server's name for a model is the one meant; Ollama adds `:latest`.
fn is_model(known: &str, wanted: &str) -> bool {
    known == wanted || known.strip_suffix(":latest") == Some(wanted)
}

/// The path of the weights that lie in the place.
fn embedded(editor: &Editor, wanted: Option<&str>) -> Result<String, SetupError> {
    let found = weights(&*editor.tree());
    match wanted {
        Some(path) if found.iter().any(|found| found == path) => Ok(path.to_owned()),
        Some(path) => Err(no_model(format!(
            "there are no weights {path:?} here; there are: {}",
            if found.is_empty() { "none".to_owned() } else { found.join(", ") }
        ))),
        None => found.into_iter().next().ok_or_else(|| {
            no_model(
                "there is no model in /models here; 'pxfs add --image PICTURE /models/NAME.gguf \
                 FILE.gguf' puts one there",
            )
        }),
    }
}

/// Paths of all weights in /models.
fn weights(tree: &dyn PixelTree) -> Vec<String> {
    /// Names that are looked at.
    const MOST: usize = 1000;
    let mut found = Vec::new();
    let Ok(dir) = resolve(tree, b"/models", true) else {
        return found;
    };
    if dir.kind != FileKind::Directory {
        return found;
    }
    let mut seen = 0;
    // What cannot be listed holds no weights.
    let _ = tree.read_dir(dir.ino, 0, &mut |entry| {
        seen += 1;
        if let Ok(name) = std::str::from_utf8(entry.name)
            && name.ends_with(".gguf")
        {
            found.push(format!("/models/{name}"));
        }
        seen < MOST
    });
    found.sort();
    found
}

/// What there is: the servers of this machine, and the weights in the place.
pub fn look_around(editor: &Editor, cancel: &Cancel) -> (Vec<Found>, Vec<String>) {
    (discover(&Limits::brief(), cancel), weights(&*editor.tree()))
}

/// The best of what there is: a server's model before the place's own, which is small.
pub fn best(servers: &[Found], weights: &[String]) -> Option<Wish> {
    let server = servers.iter().find(|found| found.is_usable());
    let wish = |backend, model, endpoint| Wish { backend, model, endpoint };
    match (server, weights.first()) {
        (Some(server), _) => {
            let model = server.models.as_ref().and_then(|models| models.first().cloned());
            Some(wish(server.backend, model, Some(server.endpoint.clone())))
        }
        (None, Some(path)) => Some(wish(Backend::Embedded, Some(path.clone()), None)),
        (None, None) => None,
    }
}

/// Asks a cartridge's model one question.
///
/// # Errors
/// When there is no answer.
pub fn test(editor: &Editor, cartridge: &Cartridge, cancel: &Cancel) -> Result<Answer, SetupError> {
    let failed = |error| SetupError::NoAnswer { model: cartridge.model_name.clone(), error };
    let model = connect(cartridge, &*editor.tree()).map_err(failed)?;
    let mut request = cartridge.request(vec![Message::new(Role::User, QUESTION)]);
    request.max_tokens = QUESTION_TOKENS.min(cartridge.max_tokens);
    model.chat(&request, cancel, &mut |_| ()).map_err(failed)
}

/// Enters the cartridge, in place of an older one.
///
/// # Errors
/// When it cannot be written.
pub fn enter(editor: &mut Editor, cartridge: Cartridge) -> Result<Cartridge, SetupError> {
    if routes_of(editor)?.registry().by_name(CARTRIDGE).is_some() {
        remove_cartridge(editor, CARTRIDGE)?;
    }
    Ok(add_cartridge(editor, cartridge)?)
}

/// The cartridge with a name, and what answers for it.
///
/// # Errors
/// When there is none; the sentence says how to make one.
pub fn open(editor: &Editor, name: &str) -> Result<(Cartridge, Box<dyn ChatModel>), SetupError> {
    let routes = routes_of(editor)?;
    let Some(cartridge) = routes.registry().by_name(name).cloned() else {
        let how = match name {
            CARTRIDGE => {
                "'pxfs architect --setup lmstudio|ollama|embedded' or '--quickstart' makes it"
            }
            _ => "'pxfs llm create' makes one",
        };
        return Err(no_model(format!("there is no cartridge {name:?} here; {how}")));
    };
    let model = connect(&cartridge, &*editor.tree())
        .map_err(|error| SetupError::NoAnswer { model: cartridge.model_name.clone(), error })?;
    Ok((cartridge, model))
}
