//! Patterns for what is left out.

use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::error::{MkfsError, Result};

/// A set of patterns. A pattern without a slash is matched against names at any
/// depth, one with a slash against the path from the source's root; a slash at
/// its end makes it match directories only. `*` does not cross a slash, `**` does.
#[derive(Debug, Clone)]
pub struct Excludes {
    root: PathBuf,
    names: GlobSet,
    paths: GlobSet,
    dir_names: GlobSet,
    dir_paths: GlobSet,
}

impl Excludes {
    /// Compiles `patterns` for the source directory `root`.
    ///
    /// # Errors
    /// [`MkfsError::Invalid`] with the pattern that cannot be understood.
    pub fn new(root: &Path, patterns: &[String]) -> Result<Self> {
        let mut sets: [GlobSetBuilder; 4] = std::array::from_fn(|_| GlobSetBuilder::new());
        for pattern in patterns {
            let (body, dirs_only) = match pattern.strip_suffix('/') {
                Some(body) => (body, true),
                None => (pattern.as_str(), false),
            };
            let is_path = body.contains('/');
            let glob = GlobBuilder::new(body.trim_start_matches('/'))
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map_err(|error| MkfsError::Invalid(format!("--exclude {pattern}: {error}")))?;
            sets[2 * usize::from(dirs_only) + usize::from(is_path)].add(glob);
        }
        let mut built = Vec::new();
        for set in sets {
            let set = set.build().map_err(|error| MkfsError::Invalid(error.to_string()))?;
            built.push(set);
        }
        let mut built = built.into_iter();
        let mut next = || built.next().unwrap_or_else(GlobSet::empty);
        Ok(Self {
            root: root.to_owned(),
            names: next(),
            paths: next(),
            dir_names: next(),
            dir_paths: next(),
        })
    }

    /// Whether the file at `path`, which begins with the root, is left out.
    pub(crate) fn matches(&self, path: &Path, is_dir: bool) -> bool {
        let matches = |names: &GlobSet, paths: &GlobSet| {
            (!names.is_empty() && path.file_name().is_some_and(|name| names.is_match(name)))
                || (!paths.is_empty()
                    && path.strip_prefix(&self.root).is_ok_and(|path| paths.is_match(path)))
        };
        matches(&self.names, &self.paths) || (is_dir && matches(&self.dir_names, &self.dir_paths))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names_paths_and_directories() {
        let patterns = ["*.o", "build/", "/doc/*.txt", "a/**/z"].map(String::from);
        let excludes = Excludes::new(Path::new("/src"), &patterns).unwrap();
        let cases = [
            ("/src/x/y.o", false, true),
            ("/src/x/y.c", false, false),
            ("/src/x/build", true, true),
            ("/src/x/build", false, false),
            ("/src/doc/a.txt", false, true),
            ("/src/doc/sub/a.txt", false, false),
            ("/src/other/doc/a.txt", false, false),
            ("/src/a/b/c/z", false, true),
        ];
        for (path, is_dir, expected) in cases {
            assert_eq!(excludes.matches(Path::new(path), is_dir), expected, "{path}");
        }
        assert!(Excludes::new(Path::new("/"), &["[".into()]).is_err());
    }
}
