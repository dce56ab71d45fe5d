//! A language model that lies in the tree itself, run in this process.
//!
//! In: a GGUF file of a tree. Out: a [`ChatModel`]. The file is trusted in
//! nothing: its head is checked before anything is allocated, tensors must have
//! the shapes that its measures ask for, weights and memory keep to a budget, and
//! its chat template is held short. Matrices are multiplied by candle, but for one
//! type (`q4_1`); what a model of the llama family does with them is here.
//!
//! `docs/llm.md` says which models can be run.

mod cache;
mod config;
mod llama;
mod q4_1;
mod sample;
mod source;
mod stream;
mod template;
mod vocabulary;
mod weights;

use std::hash::{BuildHasher, RandomState};
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use self::config::Config;
use self::llama::{Llama, Memory};
use self::sample::Sampler;
use self::source::TreeFile;
use self::stream::Pieces;
use self::template::Template;
use self::vocabulary::Vocabulary;
use self::weights::Loader;
use super::gguf::Gguf;
use super::{Answer, Cancel, ChatError, ChatModel, ChatRequest, Finish};
use crate::fs::PixelTree;

/// What weights and a conversation may take in memory, in bytes.
pub const DEFAULT_BUDGET: u64 = 4 << 30;
/// A model that has no room for so many tokens cannot be talked with.
const LEAST_CONTEXT: usize = 256;
/// Tokens of a prompt that are read at once; between them it is seen whether to stop.
const STRETCH: usize = 64;
/// The template of models that bring none.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + \
    message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{{ '<|im_start|>assistant\n' }}";

/// A model that is loaded.
#[derive(Debug, Clone)]
pub struct Embedded {
    name: String,
    model: Arc<Model>,
}

/// What all who use a file share.
pub(super) struct Model {
    vocabulary: Vocabulary,
    template: Template,
    llama: Llama,
    /// Tokens that a conversation may have.
    context: usize,
    /// The conversation that was read last: the next one often begins with it.
    last: Mutex<Conversation>,
}

/// What was read, and what is known of it.
struct Conversation {
    tokens: Vec<u32>,
    memory: Memory,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("context", &self.context).finish_non_exhaustive()
    }
}

impl Embedded {
    /// Loads the model at a path of a tree; a file that this process has loaded is
    /// not loaded again. It calls itself `name`.
    ///
    /// # Errors
    /// [`ChatError::Embedded`]: what is wrong with the file.
    pub fn load(
        tree: &dyn PixelTree,
        path: &str,
        name: &str,
        budget: u64,
    ) -> Result<Self, ChatError> {
        let file = TreeFile::open(tree, path)?;
        let load = || guarded(|| Model::load(&file, budget));
        let model = cache::get(&file, budget, load)?;
        Ok(Self { name: name.to_owned(), model })
    }

    /// Tokens that a conversation may have.
    pub fn context(&self) -> usize {
        self.model.context
    }

    /// The tokens of a text as it stands, special ones in it for themselves.
    ///
    /// # Errors
    /// As for a conversation.
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>, ChatError> {
        let parts = [template::Part::Frame(text.to_owned())];
        self.model.vocabulary.encode(&parts, self.model.context)
    }
}

/// The one place where a panic is caught: the libraries behind it check little of
/// what they are given, and whatever of it got past the checks here is the file's
/// fault, not a reason to end a mount or a boot.
fn guarded<T>(work: impl FnOnce() -> Result<T, ChatError>) -> Result<T, ChatError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let what = "a library failed on its numbers; the file is damaged or of an odd kind";
        Err(ChatError::Embedded(what.to_owned()))
    })
}

impl Model {
    fn load(file: &TreeFile<'_>, budget: u64) -> Result<Self, ChatError> {
        let mut reader = BufReader::with_capacity(1 << 20, file.clone());
        let gguf = Gguf::read(&mut reader, file.len())
            .map_err(|error| ChatError::Embedded(error.to_string()))?;
        let vocabulary = Vocabulary::new(&gguf)?;
        let config = Config::new(&gguf, vocabulary.len())?;
        let context = context_within(&gguf, &config, budget)?;
        let (bos, eos) = vocabulary.marks();
        let source = gguf.text("tokenizer.chat_template").unwrap_or(CHATML);
        let template = Template::new(source, bos, eos)?;
        let llama = Llama::load(&Loader { file, gguf: &gguf }, config)?;
        let last = Conversation { tokens: Vec::new(), memory: llama.memory() };
        Ok(Self { vocabulary, template, llama, context, last: Mutex::new(last) })
    }

    /// The memory of the last conversation, when nobody else has it.
    fn take_turn(&self, cancel: &Cancel) -> Result<MutexGuard<'_, Conversation>, ChatError> {
        loop {
            if cancel.is_cancelled() {
                return Err(ChatError::Cancelled);
            }
            if let Some(turn) = self.last.try_lock_for(Duration::from_millis(20)) {
                return Ok(turn);
            }
        }
    }

    fn answer(
        &self,
        request: &ChatRequest,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Spoken, ChatError> {
        let parts = self.template.render(&request.messages)?;
        // One token at least must fit behind the prompt.
        let prompt = self.vocabulary.encode(&parts, self.context - 1)?;
        if prompt.is_empty() {
            return Err(ChatError::Embedded("its chat template makes nothing".to_owned()));
        }
        let mut turn = self.take_turn(cancel)?;
        let logits = self.read_prompt(&prompt, &mut turn, cancel)?;
        let room = self.context - prompt.len();
        let limit = room.min(request.max_tokens as usize);
        let mut spoken = self.speak(logits, limit, request, &mut turn, cancel, on_text)?;
        spoken.prompt = prompt.len();
        Ok(spoken)
    }

    /// Reads what of a prompt is new since the last conversation.
    fn read_prompt(
        &self,
        prompt: &[u32],
        turn: &mut Conversation,
        cancel: &Cancel,
    ) -> Result<Vec<f32>, ChatError> {
        let same = turn.tokens.iter().zip(prompt).take_while(|(a, b)| a == b).count();
        // The last one is read in any case: what comes after it is asked.
        let mut done = same.min(prompt.len() - 1);
        turn.cut(&self.llama, done);
        let mut logits = Vec::new();
        while done < prompt.len() {
            if cancel.is_cancelled() {
                return Err(ChatError::Cancelled);
            }
            let stretch = &prompt[done..(done + STRETCH).min(prompt.len())];
            logits = turn.read(&self.llama, stretch)?;
            done += stretch.len();
        }
        Ok(logits)
    }

    fn speak(
        &self,
        mut logits: Vec<f32>,
        limit: usize,
        request: &ChatRequest,
        turn: &mut Conversation,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Spoken, ChatError> {
        let seed = request.seed.unwrap_or_else(|| RandomState::new().hash_one(0));
        let mut sampler = Sampler::new(request.temperature, seed);
        let (mut pieces, mut spoken) = (Pieces::default(), Spoken::default());
        let mut say = |piece: String, text: &mut String| {
            if !piece.is_empty() {
                on_text(&piece);
                text.push_str(&piece);
            }
        };
        while spoken.tokens < limit {
            let token = sampler.next(&logits)?;
            if self.vocabulary.is_end(token) {
                spoken.is_whole = true;
                break;
            }
            spoken.tokens += 1;
            say(pieces.push(self.vocabulary.bytes(token)), &mut spoken.text);
            if cancel.is_cancelled() {
                return Err(ChatError::Cancelled);
            }
            if spoken.tokens < limit {
                logits = turn.read(&self.llama, &[token])?;
            }
        }
        say(pieces.finish(), &mut spoken.text);
        Ok(spoken)
    }
}

/// An answer so far.
#[derive(Default)]
struct Spoken {
    text: String,
    tokens: usize,
    prompt: usize,
    /// Whether the model ended it.
    is_whole: bool,
}

impl Conversation {
    fn cut(&mut self, llama: &Llama, tokens: usize) {
        self.tokens.truncate(tokens);
        llama.forget(&mut self.memory, tokens);
    }

    /// Reads tokens; if that fails, nothing is known any more.
    fn read(&mut self, llama: &Llama, tokens: &[u32]) -> Result<Vec<f32>, ChatError> {
        let before = std::mem::take(&mut self.tokens);
        let logits = guarded(|| llama.read(tokens, &mut self.memory));
        match logits {
            Ok(logits) => {
                self.tokens = before;
                self.tokens.extend_from_slice(tokens);
                Ok(logits)
            }
            Err(error) => {
                self.memory = llama.memory();
                Err(error)
            }
        }
    }
}

/// The context that fits what is left of a budget.
fn context_within(gguf: &Gguf, config: &Config, budget: u64) -> Result<usize, ChatError> {
    let weights: u64 = gguf.tensors().map(|(_, info)| info.bytes).sum();
    let room = budget.saturating_sub(weights) / config.token_bytes();
    let context = config.context.min(usize::try_from(room).unwrap_or(usize::MAX));
    if context < LEAST_CONTEXT.min(config.context) {
        let what = format!(
            "its weights of {} MB and a conversation do not fit {} MB of memory",
            weights >> 20,
            budget >> 20
        );
        return Err(ChatError::Embedded(what));
    }
    Ok(context)
}

impl ChatModel for Embedded {
    fn chat(
        &self,
        request: &ChatRequest,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Answer, ChatError> {
        let start = Instant::now();
        let spoken = self.model.answer(request, cancel, on_text)?;
        Ok(Answer {
            text: spoken.text,
            model: self.name.clone(),
            prompt_tokens: Some(spoken.prompt as u64),
            answer_tokens: Some(spoken.tokens as u64),
            finish: if spoken.is_whole { Finish::Stop } else { Finish::Length },
            duration: start.elapsed(),
        })
    }

    fn name(&self) -> &str {
        &self.name
    }
}
