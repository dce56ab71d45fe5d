//! The extent tree: each extent in its content, in order, without overlap.

use std::collections::HashMap;

use super::Check;
use super::finding::{Place, Problem};
use crate::format::{Extent, Extents, TreeKind, extent_key};
use crate::store::StoreError;

/// What the extents in the tree cover of each content that has any there.
#[derive(Debug, Default)]
pub(super) struct Covered(HashMap<u64, u64>);

impl Covered {
    /// Bytes of a content that are not holes.
    pub(super) fn of(&self, number: u64, extents: &Extents) -> u64 {
        match extents {
            Extents::None => 0,
            Extents::One(extent) => extent.len,
            Extents::Tree => self.0.get(&number).copied().unwrap_or(0),
        }
    }
}

/// The content that the extents at hand belong to.
struct Run {
    content: u64,
    /// Its size, if it is a content with extents in the tree.
    size: Option<u64>,
    end: u64,
}

impl Check<'_> {
    /// Checks every extent in the tree.
    pub(super) fn check_extents(&mut self) -> Covered {
        let mut covered = Covered::default();
        let mut run = Run { content: 0, size: None, end: 0 };
        self.walk_tree(TreeKind::Extents, &mut |check, key, value| {
            let (content, extent) = match parse(key, value) {
                Ok(parsed) => parsed,
                Err(reason) => {
                    let place = Place::tree(TreeKind::Extents);
                    return check.report.push(Problem::ExtentRecord { reason }, place);
                }
            };
            if run.content != content {
                run = check.start_run(content);
            }
            let Some(size) = run.size else { return };
            let reason = match extent {
                _ if extent.logical < run.end => "extents overlap",
                _ if extent.end() > size => "an extent ends after the content",
                _ => {
                    *covered.0.entry(content).or_default() += extent.len;
                    run.end = extent.end();
                    return;
                }
            };
            let problem = Problem::ContentExtents { reason: reason.into() };
            check.report.push(problem, Place::content(content));
        });
        covered
    }

    fn start_run(&mut self, content: u64) -> Run {
        let size = match self.store.content(content) {
            Ok(record) if record.extents == Extents::Tree => Some(record.size),
            Ok(_) | Err(StoreError::Missing { .. }) => {
                self.report.push(Problem::ExtentOrphan {}, Place::content(content));
                None
            }
            // Its record or its node is damaged, which is reported elsewhere.
            Err(_) => None,
        };
        Run { content, size, end: 0 }
    }
}

fn parse(key: &[u8], value: &[u8]) -> Result<(u64, Extent), String> {
    let Some((content, _)) = key.split_first_chunk::<8>() else {
        return Err(format!("a key has {} bytes instead of 16", key.len()));
    };
    let content = u64::from_be_bytes(*content);
    let extent = Extent::parse(value).map_err(|error| error.to_string())?;
    if key != extent_key(content, extent.logical) {
        return Err(format!("content {content}: an extent is not where its key says"));
    }
    Ok((content, extent))
}
