//! The builder: what the Python tools make is made to the byte, roots and
//! pictures are changed alike, and what cannot be is refused with nothing lost.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::{Outcome, PXFS, run, sh, temp_dir};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/pxos_cli");

/// A copy of a root, or of a directory without one, to work in.
struct Work(tempfile::TempDir);

impl Work {
    fn copy_of(fixture: &str) -> Self {
        let dir = temp_dir();
        sh(&format!("cp -r {DATA}/{fixture}/. {}", dir.path().display()));
        Self(dir)
    }

    fn new_root() -> Self {
        let work = Self::copy_of("sources");
        work.pxfs("init").expect(0);
        work
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs a command line in the directory.
    fn pxfs(&self, line: &str) -> Outcome {
        run(Command::new(PXFS).args(line.split(' ')).current_dir(self.0.path()))
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn same_as(&self, name: &str, case: &str) {
        let expected = fs::read(format!("{DATA}/after/{case}/{name}")).unwrap();
        let found = self.read(name);
        let shown = String::from_utf8_lossy(&found);
        assert!(found == expected, "{case}/{name} differs: {shown}");
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.pxfs(line).expect(0).stdout).unwrap()
    }

    fn paths(&self, target: &str) -> Vec<String> {
        let list = self.json(format!("list --json {target}").trim_end());
        let paths = list.as_array().unwrap().iter();
        paths.map(|entry| entry["path"].as_str().unwrap().to_owned()).collect()
    }

    fn is_clean(&self) {
        self.pxfs("check -q").expect(0);
    }
}

#[test]
fn what_the_python_tools_write_is_written_to_the_byte() {
    let empty = Work(temp_dir());
    empty.pxfs("init").expect(0);
    empty.same_as("pixelfs.json", "001_init_new");

    let sources = Work::new_root();
    run(Command::new(PXFS)
        .args(["add", "/boot/k", "kernel.dat", "--type", "pxi_module", "--desc", "the kernel"])
        .current_dir(sources.0.path()))
    .expect(0);
    sources.same_as("pixelfs.json", "015_add");
    sources.same_as("file_boot_registry.json", "075_pack_add");
    sources.same_as("file_blobs/file_2C49ED01.bin", "075_pack_add");

    let mixed = Work::copy_of("mixed");
    mixed.pxfs("init").expect(0);
    mixed.pxfs("pack").expect(0);
    mixed.same_as("project_files.bin", "086_pack_pack");
    mixed.same_as("file_boot_registry.json", "086_pack_pack");

    let packed = Work::copy_of("packed");
    packed.pxfs("init").expect(0);
    packed.pxfs("auto-add").expect(0);
    packed.same_as("pixelfs.json", "034_autoadd");
    assert_eq!(packed.pxfs("auto-discover").expect(0).stdout, "All contents have a path\n");
    packed.is_clean();
}

#[test]
fn the_tree_keeps_the_order_in_which_paths_were_added() {
    let work = Work::new_root();
    for (path, file) in
        [("/boot/00_kernel", "kernel"), ("/worlds/lifesim", "world"), ("/worlds/hellosim", "note")]
    {
        work.pxfs(&format!("add {path} {file}.dat")).expect(0);
    }
    work.pxfs("add /top tool.dat --type py").expect(0);
    let expected = "\
boot/
\u{2514}\u{2500}\u{2500} 00_kernel  [pxi_module]  0x2C49ED01  RGBA(44,73,237,1)
worlds/
\u{251c}\u{2500}\u{2500} lifesim  [world]  0xC08F2818  RGBA(192,143,40,24)
\u{2514}\u{2500}\u{2500} hellosim  [world]  0x9F645EDF  RGBA(159,100,94,223)
top  [py]  0xDA70F10A  RGBA(218,112,241,10)
";
    assert_eq!(work.pxfs("tree").expect(0).stdout, expected);
    assert_eq!(work.pxfs("tree --root .").expect(0).stdout, expected);
    assert_eq!(work.paths(""), ["/boot/00_kernel", "/top", "/worlds/hellosim", "/worlds/lifesim"]);
}

#[test]
fn contents_are_resolved_shown_and_extracted_by_every_name() {
    let work = Work::new_root();
    work.pxfs("add /a/k kernel.dat --desc words").expect(0);
    let sha = "2c49ed010ea168a8e3a6f1b091d0da05959fbfb969aab430c834252eaee43257";
    for name in ["/a/k", "0x2C49ED01", "2c49ed01", "44,73,237,1", sha] {
        let found = work.json(&format!("resolve --json {name}"));
        assert_eq!(found[0]["path"], "/a/k");
        assert_eq!(found[0]["sha256"], sha);
        let shown = work.json(&format!("show --json {name}"));
        assert_eq!(shown["content"]["blob_file"], "file_blobs/file_2C49ED01.bin");
        let out = work.pxfs(&format!("extract {name} -o -")).expect(0).stdout;
        assert_eq!(out.as_bytes(), work.read("kernel.dat"));
    }
    work.pxfs("extract /a/k").expect(0);
    assert_eq!(work.read("k"), work.read("kernel.dat"));
    work.pxfs("extract /a/k").expect(1).says("exists");
    work.pxfs("extract 0x2C49ED01 -f").expect(0);
    for name in ["/a", "/a/x", "0x11111111"] {
        work.pxfs(&format!("resolve {name}")).expect(1).says("not found");
        work.pxfs(&format!("extract {name} -o out")).expect(1);
    }
    work.pxfs("resolve a/k").expect(2);
    assert!(!work.path("out").exists());
    work.pxfs("desktop").expect(0);
    assert!(work.read("desktop.png").starts_with(b"\x89PNG"));
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let work = Work::new_root();
    work.pxfs("add /a/b kernel.dat").expect(0);
    let (paths, registry) = (work.read("pixelfs.json"), work.read("file_boot_registry.json"));
    let long = format!("/{}", "x".repeat(256));
    let cases = [
        ("add /a/b/c note.dat", "is a file"),
        ("add /a note.dat", "is a directory"),
        ("add /a/b note.dat", "--force"),
        ("add //x note.dat", "empty part"),
        ("add /x/ note.dat", "empty part"),
        ("add /x/../y note.dat", "no file name"),
        ("add /. note.dat", "no file name"),
        (&format!("add {long} note.dat"), "255"),
        ("add /x missing.dat", "missing.dat"),
        ("add /x sub", "directory"),
        ("add /x --file-id 12345678", "not in the registry"),
        ("add /x note.dat --requires /x", "itself"),
        ("add /x note.dat --requires //y", "empty part"),
        ("add /.pxfs/x note.dat", "for itself"),
        ("add /.pxos/x note.dat", "for itself"),
        ("mv /a/b /.pxfs", "for itself"),
        ("rm /x", "no such path"),
        ("rm /a", "-r"),
        ("mv /x /y", "no such path"),
        ("mv /a /a/b/c", "lies in"),
        ("init", "already"),
        ("pack --image w.png", "always packed"),
    ];
    for (line, sentence) in cases {
        work.pxfs(line).expect(1).says(sentence);
        assert_eq!(work.read("pixelfs.json"), paths, "{line}");
        assert_eq!(work.read("file_boot_registry.json"), registry, "{line}");
    }
    for line in ["add x note.dat", "add /x", "add /x note.dat --type zip", "add /x --file-id xyz"] {
        work.pxfs(line).expect(2);
    }
    let dir = temp_dir();
    run(Command::new(PXFS).arg("list").current_dir(dir.path())).expect(1).says("pixelfs.json");
    run(Command::new(PXFS).args(["add", "/x", "y"]).current_dir(dir.path()))
        .expect(1)
        .says("pxfs init");
}

#[test]
fn one_content_is_one_entry_and_an_empty_file_is_one_too() {
    let work = Work::new_root();
    work.pxfs("add /a note.dat --type world").expect(0);
    let registry = work.read("file_boot_registry.json");
    work.pxfs("add /b note.dat --type config").expect(0);
    work.pxfs("add /c note.filepx.png").expect(0);
    assert_eq!(work.read("file_boot_registry.json"), registry);
    work.pxfs("add /empty empty.dat").expect(0);
    let empty = work.json("resolve --json /empty");
    assert_eq!((&empty[0]["id"], &empty[0]["size"]), (&json!("0xE3B0C442"), &json!(0)));
    assert_eq!(work.pxfs("extract /empty -o -").expect(0).stdout, "");
    work.pxfs("add /c kernel.dat --force").expect(0);
    assert_eq!(work.json("resolve --json /c")[0]["id"], "0x2C49ED01");
    // The blob is lost, and found again.
    fs::remove_file(work.path("file_blobs/file_9F645EDF.bin")).unwrap();
    work.pxfs("check -q").expect(4);
    work.pxfs("add /a note.dat").expect(0).says("packed anew");
    work.pxfs("check -q").expect(0);
}

#[test]
fn two_contents_with_one_id_are_both_kept() {
    let work = Work::new_root();
    work.write("one", "pixel probe 72644\n");
    work.write("two", "pixel probe 83008\n");
    work.pxfs("add /one one").expect(0);
    work.pxfs("add /two two").expect(0);
    work.pxfs("add /again two").expect(0);
    for (path, id, text) in [
        ("/one", "0xF7022B07", "pixel probe 72644\n"),
        ("/two", "0xD628DB7B", "pixel probe 83008\n"),
        ("/again", "0xD628DB7B", "pixel probe 83008\n"),
    ] {
        assert_eq!(work.json(&format!("resolve --json {path}"))[0]["id"], id);
        assert_eq!(work.pxfs(&format!("extract {path} -o -")).expect(0).stdout, text);
    }
    work.is_clean();
}

#[test]
fn what_is_not_understood_is_kept() {
    let work = Work::new_root();
    work.pxfs("add /a note.dat").expect(0);
    let edit = |file: &str, edit: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::from_slice(&work.read(file)).unwrap();
        edit(&mut value);
        work.write(file, &serde_json::to_string_pretty(&value).unwrap());
    };
    edit("pixelfs.json", &|value| {
        value["note"] = json!([1, {"x": null}]);
        value["entries"]["/odd"] = json!({"file_id": "what"});
        value["entries"]["/a"]["url"] = json!("pix://a");
    });
    edit("file_boot_registry.json", &|value| {
        value["7"] = json!("no entry");
        value["2674155231"]["url"] = json!("pix://n");
    });
    work.pxfs("add /b kernel.dat").expect(0);
    work.pxfs("pack").expect(0);
    work.pxfs("mv /a /z").expect(0);
    let paths: Value = serde_json::from_slice(&work.read("pixelfs.json")).unwrap();
    assert_eq!(paths["note"], json!([1, {"x": null}]));
    assert_eq!(paths["entries"]["/odd"], json!({"file_id": "what"}));
    assert_eq!(paths["entries"]["/z"]["url"], "pix://a");
    let registry: Value = serde_json::from_slice(&work.read("file_boot_registry.json")).unwrap();
    assert_eq!(registry["7"], "no entry");
    assert_eq!(registry["2674155231"]["url"], "pix://n");
    work.pxfs("rm /odd").expect(0);
}

#[test]
fn requirements_are_kept_checked_and_follow() {
    let work = Work::new_root();
    work.pxfs("add /boot/a kernel.dat --requires /boot/b,/lib/c").expect(0).says("not there");
    work.pxfs("check -q").expect(4);
    work.pxfs("add /boot/b note.dat").expect(0);
    work.pxfs("add /lib/c tool.dat").expect(0);
    work.is_clean();
    work.pxfs("mv /lib /usr/lib").expect(0);
    assert_eq!(
        work.json("resolve --json /boot/a")[0]["requires"],
        json!(["/boot/b", "/usr/lib/c"])
    );
    work.is_clean();
    let said = work.pxfs("add /boot/b note.dat --requires /boot/a").expect(1);
    said.says("in turn: /boot/b -> /boot/a -> /boot/b");
    let said = work.pxfs("add /boot/d note.dat --requires /boot/e").expect(0).says("not there");
    assert_eq!(said.stderr.lines().count(), 1, "{}", said.stderr);
    work.pxfs("add /boot/e note.dat --requires /boot/d").expect(1).says("in turn");
    work.pxfs("rm /boot/d").expect(0);
    work.is_clean();
    work.pxfs("init --image w.png").expect(0);
    work.pxfs("add --image w.png /a kernel.dat --requires /b").expect(0);
    work.pxfs("add --image w.png /c tool.dat --requires /a").expect(0);
    let said = work.pxfs("add --image w.png /b note.dat --requires /c").expect(1);
    said.says("in turn: /b -> /c -> /a -> /b");
    work.pxfs("add --image w.png /.pxfs/b note.dat").expect(1).says("for itself");
    work.pxfs("rm /usr/lib/c --purge").expect(0).says("was removed");
}

#[test]
fn what_a_killed_writer_left_goes_away() {
    let work = Work::new_root();
    work.pxfs("add /a note.dat").expect(0);
    let left = [
        ".pixelfs.json.4711.0.tmp",
        ".file_boot_registry.json.4711.12.tmp",
        ".project_files.bin.1.0.tmp",
        ".a picture.filepx.png.4711.0.tmp",
        "file_blobs/.blob.4711.0.tmp",
    ];
    let foreign = [
        ".pixelfs.json.tmp",
        ".pixelfs.json.4711.tmp",
        ".pixelfs.json.04711.0.tmp",
        ".pixelfs.json.4711.0.tmp~",
        "pixelfs.json.4711.0.tmp",
        ".notes.json.4711.0.tmp",
        ".blob.4711.0.tmp",
        "file_blobs/.pixelfs.json.4711.0.tmp",
    ];
    for name in left.iter().chain(&foreign) {
        work.write(name, "half");
    }
    fs::create_dir(work.path(".pixelfs.json.4712.0.tmp")).unwrap();
    symlink(work.path("note.dat"), work.path(".pixelfs.json.4713.0.tmp")).unwrap();
    // Looking at a root changes nothing.
    work.pxfs("list").expect(0);
    work.pxfs("check -q").expect(0);
    assert!(left.iter().all(|name| work.path(name).exists()));
    work.pxfs("add /b tool.dat").expect(0);
    for name in left {
        assert!(!work.path(name).exists(), "{name}");
    }
    for name in foreign.into_iter().chain([".pixelfs.json.4712.0.tmp", ".pixelfs.json.4713.0.tmp"])
    {
        assert!(work.path(name).exists(), "{name}");
    }
    work.is_clean();
    // Blobs that lie elsewhere are not ours.
    let outside = temp_dir();
    fs::rename(work.path("file_blobs"), outside.path().join("blobs")).unwrap();
    symlink(outside.path().join("blobs"), work.path("file_blobs")).unwrap();
    let elsewhere = outside.path().join("blobs/.blob.4711.0.tmp");
    fs::write(&elsewhere, "half").unwrap();
    work.pxfs("rm /b").expect(0);
    assert!(elsewhere.exists());
}

#[test]
fn removed_contents_go_only_when_asked() {
    let work = Work::new_root();
    for (path, file) in [("/d/a", "note"), ("/d/b", "tool"), ("/e", "note")] {
        work.pxfs(&format!("add {path} {file}.dat")).expect(0);
    }
    work.pxfs("rm /e").expect(0);
    assert!(work.path("file_blobs/file_9F645EDF.bin").exists());
    let gone = work.json("rm --json -r --purge /d");
    assert_eq!(gone["removed"], json!(["/d/a", "/d/b"]));
    assert_eq!(gone["purged"].as_array().unwrap().len(), 2);
    assert!(!work.path("file_blobs/file_9F645EDF.bin").exists());
    assert!(!work.path("tool.filepx.png").exists());
    assert_eq!(work.paths("").len(), 0);
    work.is_clean();
}

#[test]
fn the_pack_is_appended_to_and_compacted() {
    let work = Work::new_root();
    for name in ["note", "tool", "kernel", "world"] {
        work.pxfs(&format!("add /{name} {name}.dat")).expect(0);
    }
    work.pxfs("pack").expect(0);
    let first = work.read("project_files.bin");
    work.pxfs("add /conf conf.dat").expect(0);
    work.pxfs("pack").expect(0);
    assert!(work.read("project_files.bin").starts_with(&first));
    fs::remove_dir_all(work.path("file_blobs")).unwrap();
    work.is_clean();
    work.pxfs("rm /tool --purge").expect(0);
    let summary = work.json("pack --json");
    assert!(summary["unused_bytes"].as_u64().unwrap() > 0);
    let summary = work.json("pack --json --compact");
    assert_eq!(summary["unused_bytes"], 0);
    work.is_clean();
    assert_eq!(fs::read_dir(work.path("file_blobs")).unwrap().count(), 0);
    // A blob that is damaged stays as it is, and is named.
    let mut pack = work.read("project_files.bin");
    pack[10] ^= 1;
    fs::write(work.path("project_files.bin"), &pack).unwrap();
    work.pxfs("pack").expect(1).says("0x9F645EDF");
    work.pxfs("pack --compact").expect(1).says("not compacted");
    assert_eq!(work.read("project_files.bin"), pack);
}

#[test]
fn blobs_that_are_not_compressed_are_packed_too() {
    let work = Work::new_root();
    work.pxfs("add /a note.dat").expect(0);
    work.pxfs("add /b kernel.dat").expect(0);
    fs::copy(work.path("note.dat"), work.path("file_blobs/file_9F645EDF.bin")).unwrap();
    let mut registry: Value =
        serde_json::from_slice(&work.read("file_boot_registry.json")).unwrap();
    registry["2674155231"]["compressed_size"] = json!(0);
    work.write("file_boot_registry.json", &registry.to_string());
    work.is_clean();
    for line in ["pack", "pack --compact", "pack --compact"] {
        work.pxfs(line).expect(0);
        work.is_clean();
        fs::remove_dir_all(work.path("file_blobs")).unwrap();
        work.is_clean();
    }
    // A pack of which the registry says nothing is somebody else's.
    work.write("file_boot_registry.json", "{}");
    let pack = work.read("project_files.bin");
    work.pxfs("auto-add tool.dat").expect(0);
    assert!(work.read("project_files.bin").starts_with(&pack));
}

/// A tree with files of all types, a large one and things no root can hold.
fn many_files(dir: &Path) {
    fs::create_dir_all(dir.join("deep/er")).unwrap();
    for number in 0..300 {
        let text = format!("file {number}\n").repeat(number * 7 % 500);
        fs::write(dir.join(format!("deep/f{number}.txt")), text).unwrap();
    }
    for (name, text) in [("a.py", "print()"), ("deep/er/m.pxi.png", "m"), ("c.json", "{}")] {
        fs::write(dir.join(name), text).unwrap();
    }
    let large: Vec<u8> = (0..20u32 << 20).map(|at| (at / 1000) as u8).collect();
    fs::write(dir.join("large.gguf"), large).unwrap();
    symlink("a.py", dir.join("link")).unwrap();
    sh(&format!("mkfifo {}/fifo", dir.display()));
}

#[test]
fn many_files_are_added_in_one_go() {
    let work = Work(temp_dir());
    work.pxfs("init").expect(0);
    let source = temp_dir();
    many_files(source.path());
    let line = format!("auto-add --json {}", source.path().display());
    let summary = work.json(&line);
    assert_eq!(summary["added"], 304, "{summary}");
    assert_eq!((&summary["failed"], &summary["passed_over"]), (&json!([]), &json!(2)));
    let paths = work.paths("");
    for path in ["/system/a.py", "/apps/deep/er/m.pxi.png", "/config/c.json", "/models/large.gguf"]
    {
        assert!(paths.iter().any(|known| known == path), "{path} in {paths:?}");
    }
    work.is_clean();
    let pack = work.read("project_files.bin");
    let again = work.json(&line);
    assert_eq!((&again["added"], &again["unchanged"]), (&json!(0), &json!(304)));
    assert_eq!(work.read("project_files.bin"), pack);
    // One changed; another file wants the same path.
    fs::write(source.path().join("deep/f7.txt"), "changed").unwrap();
    let again = work.json(&line);
    assert_eq!((&again["updated"], &again["packed"]), (&json!(1), &json!(1)));
    let other = temp_dir();
    fs::write(other.path().join("a.py"), "other()").unwrap();
    let clash = work.json(&format!("auto-add --json {}", other.path().display()));
    let renamed = clash["renamed"][0][1].as_str().unwrap();
    assert!(renamed.starts_with("/system/a.py."), "{clash}");
    let best = Work(temp_dir());
    best.pxfs("init").expect(0);
    best.pxfs(&format!("{line} --best --under /all -j 3 --exclude large.*")).expect(0);
    assert!(best.paths("").iter().all(|path| path.starts_with("/all/")));
    best.is_clean();
}

#[test]
fn a_pack_that_goes_to_the_disk_in_parts_is_whole() {
    let work = Work::new_root();
    fs::create_dir(work.path("large")).unwrap();
    let mut state = 7u64;
    for number in 0..10 {
        // Eight files of noise, one that is packed by all workers, one of zeros.
        let len = if number == 8 { 9 << 20 } else { 7 << 20 };
        let noise = (0..len / 8).flat_map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state ^ state >> 29).to_le_bytes()
        });
        let bytes: Vec<u8> = if number == 9 { vec![0; len] } else { noise.collect() };
        fs::write(work.path(&format!("large/{number}")), bytes).unwrap();
    }
    work.pxfs("auto-add large --under /l").expect(0);
    assert!(fs::metadata(work.path("project_files.bin")).unwrap().len() > 64 << 20);
    work.is_clean();
    for number in [7, 8, 9] {
        work.pxfs(&format!("extract /l/{number} -o out{number}")).expect(0);
        assert!(work.read(&format!("out{number}")) == work.read(&format!("large/{number}")));
    }
}

#[test]
fn a_root_that_lies_in_what_is_added_does_not_add_itself() {
    let work = Work::new_root();
    work.pxfs("add /k kernel.dat").expect(0);
    work.pxfs("auto-add .").expect(0);
    let paths = work.paths("");
    assert!(paths.iter().any(|path| path == "/data/note.dat"), "{paths:?}");
    assert!(!paths.iter().any(|path| path.contains("json") && path.contains("pixelfs")));
    assert!(!paths.iter().any(|path| path.contains("filepx") || path.contains("file_blobs")));
    work.is_clean();
}

#[test]
fn a_picture_is_changed_like_a_root() {
    let work = Work::copy_of("sources");
    let image = "--image w.png";
    work.pxfs(&format!("init {image}")).expect(0);
    work.pxfs(&format!("init {image}")).expect(1).says("exists");
    work.pxfs(&format!("add {image} /boot/k kernel.dat --desc words --requires /a")).expect(0);
    work.pxfs(&format!("add {image} /a/b/note note.dat --type world")).expect(0);
    work.pxfs(&format!("add {image} /a/b/note kernel.dat")).expect(1).says("--force");
    work.pxfs(&format!("add {image} /a note.dat")).expect(1).says("no regular file");
    work.pxfs(&format!("mv {image} /a /x")).expect(0);
    let list = work.json(&format!("list --json {image}"));
    assert_eq!(list[0]["path"], "/boot/k");
    assert_eq!(list[0]["description"], "words");
    assert_eq!(list[0]["requires"], json!(["/x"]));
    assert_eq!((&list[1]["path"], &list[1]["type"]), (&json!("/x/b/note"), &json!("world")));
    let out = work.pxfs(&format!("extract {image} 0x9F645EDF -o -")).expect(0).stdout;
    assert_eq!(out.as_bytes(), work.read("note.dat"));
    work.pxfs(&format!("rm {image} /x")).expect(1).says("-r");
    work.pxfs(&format!("rm {image} -r /x")).expect(0);
    assert_eq!(work.paths(image), ["/boot/k"]);
    let source = temp_dir();
    many_files(source.path());
    work.pxfs(&format!("auto-add {image} {}", source.path().display())).expect(0);
    assert_eq!(work.paths(image).len(), 305);
    work.pxfs("verify -q w.png").expect(0);
    work.pxfs(&format!("auto-discover {image}")).expect(0);
    // It does not take itself in, and a link to it stays a link.
    symlink("w.png", work.path("link.png")).unwrap();
    let sum = work.json("auto-add --json --image link.png --under /self .");
    assert!(work.path("link.png").is_symlink(), "{sum}");
    assert!(!work.paths(image).iter().any(|path| path.ends_with("w.png")));
    work.pxfs(&format!("desktop {image}")).expect(0);
}

#[test]
fn a_cover_and_names_stay_when_a_picture_is_changed() {
    let work = Work::copy_of("sources");
    let cover = work.path("cover.png");
    image::RgbImage::from_pixel(600, 40, image::Rgb([200, 20, 30])).save(&cover).unwrap();
    for channels in ["rgba", "rgb"] {
        let make = "mkfs -q -f --label L -U 00112233445566778899aabbccddeeff --cover cover.png";
        work.pxfs(&format!("{make} --channels {channels} w.png sub")).expect(0);
        let before = work.json("info --json w.png");
        work.pxfs("add --image w.png /new note.dat").expect(0);
        let after = work.json("info --json w.png");
        for field in ["label", "uuid", "channels", "created"] {
            assert_eq!(before[field], after[field], "{field}");
        }
        let shown = image::open(work.path("w.png")).unwrap().into_rgb8();
        let red = shown.pixels().filter(|pixel| pixel.0 == [200, 20, 30]).count();
        assert!(red >= 512 * 30, "{channels}: the cover is gone: {red}");
    }
}

#[test]
fn two_at_once_take_turns() {
    let work = Work::new_root();
    let children: Vec<_> = (0..8)
        .map(|number| {
            work.write(&format!("n{number}"), &format!("content {number}"));
            let path = format!("/p/{number}");
            Command::new(PXFS)
                .args(["add", &path, &format!("n{number}")])
                .current_dir(work.0.path())
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(work.paths("").len(), 8);
    work.is_clean();
}

#[test]
fn nothing_is_written_outside_a_root() {
    let work = Work::new_root();
    let outside = temp_dir();
    symlink(outside.path(), work.path("file_blobs")).unwrap();
    work.pxfs("add /a note.dat").expect(1).says("no directory of the root");
    fs::remove_file(work.path("file_blobs")).unwrap();
    let target = outside.path().join("pack");
    fs::write(&target, "precious").unwrap();
    symlink(&target, work.path("project_files.bin")).unwrap();
    work.pxfs("auto-add note.dat").expect(1);
    assert_eq!(fs::read(&target).unwrap(), b"precious");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}
