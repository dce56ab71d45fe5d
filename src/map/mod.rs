//! The infinite map: tiles at signed 32-bit coordinates, each with its conversation.
//!
//! In: `infinite_map_state.json` as the Python tools write it, in a picture, a
//! pxOS root or a directory. Out: tiles that are read, asked and answered, each
//! change on the disk before it is confirmed. Never: where models come from
//! ([`Partners`] says who answers), printing.
//!
//! ```text
//! map        a map that is open: reads, changes, sees what others changed
//!  +- place    where the state lies, and how it is saved there
//!  +- journal  what a picture does not hold yet, beside it
//! state      the whole state as JSON    tile    one conversation    change  what happens to one
//! talk       a question, its answer, and both in the map
//! coord      where a tile is            error   why not
//! ```

mod change;
mod coord;
mod error;
mod journal;
mod members;
mod open;
mod place;
mod state;
mod talk;
mod tile;

pub use change::Change;
pub use coord::Coord;
pub use error::{MapError, Result};
pub use journal::{Record, read_records};
pub use open::{Map, Written};
pub use state::{MapState, SetAside};
pub use talk::{Partner, Partners, Said, TalkError, answer, ask};
pub use tile::{Entry, Tile};

/// Bytes of a state file, at most.
pub const MAX_STATE: u64 = 64 << 20;
/// Tiles of a map, at most.
pub const MAX_TILES: usize = 100_000;
/// Messages of a tile, at most.
pub const MAX_MESSAGES: usize = 10_000;
/// Messages of all tiles, at most.
pub const MAX_ALL_MESSAGES: usize = 1_000_000;
/// Bytes of one tile in the file, at most.
pub const MAX_TILE: usize = 16 << 20;
/// The greatest revision: what JavaScript counts exactly.
const MAX_REVISION: u64 = 1 << 53;
/// Bytes of one message, at most.
pub const MAX_MESSAGE: usize = 1 << 20;
