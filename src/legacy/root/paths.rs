//! Which paths of pixelfs.json can be paths of files.

use crate::format::{MAX_NAME, is_valid_name};

/// The longest path of Linux, `PATH_MAX` less the NUL.
const MAX_PATH: usize = 4095;

/// The parts of a path that could be a file's: from `/`, no part empty, `.`,
/// `..`, with NUL or longer than 255 bytes; 4095 bytes at most.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub fn clean_path(path: &str) -> Result<Vec<&str>, &'static str> {
    let inside = path.strip_prefix('/').ok_or("does not begin with /")?;
    if path.len() > MAX_PATH {
        return Err("has more than 4095 bytes");
    }
    let parts: Vec<&str> = inside.split('/').collect();
    for part in &parts {
        if part.is_empty() {
            return Err("has an empty part");
        }
        if part.len() > MAX_NAME {
            return Err("has a part of more than 255 bytes");
        }
        if !is_valid_name(part.as_bytes()) {
            return Err("has a part that can be no file name");
        }
    }
    Ok(parts)
}

/// The parts of a path that could be a file's in a root: clean, and in no
/// directory that stands for something else once the root is mounted or a picture.
///
/// # Errors
/// As [`clean_path`].
pub fn root_path(path: &str) -> Result<Vec<&str>, &'static str> {
    let parts = clean_path(path)?;
    match parts.first() {
        Some(&".pxfs" | &".pxos") => Err("is in a directory that pxfs has for itself"),
        _ => Ok(parts),
    }
}

/// A circle of paths of which each requires the next, and the last the first, in
/// words. Of a name that could forge something in a line, the characters are escaped.
pub(crate) fn circle_text(paths: &[&str]) -> String {
    let each = paths.iter().chain(paths.first());
    each.map(|path| path.escape_debug().to_string()).collect::<Vec<_>>().join(" -> ")
}

#[cfg(test)]
mod tests {
    use super::{clean_path, root_path};

    #[test]
    fn what_pxfs_shows_itself_is_no_path_of_a_root() {
        assert_eq!(root_path("/a/.pxfs/b"), Ok(vec!["a", ".pxfs", "b"]));
        for bad in ["/.pxfs", "/.pxfs/pixels/x", "/.pxos/god_pixel_registry.json", "//a"] {
            assert!(root_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_paths_of_files_are_clean() {
        assert_eq!(clean_path("/a/b c/\u{fc}"), Ok(vec!["a", "b c", "\u{fc}"]));
        let (long, deep) = (format!("/{}", "x".repeat(256)), "/x".repeat(2048));
        for bad in ["", "/", "a", "//a", "/a/", "/a//b", "/./a", "/a/..", "/a\0b", &long, &deep] {
            assert!(clean_path(bad).is_err(), "{bad}");
        }
    }
}
