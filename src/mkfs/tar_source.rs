//! A tar stream as the source: each member becomes a node of a tree, and its
//! content goes into blocks at once.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::contents::{ContentWriter, SmallContent, allocated, spill_error};
use super::error::Result;
use super::exclude::Excludes;
use super::large::{LargeContent, Layout};
use super::records::{FileBytes, Meta, Records};
use super::scratch::Scratch;
use super::spool::spool_segments;
use super::tar::{AclNames, Kind, Member, Reader, acl_mode, encode_acl};
use super::tar_stream::open_stream;
use super::tar_tree::{TarTree, parse_path};
use super::{HardLinks, Options, Progress};
use crate::format::{InodeData, MAX_MAJOR, MAX_MINOR, XattrSet};
use crate::fs::ROOT_INO;
use crate::legacy::project::AtMost;

/// A tar stream, decompressed.
type Stream = Reader<Box<dyn Read>>;

/// Reads the tar stream `input` into `records` and `contents`; large members
/// pass through unlinked files in `scratch`.
pub(super) fn read_tar(
    input: Box<dyn Read>,
    limits: Option<Limits>,
    options: &Options,
    scratch: &Scratch,
    records: &mut Records,
    contents: &mut ContentWriter<'_>,
    progress: &mut dyn Progress,
) -> Result<()> {
    let input = open_stream(input)?;
    let input = match limits {
        // Names, headers and the padding at the end unpack from nothing, too.
        Some(limits) => {
            let most = limits.members.saturating_mul(4096).saturating_add(limits.bytes);
            Box::new(AtMost { input, left: most })
        }
        None => input,
    };
    let mut stream = Reader::new(input);
    let mut tree = TarTree::new(scratch)?;
    let names = AclNames::default();
    let mut seen = Limits::default();
    while let Some(mut member) = stream.next_member()? {
        let failed = |tail: String| stream.error(&tail);
        if let Some(limits) = limits {
            check_untrusted(&mut member, limits, &mut seen).map_err(failed)?;
        }
        let path = parse_path(&member.path).map_err(failed)?;
        if is_excluded(&options.excludes, &path, member.kind == Kind::Directory) {
            continue;
        }
        progress.file(Path::new(OsStr::from_bytes(&member.path)));
        if member.kind == Kind::HardLink {
            let keep = options.hard_links == HardLinks::Keep;
            tree.add_link(&path, &member.link, keep).map_err(|error| {
                error.about(|tail| match is_left_out(&options.excludes, &member.link) {
                    true => stream.error(&format!("{tail}: it is excluded")),
                    false => stream.error(tail),
                })
            })?;
            continue;
        }
        check_device(&member).map_err(failed)?;
        let meta = meta_of(&member, options, &names).map_err(failed)?;
        let mut bytes = FileBytes::default();
        let data = match member.kind {
            Kind::Regular => {
                let (number, stored) =
                    store(&mut stream, &mut member, scratch, contents, progress)?;
                bytes = stored;
                InodeData::Regular(number)
            }
            Kind::Symlink => InodeData::Symlink(member.link),
            Kind::CharDevice => InodeData::CharDevice(member.device.0, member.device.1),
            Kind::BlockDevice => InodeData::BlockDevice(member.device.0, member.device.1),
            Kind::Fifo => InodeData::Fifo,
            Kind::Directory | Kind::HardLink => InodeData::Directory { parent: ROOT_INO },
        };
        tree.add(&path, &meta, data, bytes)
            .map_err(|error| error.about(|tail| stream.error(tail)))?;
    }
    tree.emit(records, contents)
}

/// How much a stream may hold that comes from somebody unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Members.
    pub members: u64,
    /// Bytes of all files, holes included.
    pub bytes: u64,
}

/// Refuses what an honest archive of a project does not hold and a hostile one
/// uses: names that lead elsewhere, devices, more than anybody would expect.
fn check_untrusted(member: &mut Member, limits: Limits, seen: &mut Limits) -> Result<(), String> {
    seen.members += 1;
    seen.bytes = seen.bytes.saturating_add(member.size);
    if seen.members > limits.members {
        return Err(format!("there are more than {} members", limits.members));
    }
    if seen.bytes > limits.bytes {
        return Err(format!("there are more than {} bytes of files", limits.bytes));
    }
    let is_link = member.kind == Kind::HardLink;
    for path in [&member.path].into_iter().chain(is_link.then_some(&member.link)) {
        if path.starts_with(b"/") {
            return Err("an absolute name is not unpacked".into());
        }
    }
    if matches!(member.kind, Kind::CharDevice | Kind::BlockDevice | Kind::Fifo) {
        return Err("a device or fifo is not unpacked".into());
    }
    // What was unpacked is run by nobody but who unpacked it.
    member.perm &= 0o777;
    Ok(())
}

/// Whether the target of a hard link is what patterns exclude. Its content went by
/// and was not kept.
fn is_left_out(excludes: &Excludes, target: &[u8]) -> bool {
    parse_path(target).is_ok_and(|path| is_excluded(excludes, &path, false))
}

fn is_excluded(excludes: &Excludes, path: &[Vec<u8>], is_dir: bool) -> bool {
    let mut at = PathBuf::new();
    path.iter().enumerate().any(|(index, part)| {
        at.push(OsStr::from_bytes(part));
        excludes.matches(&at, is_dir || index + 1 < path.len())
    })
}

/// Linux has 12 bits for major numbers and 20 for minor ones.
fn check_device(member: &Member) -> Result<(), String> {
    let (major, minor) = member.device;
    let is_device = matches!(member.kind, Kind::CharDevice | Kind::BlockDevice);
    if is_device && (major > MAX_MAJOR || minor > MAX_MINOR) {
        return Err(format!("Linux has no device {major},{minor}"));
    }
    Ok(())
}

/// A member's attributes.
fn meta_of(member: &Member, options: &Options, names: &AclNames) -> Result<Meta, String> {
    let (uid, gid) = if options.all_root { (0, 0) } else { (member.uid, member.gid) };
    let mut xattrs = BTreeMap::new();
    for (name, value) in &member.xattrs {
        if options.xattrs.wants(name) {
            check_xattr(name, value)?;
            xattrs.insert(name.clone(), value.clone());
        }
    }
    let mut perm = member.perm;
    let texts = [(ACCESS, &member.acl_access), (DEFAULT, &member.acl_default)];
    for (name, text) in texts.into_iter().filter(|(name, _)| options.xattrs.wants(name)) {
        // The attribute itself, if it is there, is more exact.
        if let Some(text) = text
            && !xattrs.contains_key(name)
            && can_have_acl(member.kind, name)
            && let Some(value) = encode_acl(text, names)?
        {
            xattrs.insert(name.to_vec(), value);
        }
        let Some(mode) = xattrs.get(name).map(|value| acl_mode(value)).transpose()? else {
            continue;
        };
        if name == ACCESS {
            // As the kernel does; not all writers have the mask in the mode.
            perm = perm & !0o777 | mode.perm;
            if mode.is_all {
                xattrs.remove(name);
            }
        }
    }
    let xattrs = XattrSet(xattrs.into_iter().collect());
    Ok(Meta { perm, uid, gid, mtime: member.mtime, xattrs })
}

/// The attributes that are ACLs.
const ACCESS: &[u8] = b"system.posix_acl_access";
const DEFAULT: &[u8] = b"system.posix_acl_default";

/// The kernel has no ACLs of symbolic links, and defaults of directories only.
fn can_have_acl(kind: Kind, name: &[u8]) -> bool {
    kind == Kind::Directory || (name == ACCESS && kind != Kind::Symlink)
}

/// Refuses what no Linux file can have, which would be unreadable in a picture.
fn check_xattr(name: &[u8], value: &[u8]) -> Result<(), String> {
    /// `XATTR_SIZE_MAX`
    const LONGEST: usize = 1 << 16;
    if name.is_empty() || name.len() > 255 || name.contains(&0) {
        return Err("the name of an extended attribute is not of 1 to 255 bytes".into());
    }
    if value.len() > LONGEST {
        let (name, len) = (super::tar::shown(name), value.len());
        return Err(format!("{name} has {len} bytes: an attribute has at most {LONGEST}"));
    }
    Ok(())
}

/// Stores a regular member's content, 0 for an empty one; with its size.
fn store(
    stream: &mut Stream,
    member: &mut Member,
    scratch: &Scratch,
    contents: &mut ContentWriter<'_>,
    progress: &mut dyn Progress,
) -> Result<(u64, FileBytes)> {
    let size = member.size;
    if size == 0 {
        return Ok((0, FileBytes::default()));
    }
    let segments = member.segments.take().unwrap_or_else(|| vec![(0, size)]);
    let mut fill = |_, buf: &mut [u8]| stream.read_exact(buf);
    if size <= contents.small_limit() {
        let bytes = FileBytes { size, allocated: allocated(&segments) };
        progress.bytes(size);
        return Ok((contents.add_small(&SmallContent::read(size, segments, fill)?)?, bytes));
    }
    let file = scratch.file().map_err(spill_error)?;
    spool_segments(&segments, &file, &mut fill)?;
    let path = Path::new(OsStr::from_bytes(&member.path));
    let layout = Layout::Segments(segments);
    let large = LargeContent { file: &file, size, layout, path };
    let stored = contents.add_large(&large, progress)?;
    Ok((stored.number, FileBytes { size, allocated: stored.allocated }))
}
