//! A tree as a tar stream in the pax format of POSIX.

use std::collections::HashMap;
use std::io::Write;

use super::Observer;
use super::error::{ExtractError, Result};
use super::file::{PIECE, visit_data};
use super::header::{BLOCK, LinkType, Member};
use crate::fs::{Attr, FileKind, FsError, Ino, Step, Time, Tree, walk};

/// Files up to this size are read before their header is written, so that one
/// that cannot be read is left out as a whole.
const READ_AHEAD: u64 = 4 << 20;

/// How to write a tar stream.
#[derive(Debug, Clone, Default)]
pub struct TarOptions {
    /// Names of users by their numbers.
    pub users: HashMap<u32, Vec<u8>>,
    /// Names of groups by their numbers.
    pub groups: HashMap<u32, Vec<u8>>,
    /// Times later than this, in seconds since 1970, become this.
    pub newest: Option<i64>,
}

/// Writes `top` and all that is in it to `out`, with the two blocks of zeros at
/// the end. A directory is `./` and its entries have no prefix; a file has
/// the name `name`.
///
/// # Errors
/// When `out` fails. What cannot be read is told to the observer.
pub fn write_tar(
    tree: &dyn Tree,
    top: &Attr,
    name: &[u8],
    options: &TarOptions,
    out: &mut dyn Write,
    observer: &dyn Observer,
) -> std::io::Result<()> {
    let firsts = HashMap::new();
    let mut writer =
        Writer { tree, options, out, observer, firsts, firsts_len: 0, piece: vec![0; PIECE] };
    writer.write_all(top, name).map_err(|error| match error {
        ExtractError::Output(error) => error,
        other => std::io::Error::other(other.to_string()),
    })
}

/// Bytes of paths that are kept for hard links: those of a million files, or of
/// one forged tree of very deep ones.
const MAX_FIRSTS: usize = 128 << 20;

struct Writer<'a> {
    tree: &'a dyn Tree,
    options: &'a TarOptions,
    out: &'a mut dyn Write,
    observer: &'a dyn Observer,
    /// Members of which other names may follow, and how many.
    firsts: HashMap<Ino, (Vec<u8>, u32)>,
    /// Bytes of their paths.
    firsts_len: usize,
    piece: Vec<u8>,
}

impl Writer<'_> {
    fn write_all(&mut self, top: &Attr, name: &[u8]) -> Result<()> {
        if top.kind == FileKind::Directory {
            self.write_or_tell(b"./", top)?;
            self.write_below(top.ino)?;
        } else {
            self.write_or_tell(name, top)?;
        }
        self.out.write_all(&[0; 2 * BLOCK])?;
        Ok(self.out.flush()?)
    }

    fn write_below(&mut self, dir: Ino) -> Result<()> {
        let (tree, mut broken) = (self.tree, None);
        let walked = walk(tree, dir, &mut |step| {
            match step {
                Step::Failed(path, error) => self.observer.failed(path, &error.into()),
                Step::Entry(path, attr) => {
                    let mut path = path.to_vec();
                    if attr.kind == FileKind::Directory {
                        path.push(b'/');
                    }
                    if let Err(error) = self.write_or_tell(&path, attr) {
                        broken = Some(error);
                        // Any error ends the walk; this one stands for `broken`.
                        return Err(FsError::NotFound);
                    }
                }
            }
            Ok(true)
        });
        match broken {
            Some(error) => Err(error),
            None => Ok(walked?),
        }
    }

    /// Writes a member; only a failure of the stream comes back.
    fn write_or_tell(&mut self, path: &[u8], attr: &Attr) -> Result<()> {
        match self.write_member(path, attr) {
            Err(error) if !error.is_final() => self.observer.failed(path, &error),
            other => return other,
        }
        Ok(())
    }

    fn write_member(&mut self, path: &[u8], attr: &Attr) -> Result<()> {
        if attr.kind == FileKind::Socket {
            let shown = String::from_utf8_lossy(path).escape_debug().to_string();
            self.observer.warning(&format!("'{shown}': a socket, which tar has no type for"));
            return Ok(());
        }
        let clamped;
        let attr = match self.options.newest {
            Some(secs) if attr.mtime.secs >= secs => {
                clamped = Attr { mtime: Time { secs, nanos: 0 }, ..*attr };
                &clamped
            }
            _ => attr,
        };
        let name_of = |id: u32, names: &HashMap<u32, Vec<u8>>| names.get(&id).cloned();
        let user = name_of(attr.uid, &self.options.users).unwrap_or_default();
        let group = name_of(attr.gid, &self.options.groups).unwrap_or_default();
        let owner = (&user[..], &group[..]);
        let is_linked = attr.kind != FileKind::Directory && attr.nlink > 1;
        if let Some((first, left)) = self.firsts.get_mut(&attr.ino).filter(|_| is_linked) {
            let link = Some((LinkType::Hard, &first[..]));
            let member = Member { path, attr, link, owner, xattrs: &[] };
            let encoded = member.encode();
            *left -= 1;
            if *left == 0 {
                self.firsts_len -= first.len();
                self.firsts.remove(&attr.ino);
            }
            return Ok(self.out.write_all(&encoded)?);
        }
        let xattrs = self.xattrs(attr.ino)?;
        let target = match attr.kind {
            FileKind::Symlink => Some(self.tree.read_link(attr.ino)?),
            _ => None,
        };
        let whole = match attr.kind {
            FileKind::Regular if attr.size <= READ_AHEAD => Some(self.read_whole(attr)?),
            _ => None,
        };
        let link = target.as_deref().map(|target| (LinkType::Symbolic, target));
        let member = Member { path, attr, link, owner, xattrs: &xattrs };
        self.out.write_all(&member.encode())?;
        match whole {
            Some(content) => {
                self.out.write_all(&content)?;
                self.pad(attr.size)?;
            }
            None if member.size() > 0 => self.write_content(path, attr)?,
            None => {}
        }
        if is_linked {
            self.remember(path, attr)?;
        }
        Ok(())
    }

    /// Keeps the path of an inode's first name for those that follow.
    fn remember(&mut self, path: &[u8], attr: &Attr) -> Result<()> {
        if self.firsts_len + path.len() > MAX_FIRSTS {
            let what = "its other names become files of their own: too many hard links";
            return Err(FsError::Corrupt(what.into()).into());
        }
        self.firsts_len += path.len();
        self.firsts.insert(attr.ino, (path.to_vec(), attr.nlink - 1));
        Ok(())
    }

    fn xattrs(&self, ino: Ino) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut xattrs = Vec::new();
        for name in self.tree.xattr_names(ino)? {
            let value = self.tree.xattr(ino, &name)?;
            xattrs.push((name, value));
        }
        Ok(xattrs)
    }

    fn read_whole(&mut self, attr: &Attr) -> Result<Vec<u8>> {
        let mut content = vec![0; attr.size as usize];
        visit_data(self.tree, attr, &mut self.piece, &mut |offset, bytes| {
            content[offset as usize..offset as usize + bytes.len()].copy_from_slice(bytes);
            Ok(())
        })?;
        Ok(content)
    }

    /// Writes the content of a file of which the header is written already:
    /// what follows must have that size, whatever happens.
    fn write_content(&mut self, path: &[u8], attr: &Attr) -> Result<()> {
        let mut at = 0;
        let out = &mut *self.out;
        let mut piece = std::mem::take(&mut self.piece);
        let read = visit_data(self.tree, attr, &mut piece, &mut |offset, bytes| {
            write_zeros(out, offset - at)?;
            out.write_all(bytes)?;
            at = offset + bytes.len() as u64;
            Ok(())
        });
        self.piece = piece;
        match read {
            Err(ExtractError::Read(error)) => {
                let what = format!("{error}; zeros stand in the stream from byte {at} on");
                self.observer.failed(path, &FsError::Corrupt(what).into());
            }
            other => other?,
        }
        write_zeros(self.out, attr.size - at)?;
        self.pad(attr.size)
    }

    /// Fills the last block of a member of that size.
    fn pad(&mut self, size: u64) -> Result<()> {
        write_zeros(self.out, size.next_multiple_of(BLOCK as u64) - size)
    }
}

fn write_zeros(out: &mut dyn Write, mut count: u64) -> Result<()> {
    static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
    while count > 0 {
        let len = count.min(ZEROS.len() as u64);
        out.write_all(&ZEROS[..len as usize])?;
        count -= len;
    }
    Ok(())
}
