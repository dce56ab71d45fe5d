//! A map that is open: what it holds, changes that are on the disk when they are
//! confirmed, and what other processes change meanwhile.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::builder::EditOptions;
use crate::fs::PixelTree;
use crate::map::error::{MapError, Result};
use crate::map::journal::{Locked, Position, Record, journal_path, read_new};
use crate::map::place::{Place, Seen, not_writable, read_tree};
use crate::map::{Change, Coord, MapState, Tile};

/// A tile after a change.
#[derive(Debug, Clone)]
pub struct Written {
    /// The tile as it is now.
    pub tile: Arc<Tile>,
    /// The number of the question that nothing answers yet.
    pub question: Option<usize>,
}

/// An open map. Several threads may use it, and several processes the same one.
#[derive(Debug)]
pub struct Map {
    path: PathBuf,
    options: EditOptions,
    /// What is shown: readers wait for nobody.
    shown: RwLock<Arc<MapState>>,
    /// Of a map that can be changed, or that others may change.
    writer: Option<Mutex<Writer>>,
    /// Why nothing can be changed, if so.
    read_only: Option<String>,
}

#[derive(Debug)]
struct Writer {
    place: Place,
    /// Of a picture.
    journal: Option<PathBuf>,
    position: Position,
    /// What the file was that `state` begins with.
    seen: Seen,
    state: MapState,
    /// Records of the journal that have no place in the state.
    unusable: usize,
}

impl Map {
    /// Opens the map of a picture, a pxOS root or a directory. What a journal holds
    /// that is not in its picture yet is part of it.
    ///
    /// # Errors
    /// When it is none of these, or cannot be read.
    pub fn open(path: &Path, options: &EditOptions) -> Result<Self> {
        let path = path.canonicalize().map_err(MapError::file(path))?;
        let mut writer = Writer::open(&path, options)?;
        writer.reload()?;
        let read_only = not_writable(&path, writer.journal.is_some());
        let shown = RwLock::new(Arc::new(writer.state.clone()));
        let writer = Some(Mutex::new(writer));
        Ok(Self { path, options: options.clone(), shown, writer, read_only })
    }

    /// The map of a tree that cannot be changed, for the reason given. What cannot be
    /// read is an empty map.
    pub fn of_tree(tree: &dyn PixelTree, reason: String) -> Self {
        let state = read_tree(tree).unwrap_or_else(|why| MapState::broken(why.to_string()));
        Self {
            path: PathBuf::new(),
            options: EditOptions::default(),
            shown: RwLock::new(Arc::new(state)),
            writer: None,
            read_only: Some(reason),
        }
    }

    /// Why nothing can be changed, if so.
    pub fn read_only(&self) -> Option<&str> {
        self.read_only.as_deref()
    }

    /// The map as it is known now; nobody is waited for.
    pub fn state(&self) -> Arc<MapState> {
        Arc::clone(&self.shown.read())
    }

    /// One tile as it is known now; one that nobody used is empty.
    pub fn tile(&self, coord: Coord) -> Arc<Tile> {
        self.shown.read().tile(coord)
    }

    /// Takes up what other processes changed; tells whether there was something.
    ///
    /// # Errors
    /// When it cannot be read any more; what was known stays.
    pub fn refresh(&self) -> Result<bool> {
        // Whoever writes takes it up anyway.
        let writer = self.writer.as_ref().and_then(Mutex::try_lock);
        let Some(mut writer) = writer else { return Ok(false) };
        let is_new = writer.catch_up()?;
        if is_new {
            *self.shown.write() = Arc::new(writer.state.clone());
        }
        Ok(is_new)
    }

    /// Changes a tile; the change is on the disk when this returns.
    ///
    /// # Errors
    /// [`MapError::Conflict`] when the tile has another revision than `expected`;
    /// when it cannot be written. Nothing is changed then.
    pub fn commit(&self, coord: Coord, change: &Change, expected: Option<u64>) -> Result<Written> {
        let (None, Some(writer)) = (&self.read_only, &self.writer) else {
            return Err(MapError::ReadOnly(self.read_only.clone().unwrap_or_default()));
        };
        let mut writer = writer.lock();
        let done = writer.commit(coord, change, expected);
        // Also after a conflict: what others did is to be seen.
        *self.shown.write() = Arc::new(writer.state.clone());
        done?;
        let tile = writer.state.tile(coord);
        let question = tile.open_question();
        Ok(Written { tile, question })
    }

    fn journal(&self) -> Option<PathBuf> {
        self.writer.as_ref()?.lock().journal.clone()
    }

    /// Bytes of changes that wait in the journal of a picture.
    pub fn waiting(&self) -> u64 {
        let found = self.journal().and_then(|path| std::fs::metadata(path).ok());
        found.map_or(0, |found| found.len())
    }

    /// Puts what the journal holds into the picture, and removes the journal. Takes
    /// as long as making the picture anew; who reads meanwhile is not kept waiting.
    ///
    /// # Errors
    /// When the picture cannot be written: then the journal stays.
    pub fn fold(&self) -> Result<()> {
        let Some(journal) = self.journal() else { return Ok(()) };
        if !journal.exists() || self.read_only.is_some() {
            return Ok(());
        }
        let locked = Locked::open(&journal)?;
        let mut writer = Writer::open(&self.path, &self.options)?;
        let done = writer.fold(locked);
        drop(writer);
        self.refresh()?;
        done
    }
}

impl Writer {
    fn open(path: &Path, options: &EditOptions) -> Result<Self> {
        let place = Place::open(path, options)?;
        let journal = place.is_picture().then(|| journal_path(path));
        Ok(Self {
            place,
            journal,
            position: Position::default(),
            seen: Seen::default(),
            state: MapState::default(),
            unusable: 0,
        })
    }

    /// Reads everything anew.
    fn reload(&mut self) -> Result<()> {
        let bytes = self.place.read()?;
        self.take_file(bytes.as_deref());
        self.position = Position::default();
        if let Some(journal) = &self.journal {
            let records = read_new(journal, &mut self.position)?;
            self.replay(records.unwrap_or_default());
        }
        Ok(())
    }

    fn take_file(&mut self, bytes: Option<&[u8]>) {
        self.seen = Seen::of(bytes);
        self.unusable = 0;
        self.state = match bytes.map(MapState::parse) {
            None => MapState::default(),
            Some(Ok(state)) => state,
            Some(Err(error)) => {
                log::warn!("the map's state cannot be read, a new one begins beside it: {error}");
                MapState::broken(error.to_string())
            }
        };
        for found in self.state.findings() {
            log::warn!("tile {:?} of the map is set aside: it {}", found.key, found.why);
        }
    }

    fn replay(&mut self, records: Vec<Record>) -> bool {
        let mut is_new = false;
        for record in records {
            match self.state.replay(&record) {
                Ok(done) => is_new |= done,
                Err(error) => {
                    self.unusable += 1;
                    log::warn!("tile {}: a change in the journal: {error}", record.tile());
                }
            }
        }
        is_new
    }

    fn catch_up(&mut self) -> Result<bool> {
        let Some(journal) = &self.journal else {
            self.place.refresh()?;
            let bytes = self.place.read()?;
            let is_new = self.seen != Seen::of(bytes.as_deref());
            if is_new {
                self.take_file(bytes.as_deref());
            }
            return Ok(is_new);
        };
        let is_new = self.place.refresh()?;
        match read_new(journal, &mut self.position)? {
            Some(records) if !is_new => Ok(self.replay(records)),
            _ => self.reload().map(|()| true),
        }
    }

    fn commit(&mut self, coord: Coord, change: &Change, expected: Option<u64>) -> Result<()> {
        let done = match self.journal.clone() {
            Some(journal) => self.commit_to_journal(&journal, coord, change, expected),
            None => self.commit_to_place(coord, change, expected),
        };
        done.map_err(MapError::or_read_only)
    }

    fn commit_to_journal(
        &mut self,
        journal: &Path,
        coord: Coord,
        change: &Change,
        expected: Option<u64>,
    ) -> Result<()> {
        let mut locked = Locked::open(journal)?;
        self.catch_up()?;
        let before = self.state.clone();
        let revision = self.state.apply(coord, change, expected)?;
        let record = Record { x: coord.x, y: coord.y, revision, change: change.clone() };
        locked.append(&record).inspect_err(|_| self.state = before)
    }

    fn commit_to_place(
        &mut self,
        coord: Coord,
        change: &Change,
        expected: Option<u64>,
    ) -> Result<()> {
        self.place.begin()?;
        let done = self.write_to_place(coord, change, expected);
        if done.is_err() {
            self.place.discard();
        }
        done
    }

    fn write_to_place(
        &mut self,
        coord: Coord,
        change: &Change,
        expected: Option<u64>,
    ) -> Result<()> {
        let old = self.place.read()?;
        if self.seen != Seen::of(old.as_deref()) {
            self.take_file(old.as_deref());
        }
        let before = self.state.clone();
        self.state.apply(coord, change, expected)?;
        let written = self.place.write(&self.state, old.as_deref());
        self.seen = Seen::of(Some(&written.inspect_err(|_| self.state = before)?));
        Ok(())
    }

    /// Puts the journal into the picture.
    fn fold(&mut self, mut locked: Locked) -> Result<()> {
        self.place.begin()?;
        let done = self.fold_locked(&mut locked);
        if done.is_err() {
            self.place.discard();
        }
        locked.remove(done?)
    }

    /// Tells whether something in the journal could not be used.
    fn fold_locked(&mut self, locked: &mut Locked) -> Result<bool> {
        let old = self.place.read()?;
        self.take_file(old.as_deref());
        let (records, damaged) = locked.records()?;
        if self.replay(records) {
            self.place.write(&self.state, old.as_deref())?;
        } else {
            self.place.discard();
        }
        Ok(damaged + self.unusable > 0)
    }
}
