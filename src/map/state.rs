//! The whole state of a map as JSON: `infinite_map_state.json`.
//!
//! What the Python tools write is read; members they and we do not know are
//! kept. A tile that cannot be understood is named and moved to the member
//! `set_aside`, where nothing trips over it and nothing is lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::fs::python_json::push_member;
use crate::map::error::{MapError, Result};
use crate::map::members::Members;
use crate::map::{Change, Coord, MAX_ALL_MESSAGES, MAX_STATE, MAX_TILES, Record, Tile};

const TILES: &str = "tiles";
const SET_ASIDE: &str = "set_aside";

/// A tile that could not be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Its key in the file.
    pub key: String,
    /// What is wrong with it.
    pub why: String,
}

/// All tiles, and what else the file holds.
#[derive(Debug, Clone, Default)]
pub struct MapState {
    /// Copies of a state share what they have in common.
    tiles: BTreeMap<Coord, Arc<Tile>>,
    /// Tiles of the file that could not be understood, found in this reading.
    findings: Arc<Vec<SetAside>>,
    /// Their JSON by a key that is unlike all others; also that of earlier readings.
    aside: Arc<Members>,
    /// Members that nobody here knows.
    rest: Arc<Members>,
    /// Bytes of the file that it takes, at most.
    size: u64,
}

impl MapState {
    /// Reads a state file.
    ///
    /// # Errors
    /// When it is no JSON object. What is wrong with single tiles is in
    /// [`MapState::findings`].
    pub fn parse(json: &[u8]) -> Result<Self> {
        let json =
            std::str::from_utf8(json).map_err(|error| MapError::refused(error.to_string()))?;
        let members = Members::parse(json).map_err(MapError::Refused)?;
        let mut state = Self::default();
        let (mut aside, mut rest) = (Members::default(), Members::default());
        let mut tiles = None;
        for (key, value) in members.into_list() {
            match key.as_str() {
                TILES => tiles = Some(value),
                SET_ASIDE => match Members::parse(value.get()) {
                    Ok(members) => aside = members,
                    Err(_) => aside.put(SET_ASIDE.into(), &value),
                },
                _ => rest.put(key, &value),
            }
        }
        if let Some(tiles) = tiles {
            state.read_tiles(&tiles, &mut aside);
        }
        (state.aside, state.rest) = (Arc::new(aside), Arc::new(rest));
        // As it will be written: other tools indent less, and escape less.
        state.size = state.to_json().len() as u64;
        Ok(state)
    }

    /// The empty state that takes the place of a file that could not be read.
    pub(super) fn broken(why: String) -> Self {
        let findings = vec![SetAside { key: "infinite_map_state.json".into(), why }];
        Self { findings: Arc::new(findings), ..Self::default() }
    }

    fn read_tiles(&mut self, tiles: &RawValue, aside: &mut Members) {
        let mut findings = Vec::new();
        let Ok(members) = Members::parse(tiles.get()) else {
            set_aside(aside, TILES.into(), tiles);
            findings.push(SetAside { key: TILES.into(), why: "is no object of tiles".into() });
            self.findings = Arc::new(findings);
            return;
        };
        let mut messages = 0;
        for (key, value) in members.into_list() {
            match self.read_tile(&key, &value, &mut messages) {
                Ok((coord, tile)) => drop(self.tiles.insert(coord, Arc::new(tile))),
                Err(why) => {
                    set_aside(aside, key.clone(), &value);
                    findings.push(SetAside { key, why });
                }
            }
        }
        self.findings = Arc::new(findings);
    }

    fn read_tile(
        &self,
        key: &str,
        value: &RawValue,
        messages: &mut usize,
    ) -> Result<(Coord, Tile), String> {
        let coord = key.parse::<Coord>()?;
        if self.tiles.contains_key(&coord) {
            return Err("is there twice".into());
        }
        if self.tiles.len() >= MAX_TILES {
            return Err(format!("is beyond the {MAX_TILES} tiles that a map may have"));
        }
        let tile = Tile::parse(value.get())?;
        *messages += tile.history.len();
        if *messages > MAX_ALL_MESSAGES {
            *messages -= tile.history.len();
            return Err(format!("is beyond the {MAX_ALL_MESSAGES} messages that a map may have"));
        }
        Ok((coord, tile))
    }

    /// The file's text, as the Python tools would write it.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = String::from("{\n  \"tiles\": {");
        let mut is_first = true;
        for (coord, tile) in &self.tiles {
            push_member(&mut out, 2, &coord.to_string(), "", is_first);
            tile.write(&mut out);
            is_first = false;
        }
        out.push_str(if is_first { "}" } else { "\n  }" });
        if !self.aside.is_empty() {
            let mut aside = String::from("{");
            self.aside.write(&mut aside, 2, true);
            aside.push_str("\n  }");
            push_member(&mut out, 1, SET_ASIDE, &aside, false);
        }
        self.rest.write(&mut out, 1, false);
        out.push_str("\n}");
        out.into_bytes()
    }

    /// All tiles, by column and row.
    pub fn tiles(&self) -> &BTreeMap<Coord, Arc<Tile>> {
        &self.tiles
    }

    /// One tile; one that nobody used is empty.
    pub fn tile(&self, coord: Coord) -> Arc<Tile> {
        self.tiles.get(&coord).cloned().unwrap_or_default()
    }

    /// Tiles that could not be understood, and why.
    pub fn findings(&self) -> &[SetAside] {
        &self.findings
    }

    /// Changes a tile and gives back its new revision.
    ///
    /// # Errors
    /// When the tile has another revision than `expected`, and when the change is
    /// too large or has no place. Nothing is changed then.
    pub fn apply(&mut self, coord: Coord, change: &Change, expected: Option<u64>) -> Result<u64> {
        let is_new = !self.tiles.contains_key(&coord);
        if is_new && self.tiles.len() >= MAX_TILES {
            let sentence = format!("the map is full: it has {MAX_TILES} tiles");
            return Err(MapError::Refused(sentence));
        }
        let size = self.size + change.size();
        if size > MAX_STATE {
            let sentence = format!("the map is full: it has {} bytes", self.size);
            return Err(MapError::Refused(sentence));
        }
        let mut tile = self.tile(coord);
        if let Some(expected) = expected
            && expected != tile.revision
        {
            return Err(MapError::Conflict { tile: coord, expected, found: tile.revision });
        }
        change.apply(Arc::make_mut(&mut tile))?;
        let revision = tile.revision;
        self.tiles.insert(coord, tile);
        self.size = size;
        Ok(revision)
    }

    /// Does what a record of a journal says, unless it is done already; tells whether
    /// it was done now.
    ///
    /// # Errors
    /// When the change has no place.
    pub(super) fn replay(&mut self, record: &Record) -> Result<bool> {
        let coord = record.tile();
        if self.tile(coord).revision >= record.revision {
            return Ok(false);
        }
        self.apply(coord, &record.change, None)?;
        if let Some(tile) = self.tiles.get_mut(&coord) {
            Arc::make_mut(tile).revision = record.revision;
        }
        Ok(true)
    }
}

/// Keeps what could not be understood under a key of its own.
fn set_aside(aside: &mut Members, key: String, value: &RawValue) {
    let mut place = key.clone();
    let mut number = 2;
    while aside.has(&place) {
        place = format!("{key} ({number})");
        number += 1;
    }
    aside.put(place, value);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn broken_tiles_are_named_and_kept() {
        let json = br#"{"theme": 1e999, "tiles": {"0,0": {"model_id": null, "history": []}, "x": 1,
            "0, 0": {"history": []}, "1,1": {"history": [], "history": 5}}, "set_aside": {"x": 2}}"#;
        let state = MapState::parse(json).unwrap();
        let found: Vec<_> = state.findings().iter().map(|found| found.key.as_str()).collect();
        assert_eq!(found, ["x", "0, 0", "1,1"]);
        assert_eq!(state.tiles().len(), 1);
        let text = String::from_utf8(state.to_json()).unwrap();
        for kept in ["\"x\": 2", "\"x (2)\": 1", "\"theme\": 1e999", "\"0, 0\"", "\"1,1\""] {
            assert!(text.contains(kept), "{kept} is lost: {text}");
        }
        let again = MapState::parse(text.as_bytes()).unwrap();
        assert!(again.findings().is_empty());
        assert_eq!(again.to_json(), state.to_json());
    }

    #[test]
    fn what_is_no_state_is_refused() {
        for json in [&b""[..], b"[]", b"{\"tiles\": {", b"\xff", b"{\"tiles\": NaN}"] {
            assert!(MapState::parse(json).is_err(), "{json:?}");
        }
        let state = MapState::parse(b"{\"tiles\": []}").unwrap();
        assert_eq!(state.findings()[0].key, "tiles");
        assert_eq!(MapState::parse(b"{}").unwrap().to_json(), b"{\n  \"tiles\": {}\n}");
    }

    #[test]
    fn a_change_for_another_revision_changes_nothing() {
        let mut state = MapState::default();
        let ask = Change::Ask { text: "hi".into() };
        let at = Coord::new(-1, 5);
        assert_eq!(state.apply(at, &ask, Some(0)).unwrap(), 1);
        let error = state.apply(at, &ask, Some(0)).unwrap_err();
        assert!(matches!(error, MapError::Conflict { expected: 0, found: 1, .. }), "{error}");
        assert_eq!(state.tile(at).history.len(), 1);
        let refused = Change::Answer { question: 3, text: "?".into() };
        assert!(state.apply(Coord::new(9, 9), &refused, None).is_err());
        assert_eq!(state.tiles().len(), 1);
    }
}
