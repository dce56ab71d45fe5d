//! Reading tar streams: v7, ustar, GNU and pax, with sparse members of all kinds.
//!
//! ```text
//! header (512 bytes, number) -> reader -> member (header + pax + sparse map)
//! pax records, long names   ---/
//! ```
//!
//! Nothing in a stream is trusted: memory is taken for what was read, not for
//! what a header says, and what is kept of one member is bounded.

mod acl;
mod acl_names;
mod header;
mod member;
mod number;
mod pax;
mod reader;
mod sparse;

pub(super) use acl::{acl_mode, encode_acl};
pub(super) use acl_names::AclNames;
pub use member::{Kind, Member};
pub use reader::Reader;

/// Tar is made of blocks of this many bytes.
const BLOCK: usize = 512;

/// A name as it can stand in one line of a message.
pub(super) fn shown(name: &[u8]) -> String {
    /// Names can be as long as the sender likes; a sentence cannot.
    const LONGEST: usize = 300;
    let text = String::from_utf8_lossy(&name[..name.len().min(LONGEST)]).escape_debug().to_string();
    let more = if name.len() > LONGEST { "..." } else { "" };
    format!("'{text}{more}'")
}
