//! What happens, for all windows: tiles that change, whoever changes them.

use std::sync::Arc;

use axum::extract::State;
use serde_json::{Value, json};
use tokio::sync::broadcast::{self, error::RecvError};

use super::desk::Shared;
use super::reply::{Reply, stream};
use super::tiles::summary;
use crate::map::{Coord, MapState};

/// Events that may wait for a slow window; one that misses some reads all anew.
const WAITING: usize = 1024;
/// Tiles that are told one by one; of more, windows read all anew.
const MOST_TILES: usize = 256;
/// A window that hears nothing for so long is told that there is nothing.
const SILENCE: std::time::Duration = std::time::Duration::from_secs(15);

/// Sends events to all windows.
#[derive(Debug)]
pub(super) struct Events(broadcast::Sender<Value>);

impl Default for Events {
    fn default() -> Self {
        Self(broadcast::channel(WAITING).0)
    }
}

impl Events {
    pub(super) fn send(&self, event: Value) {
        // Nobody listens: nobody misses it.
        let _ = self.0.send(event);
    }
}

impl Shared {
    /// Tells all windows how a tile is now.
    pub(super) fn tile_changed(&self, coord: Coord) {
        let tile = self.desk.map.tile(coord);
        let answering = self.turns.is_answering(coord);
        let mut event = summary(coord, &tile, answering);
        event["type"] = "tile".into();
        self.events.send(event);
    }

    /// Takes up what other processes did to the map.
    pub(super) fn refresh(&self) {
        let before = self.desk.map.state();
        match self.desk.map.refresh() {
            Ok(false) => {}
            Ok(true) => self.tell_changes(&before, &self.desk.map.state()),
            Err(error) => log::warn!("{error}"),
        }
    }

    fn tell_changes(&self, before: &MapState, after: &MapState) {
        let is_new = |coord: &Coord| match (before.tiles().get(coord), after.tiles().get(coord)) {
            (Some(old), Some(new)) => !Arc::ptr_eq(old, new) && old.revision != new.revision,
            (old, new) => old.is_some() != new.is_some(),
        };
        let is_gone = before.tiles().keys().any(|coord| !after.tiles().contains_key(coord));
        let changed: Vec<Coord> = after.tiles().keys().copied().filter(is_new).collect();
        if is_gone || changed.len() > MOST_TILES {
            return self.events.send(json!({"type": "map"}));
        }
        for coord in changed {
            self.tile_changed(coord);
        }
    }
}

/// `GET /api/events`: a stream that ends with the shell.
pub(super) async fn listen(State(shared): State<Arc<Shared>>) -> Reply {
    let (lines, response) = stream();
    let mut events = shared.events.0.subscribe();
    // The task must not keep alive what ends the stream.
    drop(shared);
    tokio::spawn(async move {
        loop {
            let event = tokio::select! {
                event = tokio::time::timeout(SILENCE, events.recv()) => event,
                () = lines.closed() => return,
            };
            let event = match event {
                Err(_) => json!({"type": "quiet"}),
                Ok(Ok(event)) => event,
                Ok(Err(RecvError::Lagged(_))) => json!({"type": "map"}),
                Ok(Err(RecvError::Closed)) => return,
            };
            if !lines.send(&event).await {
                return;
            }
        }
    });
    Ok(response)
}
