//! A model of the llama family with two layers and 290 tokens, written as GGUF.

use std::collections::BTreeMap;

/// Codes of the format.
pub(crate) const F32: u32 = 0;
pub(crate) const Q4_1: u32 = 3;
pub(crate) const Q8_0: u32 = 8;

/// Tokens that a conversation may have.
pub(crate) const CONTEXT: u64 = 128;

const WIDTH: usize = 64;
const INNER: usize = 96;
const KEYS: usize = 32;
const TEMPLATE: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' \
    + message['content'] + '<|im_end|>\n' }}{% endfor %}{{ '<|im_start|>assistant\n' }}";

pub(crate) enum Meta {
    Int(u32),
    Float(f32),
    Text(String),
    Texts(Vec<String>),
    Ints(Vec<i32>),
}

/// What is written; tests change it to damage it.
pub(crate) struct Tiny {
    pub(crate) kind: u32,
    /// Whether the end is the likeliest token always.
    pub(crate) all_end: bool,
    pub(crate) meta: BTreeMap<String, Meta>,
    /// Tensors that are left out, or are written with another shape.
    pub(crate) shapes: BTreeMap<String, Option<Vec<u64>>>,
    /// A value that stands in the first weight of each tensor.
    pub(crate) first: Option<f32>,
}

/// The character that a byte is written as.
fn char_of(byte: u8) -> char {
    let shown = matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..);
    let hidden = (0..byte).filter(|b| !matches!(b, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..)).count();
    let code = if shown { u32::from(byte) } else { 0x100 + hidden as u32 };
    char::from_u32(code).unwrap()
}

impl Default for Tiny {
    fn default() -> Self {
        let mut tokens: Vec<String> = (0..=255).map(|byte| char_of(byte).to_string()).collect();
        let merges: Vec<String> =
            ["h e", "l l", "he ll", "hell o", "\u{120} t"].map(String::from).into();
        tokens.extend(merges.iter().map(|merge| merge.replace(' ', "")));
        let end = tokens.len() as u32 + 1;
        tokens.extend(["<|im_start|>", "<|im_end|>"].map(String::from));
        let mut types = vec![1; tokens.len() - 2];
        types.extend([3, 3]);
        let int = |key: &str, n: u32| (format!("llama.{key}"), Meta::Int(n));
        let text = |key: &str, text: &str| (key.to_owned(), Meta::Text(text.to_owned()));
        let meta = [
            text("general.architecture", "llama"),
            text("tokenizer.ggml.model", "gpt2"),
            text("tokenizer.ggml.pre", "smollm"),
            text("tokenizer.chat_template", TEMPLATE),
            int("block_count", 2),
            int("context_length", CONTEXT as u32),
            int("embedding_length", WIDTH as u32),
            int("feed_forward_length", INNER as u32),
            int("attention.head_count", 4),
            int("attention.head_count_kv", 2),
            ("llama.rope.freq_base".to_owned(), Meta::Float(1e4)),
            ("llama.attention.layer_norm_rms_epsilon".to_owned(), Meta::Float(1e-5)),
            ("tokenizer.ggml.eos_token_id".to_owned(), Meta::Int(end)),
            ("tokenizer.ggml.token_type".to_owned(), Meta::Ints(types)),
            ("tokenizer.ggml.tokens".to_owned(), Meta::Texts(tokens)),
            ("tokenizer.ggml.merges".to_owned(), Meta::Texts(merges)),
        ];
        let (shapes, meta) = (BTreeMap::new(), meta.into_iter().collect());
        Self { kind: F32, all_end: false, meta, shapes, first: None }
    }
}

impl Tiny {
    fn vocabulary(&self) -> usize {
        match self.meta.get("tokenizer.ggml.tokens") {
            Some(Meta::Texts(tokens)) => tokens.len(),
            _ => 263,
        }
    }

    fn tensors(&self) -> Vec<(String, usize, usize)> {
        let mut tensors = vec![
            ("token_embd".to_owned(), self.vocabulary(), WIDTH),
            ("output_norm".to_owned(), 0, WIDTH),
        ];
        for layer in 0..2 {
            let parts = [
                ("attn_norm", 0, WIDTH),
                ("attn_q", WIDTH, WIDTH),
                ("attn_k", KEYS, WIDTH),
                ("attn_v", KEYS, WIDTH),
                ("attn_output", WIDTH, WIDTH),
                ("ffn_norm", 0, WIDTH),
                ("ffn_gate", INNER, WIDTH),
                ("ffn_up", INNER, WIDTH),
                ("ffn_down", WIDTH, INNER),
            ];
            tensors.extend(
                parts.map(|(name, rows, columns)| (format!("blk.{layer}.{name}"), rows, columns)),
            );
        }
        if self.all_end {
            tensors.push(("output".to_owned(), self.vocabulary(), WIDTH));
        }
        tensors
    }

    /// The file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let tensors: Vec<_> = self
            .tensors()
            .into_iter()
            .filter(|(name, ..)| !matches!(self.shapes.get(name), Some(None)))
            .collect();
        let mut head = b"GGUF\x03\0\0\0".to_vec();
        head.extend((tensors.len() as u64).to_le_bytes());
        head.extend((self.meta.len() as u64).to_le_bytes());
        for (key, value) in &self.meta {
            put_text(&mut head, key);
            let is_end = self.all_end && key == "tokenizer.ggml.eos_token_id";
            put_value(&mut head, if is_end { &Meta::Int(0) } else { value });
        }
        let mut data = Vec::new();
        for (name, rows, columns) in &tensors {
            let kind = if *rows == 0 { F32 } else { self.kind };
            let shape: Vec<u64> = match (self.shapes.get(name), rows) {
                (Some(Some(shape)), _) => shape.clone(),
                (_, 0) => vec![*columns as u64],
                (_, rows) => vec![*columns as u64, *rows as u64],
            };
            put_text(&mut head, &format!("{name}.weight"));
            head.extend((shape.len() as u32).to_le_bytes());
            head.extend(shape.iter().flat_map(|side| side.to_le_bytes()));
            head.extend(kind.to_le_bytes());
            head.extend((data.len() as u64).to_le_bytes());
            let mut weights = self.weights(name, rows.max(&1) * columns);
            if let Some(first) = self.first {
                weights[0] = first;
            }
            put_weights(&mut data, kind, &weights);
            data.resize(data.len().next_multiple_of(32), 0);
        }
        head.resize(head.len().next_multiple_of(32), 0);
        head.extend(data);
        head
    }

    /// Whole multiples of a step from -7 to 7 of them, by chance but always the same.
    fn weights(&self, name: &str, count: usize) -> Vec<f32> {
        if name.ends_with("norm") {
            return vec![1.0; count];
        }
        let mut state =
            name.bytes().fold(7_u32, |state, byte| state.wrapping_mul(31) + u32::from(byte));
        let mut weights: Vec<f32> = (0..count)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((state >> 20) % 15) as f32 / 64.0 - 7.0 / 64.0
            })
            .collect();
        if name == "output" {
            // All tokens are alike; of those the first is taken.
            weights.fill(0.0);
        }
        weights
    }
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

fn put_value(bytes: &mut Vec<u8>, value: &Meta) {
    match value {
        Meta::Int(n) => bytes.extend([4, *n].map(u32::to_le_bytes).concat()),
        Meta::Float(x) => bytes.extend([6, x.to_bits()].map(u32::to_le_bytes).concat()),
        Meta::Text(text) => {
            bytes.extend(8_u32.to_le_bytes());
            put_text(bytes, text);
        }
        Meta::Texts(texts) => {
            bytes.extend([9, 8].map(u32::to_le_bytes).concat());
            bytes.extend((texts.len() as u64).to_le_bytes());
            texts.iter().for_each(|text| put_text(bytes, text));
        }
        Meta::Ints(ints) => {
            bytes.extend([9, 5].map(u32::to_le_bytes).concat());
            bytes.extend((ints.len() as u64).to_le_bytes());
            bytes.extend(ints.iter().flat_map(|n| n.to_le_bytes()));
        }
    }
}

/// A half for a number that is one: a power of two or nothing, times at most 7.
fn half(x: f32) -> [u8; 2] {
    let bits = x.to_bits();
    let small = match x {
        0.0 => 0,
        _ => (bits >> 31 << 15) | (((bits >> 23 & 0xFF) - 112) << 10) | (bits >> 13 & 0x3FF),
    };
    (small as u16).to_le_bytes()
}

fn put_weights(bytes: &mut Vec<u8>, kind: u32, weights: &[f32]) {
    for block in weights.chunks(32) {
        let steps = block.iter().map(|weight| (weight * 64.0).round() as i8);
        match kind {
            Q4_1 => {
                let steps: Vec<u8> = steps.map(|step| (step + 7) as u8).collect();
                bytes.extend([half(1.0 / 64.0), half(-7.0 / 64.0)].concat());
                bytes.extend((0..16).map(|at| steps[at] | steps[at + 16] << 4));
            }
            Q8_0 => {
                bytes.extend(half(1.0 / 64.0));
                bytes.extend(steps.map(|step| step.cast_unsigned()));
            }
            _ => bytes.extend(block.iter().flat_map(|weight| weight.to_le_bytes())),
        }
    }
}
