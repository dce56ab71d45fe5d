//! The measures of a model, from the head of its file, each checked.

use crate::llm::ChatError;
use crate::llm::gguf::Gguf;

/// Bounds far above any model that runs here; below them no product of two overflows.
const MAX_LAYERS: usize = 1 << 10;
const MAX_WIDTH: usize = 1 << 18;
const MAX_CONTEXT: usize = 1 << 20;

/// The measures.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Config {
    /// Tokens there are.
    pub(super) vocabulary: usize,
    /// Tokens that a conversation may have.
    pub(super) context: usize,
    pub(super) layers: usize,
    /// Numbers of a token.
    pub(super) width: usize,
    /// Numbers between the two halves of a layer.
    pub(super) inner: usize,
    pub(super) heads: usize,
    /// Heads of keys and values; several heads of queries share one.
    pub(super) key_heads: usize,
    /// Numbers of a head.
    pub(super) head: usize,
    /// Numbers of a head that are turned.
    pub(super) turned: usize,
    pub(super) turn_base: f32,
    pub(super) epsilon: f32,
}

impl Config {
    /// Reads the measures.
    ///
    /// # Errors
    /// When the model is of a kind that cannot be run here, or one does not fit another.
    pub(super) fn new(gguf: &Gguf, vocabulary: usize) -> Result<Self, ChatError> {
        let bad = |what: String| Err(ChatError::Embedded(what));
        let kind = gguf.text("general.architecture").unwrap_or("none");
        if kind != "llama" {
            return bad(format!("it is a model of the kind {kind:?}; only llama can be run"));
        }
        if gguf.int::<u64>("llama.expert_count").is_some_and(|experts| experts > 0) {
            return bad("it is made of experts, which cannot be run".to_owned());
        }
        if let Some(scaling) = gguf.text("llama.rope.scaling.type").filter(|kind| *kind != "none") {
            return bad(format!("its places are scaled ({scaling:?}), which is not known"));
        }
        let number = |key: &str, limit: usize| {
            let key = format!("llama.{key}");
            match gguf.int::<usize>(&key) {
                Some(n) if (1..=limit).contains(&n) => Ok(n),
                Some(n) => {
                    Err(ChatError::Embedded(format!("{key} is {n}, and must be 1 to {limit}")))
                }
                None => Err(ChatError::Embedded(format!("it does not say {key}"))),
            }
        };
        let has = |key: &str| gguf.get(&format!("llama.{key}")).is_some();
        let (width, heads) =
            (number("embedding_length", MAX_WIDTH)?, number("attention.head_count", MAX_WIDTH)?);
        let key_heads = match has("attention.head_count_kv") {
            true => number("attention.head_count_kv", heads)?,
            false => heads,
        };
        let head = match has("attention.key_length") {
            true => number("attention.key_length", MAX_WIDTH)?,
            false => width / heads,
        };
        let turned = match has("rope.dimension_count") {
            true => number("rope.dimension_count", head)?,
            false => head,
        };
        let is_even = turned % 2 == 0 && head % 2 == 0 && head > 0;
        if heads % key_heads != 0 || !is_even || heads * head > MAX_WIDTH {
            let what = format!("{heads} heads of {head} and {key_heads} of keys do not fit");
            return bad(what);
        }
        if has("attention.value_length") && number("attention.value_length", MAX_WIDTH)? != head {
            return bad("its keys and values are not of one length".to_owned());
        }
        let turn_base = gguf.float("llama.rope.freq_base").unwrap_or(10_000.0) as f32;
        let epsilon = gguf.float("llama.attention.layer_norm_rms_epsilon").unwrap_or(1e-5) as f32;
        if !(turn_base > 0.0 && turn_base.is_finite() && (0.0..1.0).contains(&epsilon)) {
            return bad(format!("{turn_base} and {epsilon} cannot be"));
        }
        Ok(Self {
            vocabulary,
            context: number("context_length", MAX_CONTEXT)?,
            layers: number("block_count", MAX_LAYERS)?,
            width,
            inner: number("feed_forward_length", MAX_WIDTH)?,
            heads,
            key_heads,
            head,
            turned,
            turn_base,
            epsilon,
        })
    }

    /// Numbers of a token's keys in a layer, and of its values.
    pub(super) fn key_width(&self) -> usize {
        self.key_heads * self.head
    }

    /// Bytes of memory that a token takes.
    pub(super) fn token_bytes(&self) -> u64 {
        (self.layers * self.key_width() * 2 * size_of::<f32>()) as u64
    }
}
