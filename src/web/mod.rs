//! The human shell: one page on this machine's own address, and what it asks for.
//!
//! In: a [`Desk`] (a map, a tree, who answers). Out: the page, its answers, changes of
//! the map. Never: a request to another machine, an answer to anybody without the
//! token, to another name than this address, or to another site.
//!
//! This and `mcp` are the only places with asynchronous code: a page keeps many
//! connections open that mostly wait. What blocks (the map, the tree, models, the
//! machine) runs on threads of its own.
//!
//! ```text
//! server   connections, their limits, the end      guard    who may ask
//! routes   what is asked for where                 reply    answers, errors, streams of lines
//! page     the files of the page                   body     what is sent here, bounded
//! desk     what all requests share                 events   what happens, for all windows
//! tiles    the map        turns    answers that are being given
//! files    the tree       boot     the boot log    machine  one module and its frame
//! ```

mod body;
mod boot;
mod desk;
mod events;
mod files;
mod guard;
mod machine;
mod page;
mod reply;
mod routes;
mod server;
mod tiles;
mod turns;

pub use desk::{Desk, Models, TreeSource};
pub use server::{Served, ServerOptions, serve};
