//! Members one after the other, and the content of each.

use std::io::{self, Read};

use super::header::{Header, until_nul};
use super::member::{Kind, LongNames, Member, has_content, link_of, path_of};
use super::pax::{MAX_GLOBAL, MAX_PAX, Records};
use super::sparse::{Segment, add_old_segments, check_map, read_map};
use super::{BLOCK, shown};
use crate::mkfs::MAX_PATH;
use crate::mkfs::error::{MkfsError, Result};

/// Where we are before the first header.
const BEGINNING: &str = "at its beginning";

/// The end of a sentence; what it is about is put before it.
type Step<T> = std::result::Result<T, String>;

/// Reads a tar stream that is not compressed.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    /// Records that are for all members that follow.
    global: Records,
    /// What a message is about: some words, and a name.
    place: (&'static str, Vec<u8>),
    /// Bytes of the member that are not read yet, and of the padding after them.
    left: u64,
    padding: u64,
}

/// What comes before the header of a member and is about it.
#[derive(Debug, Default)]
struct Preface {
    records: Records,
    names: LongNames,
    /// Bytes of extended headers, which are bounded together.
    pax_bytes: u64,
    is_used: bool,
}

impl<R: Read> Reader<R> {
    /// A reader of `input`, of which nothing was read yet.
    pub fn new(input: R) -> Self {
        let place = (BEGINNING, Vec::new());
        Self { input, global: Records::default(), place, left: 0, padding: 0 }
    }

    /// The next member; what was not read of the last one is passed over.
    /// `None` at the proper end, when everything to the end of input was read.
    ///
    /// # Errors
    /// A stream that breaks the rules or ends early, and where.
    pub fn next_member(&mut self) -> Result<Option<Member>> {
        self.read_member().map_err(|tail| self.error(&tail))
    }

    /// Reads content of the member: the segments of a sparse one, all of another.
    ///
    /// # Errors
    /// When the stream ends first.
    pub fn read_exact(&mut self, buf: &mut [u8]) -> Result<()> {
        self.read_content(buf).map_err(|tail| self.error(&tail))
    }

    /// An error about the member.
    pub fn error(&self, tail: &str) -> MkfsError {
        let (words, name) = &self.place;
        let name = if name.is_empty() { String::new() } else { shown(name) };
        MkfsError::Tar(format!("{words}{name}: {tail}"))
    }

    fn read_member(&mut self) -> Step<Option<Member>> {
        let mut preface = Preface { records: self.global.clone(), ..Preface::default() };
        loop {
            self.skip_rest()?;
            let Some(header) = self.read_header()? else {
                if preface.is_used {
                    return Err("the member that this belongs to is missing".into());
                }
                return Ok(None);
            };
            match header.kind() {
                b'x' | b'X' => self.read_records(&header, &mut preface)?,
                b'g' => self.read_global(&header, &mut preface)?,
                b'L' => preface.names.path = Some(self.read_long_name(&header)?),
                b'K' => preface.names.link = Some(self.read_long_name(&header)?),
                // The label of a volume is no file.
                b'V' => self.begin("", header.name(), header.size()?),
                _ => return self.finish_member(&header, preface).map(Some),
            }
            preface.is_used |= matches!(header.kind(), b'x' | b'X' | b'L' | b'K');
        }
    }

    /// Takes up what is between this header and the next one.
    fn begin(&mut self, words: &'static str, name: Vec<u8>, size: u64) {
        self.place = (words, name);
        self.left = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
    }

    fn read_records(&mut self, header: &Header, preface: &mut Preface) -> Step<()> {
        let size = header.size()?;
        self.begin("extended header ", header.name(), size);
        preface.pax_bytes = preface.pax_bytes.saturating_add(size);
        check_size(preface.pax_bytes, MAX_PAX)?;
        preface.records.read(&self.read_all()?)
    }

    fn read_global(&mut self, header: &Header, preface: &mut Preface) -> Step<()> {
        let size = header.size()?;
        self.begin("global header ", header.name(), size);
        check_size(size, MAX_GLOBAL)?;
        let bytes = self.read_all()?;
        self.global.read(&bytes)?;
        preface.records.read(&bytes)?;
        if self.global.sparse.is_used() || self.global.sparse.name.is_some() {
            return Err("a map of holes cannot be for all members".into());
        }
        let kept = self.global.xattrs.iter().map(|(name, value)| name.len() + value.len());
        check_size(kept.sum::<usize>() as u64, MAX_GLOBAL)
    }

    fn read_long_name(&mut self, header: &Header) -> Step<Vec<u8>> {
        let size = header.size()?;
        self.begin("long name ", header.name(), size);
        check_size(size, MAX_PATH)?;
        let bytes = self.read_all()?;
        Ok(until_nul(&bytes).to_vec())
    }

    /// The member whose header it is.
    fn finish_member(&mut self, header: &Header, mut preface: Preface) -> Step<Member> {
        let Preface { records, names, .. } = &mut preface;
        let path = path_of(header, records, names);
        let link = link_of(header, records, names);
        if path.is_empty() {
            self.begin("a member without a name", path, 0);
            return Err("no file can be called that".into());
        }
        self.begin("", path.clone(), 0);
        for name in [&path, &link] {
            if name.len() as u64 > MAX_PATH {
                return Err(format!("no path can be {} bytes long", name.len()));
            }
        }
        if records.is_continued {
            return Err("it continues from another volume".into());
        }
        let stored = stored_size(header, records)?;
        let sparse = std::mem::take(&mut records.sparse);
        let mut member = Member::new(header, path.clone(), preface.records, link)?;
        let is_old = header.kind() == b'S';
        let old_segments = if is_old { self.read_old_segments(header)? } else { Vec::new() };
        self.begin("", path, stored);
        if member.kind == Kind::Regular {
            member.size = stored;
            if is_old {
                self.set_holes(&mut member, header.real_size()?, &old_segments)?;
            } else if sparse.is_used() {
                let is_in_content = sparse.is_in_content()?;
                let size = sparse.size()?;
                let segments =
                    if is_in_content { self.read_map()? } else { sparse.into_segments() };
                self.set_holes(&mut member, size, &segments)?;
            }
        }
        Ok(member)
    }

    /// Makes a member sparse; what is left of its content are the segments.
    fn set_holes(&self, member: &mut Member, size: u64, segments: &[Segment]) -> Step<()> {
        member.size = size;
        member.segments = Some(check_map(size, self.left, segments)?);
        Ok(())
    }

    /// The map of GNU's own format: four segments in the header, and blocks with
    /// 21 each between the header and the content.
    fn read_old_segments(&mut self, header: &Header) -> Step<Vec<Segment>> {
        let mut segments = Vec::new();
        add_old_segments(&header.0[386..482], &mut segments)?;
        let mut has_more = header.0[482] != 0;
        while has_more {
            let block = self.read_block()?;
            let before = segments.len();
            add_old_segments(&block[..504], &mut segments)?;
            has_more = block[504] != 0;
            if has_more && segments.len() == before {
                // Else a stream of such blocks would keep us forever.
                return Err("its map of holes is damaged".into());
            }
        }
        Ok(segments)
    }

    /// The map at the beginning of the content.
    fn read_map(&mut self) -> Step<Vec<Segment>> {
        read_map(|| {
            let mut block = [0; BLOCK];
            self.read_content(&mut block)?;
            Ok(block)
        })
    }

    /// The next header; `None` at the end.
    fn read_header(&mut self) -> Step<Option<Header>> {
        let is_first = self.place.0 == BEGINNING;
        if self.place.0.is_empty() {
            self.place.0 = "after ";
        }
        let mut block = [0; BLOCK];
        match self.fill(&mut block)? {
            BLOCK => {}
            0 => return Err("no mark of the end follows: the stream is truncated".into()),
            _ => return Err("a header is incomplete: the stream is truncated".into()),
        }
        if block == [0; BLOCK] {
            return self.read_end().map(|()| None);
        }
        Header::new(block).map(Some).ok_or_else(|| {
            let what = if is_first { "this is no tar archive" } else { "no header follows" };
            format!("{what}: the checksum is wrong")
        })
    }

    /// Two blocks of zeros are the end, also if the second is cut off. One is
    /// where a header was lost, if there is more.
    fn read_end(&mut self) -> Step<()> {
        let mut block = [0; BLOCK];
        self.fill(&mut block)?;
        if block != [0; BLOCK] {
            return Err("more follows after a single block of zeros".into());
        }
        // To the last byte: only there compressed streams tell that they are
        // whole, and who writes into a pipe is not to find it closed.
        io::copy(&mut self.input, &mut io::sink()).map_err(|error| error.to_string())?;
        Ok(())
    }

    fn skip_rest(&mut self) -> Step<()> {
        let rest = self.left + self.padding;
        (self.left, self.padding) = (0, 0);
        let mut rest_of_input = self.input.by_ref().take(rest);
        let skipped = io::copy(&mut rest_of_input, &mut io::sink());
        if skipped.map_err(|error| error.to_string())? < rest { Err(ends()) } else { Ok(()) }
    }

    /// All of the content, of which the size was checked. No more memory is
    /// taken than there is content in the stream.
    fn read_all(&mut self) -> Step<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut content = self.input.by_ref().take(self.left);
        content.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if (bytes.len() as u64) < self.left {
            return Err(ends());
        }
        self.left = 0;
        Ok(bytes)
    }

    fn read_content(&mut self, buf: &mut [u8]) -> Step<()> {
        self.left = self.left.checked_sub(buf.len() as u64).ok_or("it is shorter than it says")?;
        if self.fill(buf)? < buf.len() { Err(ends()) } else { Ok(()) }
    }

    fn read_block(&mut self) -> Step<[u8; BLOCK]> {
        let mut block = [0; BLOCK];
        if self.fill(&mut block)? < BLOCK { Err(ends()) } else { Ok(block) }
    }

    /// Reads until `buf` is full or the input ends; returns the bytes read.
    fn fill(&mut self, buf: &mut [u8]) -> Step<usize> {
        let mut done = 0;
        while done < buf.len() {
            match self.input.read(&mut buf[done..]) {
                Ok(0) => break,
                Ok(len) => done += len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(done)
    }
}

/// The bytes of content that follow a header.
fn stored_size(header: &Header, records: &Records) -> Step<u64> {
    if !has_content(header.kind()) {
        return Ok(0);
    }
    let size = records.size.map_or_else(|| header.size(), Ok)?;
    if size > i64::MAX as u64 {
        return Err(format!("it cannot be {size} bytes long"));
    }
    Ok(size)
}

fn ends() -> String {
    "the stream ends inside it: it is truncated".into()
}

fn check_size(size: u64, most: u64) -> Step<()> {
    if size > most {
        return Err(format!("it has {size} bytes: at most {most} are possible"));
    }
    Ok(())
}
