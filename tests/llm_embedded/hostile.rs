//! Files that are damaged or made to do harm: one sentence each, and nothing else.

use super::tiny::{self, Meta, Tiny};
use super::*;

/// What loading says, or talking when it loads.
fn sentence(tiny: &Tiny) -> String {
    let error = load(tiny.bytes())
        .and_then(|model| chat(&model, &request("hello", 4)).map(|_| ()))
        .expect_err("it must be refused");
    let text = error.to_string();
    assert!(!text.contains('\n') && text.len() < 400, "{text}");
    text
}

fn with(key: &str, value: Meta) -> Tiny {
    let mut tiny = Tiny::default();
    tiny.meta.insert(key.to_owned(), value);
    tiny
}

#[test]
fn measures_that_cannot_be_are_refused_by_name() {
    let int = |key: &str, n| with(&format!("llama.{key}"), Meta::Int(n));
    let cases = [
        (int("block_count", 0), "block_count is 0"),
        (int("block_count", u32::MAX), "block_count is 4294967295"),
        (int("block_count", 3), "no tensor blk.2.attn_norm.weight"),
        (int("context_length", 0), "context_length is 0"),
        (int("embedding_length", u32::MAX), "embedding_length is"),
        (int("embedding_length", 128), "token_embd.weight is of [64, 263]"),
        (int("feed_forward_length", 95), "ffn_gate.weight is of"),
        (int("attention.head_count", 0), "head_count is 0"),
        (int("attention.head_count", 3), "do not fit"),
        (int("attention.head_count_kv", 3), "do not fit"),
        (int("attention.head_count_kv", 5), "head_count_kv is 5"),
        (int("rope.dimension_count", 99), "dimension_count is 99"),
        (int("expert_count", 8), "experts"),
        (with("llama.rope.freq_base", Meta::Float(f32::NAN)), "cannot be"),
        (with("general.architecture", Meta::Text("gpt9".into())), "gpt9"),
        (with("general.alignment", Meta::Int(0)), "alignment of 0"),
    ];
    for (tiny, expected) in cases {
        let text = sentence(&tiny);
        assert!(text.contains(expected), "{text:?} lacks {expected:?}");
    }
}

#[test]
fn vocabularies_that_do_not_agree_are_refused() {
    let texts = |texts: &[&str]| Meta::Texts(texts.iter().map(|&text| text.to_owned()).collect());
    let cases = [
        (with("tokenizer.ggml.model", Meta::Text("llama".into())), "kind \"llama\""),
        (with("tokenizer.ggml.pre", Meta::Text("odd".into())), "\"odd\""),
        (with("tokenizer.ggml.tokens", texts(&[])), "0 tokens"),
        (with("tokenizer.ggml.tokens", texts(&["a", "a"])), "twice"),
        (with("tokenizer.ggml.merges", texts(&["ab"])), "no merge"),
        (with("tokenizer.ggml.merges", texts(&["zz yy"])), "vocabulary"),
        (with("tokenizer.chat_template", Meta::Text("{% for".into())), "chat template"),
        (with("tokenizer.chat_template", Meta::Text("{{ 'a' * 99999999 }}".into())), "fuel"),
        (with("tokenizer.chat_template", Meta::Text(String::new())), "makes nothing"),
    ];
    for (tiny, expected) in cases {
        let text = sentence(&tiny);
        assert!(text.contains(expected), "{text:?} lacks {expected:?}");
    }
}

#[test]
fn a_tensor_that_is_missing_or_of_another_shape_is_named() {
    let names = ["token_embd", "output_norm", "blk.0.attn_q", "blk.1.ffn_down"];
    for name in names {
        for shape in [None, Some(vec![32]), Some(vec![32, 1, 1])] {
            let mut tiny = Tiny::default();
            tiny.shapes.insert(name.to_owned(), shape);
            let text = sentence(&tiny);
            assert!(text.contains(name), "{text}");
        }
    }
}

#[test]
fn numbers_that_are_none_end_the_answer() {
    for first in [f32::NAN, f32::INFINITY] {
        let text = sentence(&Tiny { first: Some(first), ..Tiny::default() });
        assert!(text.contains("weights are damaged"), "{text}");
    }
}

#[test]
fn a_file_that_ends_early_is_refused_wherever_it_ends() {
    let bytes = Tiny { kind: tiny::Q4_1, ..Tiny::default() }.bytes();
    for part in 0..40 {
        let cut = bytes.len() * part / 40;
        assert!(load(bytes[..cut].to_vec()).is_err(), "{cut} of {}", bytes.len());
    }
}

#[test]
fn flipped_bytes_of_the_head_do_no_harm() {
    let good = Tiny { kind: tiny::Q4_1, ..Tiny::default() }.bytes();
    let mut state = 1_u32;
    for _ in 0..400 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let mut bytes = good.clone();
        // The head has some 10,000 bytes, most of them tokens.
        bytes[(state >> 4) as usize % 12_000] ^= 1 << (state >> 29);
        // Many still are models; none may hang, abort or panic past the library.
        if let Ok(model) = load(bytes) {
            let _ = chat(&model, &request("hi", 2));
        }
    }
}

#[test]
fn a_model_beyond_the_budget_is_refused() {
    let tree = OneFile(Tiny::default().bytes());
    let error = Embedded::load(&tree, PATH, "m", 100_000).unwrap_err().to_string();
    assert!(error.contains("do not fit"), "{error}");
}

#[test]
fn what_is_no_file_is_said() {
    let tree = OneFile(Vec::new());
    let error = |path| Embedded::load(&tree, path, "m", DEFAULT_BUDGET).unwrap_err().to_string();
    assert!(error("/models/none.gguf").contains("there is no file /models/none.gguf"));
    assert!(error("/models").contains("is no file"));
}
