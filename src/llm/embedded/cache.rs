//! Models that this process has loaded: each once, as long as somebody uses it, and
//! the last one until there is another, for those who come back with every message.
//!
//! A file is known by the SHA-256 of its bytes, which is computed here and not
//! believed: a tree that lies about a file gets at most a model that it does not
//! have. Of a tree that says none nothing is kept.

use std::io::{self, Read};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use super::Model;
use super::source::TreeFile;
use crate::llm::ChatError;

static CACHE: Mutex<Cache> = Mutex::new(Cache { loaded: Vec::new(), last: None });

struct Cache {
    loaded: Vec<Loaded>,
    /// Here only to be kept.
    last: Option<Arc<Model>>,
}

struct Loaded {
    digest: [u8; 32],
    budget: u64,
    model: Weak<Model>,
}

/// The model of a file, loaded if it is not there.
///
/// # Errors
/// Those of loading.
pub(super) fn get(
    file: &TreeFile<'_>,
    budget: u64,
    load: impl FnOnce() -> Result<Model, ChatError>,
) -> Result<Arc<Model>, ChatError> {
    let Some(claimed) = file.claimed_digest() else {
        return Ok(Arc::new(load()?));
    };
    // Held while loading: who asks for the same model waits for it.
    let mut cache = CACHE.lock();
    let is_it = |entry: &&Loaded| entry.digest == claimed && entry.budget == budget;
    let known = cache.loaded.iter().find(is_it).and_then(|entry| entry.model.upgrade());
    if let Some(model) = known {
        cache.last.replace(Arc::clone(&model));
        return Ok(model);
    }
    // Not both in memory, if nobody else uses the old one.
    drop(cache.last.take());
    cache.loaded.retain(|entry| entry.model.strong_count() > 0);
    let model = Arc::new(load()?);
    let digest = digest(file)
        .map_err(|error| ChatError::Embedded(format!("its file cannot be read: {error}")))?;
    cache.loaded.push(Loaded { digest, budget, model: Arc::downgrade(&model) });
    cache.last.replace(Arc::clone(&model));
    Ok(model)
}

fn digest(file: &TreeFile<'_>) -> io::Result<[u8; 32]> {
    let (mut file, mut hash, mut buf) = (file.clone(), Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buf)? {
            0 => return Ok(hash.finalize().into()),
            read => hash.update(&buf[..read]),
        }
    }
}
