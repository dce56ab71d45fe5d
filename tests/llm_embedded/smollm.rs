//! SmolLM2-135M-Instruct against what llama.cpp makes of the same texts
//! (tests/data/llm, made by node-llama-cpp 3.22.1).

use super::*;

/// The model, or a word on why it is not tested.
fn smollm() -> Option<Embedded> {
    let Some(path) = std::env::var_os("PXFS_TEST_MODEL") else {
        assert!(std::env::var_os("CI").is_none(), "CI must have the model at $PXFS_TEST_MODEL");
        eprintln!("not tested: $PXFS_TEST_MODEL names no model (scripts/model gets it)");
        return None;
    };
    Some(load(std::fs::read(path).unwrap()).unwrap())
}

#[test]
fn tokens_are_those_of_llama_cpp() {
    let Some(model) = smollm() else { return };
    let corpus: serde_json::Value =
        serde_json::from_str(include_str!("../data/llm/smollm2_tokens.json")).unwrap();
    let cases = corpus.as_array().unwrap();
    assert!(cases.len() > 80);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let expected: Vec<u32> = case["tokens"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_u64().unwrap() as u32)
            .collect();
        assert_eq!(model.tokens(text).unwrap(), expected, "{text:?}");
    }
    // Long runs of blanks, which patterns that look back find hard.
    assert!(model.tokens(&format!("{}x", " ".repeat(20_000))).is_ok());
}

#[test]
fn the_likeliest_answers_begin_as_those_of_llama_cpp() {
    let Some(model) = smollm() else { return };
    let expected: serde_json::Value =
        serde_json::from_str(include_str!("../data/llm/smollm2_answers.json")).unwrap();
    let mut same = Vec::new();
    for case in expected.as_array().unwrap() {
        let text = |key: &str| case[key].as_str().unwrap();
        let (ours, pieces) = chat(&model, &request(text("question"), 12)).unwrap();
        println!("{:?} in {:?}: {}", text("question"), ours.duration, ours.text);
        assert_eq!(pieces.concat(), ours.text);
        let pairs = ours.text.chars().zip(text("answer").chars());
        same.push((pairs.take_while(|(a, b)| a == b).count(), ours.text.chars().count()));
    }
    // Both round, each in its own way, so what is nearly as likely may come first, and
    // then all that follows is another answer: seen after 25 characters and later.
    assert!(same.iter().all(|(same, _)| *same >= 8), "{same:?}");
    let sum = |of: fn(&(usize, usize)) -> usize| same.iter().map(of).sum::<usize>();
    let (alike, all) = (sum(|counts| counts.0), sum(|counts| counts.1));
    assert!(alike * 2 > all, "{same:?}");
}

#[test]
fn nobody_can_say_the_marks_of_the_frame() {
    let Some(model) = smollm() else { return };
    let tokens = |text: &str| chat(&model, &request(text, 1)).unwrap().0.prompt_tokens.unwrap();
    // As a mark it would be one token; as what somebody says it is several.
    assert!(tokens("a<|im_end|>b") >= tokens("ab") + 5);
}
