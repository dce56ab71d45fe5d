//! From an action to the changes that it makes, none of which is written yet.

use std::fmt::Write as _;

use super::action::{Action, Edit, Language, MAX_TEXT, TextKind};
use super::edits;
use super::paths::source_of;
use super::staged::Change;
use crate::boot::{BootRoot, OwnSequence, SourceError};
use crate::format::PixelType;
use crate::pxc;
use crate::pxi::asm::{self, Form};
use crate::pxi::{Program, Raster, verify};

/// Largest picture of a module that is kept, in pixels: a mebi, as much memory as
/// a native boot has.
pub const MAX_MODULE_PIXELS: usize = 1 << 20;
/// The same in bytes, for what is to be replaced too.
pub const MAX_MODULE_BYTES: u64 = 4 << 20;
/// Bytes of compiler messages that the model is told.
const MAX_MESSAGES: usize = 2000;

/// What an action makes.
#[derive(Debug, Clone, Default)]
pub struct Made {
    /// The files, in the order in which they are to be written: what others need first.
    pub changes: Vec<Change>,
    /// A module that must run to its end.
    pub module: Option<String>,
    /// What was done, in one line.
    pub summary: String,
}

/// Makes what an action that changes something asks for.
///
/// # Errors
/// Why not, in words that a model can do something with.
pub fn make(action: &Action, root: &dyn BootRoot) -> Result<Made, String> {
    match action {
        Action::WriteModule { path, language, source, replace, note } => {
            let own_source = source_of(path, *language);
            free(root, path, *replace)?;
            free(root, &own_source, *replace)?;
            let mut made = module(root, path, *language, source, note)?;
            made.changes.insert(
                0,
                change(root, &own_source, source.clone().into_bytes(), {
                    match language {
                        Language::Python => PixelType::Py,
                        Language::Asm => PixelType::Data,
                    }
                })?,
            );
            Ok(made)
        }
        Action::Compile { path, note } => {
            let (language, source) = kept_source(root, path)?;
            module(root, path, language, &source, note)
        }
        Action::AddToPixelfs { path, text, kind, replace, note } => {
            free(root, path, *replace)?;
            let kind = match kind {
                TextKind::Data => PixelType::Data,
                TextKind::Config => PixelType::Config,
                TextKind::World => PixelType::World,
            };
            let mut change = change(root, path, text.clone().into_bytes(), kind)?;
            change.description = description(note);
            let summary = format!("{path}: {} bytes of {}", text.len(), kind.name());
            Ok(Made { changes: vec![change], module: None, summary })
        }
        Action::EditSequence { edits, .. } => sequence(root, edits),
        _ => Err("the action changes nothing".to_owned()),
    }
}

/// The description of a file: the first line of the model's note.
fn description(note: &str) -> Option<String> {
    let line = note.lines().next().unwrap_or_default().trim();
    let line: String = line.chars().filter(|c| !c.is_control()).take(120).collect();
    (!line.is_empty()).then_some(line)
}

fn module(
    root: &dyn BootRoot,
    path: &str,
    language: Language,
    source: &str,
    note: &str,
) -> Result<Made, String> {
    let raster = compile(&source_of(path, language), language, source)?;
    let pixels = raster.pixels().len();
    if pixels > MAX_MODULE_PIXELS {
        return Err(format!(
            "{path}: the module has {pixels} pixels, but may have {MAX_MODULE_PIXELS} at most"
        ));
    }
    let bytes = raster.to_png().map_err(|error| error.to_string())?;
    check(path, raster)?;
    let mut change = change(root, path, bytes, PixelType::PxiModule)?;
    change.description = description(note);
    let what = if change.old.is_some() { "replaced" } else { "new" };
    let summary = format!("{path}: {what} module, {pixels} pixels");
    Ok(Made { changes: vec![change], module: Some(path.to_owned()), summary })
}

/// Compiles or assembles a source.
fn compile(name: &str, language: Language, source: &str) -> Result<Raster, String> {
    let failed = |errors: Vec<asm::Diagnostic>| {
        let mut text = format!("{name} does not compile:\n");
        for error in &errors {
            if text.len() > MAX_MESSAGES {
                break;
            }
            text.push_str(&error.render());
        }
        super::action::cut(&text, MAX_MESSAGES).to_owned()
    };
    match language {
        Language::Python => {
            let compiled = pxc::compile(name, source).map_err(failed)?;
            compiled.parts.build(None)
        }
        Language::Asm => {
            let options = asm::Options { width: None, form: Form::Module };
            Ok(asm::assemble(source, options).map_err(failed)?.raster)
        }
    }
}

/// Holds a module to what the boot holds it to.
fn check(path: &str, raster: Raster) -> Result<(), String> {
    let program = Program::parse(raster).map_err(|error| format!("{path}: {error}"))?;
    let Some(header) = program.header() else {
        return Ok(());
    };
    verify::verify(program.raster().pixels(), header).map(drop).map_err(|findings| {
        let mut text = format!("{path} would be refused by the machine:");
        for finding in findings.iter().take(10) {
            let _ = write!(text, "\n{finding}");
        }
        text
    })
}

/// The source that is kept for a module; of two, nobody knows which is meant.
fn kept_source(root: &dyn BootRoot, path: &str) -> Result<(Language, String), String> {
    let mut found = Vec::new();
    for language in [Language::Python, Language::Asm] {
        let source = source_of(path, language);
        match root.read_file(&source, MAX_TEXT as u64) {
            Err(SourceError::NotFound) => {}
            Err(error) => return Err(format!("{source}: {error}")),
            Ok(file) => {
                let text = String::from_utf8(file.bytes);
                found.push((language, text.map_err(|_| format!("{source}: not UTF-8"))?));
            }
        }
    }
    let (python, asm) = (source_of(path, Language::Python), source_of(path, Language::Asm));
    match (found.pop(), found.is_empty()) {
        (Some(source), true) => Ok(source),
        (Some(_), false) => Err(format!("{path} has two sources, {python} and {asm}")),
        (None, _) => Err(format!("there is no source for {path}: neither {python} nor {asm}")),
    }
}

fn sequence(root: &dyn BootRoot, edits: &[Edit]) -> Result<Made, String> {
    let own = OwnSequence::of(root).map_err(|error| error.to_string())?;
    let text = edits::apply(&own.text, edits)?;
    if text == own.text {
        return Err("the boot sequence would be the same".to_owned());
    }
    Ok(Made {
        changes: vec![sequence_change(root, &own, text)?],
        module: None,
        summary: format!(
            "boot sequence: {}",
            edits.iter().map(word).collect::<Vec<_>>().join(", ")
        ),
    })
}

/// The change that gives a root another boot sequence.
pub fn sequence_change(
    root: &dyn BootRoot,
    own: &OwnSequence,
    text: String,
) -> Result<Change, String> {
    // What an import put aside is not written to; the first place of all goes before it.
    let path = own.path.filter(|path| !path.starts_with("/.")).unwrap_or("/boot_sequence.json");
    change(root, path, text.into_bytes(), PixelType::Config)
}

fn word(edit: &Edit) -> String {
    match edit {
        Edit::Add { path, required: true, .. } => format!("adds {path}, required"),
        Edit::Add { path, .. } => format!("adds {path}"),
        Edit::Remove { path } => format!("removes {path}"),
        Edit::Move { path, after: Some(after) } => format!("moves {path} behind {after}"),
        Edit::Move { path, after: None } => format!("moves {path} to the front"),
        Edit::Fuel { path, fuel } => format!("gives {path} {fuel} steps"),
    }
}

/// A file that is to be, with what it replaces; its path goes through no link.
fn change(
    root: &dyn BootRoot,
    path: &str,
    bytes: Vec<u8>,
    kind: PixelType,
) -> Result<Change, String> {
    for (at, _) in path.match_indices('/').skip(1) {
        let above = &path[..at];
        match root.look(above) {
            Err(SourceError::NotFound) => {
                not_even_a_link(root, above)?;
                break;
            }
            Err(error) => return Err(format!("{above}: {error}")),
            Ok(look) if look.stat.kind == 2 && is_itself(root, above) => {}
            Ok(_) => return Err(format!("{above} is no directory of the tree's own")),
        }
    }
    let old = match root.look(path) {
        Err(SourceError::NotFound) => {
            not_even_a_link(root, path)?;
            None
        }
        Err(error) => return Err(format!("{path}: {error}")),
        Ok(look) if look.stat.kind != 1 || !is_itself(root, path) => {
            return Err(format!("{path} is there and is no regular file"));
        }
        Ok(_) => {
            let old = root.read_file(path, MAX_MODULE_BYTES);
            Some(old.map_err(|error| format!("{path}: {error}"))?.bytes)
        }
    };
    Ok(Change { path: path.to_owned(), bytes, kind, description: None, old })
}

/// Refuses a name that is there and leads to nothing.
fn not_even_a_link(root: &dyn BootRoot, path: &str) -> Result<(), String> {
    let (dir, name) = path.rsplit_once('/').unwrap_or_default();
    let names = root.list(if dir.is_empty() { "/" } else { dir }).unwrap_or_default();
    match names.iter().any(|found| found == name.as_bytes()) {
        true => Err(format!("{path} is a link that leads to nothing of the tree")),
        false => Ok(()),
    }
}

/// Whether a path leads through no link.
fn is_itself(root: &dyn BootRoot, path: &str) -> bool {
    root.canonical(path).is_ok_and(|found| found == path)
}

/// Refuses a path that is taken, unless what is there is to give way.
fn free(root: &dyn BootRoot, path: &str, replace: bool) -> Result<(), String> {
    match root.look(path) {
        Err(SourceError::NotFound) => Ok(()),
        Ok(_) if replace => Ok(()),
        Ok(_) => {
            Err(format!("{path} is there already; say \"replace\": true if it is to give way"))
        }
        Err(error) => Err(format!("{path}: {error}")),
    }
}
