//! Which paths of the tree the architect may write and read.
//!
//! Modules, their sources and texts have places of their own; everything else,
//! the models and their registry before all, is not the architect's. Names are
//! plain: no blanks, no dots in front, nothing that a terminal or a shell reads
//! as something else.

use crate::boot::sequence::OWN;
use crate::legacy::root::clean_path;

use super::action::Language;

/// Where modules may lie.
pub const MODULES: [&str; 4] = ["apps", "boot", "lib", "system"];
/// Where texts may lie.
pub const TEXTS: [&str; 3] = ["config", "data", "worlds"];
/// Where the sources of modules are kept.
pub const SOURCES: &str = "/src";
/// Where the architect keeps its own records in pictures and directories.
pub const RECORDS: &str = "/data/architect";
/// Where the infinite map keeps its conversations.
const MAP: &str = "/worlds/map";
/// Longest path, in bytes.
pub const MAX_PATH: usize = 200;
/// Most parts of a path.
const MAX_PARTS: usize = 8;

/// Why a path is not the architect's.
#[derive(Debug, thiserror::Error)]
#[error("the path {path:?} {problem}")]
pub struct PathError {
    path: String,
    problem: String,
}

impl PathError {
    fn new(path: &str, problem: impl Into<String>) -> Self {
        Self { path: super::action::cut(path, MAX_PATH).to_owned(), problem: problem.into() }
    }
}

/// Whether a module may be at a path.
///
/// # Errors
/// When it may not.
pub fn check_module(path: &str) -> Result<(), PathError> {
    check_in(path, &MODULES)
}

/// Whether a text may be at a path.
///
/// # Errors
/// When it may not.
pub fn check_text(path: &str) -> Result<(), PathError> {
    check_in(path, &TEXTS)?;
    for own in [RECORDS, MAP] {
        if path == own || path.strip_prefix(own).is_some_and(|rest| rest.starts_with('/')) {
            return Err(PathError::new(
                path,
                format!("is protected: {own} is not yours to change"),
            ));
        }
    }
    Ok(())
}

/// Whether a file may be shown to the model: what lies in the architect's places, so that
/// nothing else that is in a directory goes to whoever runs the model.
///
/// # Errors
/// When it may not.
pub fn check_shown(path: &str) -> Result<(), PathError> {
    check_readable(path)?;
    let area = path.split('/').nth(1).unwrap_or_default();
    let is_plain = path.split('/').skip(1).all(|part| !part.starts_with('.'));
    if is_plain && (is_shown(area) || OWN.contains(&path)) {
        return Ok(());
    }
    Err(PathError::new(path, "is not in a place that is shown to models"))
}

/// Whether what lies in a directory of the root is shown.
pub fn is_shown(area: &str) -> bool {
    MODULES.contains(&area) || TEXTS.contains(&area) || SOURCES.strip_prefix('/') == Some(area)
}

/// Whether a path can be one of the tree: a clean one.
///
/// # Errors
/// When it is none.
pub fn check_readable(path: &str) -> Result<(), PathError> {
    if path.len() > MAX_PATH {
        return Err(PathError::new(path, format!("has more than {MAX_PATH} bytes")));
    }
    if !path.starts_with('/') {
        return Err(PathError::new(path, "must begin with /"));
    }
    match clean_path(path) {
        Ok(parts) if parts.first() == Some(&".pxfs") => {
            Err(PathError::new(path, "is in a directory that pxfs has for itself"))
        }
        Ok(_) if path.chars().any(char::is_control) => {
            Err(PathError::new(path, "has control characters"))
        }
        Ok(_) => Ok(()),
        Err(problem) => Err(PathError::new(path, problem)),
    }
}

fn check_in(path: &str, areas: &[&str]) -> Result<(), PathError> {
    check_readable(path)?;
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let area = parts.first().copied().unwrap_or_default();
    if parts.len() < 2 || !areas.contains(&area) {
        let places = areas.iter().map(|area| format!("/{area}/")).collect::<Vec<_>>().join(", ");
        return Err(PathError::new(path, format!("is protected: it must be in one of {places}")));
    }
    if parts.len() > MAX_PARTS {
        return Err(PathError::new(path, format!("has more than {MAX_PARTS} parts")));
    }
    if !parts.iter().all(|part| is_plain(part)) {
        let rule = "may hold letters, digits, _ - and . only, and no part may begin with a dot";
        return Err(PathError::new(path, rule));
    }
    Ok(())
}

fn is_plain(part: &str) -> bool {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    part.chars().all(is_good) && !part.starts_with('.')
}

/// Where the source of the module at a path is kept.
pub fn source_of(module: &str, language: Language) -> String {
    let ending = match language {
        Language::Python => "py",
        Language::Asm => "pxs",
    };
    format!("{SOURCES}{module}.{ending}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn modules_and_texts_have_their_places() {
        for path in ["/apps/hello", "/boot/30_x", "/lib/text", "/system/a/b-c.d"] {
            check_module(path).unwrap();
            check_text(path).unwrap_err();
        }
        for path in ["/data/x.txt", "/config/boot.json", "/worlds/w/tiles"] {
            check_text(path).unwrap();
            check_module(path).unwrap_err();
        }
        assert_eq!(source_of("/apps/hello", Language::Asm), "/src/apps/hello.pxs");
    }

    #[test]
    fn what_leads_elsewhere_is_refused_in_words() {
        let cases = [
            ("apps/x", "begin with /"),
            ("/apps/../models/x", "can be no file name"),
            ("/apps/./x", "can be no file name"),
            ("/apps//x", "empty part"),
            ("/apps/", "empty part"),
            ("/apps", "is protected"),
            ("/", "empty part"),
            ("/models/llm_pixel_registry.json", "is protected"),
            ("/.pxfs/pixels/00000000", "for itself"),
            ("/.pxos/boot_sequence.json", "is protected"),
            ("/boot_sequence.json", "is protected"),
            ("/src/apps/x.py", "is protected"),
            ("/etc/passwd", "is protected"),
            ("/apps/a b", "letters, digits"),
            ("/apps/.hidden", "no part may begin with a dot"),
            ("/apps/\u{fc}", "letters, digits"),
            ("/apps/a\u{1b}[2J", "control characters"),
            ("/apps/a\0b", "can be no file name"),
            ("/apps/1/2/3/4/5/6/7/8", "more than 8 parts"),
        ];
        for (path, expected) in cases {
            let error = check_module(path).unwrap_err().to_string();
            assert!(error.contains(expected), "{path}: {error}");
        }
        assert!(check_module(&format!("/apps/{}", "x".repeat(300))).is_err());
        for path in ["/data/architect", "/data/architect/architect_state.json", "/worlds/map/x"] {
            assert!(check_text(path).unwrap_err().to_string().contains("is protected"), "{path}");
        }
        check_text("/data/architecture").unwrap();
        for path in ["/boot/x", "/src/apps/x.py", "/boot_sequence.json"] {
            check_shown(path).unwrap();
        }
        for path in ["/models/x", "/.env", "/home/me", "/data/.key", "/src/../x"] {
            check_shown(path).unwrap_err();
        }
    }
}
