//! A language model of the llama family: from tokens to what may come next.

use std::sync::Arc;

use super::config::Config;
use super::weights::{Loader, Matrix};
use crate::llm::ChatError;

/// The weights.
pub(super) struct Llama {
    config: Config,
    embedding: Arc<Matrix>,
    layers: Vec<Layer>,
    norm: Vec<f32>,
    output: Arc<Matrix>,
    /// Turns of a pair of numbers from one place to the next.
    turns: Vec<f32>,
}

struct Layer {
    attention_norm: Vec<f32>,
    query: Matrix,
    key: Matrix,
    value: Matrix,
    attention: Matrix,
    norm: Vec<f32>,
    gate: Matrix,
    up: Matrix,
    down: Matrix,
}

/// Keys and values of the tokens that were read, for each layer.
#[derive(Debug, Default)]
pub(super) struct Memory {
    layers: Vec<(Vec<f32>, Vec<f32>)>,
}

impl Llama {
    /// Reads the weights.
    ///
    /// # Errors
    /// When a tensor is missing, of another shape, or cannot be read.
    pub(super) fn load(loader: &Loader<'_>, config: Config) -> Result<Self, ChatError> {
        let c = &config;
        let embedding = Arc::new(loader.matrix("token_embd.weight", c.vocabulary, c.width)?);
        let output = match loader.has("output.weight") {
            true => Arc::new(loader.matrix("output.weight", c.vocabulary, c.width)?),
            false => Arc::clone(&embedding),
        };
        let mut layers = Vec::new();
        for layer in 0..c.layers {
            layers.push(Layer::load(loader, c, layer)?);
        }
        let norm = loader.vector("output_norm.weight", c.width)?;
        let turns = turns(loader, c)?;
        Ok(Self { embedding, layers, norm, output, turns, config })
    }

    /// An empty memory.
    pub(super) fn memory(&self) -> Memory {
        Memory { layers: vec![Default::default(); self.layers.len()] }
    }

    /// Cuts a memory to the first `tokens` tokens.
    pub(super) fn forget(&self, memory: &mut Memory, tokens: usize) {
        for (keys, values) in &mut memory.layers {
            keys.truncate(tokens * self.config.key_width());
            values.truncate(tokens * self.config.key_width());
        }
    }

    /// Reads tokens behind those in the memory; gives how likely each token is to
    /// be the next, as logarithms.
    ///
    /// # Errors
    /// When computing fails.
    pub(super) fn read(&self, tokens: &[u32], memory: &mut Memory) -> Result<Vec<f32>, ChatError> {
        let width = self.config.width;
        let mut state = self.embedding.rows(tokens)?;
        for (layer, memory) in self.layers.iter().zip(&mut memory.layers) {
            let normed = self.normed(&state, &layer.attention_norm);
            let attention = self.attend(layer, &normed, memory)?;
            add(&mut state, &layer.attention.times(&attention)?);
            let normed = self.normed(&state, &layer.norm);
            let mut inner = layer.gate.times(&normed)?;
            let up = layer.up.times(&normed)?;
            for (x, up) in inner.iter_mut().zip(&up) {
                *x *= up / (1.0 + (-*x).exp());
            }
            add(&mut state, &layer.down.times(&inner)?);
        }
        let last = &state[state.len() - width..];
        self.output.times(&self.normed(last, &self.norm))
    }

    fn normed(&self, state: &[f32], weights: &[f32]) -> Vec<f32> {
        let mut normed = Vec::with_capacity(state.len());
        for vector in state.chunks_exact(weights.len()) {
            let mean = dot(vector, vector) / weights.len() as f32;
            let scale = 1.0 / (mean + self.config.epsilon).sqrt();
            normed.extend(vector.iter().zip(weights).map(|(x, weight)| x * scale * weight));
        }
        normed
    }

    fn attend(
        &self,
        layer: &Layer,
        state: &[f32],
        (keys, values): &mut (Vec<f32>, Vec<f32>),
    ) -> Result<Vec<f32>, ChatError> {
        let (head, key_width) = (self.config.head, self.config.key_width());
        let start = keys.len() / key_width;
        let mut queries = layer.query.times(state)?;
        let mut new = layer.key.times(state)?;
        self.turn(&mut queries, self.config.heads * head, start);
        self.turn(&mut new, key_width, start);
        keys.extend_from_slice(&new);
        values.extend_from_slice(&layer.value.times(state)?);
        let width = self.config.heads * head;
        let mut result = vec![0.0; queries.len()];
        let (keys, values) = (keys.as_slice(), values.as_slice());
        let one = |at: usize, result: &mut [f32]| {
            let seen = (start + at + 1) * key_width;
            let query = &queries[at * width..][..width];
            self.attend_one(query, &keys[..seen], &values[..seen], result);
        };
        each_row(&mut result, width, &one);
        Ok(result)
    }

    /// What one token takes from all before it and itself.
    fn attend_one(&self, query: &[f32], keys: &[f32], values: &[f32], result: &mut [f32]) {
        let (head, key_width) = (self.config.head, self.config.key_width());
        let group = self.config.heads / self.config.key_heads;
        let scale = 1.0 / (head as f32).sqrt();
        let mut parts = vec![0.0_f32; keys.len() / key_width];
        let heads = query.chunks_exact(head).zip(result.chunks_exact_mut(head));
        for (at, (query, result)) in heads.enumerate() {
            let from = at / group * head;
            for (part, key) in parts.iter_mut().zip(keys.chunks_exact(key_width)) {
                *part = dot(query, &key[from..from + head]) * scale;
            }
            let most = parts.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let mut sum = 0.0;
            for part in &mut parts {
                *part = (*part - most).exp();
                sum += *part;
            }
            for (part, value) in parts.iter().zip(values.chunks_exact(key_width)) {
                for (x, value) in result.iter_mut().zip(&value[from..from + head]) {
                    *x += part / sum * value;
                }
            }
        }
    }

    /// Turns the pairs of numbers of each head by where its token stands.
    fn turn(&self, vectors: &mut [f32], width: usize, start: usize) {
        for (place, vector) in (start..).zip(vectors.chunks_exact_mut(width)) {
            let turns: Vec<_> =
                self.turns.iter().map(|turn| (place as f32 * turn).sin_cos()).collect();
            for head in vector.chunks_exact_mut(self.config.head) {
                for (pair, (sin, cos)) in head.chunks_exact_mut(2).zip(&turns) {
                    let (a, b) = (pair[0], pair[1]);
                    pair[0] = a * cos - b * sin;
                    pair[1] = a * sin + b * cos;
                }
            }
        }
    }
}

impl Layer {
    fn load(loader: &Loader<'_>, c: &Config, layer: usize) -> Result<Self, ChatError> {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        let (query, key) = (c.heads * c.head, c.key_width());
        Ok(Self {
            attention_norm: loader.vector(&name("attn_norm"), c.width)?,
            query: loader.matrix(&name("attn_q"), query, c.width)?,
            key: loader.matrix(&name("attn_k"), key, c.width)?,
            value: loader.matrix(&name("attn_v"), key, c.width)?,
            attention: loader.matrix(&name("attn_output"), c.width, query)?,
            norm: loader.vector(&name("ffn_norm"), c.width)?,
            gate: loader.matrix(&name("ffn_gate"), c.inner, c.width)?,
            up: loader.matrix(&name("ffn_up"), c.inner, c.width)?,
            down: loader.matrix(&name("ffn_down"), c.width, c.inner)?,
        })
    }
}

/// How far each pair turns from one token to the next.
fn turns(loader: &Loader<'_>, c: &Config) -> Result<Vec<f32>, ChatError> {
    let pairs = c.turned / 2;
    let mut turns: Vec<f32> =
        (0..pairs).map(|pair| c.turn_base.powf(-2.0 * pair as f32 / c.turned as f32)).collect();
    if loader.has("rope_freqs.weight") {
        let slower = loader.vector("rope_freqs.weight", pairs)?;
        for (turn, slower) in turns.iter_mut().zip(slower) {
            *turn /= slower;
        }
    }
    Ok(turns)
}

/// Calls `one` for each row, on both sides of the middle at once if there are many.
fn each_row(result: &mut [f32], width: usize, one: &(dyn Fn(usize, &mut [f32]) + Sync)) {
    let rows = result.len() / width;
    let threads = match rows {
        0..8 => 1,
        _ => std::thread::available_parallelism().map_or(1, usize::from).min(16),
    };
    let run = |first: usize, part: &mut [f32]| {
        for (at, row) in part.chunks_exact_mut(width).enumerate() {
            one(first + at, row);
        }
    };
    if threads == 1 {
        return run(0, result);
    }
    let each = rows.div_ceil(threads);
    std::thread::scope(|scope| {
        for (part, rows) in result.chunks_mut(each * width).enumerate() {
            scope.spawn(move || run(part * each, rows));
        }
    });
}

fn add(state: &mut [f32], more: &[f32]) {
    for (x, more) in state.iter_mut().zip(more) {
        *x += more;
    }
}

/// The product of two vectors, eight sums at a time: the order of one sum would
/// keep the processor from doing several at once.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}
