//! The map as the page sees it: all tiles in short, one tile whole.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::read_json;
use super::desk::Shared;
use super::reply::{Fault, Reply, blocking, json_response};
use crate::map::{Change, Coord, Tile};

/// Characters of a tile's title and of its last message on the map.
const TITLE: usize = 60;
const LAST: usize = 140;

/// `GET /api/map`
pub(super) async fn all(State(shared): State<Arc<Shared>>) -> Reply {
    blocking(move || {
        shared.refresh();
        let map = &shared.desk.map;
        let state = map.state();
        let tiles: Vec<Value> = state
            .tiles()
            .iter()
            .filter(|(_, tile)| !tile.history.is_empty() || tile.model_id.is_some())
            .map(|(coord, tile)| summary(*coord, tile, shared.turns.is_answering(*coord)))
            .collect();
        let findings: Vec<Value> = state
            .findings()
            .iter()
            .map(|found| json!({"key": found.key, "why": found.why}))
            .collect();
        let value = json!({"tiles": tiles, "findings": findings, "read_only": map.read_only()});
        Ok(json_response(&value))
    })
    .await
}

/// A tile in short.
pub(super) fn summary(coord: Coord, tile: &Tile, answering: bool) -> Value {
    let mut messages = tile.messages();
    let title = messages.find(|(role, _)| *role == "user").map(|(_, text)| short(text, TITLE));
    let last = tile.messages().last();
    json!({
        "x": coord.x,
        "y": coord.y,
        "count": tile.messages().count(),
        "revision": tile.revision,
        "model": tile.model_id,
        "title": title,
        "last": last.map(|(_, text)| short(text, LAST)),
        "last_role": last.map(|(role, _)| role),
        "open": tile.open_question().is_some(),
        "answering": answering,
    })
}

/// The first characters of a text, in one line.
fn short(text: &str, most: usize) -> String {
    let mut out = String::new();
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.extend(word.chars().take(most));
        if out.chars().count() > most {
            break;
        }
    }
    out.chars().take(most).collect()
}

/// A tile whole.
pub(super) fn whole(shared: &Shared, coord: Coord, tile: &Tile) -> Value {
    let messages: Vec<Value> =
        tile.messages().map(|(role, content)| json!({"role": role, "content": content})).collect();
    json!({
        "x": coord.x,
        "y": coord.y,
        "revision": tile.revision,
        "model": tile.model_id,
        "messages": messages,
        "open": tile.open_question(),
        "answering": shared.turns.is_answering(coord),
    })
}

/// The tile that a path names.
pub(super) fn coord(text: &str) -> Result<Coord, Fault> {
    text.parse().map_err(Fault::bad)
}

/// `GET /api/tiles/X,Y`
pub(super) async fn one(State(shared): State<Arc<Shared>>, Path(at): Path<String>) -> Reply {
    let coord = coord(&at)?;
    let tile = shared.desk.map.tile(coord);
    Ok(json_response(&whole(&shared, coord, &tile)))
}

#[derive(Debug, Deserialize)]
struct NewModel {
    model: Option<u32>,
    revision: u64,
}

/// `PUT /api/tiles/X,Y/model`
pub(super) async fn set_model(
    State(shared): State<Arc<Shared>>,
    Path(at): Path<String>,
    request: Request,
) -> Reply {
    let coord = coord(&at)?;
    let new: NewModel = read_json(request).await?;
    blocking(move || {
        let change = Change::Model { id: new.model };
        let done = shared.desk.map.commit(coord, &change, Some(new.revision));
        let written = done.map_err(|error| with_tile(&shared, coord, error.into()))?;
        shared.tile_changed(coord);
        Ok(json_response(&whole(&shared, coord, &written.tile)))
    })
    .await
}

/// A refusal that brings the tile as it is now.
pub(super) fn with_tile(shared: &Shared, coord: Coord, fault: Fault) -> Fault {
    let tile = shared.desk.map.tile(coord);
    fault.with(json!({"tile": whole(shared, coord, &tile)}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(short("  a\n\tb  ", 10), "a b");
        assert_eq!(short(&"\u{1f600}".repeat(100), 3), "\u{1f600}\u{1f600}\u{1f600}");
        assert_eq!(short("abc def", 5), "abc d");
        assert_eq!(short("", 5), "");
    }
}
