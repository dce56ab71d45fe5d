//! Small systems to work in, as a directory, a picture and a pxOS root, each in a
//! yard full of files that are nobody's business.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::server::Server;
use crate::support::{Outcome, PXFS, mkfs, pxfs, run, temp_dir};

/// What a system lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    Picture,
    Root,
}

pub(crate) const KINDS: [Kind; 3] = [Kind::Directory, Kind::Picture, Kind::Root];

/// A system in its yard.
pub(crate) struct World {
    _dir: TempDir,
    pub(crate) yard: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) kind: Kind,
}

/// The modules: path and source.
const MODULES: [(&str, &str); 4] = [
    ("/boot/00_bios", "print(\"bios\")\n"),
    (
        "/boot/02_policy",
        "from pxi import *\npolicy('{\"llm_per_minute\": 7}')\nprint(\"policy\")\n",
    ),
    ("/boot/10_shell", "x = 0\nfor i in range(500):\n    x = x + i\nprint(\"shell\", x)\n"),
    ("/boot/20_guardian", "print(\"guardian\")\n"),
];

/// The sequence: one optional stage runs before a required one.
pub(crate) const SEQUENCE: &str = r#"{
  "version": "1.0",
  "sequence": [
    {"stage": 0, "name": "BIOS", "path": "/boot/00_bios", "required": true},
    {"stage": 10, "name": "Shell", "path": "/boot/10_shell", "required": false},
    {"stage": 2, "name": "Policy", "path": "/boot/02_policy", "required": true},
    {"stage": 20, "name": "Guardian", "path": "/boot/20_guardian", "required": false}
  ]
}
"#;

/// A source as a program picture.
pub(crate) fn compiled(source: &str) -> Vec<u8> {
    let compiled = pxfs::pxc::compile("test.py", source).unwrap();
    compiled.parts.build(None).unwrap().to_png().unwrap()
}

impl World {
    pub(crate) fn new(kind: Kind) -> Self {
        Self::with(kind, SEQUENCE, &[])
    }

    /// A system with more modules, and another sequence.
    pub(crate) fn with(kind: Kind, sequence: &str, more: &[(&str, &str)]) -> Self {
        let dir = temp_dir();
        let yard = dir.path().join("yard");
        for canary in
            ["canary.txt", "outside/canary", "etc/passwd", ".hidden", "models/canary.gguf"]
        {
            let path = yard.join(canary);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("sings: {canary}")).unwrap();
        }
        std::os::unix::fs::symlink("outside", yard.join("link")).unwrap();
        let files = dir.path().join("files");
        for (path, source) in MODULES.iter().chain(more) {
            write(&files, path, &compiled(source));
        }
        write(&files, "/boot_sequence.json", sequence.as_bytes());
        write(&files, "/data/motd", b"good morning\n");
        let target = match kind {
            Kind::Directory => {
                fs::rename(&files, yard.join("system")).unwrap();
                yard.join("system")
            }
            Kind::Picture => {
                mkfs(&yard.join("system.png"), &files);
                yard.join("system.png")
            }
            Kind::Root => {
                let root = yard.join("root");
                pxfs(["init".as_ref(), "--root".as_ref(), root.as_os_str()]).expect(0);
                let names = MODULES.iter().chain(more).map(|(path, _)| *path);
                for path in names.chain(["/boot_sequence.json", "/data/motd"]) {
                    let file = files.join(path.trim_start_matches('/'));
                    let (root, file) = (root.to_str().unwrap(), file.to_str().unwrap());
                    pxfs(["add", "--root", root, path, file]).expect(0);
                }
                root
            }
        };
        Self { _dir: dir, yard, target, kind }
    }

    /// Makes the server's model the architect.
    pub(crate) fn set_up(&self, server: &Server) -> Outcome {
        self.architect(&["--setup", "custom", "--endpoint", &server.endpoint]).expect(0)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(PXFS);
        command.arg("architect").arg(&self.target).args(args).current_dir(&self.yard);
        command
    }

    pub(crate) fn architect(&self, args: &[&str]) -> Outcome {
        run(&mut self.command(args))
    }

    /// Runs the loop with everything allowed that passes the checks.
    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        self.architect(&[&["run", "--yes"], args].concat())
    }

    /// Boots it; its log. Whatever happened, it must boot.
    #[track_caller]
    pub(crate) fn boots(&self) -> String {
        pxfs(["boot".as_ref(), self.target.as_os_str()]).expect(0).stdout
    }

    /// The content of a file of the system.
    pub(crate) fn read(&self, path: &str) -> Option<Vec<u8>> {
        let tree = pxfs::builder::Editor::open(&self.target, &Default::default()).unwrap();
        tree.read(path, 1 << 24).unwrap()
    }

    /// A record of the architect.
    pub(crate) fn record(&self, name: &str) -> Option<String> {
        let bytes = match self.kind {
            Kind::Root => fs::read(self.target.join(name)).ok(),
            _ => self.read(&format!("/data/architect/{name}")),
        };
        bytes.map(|bytes| String::from_utf8(bytes).unwrap())
    }

    pub(crate) fn state(&self) -> Value {
        serde_json::from_str(&self.record("architect_state.json").unwrap()).unwrap()
    }

    /// Digests of everything in the yard but the system itself.
    pub(crate) fn outside(&self) -> BTreeMap<PathBuf, String> {
        let mut found = digests(&self.yard);
        found.retain(|path, _| !path.starts_with(&self.target));
        // Whatever is made in the yard changes the yard: it is there by name.
        found
    }

    /// Digests of the system.
    pub(crate) fn inside(&self) -> BTreeMap<PathBuf, String> {
        match self.kind {
            Kind::Picture => [(self.target.clone(), digest(&self.target))].into(),
            _ => digests(&self.target),
        }
    }
}

fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn digest(path: &Path) -> String {
    let found = path.symlink_metadata().unwrap();
    let content = match found.file_type() {
        kind if kind.is_file() => format!("{:?}", Sha256::digest(fs::read(path).unwrap())),
        kind if kind.is_symlink() => fs::read_link(path).unwrap().display().to_string(),
        _ => return format!("directory {:o}", found.mode()),
    };
    format!("{:o} {} {}.{} {content}", found.mode(), found.ino(), found.mtime(), found.mtime_nsec())
}

/// Digests, modes, times of all below a directory.
fn digests(dir: &Path) -> BTreeMap<PathBuf, String> {
    let (mut found, mut dirs) = (BTreeMap::new(), vec![dir.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                dirs.push(path.clone());
            }
            found.insert(path.clone(), digest(&path));
        }
    }
    found
}
