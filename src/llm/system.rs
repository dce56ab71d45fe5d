//! The models of a machine: what SYS_LLM, LLM and ORACLE are answered by.
//!
//! In: requests that the policy has allowed, and for the record those it has not, each with what the routing table says
//! of its id. Out: answers, and a line of the audit log for each request. Models
//! are connected when they are first asked, and no earlier: a boot that asks none
//! loads none.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use super::audit::{Audit, CallRecord, CallResult, chat_recorded};
use super::cartridge::{Backend, Cartridge, DEFAULT_MAX_TOKENS};
use super::chat::{Cancel, ChatError, ChatModel, Message, Role};
use super::connect::connect;
use super::local::CAN_EMBED;
use super::registry::CartridgeError;
use super::route::Routes;
use crate::boot::{Ask, Model, Reply};
use crate::fs::{FileKind, PixelTree, resolve};
use crate::pxi::LlmError;

/// Requests that were not allowed and are recorded: a loop of them must not fill the disk.
const MAX_DENIED: u32 = 1000;
/// Models that are connected at once; weights take memory.
const MAX_CONNECTED: usize = 8;

/// The cartridges and weights of a place, as a machine asks them.
pub struct SystemModel {
    routes: Routes,
    tree: Arc<dyn PixelTree>,
    /// What id 0 is, if whoever starts the machine has said it.
    default: Option<String>,
    connected: HashMap<String, (Cartridge, Box<dyn ChatModel>)>,
    audit: Option<Arc<Audit>>,
    /// Requests so far that were not allowed.
    denied: u32,
    /// The same seed gives the same answers, where the model can.
    seed: Option<u64>,
    cancel: Cancel,
}

impl std::fmt::Debug for SystemModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SystemModel")
            .field("default", &self.default)
            .field("connected", &self.connected.len())
            .finish_non_exhaustive()
    }
}

impl SystemModel {
    /// The models of a registry; weights lie in `tree`.
    pub fn new(routes: Routes, tree: Arc<dyn PixelTree>) -> Self {
        Self {
            routes,
            tree,
            default: None,
            connected: HashMap::new(),
            audit: None,
            denied: 0,
            seed: None,
            cancel: Cancel::default(),
        }
    }

    /// Says what id 0 is, whatever the routing table says: a cartridge by name or
    /// number, or weights by their path.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn with_default(mut self, target: &str) -> Result<Self, ChatError> {
        self.cartridge(target)?;
        self.default = Some(target.to_owned());
        Ok(self)
    }

    /// The default is that of the [`Routes`], else the first file of weights in /models.
    pub fn with_usual_default(mut self) -> Self {
        let first = self.routes.default_route().ok();
        let first = first.map(|route| route.cartridge.name.clone());
        self.default = first.or_else(|| first_weights(&*self.tree));
        self
    }

    /// Writes each request into a log.
    pub fn with_audit(mut self, audit: Arc<Audit>) -> Self {
        self.audit = Some(audit);
        self
    }

    /// Makes answers the same each time, where the model can.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Lets another thread stop an answer.
    pub fn with_cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// The cartridge that a target means; one is made up for bare weights.
    fn cartridge(&self, target: &str) -> Result<Cartridge, ChatError> {
        if !target.starts_with('/') {
            let found = self.routes.by_name(target).map(|route| route.cartridge.clone());
            return found.map_err(|error| match error {
                CartridgeError::NotFound { name, names } => {
                    ChatError::NoSuchModel { model: name, available: names }
                }
                error => ChatError::Refused(error.to_string()),
            });
        }
        let is_file = resolve(&*self.tree, target.as_bytes(), true)
            .is_ok_and(|attr| attr.kind == FileKind::Regular);
        if !is_file {
            return Err(ChatError::Embedded(format!("there is no file {target}")));
        }
        Ok(bare(target))
    }

    fn connected(&mut self, target: &str) -> Result<&(Cartridge, Box<dyn ChatModel>), ChatError> {
        if !self.connected.contains_key(target) && self.connected.len() >= MAX_CONNECTED {
            // A program that goes through all models must not keep all in memory.
            self.connected.clear();
        }
        let cartridge = self.cartridge(target)?;
        match self.connected.entry(target.to_owned()) {
            Entry::Occupied(found) => Ok(found.into_mut()),
            Entry::Vacant(free) => {
                let model = connect(&cartridge, &*self.tree)?;
                Ok(free.insert((cartridge, model)))
            }
        }
    }

    fn answer(&mut self, target: &str, ask: &Ask<'_>) -> Result<Reply, ChatError> {
        let cartridge = match self.cartridge(target) {
            Ok(cartridge) => cartridge,
            Err(error) => return Err(self.not_asked(ask, Some(target), error)),
        };
        let mut request = cartridge.request(vec![Message::new(Role::User, ask.prompt)]);
        // No token is shorter than a character that is wanted.
        let wanted = ask.max_len.min(ask.max_tokens.unwrap_or(u32::MAX)).max(1);
        request.max_tokens = request.max_tokens.min(wanted);
        request.seed = self.seed;
        let (who, cancel, audit) = (who(ask), self.cancel.clone(), self.audit.clone());
        if let Some(error) = self.connected(target).err() {
            return Err(self.not_asked(ask, Some(target), error));
        }
        let (cartridge, model) = self.connected(target)?;
        let asked = (cartridge, model.as_ref());
        let answer = chat_recorded(audit.as_deref(), &who, asked, &request, &cancel, &mut |_| {})?;
        Ok(Reply { text: answer.text, model: answer.model, tokens: answer.answer_tokens })
    }

    /// Records a request for which there is no model, or none that can be connected;
    /// gives back what whoever asked is told.
    fn not_asked(&self, ask: &Ask<'_>, target: Option<&str>, error: ChatError) -> ChatError {
        let recorded = self.record(ask, target, CallResult::Failed(&error, Duration::ZERO));
        recorded.err().unwrap_or(error)
    }

    /// Adds the line of a request that reached no model.
    fn record(
        &self,
        ask: &Ask<'_>,
        target: Option<&str>,
        result: CallResult<'_>,
    ) -> Result<(), ChatError> {
        let Some(audit) = &self.audit else { return Ok(()) };
        let question = vec![Message::new(Role::User, ask.prompt)];
        let call = match target.and_then(|target| self.cartridge(target).ok()) {
            Some(cartridge) => {
                let messages = cartridge.request(question).messages;
                let Cartridge { name, id, model_name, .. } = &cartridge;
                CallRecord::new(&who(ask), name, *id, model_name, &messages)
            }
            None => {
                CallRecord::new(&who(ask), target.unwrap_or_default(), ask.model, "", &question)
            }
        };
        audit.record(&call, result).map_err(|failed| audit.broken(&failed))
    }

    /// Which model a request means.
    fn target(&self, ask: &Ask<'_>) -> Option<String> {
        let by_id = (ask.model != 0).then(|| format!("0x{:08X}", ask.model));
        ask.target.map(str::to_owned).or(by_id).or_else(|| self.default.clone())
    }
}

/// Who asks, in the audit log.
fn who(ask: &Ask<'_>) -> String {
    format!("SYS_LLM {}", ask.who)
}

/// A cartridge for weights that have none.
pub(super) fn bare(path: &str) -> Cartridge {
    Cartridge {
        id: 0,
        name: path.to_owned(),
        description: String::new(),
        backend: Backend::Embedded,
        endpoint: String::new(),
        model_name: path.to_owned(),
        max_tokens: DEFAULT_MAX_TOKENS,
        // The likeliest answer: nobody has said that it should be another each time.
        temperature: 0.0,
        system_prompt: None,
        key: None,
        file: String::new(),
    }
}

/// What answers a person in a place whose registry names nobody: its first weights,
/// if this program can run them.
pub fn bare_default(tree: &dyn PixelTree) -> Option<Cartridge> {
    let path = if CAN_EMBED { first_weights(tree) } else { None };
    path.map(|path| bare(&path))
}

/// The first file of weights in /models, by name.
fn first_weights(tree: &dyn PixelTree) -> Option<String> {
    let dir = resolve(tree, b"/models", true).ok()?;
    let mut first: Option<Vec<u8>> = None;
    let listed = tree.read_dir(dir.ino, 0, &mut |entry| {
        let is_first = first.as_deref().is_none_or(|first| entry.name < first);
        if entry.name.ends_with(b".gguf") && is_first {
            first = Some(entry.name.to_vec());
        }
        true
    });
    listed.ok()?;
    Some(format!("/models/{}", String::from_utf8(first?).ok()?))
}

impl Model for SystemModel {
    fn ask(&mut self, ask: &Ask<'_>) -> Result<Reply, LlmError> {
        let failed = |error: ChatError| LlmError::Failed(error.to_string());
        let Some(target) = self.target(ask) else {
            let error = ChatError::Refused(LlmError::NoModel.to_string());
            self.record(ask, None, CallResult::Failed(&error, Duration::ZERO)).map_err(failed)?;
            return Err(LlmError::NoModel);
        };
        self.answer(&target, ask).map_err(failed)
    }

    fn denied(&mut self, ask: &Ask<'_>, why: &str) {
        self.denied = self.denied.saturating_add(1);
        let why = match self.denied {
            ..MAX_DENIED => why.to_owned(),
            MAX_DENIED => format!("{why}; further ones are not recorded"),
            _ => return,
        };
        let target = self.target(ask);
        // It gives no answer anyway.
        if let Err(error) = self.record(ask, target.as_deref(), CallResult::Denied(&why)) {
            log::warn!("{error}");
        }
    }

    fn name_of(&self, model: u32) -> Option<String> {
        match model {
            0 => self.default.clone(),
            id => self.cartridge(&format!("0x{id:08X}")).ok().map(|cartridge| cartridge.name),
        }
    }

    fn has(&mut self, target: &str) -> bool {
        self.cartridge(target).is_ok()
    }

    fn default_target(&self) -> Option<&str> {
        self.default.as_deref()
    }
}
