//! The picture's stream, written by a thread of its own: what is still being
//! encoded need not wait for checksums and the disk, nor they for it.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::error::{MkfsError, Result};
use super::spool::Spool;
use crate::picture::PngWriter;

/// Pieces that may wait to be written, each no larger than a band or a node.
const MAX_WAITING: usize = 64;

enum Piece {
    Bytes(Vec<u8>),
    Spool(Spool),
}

/// A picture that is being written.
pub(super) struct Output {
    pieces: SyncSender<Piece>,
    writer: JoinHandle<Result<PngWriter>>,
    /// Bytes that were given to the writer.
    position: u64,
    row: u64,
}

impl Output {
    /// Goes on with `out`.
    pub(super) fn new(out: PngWriter) -> Result<Self> {
        let (position, row) = (out.position(), out.layout().geometry().row_payload());
        let (pieces, receiver) = sync_channel(MAX_WAITING);
        let thread = std::thread::Builder::new().name("picture".into());
        let writer = thread.spawn(move || write(out, &receiver));
        let writer = writer.map_err(|source| MkfsError::output("picture", source))?;
        Ok(Self { pieces, writer, position, row })
    }

    /// Where the next byte goes.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Appends bytes.
    pub(super) fn write(&mut self, bytes: Vec<u8>) -> Result<()> {
        self.send(bytes.len() as u64, Piece::Bytes(bytes))
    }

    /// Appends all that is in a spool.
    pub(super) fn write_spool(&mut self, spool: Spool) -> Result<()> {
        self.send(spool.len(), Piece::Spool(spool))
    }

    /// Appends zero bytes up to the end of the row.
    pub(super) fn pad_to_row(&mut self) -> Result<()> {
        let len = self.position.next_multiple_of(self.row) - self.position;
        self.write(vec![0; len as usize])
    }

    fn send(&mut self, len: u64, piece: Piece) -> Result<()> {
        self.position += len;
        // It only ever goes away after a failure, which `finish` tells.
        let gone =
            || MkfsError::output("picture", std::io::Error::other("is not written any more"));
        self.pieces.send(piece).map_err(|_| gone())
    }

    /// Waits until all is written.
    pub(super) fn finish(self) -> Result<PngWriter> {
        let Self { pieces, writer, .. } = self;
        drop(pieces);
        let died = |_| MkfsError::output("picture", std::io::Error::other("its thread died"));
        writer.join().map_err(died)?
    }

    /// What became of writing, after something that `error` is about.
    pub(super) fn explain(self, error: MkfsError) -> MkfsError {
        self.finish().err().unwrap_or(error)
    }
}

fn write(mut out: PngWriter, pieces: &Receiver<Piece>) -> Result<PngWriter> {
    while let Ok(piece) = pieces.recv() {
        match piece {
            Piece::Bytes(bytes) => out.write(&bytes)?,
            Piece::Spool(spool) => spool.drain(|bytes| Ok(out.write(bytes)?))?,
        }
    }
    Ok(out)
}
