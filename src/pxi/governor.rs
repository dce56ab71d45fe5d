//! What programs may do: the policy, which can only be narrowed, and the count
//! of model calls that it limits.
//!
//! The machine asks here before it asks the host, so a call that is forbidden
//! never leaves it.

use std::collections::VecDeque;

use serde::Deserialize;

use crate::pxi::host::Files;
use crate::pxi::isa::calls::{self, CallError};

/// Milliseconds in which model calls are counted.
const MINUTE: u64 = 60_000;
/// Bytes of a policy's text.
pub const MAX_POLICY: usize = 1 << 16;
/// Model calls of one boot, whatever the policies say: each may take minutes,
/// and fuel does not bound them.
const MAX_MODEL_CALLS: u32 = 1000;
/// Times that paths or models may be narrowed; each is kept.
const MAX_LISTS: usize = 64;

/// A policy as a program or a file states it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// System calls that are forbidden, by name.
    #[serde(default)]
    pub deny: Vec<String>,
    /// Model calls (LLM, ORACLE, SYS_LLM) in any minute, at most.
    #[serde(default)]
    pub llm_per_minute: Option<u32>,
    /// Models that may be asked: names of cartridges, paths of weights, ids as
    /// 0x0123ABCD. No other may.
    #[serde(default)]
    pub llm_models: Option<Vec<String>>,
    /// Bytes of a prompt, at most.
    #[serde(default)]
    pub llm_prompt_bytes: Option<u32>,
    /// Tokens of one answer, at most.
    #[serde(default)]
    pub llm_answer_tokens: Option<u32>,
    /// Tokens of all answers of the boot together, at most.
    #[serde(default)]
    pub llm_tokens: Option<u64>,
    /// Directories and files that may be seen; nothing else may.
    #[serde(default)]
    pub paths: Option<Vec<String>>,
    /// Whether contents may be read by their ids although `paths` is given.
    #[serde(default)]
    pub ids: bool,
}

/// Why a text is no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Not JSON, or fields that are not known or of another type.
    #[error("policy: {0}")]
    Json(#[from] serde_json::Error),
    /// Longer than any policy.
    #[error("policy: longer than {MAX_POLICY} bytes")]
    TooLong,
    /// No such system call.
    #[error("policy: no system call {0:?}")]
    Call(String),
    /// A path that is not one.
    #[error("policy: {0:?} is no clean path from the root")]
    Path(String),
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`PolicyError`] for anything that is not understood whole: a policy that
    /// is half understood protects from nothing.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > MAX_POLICY {
            return Err(PolicyError::TooLong);
        }
        // By way of an object: serde would take a list for the fields in their order.
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)?;
        let policy: Self = serde_json::from_value(object.into())?;
        for name in &policy.deny {
            if calls::by_name(name).is_none() {
                return Err(PolicyError::Call(name.clone()));
            }
        }
        for path in policy.paths.iter().flatten() {
            if clean(path).is_none_or(|clean| clean != *path) {
                return Err(PolicyError::Path(path.clone()));
            }
        }
        Ok(policy)
    }
}

/// The path with single slashes and without `.`, `..` and a slash behind;
/// `None` if it does not begin at the root or leads above it.
pub fn clean(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.strip_prefix('/')?.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

/// All that was narrowed so far, and the model calls of the last minute.
#[derive(Debug, Clone, Default)]
pub struct Governor {
    /// Bit n: call n is forbidden.
    denied: u64,
    llm_per_minute: Option<u32>,
    /// A model must be in each of them.
    models: Vec<Vec<String>>,
    prompt_bytes: Option<u32>,
    answer_tokens: Option<u32>,
    tokens: Option<u64>,
    /// Of the whole boot.
    tokens_made: u64,
    /// A path must lie within each of them.
    paths: Vec<Vec<String>>,
    ids_denied: bool,
    model_calls: VecDeque<u64>,
    /// Of the whole boot.
    model_calls_made: u32,
    /// Whether the outermost program is free: a boot kernel is, what it runs is not.
    kernel: bool,
}

impl Governor {
    /// A governor that leaves the outermost program alone.
    pub fn for_kernel() -> Self {
        Self { kernel: true, ..Self::default() }
    }

    /// Forbids more. Nothing that was forbidden is allowed again.
    ///
    /// # Errors
    /// [`CallError::NoRoom`] after too many times.
    pub fn narrow(&mut self, policy: &Policy) -> Result<(), CallError> {
        let is_full = |has: bool, lists: &Vec<Vec<String>>| has && lists.len() >= MAX_LISTS;
        if is_full(policy.paths.is_some(), &self.paths)
            || is_full(policy.llm_models.is_some(), &self.models)
        {
            return Err(CallError::NoRoom);
        }
        for call in policy.deny.iter().filter_map(|name| calls::by_name(name)) {
            self.denied |= 1 << call.number;
        }
        lower(&mut self.llm_per_minute, policy.llm_per_minute);
        lower(&mut self.prompt_bytes, policy.llm_prompt_bytes);
        lower(&mut self.answer_tokens, policy.llm_answer_tokens);
        lower(&mut self.tokens, policy.llm_tokens);
        self.models.extend(policy.llm_models.clone());
        if let Some(paths) = &policy.paths {
            self.paths.push(paths.clone());
            self.ids_denied |= !policy.ids;
        }
        Ok(())
    }

    fn applies(&self, depth: usize) -> bool {
        depth > 0 || !self.kernel
    }

    /// Whether a program at that depth may make a call.
    pub(super) fn permits(&self, depth: usize, number: u16) -> Result<(), CallError> {
        let is_denied = number < 64 && self.denied >> number & 1 == 1;
        if self.applies(depth) && is_denied { Err(CallError::Denied) } else { Ok(()) }
    }

    /// Whether paths are limited for it at all.
    fn limits_paths(&self, depth: usize) -> bool {
        self.applies(depth) && !self.paths.is_empty()
    }

    /// Whether it may see a path, which is clean.
    fn permits_path(&self, depth: usize, path: &str) -> Result<(), CallError> {
        let inside = |list: &Vec<String>| list.iter().any(|prefix| lies_in(path, prefix));
        if !self.applies(depth) || self.paths.iter().all(inside) {
            return Ok(());
        }
        Err(CallError::Denied)
    }

    /// Whether a program at that depth may see a file, links followed.
    ///
    /// # Errors
    /// [`CallError::Denied`]; when there is nothing of that path.
    pub fn permits_file(
        &self,
        depth: usize,
        files: &dyn Files,
        path: &str,
    ) -> Result<(), CallError> {
        if !self.limits_paths(depth) {
            return Ok(());
        }
        // As it is written first: whether something is there is already an answer.
        self.permits_path(depth, &clean(path).ok_or(CallError::Denied)?)?;
        self.permits_path(depth, &files.canonical(path)?)
    }

    /// Whether it may read contents by their ids.
    pub(super) fn permits_ids(&self, depth: usize) -> Result<(), CallError> {
        if self.applies(depth) && self.ids_denied { Err(CallError::Denied) } else { Ok(()) }
    }

    /// Whether a prompt of so many bytes may be asked.
    pub(super) fn permits_prompt(&self, depth: usize, bytes: usize) -> Result<(), CallError> {
        match self.prompt_bytes.filter(|_| self.applies(depth)) {
            Some(limit) if bytes > limit as usize => Err(CallError::Denied),
            _ => Ok(()),
        }
    }

    /// Whether models are limited at all.
    pub(super) fn limits_models(&self, depth: usize) -> bool {
        self.applies(depth) && !self.models.is_empty()
    }

    /// Whether the model of an id, known by these names, may be asked.
    pub(super) fn permits_model(
        &self,
        depth: usize,
        model: u32,
        names: &[String],
    ) -> Result<(), CallError> {
        let id = format!("0x{model:08X}");
        let is_it =
            |name: &String| names.contains(name) || (model != 0 && name.eq_ignore_ascii_case(&id));
        let is_in = |list: &Vec<String>| list.iter().any(is_it);
        if !self.applies(depth) || self.models.iter().all(is_in) {
            return Ok(());
        }
        Err(CallError::Denied)
    }

    /// The tokens that an answer may have.
    pub(super) fn tokens(&self, depth: usize) -> Result<Option<u32>, CallError> {
        if !self.applies(depth) {
            return Ok(None);
        }
        let left = self.tokens.map(|limit| limit.saturating_sub(self.tokens_made));
        if left == Some(0) {
            return Err(CallError::RateLimited);
        }
        let left = left.map(|left| u32::try_from(left).unwrap_or(u32::MAX));
        Ok(self.answer_tokens.into_iter().chain(left).min())
    }

    /// Counts the tokens of an answer.
    pub(super) fn spend_tokens(&mut self, tokens: u64) {
        self.tokens_made = self.tokens_made.saturating_add(tokens);
    }

    /// Counts a model call at a time in milliseconds, if it may be made.
    pub(super) fn count_model_call(&mut self, depth: usize, now: u64) -> Result<(), CallError> {
        if self.model_calls_made >= MAX_MODEL_CALLS {
            return Err(CallError::RateLimited);
        }
        let Some(limit) = self.llm_per_minute.filter(|_| self.applies(depth)) else {
            self.model_calls_made += 1;
            return Ok(());
        };
        while self.model_calls.front().is_some_and(|then| now.saturating_sub(*then) >= MINUTE) {
            self.model_calls.pop_front();
        }
        if self.model_calls.len() >= limit as usize {
            return Err(CallError::RateLimited);
        }
        self.model_calls.push_back(now);
        self.model_calls_made += 1;
        Ok(())
    }
}

/// As lines for a person: what is forbidden, and to whom.
impl std::fmt::Display for Governor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.kernel {
            writeln!(f, "the outermost program is free")?;
        }
        let denied = calls::CALLS.iter().filter(|call| self.denied >> call.number & 1 == 1);
        let denied: Vec<_> = denied.map(|call| call.name).collect();
        let denied = if denied.is_empty() { "none".to_owned() } else { denied.join(", ") };
        write!(f, "forbidden calls: {denied}")?;
        if let Some(limit) = self.llm_per_minute {
            write!(f, "\nmodel calls a minute: {limit}, made {}", self.model_calls_made)?;
        }
        for list in &self.models {
            write!(f, "\nmodels only: {}", list.join(", "))?;
        }
        if let Some(limit) = self.prompt_bytes {
            write!(f, "\nbytes of a prompt: {limit}")?;
        }
        if let Some(limit) = self.answer_tokens {
            write!(f, "\ntokens of an answer: {limit}")?;
        }
        if let Some(limit) = self.tokens {
            write!(f, "\ntokens of all answers: {limit}, made {}", self.tokens_made)?;
        }
        for list in &self.paths {
            write!(f, "\npaths only in: {}", list.join(" "))?;
        }
        if self.ids_denied {
            write!(f, "\ncontents by id: forbidden")?;
        }
        Ok(())
    }
}

fn lower<T: Copy + Ord>(limit: &mut Option<T>, new: Option<T>) {
    *limit = limit.iter().chain(&new).min().copied();
}

fn lies_in(path: &str, prefix: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => rest.is_empty() || rest.starts_with('/') || prefix == "/",
        None => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn governor(text: &str) -> Governor {
        let mut governor = Governor::default();
        governor.narrow(&Policy::parse(text).unwrap()).unwrap();
        governor
    }

    #[test]
    fn a_policy_only_narrows() {
        let mut governor = governor(r#"{"deny": ["llm"], "llm_per_minute": 3, "paths": ["/a"]}"#);
        let wide = r#"{"llm_per_minute": 9, "paths": ["/"], "ids": true}"#;
        governor.narrow(&Policy::parse(wide).unwrap()).unwrap();
        assert_eq!(governor.permits(0, calls::LLM), Err(CallError::Denied));
        assert_eq!(governor.permits(0, calls::READ), Ok(()));
        assert_eq!(governor.permits_path(0, "/a/b"), Ok(()));
        assert_eq!(governor.permits_path(0, "/ab"), Err(CallError::Denied));
        assert_eq!(governor.permits_ids(0), Err(CallError::Denied));
        assert_eq!(governor.llm_per_minute, Some(3));
    }

    #[test]
    fn model_calls_are_counted_over_any_minute() {
        let mut governor = governor(r#"{"llm_per_minute": 2}"#);
        let mut ask = |now| governor.count_model_call(0, now).is_ok();
        let asked = [ask(0), ask(30_000), ask(59_999), ask(60_000), ask(60_001), ask(90_000)];
        assert_eq!(asked, [true, true, false, true, false, true]);
    }

    #[test]
    fn models_prompts_and_tokens_are_limited() {
        let mut governor = governor(r#"{"llm_models": ["small", "0x000000ab"], "llm_tokens": 10}"#);
        let wide = r#"{"llm_models": ["small", "other", "0x000000AB"], "llm_tokens": 99,
            "llm_prompt_bytes": 5, "llm_answer_tokens": 7}"#;
        governor.narrow(&Policy::parse(wide).unwrap()).unwrap();
        let names = |name: &str| vec![name.to_owned()];
        assert_eq!(governor.permits_model(0, 1, &names("small")), Ok(()));
        assert_eq!(governor.permits_model(0, 0xAB, &[]), Ok(()));
        assert_eq!(governor.permits_model(0, 1, &names("other")), Err(CallError::Denied));
        assert_eq!(governor.permits_model(0, 0, &[]), Err(CallError::Denied));
        assert_eq!(governor.permits_prompt(0, 5), Ok(()));
        assert_eq!(governor.permits_prompt(0, 6), Err(CallError::Denied));
        assert_eq!(governor.tokens(0), Ok(Some(7)));
        governor.spend_tokens(6);
        assert_eq!(governor.tokens(0), Ok(Some(4)));
        governor.spend_tokens(u64::MAX);
        assert_eq!(governor.tokens(0), Err(CallError::RateLimited));
    }

    #[test]
    fn what_is_not_understood_whole_is_refused() {
        let cases = [
            "",
            "[]",
            r#"{"denny": []}"#,
            r#"{"deny": ["fly"]}"#,
            r#"{"paths": ["a"]}"#,
            r#"{"paths": ["/a/../b"]}"#,
            r#"{"paths": ["/a/"]}"#,
            r#"{"llm_per_minute": -1}"#,
            r#"{"llm_models": "one"}"#,
            r#"{"llm_tokens": 1.5}"#,
        ];
        for text in cases {
            assert!(Policy::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn paths_are_made_clean() {
        let cases = [
            ("/", Some("/")),
            ("//a//b/", Some("/a/b")),
            ("/a/./../b", Some("/b")),
            ("/..", None),
            ("a", None),
            ("", None),
        ];
        for (path, expected) in cases {
            assert_eq!(clean(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn a_kernel_is_free_and_what_it_runs_is_not() {
        let mut governor = Governor::for_kernel();
        governor.narrow(&Policy::parse(r#"{"deny": ["READ"]}"#).unwrap()).unwrap();
        assert_eq!(governor.permits(0, calls::READ), Ok(()));
        assert_eq!(governor.permits(1, calls::READ), Err(CallError::Denied));
    }
}
