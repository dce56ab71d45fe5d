//! Between roots, pictures and pixels: `pxfs import`, `boot-pixel`, `god-pixel`,
//! `resurrect`.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Parser;
use serde_json::json;

use super::super::Outcome;
use super::super::image_args::ImageArgs;
use super::super::mkfs::source_date_epoch;
use super::super::mkfs_progress::{ProgressChoice, print_summary, progress_for};
use super::super::open::{
    OpenRequest, open_picture, open_project, open_root_files, project_pixel, store_of,
};
use super::super::show::{escape, print_json};
use super::change::threads;
use super::look::write_output;
use super::rgba_text;
use crate::builder::{
    GodOptions, Imported, ProjectOptions, Raster, decode_picture, extract_meta, import_root,
    make_god, pack_directory, pack_tree, plain_options, project_root,
};
use crate::cli::cp::umask;
use crate::extract::{Copier, CopyOptions, DestDir, ExtractError, Observer};
use crate::fs::{PixelTree, ROOT_INO, Tree as _};
use crate::legacy::god::{GOD_REGISTRY, read_gods, write_rgba_png};
use crate::legacy::project::find_project;
use crate::legacy::root::{DirFiles, id_text};
use crate::mkfs::{Source, make};

/// Make a picture of a pxOS root, or of the project that a pixel stands for.
///
/// Every content is compared with its SHA-256 on the way. Files that pxOS keeps
/// beside the root's own, such as the registry of god pixels, go to /.pxos.
#[derive(Debug, Parser)]
#[command(
    name = "pxfs import",
    version,
    after_help = "Exit status: 0 everything was imported, 1 something was not."
)]
struct ImportArgs {
    /// The root: a directory, or a 1x1 project pixel
    source: PathBuf,
    /// The picture to make
    image: PathBuf,
    /// Where registry and blob of a project pixel lie [default: beside it]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Label, up to 64 bytes
    #[arg(long, short = 'L', default_value = "")]
    label: String,
    /// Leave out what is wrong with the root, and name it
    #[arg(long)]
    skip_errors: bool,
    /// Replace IMAGE if it exists
    #[arg(long, short)]
    force: bool,
    /// How to show progress on standard error
    #[arg(long, value_enum, default_value_t = ProgressChoice::Auto)]
    progress: ProgressChoice,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// Runs `pxfs import`.
pub(in crate::cli) fn import(args: Vec<OsString>) -> Outcome {
    let args = ImportArgs::parse_from(args);
    let shown = args.image.display();
    if !args.force && args.image.symlink_metadata().is_ok() {
        bail!("{shown}: exists; use --force to replace it");
    }
    if args.label.len() > 64 || args.label.contains('\0') {
        bail!("--label: at most 64 bytes, without NUL");
    }
    let mut options = plain_options(threads())?;
    options.label = args.label.clone();
    options.replace = args.force;
    let request = OpenRequest { store: args.store.clone(), ..OpenRequest::default() };
    let mut progress = progress_for(args.progress);
    let (root, plain) = if args.source.is_dir() {
        (Some(open_root_files(&args.source)?), None)
    } else {
        let id = project_pixel(&args.source)?.with_context(|| {
            format!("{}: is neither a pxOS root nor a project pixel", args.source.display())
        })?;
        let unpacked = open_project(&args.source, id, &request)?;
        (project_root(&unpacked)?, Some(unpacked.files))
    };
    let imported = match (root, plain) {
        (Some(root), _) => {
            let (image, skip, cache) = (&args.image, args.skip_errors, request.mem / 2);
            import_root(root, image, &options, skip, cache, progress.as_mut())
                .with_context(|| args.source.display().to_string())
        }
        // A project that is no root: its files as they are.
        (None, Some(files)) => {
            let tree: Arc<dyn PixelTree> = files;
            let summary = make(&args.image, Source::Tree(tree), &options, progress.as_mut());
            let done = summary.map(|summary| Imported {
                summary,
                companions: Vec::new(),
                left_out: Vec::new(),
                taken: Vec::new(),
            });
            done.with_context(|| args.image.display().to_string())
        }
        (None, None) => bail!("{}: holds nothing", args.source.display()),
    };
    progress.close();
    let Imported { summary, companions, left_out, taken } = imported?;
    let mut out = super::super::stdout();
    if args.json {
        let mut value = serde_json::to_value(&summary)?;
        value["companions"] = json!(companions);
        value["left_out"] = json!(left_out);
        value["taken"] = json!(taken);
        print_json(&mut out, &value)?;
    } else {
        print_summary(&mut out, &args.image, &summary)?;
        if !companions.is_empty() {
            let names: Vec<_> = companions.iter().map(|name| escape(name.as_bytes())).collect();
            writeln!(out, "  beside the root's own, now in /.pxos: {}", names.join(", "))?;
        }
    }
    out.flush()?;
    for left_out in &left_out {
        eprintln!("pxfs import: left out: {left_out}");
    }
    for taken in &taken {
        eprintln!("pxfs import: imported all the same: {taken}");
    }
    Ok(ExitCode::from(u8::from(!left_out.is_empty() || !taken.is_empty())))
}

/// Make a 1x1 project pixel of a directory or of a picture.
///
/// Writes project_NAME.boot.png, project_boot_registry.json and the blob in
/// project_blobs. The same files give the same colour. Of a directory .git,
/// __pycache__, *.pyc and earlier project pixels are left out.
#[derive(Debug, Parser)]
#[command(name = "pxfs boot-pixel", version)]
struct BootPixelArgs {
    /// A directory, or a picture with a file system
    source: PathBuf,
    /// The project's name [default: the source's]
    #[arg(long, short)]
    name: Option<String>,
    /// What it is
    #[arg(long, short, default_value = "")]
    desc: String,
    /// Where pixel, registry and blob go
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// Leave out what matches: a name, or with a slash a path in the source
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// Leave nothing out but what --exclude names
    #[arg(long)]
    all: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// How to show progress on standard error
    #[arg(long, value_enum, default_value_t = ProgressChoice::Auto)]
    progress: ProgressChoice,
}

/// Runs `pxfs boot-pixel`.
pub(in crate::cli) fn boot_pixel(args: Vec<OsString>) -> Outcome {
    let args = BootPixelArgs::parse_from(args);
    let request = OpenRequest::default();
    let name = args.name.clone().map_or_else(|| name_of(&args.source), Ok)?;
    if name.is_empty() || name.contains('\0') || name.len() > 200 {
        bail!("--name: 1 to 200 bytes, without NUL");
    }
    let options = ProjectOptions {
        name,
        description: args.desc.clone(),
        excludes: args.exclude.clone(),
        pack_all: args.all,
        newest: source_date_epoch()?,
    };
    let made = if args.source.is_dir() {
        let mut progress = progress_for(args.progress);
        let made =
            pack_directory(&args.source, &args.output, &options, request.mem, progress.as_mut());
        progress.close();
        made?
    } else {
        if !args.exclude.is_empty() || args.all {
            bail!("--exclude and --all are for directories");
        }
        let picture = open_picture(&args.source, &request)?;
        pack_tree(&picture, &args.source.display().to_string(), &args.output, &options)?
    };
    let mut out = super::super::stdout();
    if args.json {
        print_json(&mut out, &serde_json::to_value(&made)?)?;
    } else {
        writeln!(out, "{}", made.pixel_file.display())?;
        writeln!(out, "  File ID:  {}", made.id)?;
        writeln!(out, "  RGBA:     {}", rgba_text(made.rgba))?;
        writeln!(out, "  Blob:     {}, {} bytes", made.blob.display(), made.size)?;
        writeln!(out, "  SHA-256:  {}", made.sha256)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// A name from that of a file or directory, also of `.`.
fn name_of(path: &Path) -> anyhow::Result<String> {
    let shown = || path.display().to_string();
    let path = path.canonicalize().with_context(shown)?;
    let stem = if path.is_dir() { path.file_name() } else { path.file_stem() };
    Ok(stem.map_or_else(|| "root".into(), |stem| stem.to_string_lossy().into_owned()))
}

/// Make a god pixel: a picture as one pixel.
///
/// The colour is the first four bytes of the SHA-256 of the picture's compressed
/// RGBA, as the Python tools have it with the method "hash". Writes god_NAME.png,
/// god_pixel_registry.json and the payload.
#[derive(Debug, Parser)]
#[command(name = "pxfs god-pixel", version)]
struct GodPixelArgs {
    /// The picture (PNG, JPEG, WebP, ...)
    picture: PathBuf,
    /// Its name [default: the file's name without its ending]
    #[arg(long, short)]
    name: Option<String>,
    /// What it is
    #[arg(long, short, default_value = "")]
    desc: String,
    /// Where pixel, registry and payload go
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// Only tell the colour; write nothing
    #[arg(long, conflicts_with = "output")]
    dry_run: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs `pxfs god-pixel`.
pub(in crate::cli) fn god_pixel(args: Vec<OsString>) -> Outcome {
    let args = GodPixelArgs::parse_from(args);
    let raster = decode_picture(&args.picture)?;
    let options = GodOptions {
        store: (!args.dry_run).then(|| args.output.clone()),
        name: args.name.clone().map_or_else(|| name_of(&args.picture), Ok)?,
        description: args.desc.clone(),
    };
    let made = make_god(&raster, &options)?;
    let mut out = super::super::stdout();
    if args.json {
        print_json(&mut out, &serde_json::to_value(&made)?)?;
    } else {
        let [red, green, blue, alpha] = made.rgba;
        let (width, height) = made.original_size;
        writeln!(out, "{red},{green},{blue},{alpha}")?;
        writeln!(out, "  File ID:  {}", made.id)?;
        writeln!(out, "  Picture:  {width} x {height}, {} bytes compressed", made.size)?;
        writeln!(out, "  SHA-256:  {}", made.sha256)?;
        for file in &made.files {
            writeln!(out, "  Written:  {}", file.display())?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Make what a pixel stands for: a project pixel becomes a directory, a god pixel
/// or a META picture a PNG.
#[derive(Debug, Parser)]
#[command(name = "pxfs resurrect", version)]
struct ResurrectArgs {
    #[command(flatten)]
    image: ImageArgs,
    /// The directory (new or empty) or the PNG to make [default: the name with
    /// .resurrected at its end]
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Replace the PNG if it exists
    #[arg(short, long)]
    force: bool,
}

/// Runs `pxfs resurrect`.
pub(in crate::cli) fn resurrect(args: Vec<OsString>) -> Outcome {
    let args = ResurrectArgs::parse_from(args);
    let source = &args.image.image;
    let shown = source.display();
    let request = args.image.request();
    let Some(id) = project_pixel(source)? else {
        let raster = decode_picture(source)?;
        let found = extract_meta(&raster).with_context(|| shown.to_string())?;
        let inner = found.with_context(|| {
            format!("{shown}: is neither one pixel nor a META picture; nothing is in it")
        })?;
        return write_picture(&args, |out| write_raster(&inner, out));
    };
    let store = store_of(source, &request);
    let files = DirFiles::open(&store).with_context(|| store.display().to_string())?;
    let gods = read_gods(&files).map(|(gods, _)| gods);
    if let Ok(gods) = &gods
        && let Some(god) = gods.iter().find(|god| god.id == id)
    {
        return write_picture(&args, |out| god.write_png(&files, out));
    }
    match find_project(&files, id) {
        Ok(_) => write_project(&args, id, &request),
        // Each registry may be missing: most directories have one of them.
        Err(_) if gods.is_err() && store.join(GOD_REGISTRY).exists() => {
            bail!("{}: {GOD_REGISTRY} cannot be read", store.display())
        }
        Err(_) if open_root_files(&store).is_ok_and(|root| root.content(id).is_some()) => {
            let (id, store) = (id_text(id), store.display());
            bail!("{shown}: is the pixel of a file; 'pxfs extract --root {store} {id}' writes it")
        }
        Err(error) => bail!(
            "{shown}: is the pixel {}, which is in no registry of {}: {error}",
            id_text(id),
            store.display()
        ),
    }
}

fn output_of(args: &ResurrectArgs, end: &str) -> PathBuf {
    let stem = args.image.image.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    args.output.clone().unwrap_or_else(|| PathBuf::from(format!("{stem}.resurrected{end}")))
}

fn write_picture(
    args: &ResurrectArgs,
    write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>,
) -> Outcome {
    let output = output_of(args, ".png");
    let shown = args.image.image.display();
    write_output(&output, args.force, |out| write(out).with_context(|| shown.to_string()))?;
    println!("{}", output.display());
    Ok(ExitCode::SUCCESS)
}

fn write_raster(raster: &Raster, out: &mut dyn std::io::Write) -> std::io::Result<()> {
    write_rgba_png(raster.size, out, |out| out.write_all(&raster.rgba))
}

/// Writes the files of a project into a directory that is new or empty.
fn write_project(args: &ResurrectArgs, id: u32, request: &OpenRequest) -> Outcome {
    let output = output_of(args, "");
    let shown = || format!("'{}'", output.display());
    match std::fs::read_dir(&output).map(|mut entries| entries.next().is_none()) {
        Ok(true) => {}
        Ok(false) => bail!("{}: is not empty; a project goes into its own directory", shown()),
        Err(_) => std::fs::create_dir(&output).with_context(shown)?,
    }
    let unpacked = open_project(&args.image.image, id, request)?;
    let dest = DestDir::open(&output).with_context(shown)?;
    let console = Console::default();
    let copy = CopyOptions {
        keep: true,
        links: true,
        no_clobber: false,
        umask: umask(),
        threads: threads(),
    };
    let copier = Copier::new(&*unpacked.files, copy, &console);
    let top = unpacked.files.attr(ROOT_INO)?;
    copier.copy_into(&top, b"/", &dest, output.as_os_str().as_encoded_bytes());
    println!("{}", output.display());
    let failed = console.0.load(std::sync::atomic::Ordering::Relaxed);
    Ok(ExitCode::from(u8::from(failed)))
}

/// Tells the user what could not be written.
#[derive(Default)]
struct Console(std::sync::atomic::AtomicBool);

impl Observer for Console {
    fn copied(&self, _source: &[u8], _dest: &[u8]) {}

    fn failed(&self, path: &[u8], error: &ExtractError) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        eprintln!("pxfs resurrect: '{}': {error}", escape(path));
    }

    fn warning(&self, text: &str) {
        eprintln!("pxfs resurrect: {text}");
    }
}
