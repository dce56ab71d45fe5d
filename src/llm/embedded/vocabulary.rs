//! From text to tokens and back, by the vocabulary that lies in the model file.
//!
//! Byte-pair encoding of bytes, as GPT-2 has it; the encoder is the crate
//! tokenizers. What is checked here is what the file says: that every token is
//! there once and can be put back into bytes.

use std::collections::{BTreeSet, HashMap};

use tokenizers::Tokenizer;
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;

use super::template::Part;
use crate::llm::ChatError;
use crate::llm::gguf::Gguf;

/// Tokens of a vocabulary; the largest in use has 256,000.
const MAX_TOKENS: usize = 1 << 20;
/// Types of tokens, by the codes of the format.
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
/// Tokens that end an answer whatever the file says of them.
const ENDS: [&str; 7] = [
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<|end|>",
    "<end_of_turn>",
    "</s>",
];

/// A vocabulary.
pub(super) struct Vocabulary {
    encoder: Tokenizer,
    /// The bytes of each token; none of those that are never shown.
    bytes: Vec<Vec<u8>>,
    /// Tokens that stand for themselves in a text, longest first.
    special: Vec<(String, u32)>,
    ends: BTreeSet<u32>,
    first: Option<u32>,
    longest: usize,
    bos: String,
    eos: String,
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vocabulary").field("tokens", &self.bytes.len()).finish_non_exhaustive()
    }
}

fn bad(what: impl Into<String>) -> ChatError {
    ChatError::Embedded(what.into())
}

impl Vocabulary {
    /// The vocabulary of a file.
    ///
    /// # Errors
    /// When it is of a kind that is not known, or does not agree with itself.
    pub(super) fn new(gguf: &Gguf) -> Result<Self, ChatError> {
        let kind = gguf.text("tokenizer.ggml.model").unwrap_or("none");
        if kind != "gpt2" {
            return Err(bad(format!("its vocabulary is of the kind {kind:?}; only gpt2 is known")));
        }
        let tokens = gguf
            .texts("tokenizer.ggml.tokens")
            .ok_or_else(|| bad("it has no vocabulary (tokenizer.ggml.tokens)"))?;
        if tokens.is_empty() || tokens.len() > MAX_TOKENS {
            return Err(bad(format!("a vocabulary of {} tokens cannot be", tokens.len())));
        }
        let types = gguf.ints("tokenizer.ggml.token_type").unwrap_or_default();
        let special = special_of(tokens, types);
        let bytes: Vec<_> = tokens
            .iter()
            .enumerate()
            .map(|(id, token)| shown(token, types.get(id).copied().unwrap_or(1)))
            .collect();
        let id = |key: &str| {
            let id = gguf.int::<u32>(key)?;
            tokens.get(id as usize).map(|token| (id, token.clone()))
        };
        let (bos, eos) = (id("tokenizer.ggml.bos_token_id"), id("tokenizer.ggml.eos_token_id"));
        let named = special.iter().filter(|(token, _)| ENDS.contains(&token.as_str()));
        let mut ends: BTreeSet<u32> = named.map(|(_, id)| *id).collect();
        ends.extend(eos.iter().chain(&id("tokenizer.ggml.eot_token_id")).map(|(id, _)| *id));
        let adds_first = gguf.flag("tokenizer.ggml.add_bos_token").unwrap_or(false);
        Ok(Self {
            encoder: encoder(gguf, tokens)?,
            longest: tokens.iter().map(String::len).max().unwrap_or(1),
            bytes,
            special,
            ends,
            first: bos.as_ref().map(|(id, _)| *id).filter(|_| adds_first),
            bos: bos.map(|(_, token)| token).unwrap_or_default(),
            eos: eos.map(|(_, token)| token).unwrap_or_default(),
        })
    }

    /// Tokens that there are.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The token before a text, and the one behind it, as texts.
    pub(super) fn marks(&self) -> (&str, &str) {
        (&self.bos, &self.eos)
    }

    /// Whether the answer ends with this token.
    pub(super) fn is_end(&self, token: u32) -> bool {
        self.ends.contains(&token)
    }

    /// What a token adds to a text.
    pub(super) fn bytes(&self, token: u32) -> &[u8] {
        self.bytes.get(token as usize).map_or(&[], Vec::as_slice)
    }

    /// The tokens of a prompt, if there may be `limit` of them.
    ///
    /// # Errors
    /// [`ChatError::TooLong`] when there are more.
    pub(super) fn encode(&self, parts: &[Part<'_>], limit: usize) -> Result<Vec<u32>, ChatError> {
        let text = |part: &Part<'_>| match part {
            Part::Frame(text) => text.len(),
            Part::Said(text) => text.len(),
        };
        // Seen before anything is encoded: no token has more bytes than the longest.
        let bytes: usize = parts.iter().map(text).sum();
        if bytes / self.longest > limit {
            return Err(too_long(&format!("{bytes} bytes"), limit));
        }
        let mut tokens: Vec<u32> = Vec::new();
        // What is said goes to the encoder together with the plain text around it.
        let mut plain = String::new();
        for part in parts {
            match part {
                Part::Said(text) => plain.push_str(text),
                Part::Frame(frame) => {
                    let mut rest = frame.as_str();
                    while let Some((at, (name, id))) = self.next_special(rest) {
                        plain.push_str(&rest[..at]);
                        self.encode_plain(&plain, &mut tokens)?;
                        plain.clear();
                        tokens.push(*id);
                        rest = &rest[at + name.len()..];
                    }
                    plain.push_str(rest);
                }
            }
        }
        self.encode_plain(&plain, &mut tokens)?;
        if let Some(first) = self.first.filter(|first| tokens.first() != Some(first)) {
            tokens.insert(0, first);
        }
        if tokens.len() > limit {
            return Err(too_long(&format!("{} tokens", tokens.len()), limit));
        }
        Ok(tokens)
    }

    fn next_special<'t>(&'t self, text: &str) -> Option<(usize, &'t (String, u32))> {
        let found = self.special.iter().filter_map(|entry| Some((text.find(&entry.0)?, entry)));
        // The first, and of those at one place the longest.
        found.min_by_key(|(at, (name, _))| (*at, usize::MAX - name.len()))
    }

    fn encode_plain(&self, text: &str, tokens: &mut Vec<u32>) -> Result<(), ChatError> {
        if !text.is_empty() {
            let encoded = self.encoder.encode_fast(text, false);
            tokens.extend(
                encoded.map_err(|error| bad(format!("its vocabulary: {error}")))?.get_ids(),
            );
        }
        Ok(())
    }
}

fn too_long(what: &str, limit: usize) -> ChatError {
    ChatError::TooLong(format!("{what}, and there is room for {limit} tokens"))
}

fn special_of(tokens: &[String], types: &[i64]) -> Vec<(String, u32)> {
    let found = (0_u32..).zip(tokens).zip(types).filter_map(|((id, token), kind)| {
        let is_special = matches!(*kind, CONTROL | USER_DEFINED) && !token.is_empty();
        is_special.then(|| (token.clone(), id))
    });
    found.collect()
}

/// The bytes that a token adds to a text.
fn shown(token: &str, kind: i64) -> Vec<u8> {
    match kind {
        CONTROL => Vec::new(),
        USER_DEFINED => token.as_bytes().to_vec(),
        _ => {
            let bytes: Option<Vec<u8>> = token.chars().map(byte_of).collect();
            bytes.unwrap_or_else(|| token.as_bytes().to_vec())
        }
    }
}

/// The byte that a character of a token stands for: printable ones for themselves,
/// the others, in order, are written from U+0100 on.
fn byte_of(c: char) -> Option<u8> {
    match u32::from(c) {
        code @ (0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF) => u8::try_from(code).ok(),
        code @ 0x100..=0x120 => u8::try_from(code - 0x100).ok(),
        code @ 0x121..=0x142 => u8::try_from(code - 0x121 + 0x7F).ok(),
        0x143 => Some(0xAD),
        _ => None,
    }
}

fn encoder(gguf: &Gguf, tokens: &[String]) -> Result<Tokenizer, ChatError> {
    let merges = gguf
        .texts("tokenizer.ggml.merges")
        .ok_or_else(|| bad("it has no merges (tokenizer.ggml.merges)"))?;
    let mut ids = HashMap::new();
    for (id, token) in (0_u32..).zip(tokens) {
        if ids.insert(token.clone(), id).is_some() {
            return Err(bad(format!("the token {token:?} is there twice")));
        }
    }
    let mut pairs = Vec::new();
    for merge in merges {
        let pair = merge.split_once(' ').ok_or_else(|| bad(format!("{merge:?} is no merge")))?;
        pairs.push((pair.0.to_owned(), pair.1.to_owned()));
    }
    let model = BPE::builder()
        .vocab_and_merges(ids.into_iter().collect::<tokenizers::models::bpe::Vocab>(), pairs)
        .build()
        .map_err(|error| bad(format!("its vocabulary: {error}")))?;
    let mut encoder = Tokenizer::new(model);
    let pre = gguf.text("tokenizer.ggml.pre").unwrap_or("none");
    encoder.with_pre_tokenizer(Some(words(pre)?));
    Ok(encoder)
}

/// How a text is cut into the words that are encoded each for itself.
fn words(pre: &str) -> Result<PreTokenizerWrapper, ChatError> {
    let gpt2 = ByteLevel::new(false, false, true);
    match pre {
        "gpt-2" | "gpt2" => Ok(gpt2.into()),
        // The same, with each digit a word of its own.
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" => {
            Ok(Sequence::new(vec![Digits::new(true).into(), gpt2.into()]).into())
        }
        other => Err(bad(format!("its vocabulary cuts words as {other:?}, which is not known"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_character() {
        let mut bytes: Vec<u8> =
            (0..0x200).filter_map(char::from_u32).filter_map(byte_of).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
        assert_eq!(byte_of('\u{120}'), Some(b' '));
        assert_eq!(byte_of('\u{10A}'), Some(b'\n'));
    }
}
