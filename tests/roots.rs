//! pxOS roots: what the Python tools left is mounted and read without a
//! mount, and everything that is wrong with one is named.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::{Mounted, pxfs, sh, temp_dir};

/// Made by the Python tools; the expected answers beside it too.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/pxos_root");

fn expected() -> serde_json::Map<String, Value> {
    let text = fs::read_to_string(format!("{SAMPLE}.expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// A copy of the sample that a test may spoil.
struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Self {
        let dir = temp_dir();
        sh(&format!("cp -r {SAMPLE} {}/root", dir.path().display()));
        Self(dir)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("root")
    }

    /// Changes one of its JSON files.
    fn edit(&self, file: &str, edit: impl FnOnce(&mut Value)) {
        let path = self.path().join(file);
        let mut json = read_json(&path);
        edit(&mut json);
        fs::write(path, json.to_string()).unwrap();
    }

    /// The slugs of what `pxfs check` finds, and its exit status.
    fn check(&self) -> (Vec<String>, i32) {
        let said = pxfs(["check", "--json", self.path().to_str().unwrap()]);
        let report: Value = serde_json::from_str(&said.stdout).unwrap();
        let findings = report["findings"].as_array().cloned().unwrap_or_default();
        let slugs = findings.iter().map(|finding| finding["slug"].as_str().unwrap().to_owned());
        (slugs.collect(), said.status.unwrap())
    }

    fn cat(&self, path: &str) -> support::Outcome {
        pxfs(["cat", self.path().to_str().unwrap(), path])
    }
}

/// Mounts a root in a directory of its own.
fn mount(root: &Path) -> (tempfile::TempDir, Mounted) {
    let dir = temp_dir();
    let mounted = Mounted::new(root, dir.path(), "ro");
    (dir, mounted)
}

fn xattr(path: &Path, name: &str) -> String {
    let path = path.display();
    sh(&format!("getfattr --absolute-names --only-values -n user.pxfs.{name} '{path}'"))
}

#[test]
fn every_path_of_the_sample_is_a_file_with_its_pixel() {
    let (_dir, mount) = mount(Path::new(SAMPLE));
    for (path, entry) in expected() {
        let file = mount.path(&path[1..]);
        let bytes = fs::read(&file).unwrap();
        assert_eq!(json!(bytes.len()), entry["size"], "{path}");
        assert_eq!(json!(fs::metadata(&file).unwrap().len()), entry["size"], "{path}");
        assert_eq!(json!(hex(&Sha256::digest(&bytes))), entry["sha256"], "{path}");
        assert_eq!(json!(xattr(&file, "sha256")), entry["sha256"], "{path}");
        assert_eq!(json!(xattr(&file, "id")), entry["file_id"], "{path}");
        assert_eq!(json!(xattr(&file, "type")), entry["type"], "{path}");
        let rgba = entry["rgba"].as_array().unwrap();
        let rgba: Vec<String> = rgba.iter().map(Value::to_string).collect();
        assert_eq!(xattr(&file, "rgba"), rgba.join(","), "{path}");
        let id = entry["file_id"].as_str().unwrap().strip_prefix("0x").unwrap();
        let by_id = mount.path(".pxfs/pixels").join(id);
        assert_eq!(fs::read(by_id).unwrap(), bytes, "{path}");
    }
    let listed = sh(&format!("cd {} && find . -type f | wc -l", mount.path("").display()));
    assert_eq!(listed.trim(), expected().len().to_string());
    let theirs = read_json(&Path::new(SAMPLE).join("pixelfs.json"));
    let ours = read_json(&mount.path(".pxfs/pixelfs.json"));
    for (path, entry) in theirs["entries"].as_object().unwrap() {
        for field in ["file_id", "file_id_hex", "type", "description", "pixel", "size"] {
            assert_eq!(ours["entries"][path][field], entry[field], "{path} {field}");
        }
    }
}

#[test]
fn the_tools_read_a_root_without_a_mount() {
    let said = pxfs(["tree", SAMPLE]).expect(0).stdout;
    assert!(
        said.contains("\u{251c}\u{2500}\u{2500} plasma  [world]  0x0A5A93C8  RGBA(10,90,147,200)"),
        "{said}"
    );
    let said = pxfs(["cat", SAMPLE, "/data/welcome"]).expect(0).stdout;
    assert_eq!(said.len(), 40);
    pxfs(["ls", SAMPLE, "/boot"]).expect(0);
    pxfs(["info", SAMPLE]).expect(1).says("a pxOS root, not a picture");
    pxfs(["check", SAMPLE]).expect(0);
}

#[test]
fn each_fault_of_an_entry_is_named_and_the_rest_can_be_read() {
    const WELCOME: &str = "2045359326";
    type Edit = fn(&mut Value);
    let registry: &[(&str, Edit, &str, bool)] = &[
        ("digest", |r| r[WELCOME]["hash"] = json!("79e9b4de".repeat(8)), "blob", true),
        ("offset beyond", |r| r[WELCOME]["blob_offset"] = json!(99_999_999), "blob", true),
        (
            "offset at the end of numbers",
            |r| r[WELCOME]["blob_offset"] = json!(u64::MAX),
            "blob",
            true,
        ),
        ("cut short", |r| r[WELCOME]["blob_len"] = json!(20), "blob", true),
        ("oversized", |r| r[WELCOME]["original_size"] = json!(39), "blob", true),
        ("size", |r| r[WELCOME]["original_size"] = json!("40"), "field", true),
        ("no entry", |r| drop(r.as_object_mut().unwrap().remove(WELCOME)), "id-stale", true),
        ("empty", |r| r[WELCOME] = json!({}), "entry-empty", true),
        (
            "leads out",
            |r| {
                r[WELCOME]["blob_file"] = json!("../secret");
                r[WELCOME].as_object_mut().unwrap().remove("blob_offset");
            },
            "blob",
            true,
        ),
        (
            "absolute",
            |r| {
                r[WELCOME]["blob_file"] = json!("/etc/passwd");
                r[WELCOME].as_object_mut().unwrap().remove("blob_offset");
            },
            "blob",
            true,
        ),
        (
            "missing blob",
            |r| {
                r[WELCOME]["blob_file"] = json!("file_blobs/none.bin");
                r[WELCOME].as_object_mut().unwrap().remove("blob_offset");
            },
            "blob",
            true,
        ),
    ];
    for (what, edit, slug, is_lost) in registry {
        let root = Root::new();
        fs::write(root.0.path().join("secret"), "secret").unwrap();
        root.edit("file_boot_registry.json", edit);
        let (slugs, status) = root.check();
        assert!(slugs.iter().any(|found| found == slug), "{what}: {slugs:?}");
        assert_eq!(status, if *is_lost { 4 } else { 0 }, "{what}: {slugs:?}");
        let said = root.cat("/data/welcome");
        assert_eq!(said.status == Some(0), !is_lost, "{what}: {said:?}");
        assert!(!said.stdout.contains("secret") && !said.stdout.contains("root:"), "{what}");
        assert_eq!(root.cat("/config/tiles").expect(0).stdout.len(), 20_027, "{what}");
    }
}

/// The content is proven by its SHA-256, so it can be read; that it is not what
/// its entry says is an error all the same.
#[test]
fn ids_that_disagree_are_errors_and_the_content_can_be_read() {
    const WELCOME: &str = "2045359326";
    type Edit = fn(&mut Value);
    let cases: &[(&str, Edit, &str)] = &[
        (
            "file_boot_registry.json",
            |r| r[WELCOME]["file_id"] = json!("0x00000001"),
            "id-disagrees",
        ),
        ("file_boot_registry.json", |r| r[WELCOME]["pixel"] = json!([0, 0, 0, 0]), "id-disagrees"),
        (
            "pixelfs.json",
            |p| p["entries"]["/data/welcome"]["file_id_hex"] = json!("0x00000001"),
            "id-disagrees",
        ),
        (
            "pixelfs.json",
            |p| p["entries"]["/data/welcome"]["pixel"] = json!([1, 2, 3, 4]),
            "id-disagrees",
        ),
    ];
    for (file, edit, slug) in cases {
        let root = Root::new();
        root.edit(file, edit);
        assert_eq!(root.check(), (vec![(*slug).to_owned()], 4), "{file}");
        assert_eq!(root.cat("/data/welcome").expect(0).stdout.len(), 40);
        let (path, image) = (root.path(), root.0.path().join("w.png"));
        let (path, image) = (path.to_str().unwrap(), image.to_str().unwrap());
        pxfs(["import", path, image]).expect(1).says(slug);
        assert!(!Path::new(image).exists());
        pxfs(["import", "--skip-errors", path, image]).expect(1).says("all the same");
        assert_eq!(pxfs(["cat", image, "/data/welcome"]).expect(0).stdout.len(), 40);
    }
}

#[test]
fn what_check_says_is_for_people_and_only_once() {
    let root = Root::new();
    root.edit("pixelfs.json", |json| json["entries"]["//a"] = json!({"file_id": 2045359326}));
    let said = pxfs(["check", root.path().to_str().unwrap()]).expect(4);
    assert!(said.stdout.contains("error: pixelfs.json \"//a\": has an empty part"), "{said:?}");
    assert_eq!(said.stderr, "");
}

#[test]
fn a_file_or_nothing_is_no_root() {
    let root = Root::new();
    for (path, words) in [("project_files.bin", "is a file"), ("none", "No such file")] {
        let path = root.path().join(path).display().to_string();
        pxfs(["list", "--root", &path]).expect(1).says(words);
        pxfs(["check", &path]).expect(8).says(words);
    }
}

#[test]
fn a_bad_entry_reads_as_an_input_error_through_the_mount() {
    let root = Root::new();
    root.edit("file_boot_registry.json", |r| r["2045359326"]["blob_len"] = json!(20));
    let (_dir, mount) = mount(&root.path());
    let error = fs::read(mount.path("data/welcome")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EIO));
    assert_eq!(fs::read(mount.path("config/tiles")).unwrap().len(), 20_027);
}

#[test]
fn paths_that_cannot_be_are_named_and_left_out() {
    let root = Root::new();
    root.edit("pixelfs.json", |json| {
        let entry = json["entries"]["/data/welcome"].clone();
        let long = format!("/{}", "x".repeat(256));
        for path in ["/", "//a", "/a//b", "/a/../b", "/./b", "/b/", "nowhere", "/nul\0", &long]
            .into_iter()
            .chain(["/.pxfs/pixels/x", "/.pxos/god_pixel_registry.json"])
        {
            json["entries"][path] = entry.clone();
        }
        json["entries"]["/data/welcome/inside"] = entry.clone();
        json["entries"]["/data/line\nbreak"] = entry;
        json["entries"]["/list"] = json!([]);
    });
    let (mut slugs, status) = root.check();
    slugs.sort();
    let mut expected = vec!["path"; 11];
    expected.extend(["path-both", "entry-type"]);
    expected.sort_unstable();
    assert_eq!((slugs, status), (expected.into_iter().map(str::to_owned).collect(), 4));
    let said = pxfs(["cat", root.path().to_str().unwrap(), "/data/welcome/inside"]);
    assert_eq!(said.expect(0).stdout.len(), 40);
    root.cat("/data/line\nbreak").expect(0);
    root.cat("/data/noise").expect(0);
}

#[test]
fn requirements_that_are_missing_or_circular_are_named() {
    let root = Root::new();
    root.edit("pixelfs.json", |json| {
        json["entries"]["/boot/00_bios"]["requires"] = json!(["/boot/01_kernel", "/config/tiles"]);
        json["entries"]["/boot/01_kernel"]["requires"] = json!(["/boot/02_policy"]);
        json["entries"]["/boot/02_policy"]["requires"] = json!(["/boot/00_bios", "/none"]);
        json["entries"]["/data/noise"]["requires"] = json!("/boot");
    });
    let (mut slugs, status) = root.check();
    slugs.sort();
    assert_eq!(slugs, ["field", "requires-cycle", "requires-missing"]);
    assert_eq!(status, 4);
    let (_dir, mount) = mount(&root.path());
    let requires = xattr(&mount.path("boot/00_bios"), "requires");
    assert_eq!(requires, "/boot/01_kernel\n/config/tiles");
}

#[test]
fn each_circle_of_requirements_is_named_once_and_whole() {
    let root = Root::new();
    // Of three, one overlapping it, one of itself; and one that leads into a circle.
    let requires = [
        ("/boot/02_policy", json!(["/boot/00_bios", "/boot/00_bios"])),
        ("/boot/00_bios", json!(["/boot/01_kernel"])),
        ("/boot/01_kernel", json!(["/boot/02_policy", "/boot/00_bios"])),
        ("/data/noise", json!(["/data/noise"])),
        ("/data/welcome", json!(["/boot/01_kernel"])),
    ];
    let circles = [
        "/boot/00_bios -> /boot/01_kernel -> /boot/00_bios",
        "/boot/00_bios -> /boot/01_kernel -> /boot/02_policy -> /boot/00_bios",
        "/data/noise -> /data/noise",
    ];
    for is_turned in [false, true] {
        root.edit("pixelfs.json", |json| {
            let entries = json["entries"].as_object_mut().unwrap();
            for (path, required) in &requires {
                entries[*path]["requires"] = required.clone();
            }
            if is_turned {
                *entries = std::mem::take(entries).into_iter().rev().collect();
            }
        });
        let said = pxfs(["check", "--json", root.path().to_str().unwrap()]);
        assert_eq!(said.status, Some(4));
        let report: Value = serde_json::from_str(&said.stdout).unwrap();
        let mut found: Vec<&str> = Vec::new();
        for finding in report["findings"].as_array().unwrap() {
            assert_eq!(finding["slug"], "requires-cycle");
            let place = finding["place"].as_str().unwrap();
            assert!(["\"/boot/00_bios\"", "\"/data/noise\""].iter().any(|p| place.ends_with(p)));
            found.push(finding["problem"].as_str().unwrap().split_once(": ").unwrap().1);
        }
        found.sort_unstable();
        assert_eq!(found, circles);
    }
}

#[test]
fn circles_that_are_many_and_long_are_cut() {
    let root = Root::new();
    root.edit("pixelfs.json", |json| {
        let entry = json["entries"]["/data/welcome"].clone();
        for number in 0..2000 {
            let path = format!("/chain/{number}");
            json["entries"][&path] = entry.clone();
            json["entries"][&path]["requires"] =
                json!(["/chain/0", format!("/chain/{}", (number + 1) % 2000)]);
        }
    });
    let said = pxfs(["check", "--json", root.path().to_str().unwrap()]);
    assert_eq!(said.status, Some(4));
    assert!(said.stdout.len() < 4 << 20, "{}", said.stdout.len());
    let report: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(report["errors"], 2000);
    let last = report["findings"][1998]["problem"].as_str().unwrap();
    assert!(
        last.ends_with("1999 paths, from \"/chain/0\" to \"/chain/1998\", which requires it"),
        "{last}"
    );
}

#[test]
fn a_root_that_is_none_is_refused_in_one_sentence() {
    let cases: &[(&str, &str, &str)] = &[
        ("pixelfs.json", "{\"entries\": {", "pixelfs.json: EOF"),
        ("pixelfs.json", "[]", "expected an object"),
        ("pixelfs.json", "{}", "no \"entries\""),
        ("pixelfs.json", "{\"entries\": []}", "expected an object"),
        ("file_boot_registry.json", "nonsense", "file_boot_registry.json: expected"),
        ("file_boot_registry.json", "\u{0}", "file_boot_registry.json"),
    ];
    for (file, text, words) in cases {
        let root = Root::new();
        fs::write(root.path().join(file), text).unwrap();
        let path = root.path().display().to_string();
        let said = pxfs(["ls", &path]).expect(1).says(words);
        assert_eq!(said.stderr.trim_end().lines().count(), 1, "{}", said.stderr);
        pxfs(["check", &path]).expect(8).says(words);
        pxfs(["mount", &path, "/mnt"]).expect(32).says(words);
    }
    let root = Root::new();
    fs::remove_file(root.path().join("pixelfs.json")).unwrap();
    pxfs(["check", root.path().to_str().unwrap()]).expect(8).says("no pxOS root");
    // Links out of a root are not followed.
    symlink("/etc/passwd", root.path().join("pixelfs.json")).unwrap();
    pxfs(["ls", root.path().to_str().unwrap()]).expect(1).says("pixelfs.json");
}

#[test]
fn a_root_without_a_registry_has_paths_and_no_contents() {
    let root = Root::new();
    fs::remove_file(root.path().join("file_boot_registry.json")).unwrap();
    let (slugs, status) = root.check();
    assert!(status == 4 && slugs.iter().all(|slug| slug == "id-stale"), "{slugs:?}");
    pxfs(["ls", root.path().to_str().unwrap()]).expect(0);
    root.cat("/data/welcome").expect(1);
}

#[test]
fn a_root_boots_and_what_is_required_runs_first() {
    let root = Root::new();
    let path = root.path().display().to_string();
    let said = pxfs(["boot", &path]).expect(0).stdout;
    assert!(said.contains("COMPLETE: 5 stages done, 4 optional skipped"), "{said}");
    root.edit("pixelfs.json", |json| {
        json["entries"]["/boot/00_bios"]["requires"] = json!(["/boot/02_policy", "/config/tiles"]);
        json["entries"]["/boot/02_policy"]["requires"] = json!(["/boot/03_llm_plane"]);
    });
    let said = pxfs(["boot", &path]).expect(0).stdout;
    let done = said.lines().filter_map(|line| line.strip_suffix(" complete"));
    let done: Vec<_> = done.map(|line| line.trim_start_matches("[INFO] Stage ")).collect();
    assert_eq!(done, ["3", "2", "0", "1", "4"], "{said}");
    // Mounted it is the same.
    let (_dir, mount) = mount(&root.path());
    let mounted = pxfs(["boot", mount.path("").to_str().unwrap()]).expect(0).stdout;
    assert_eq!(mounted.matches("needs /boot/0").count(), 2, "{mounted}");
}

#[test]
fn a_boot_names_requirements_that_fail() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("/boot/00_bios", "/none")], "requires /none: not found"),
        (
            &[("/boot/00_bios", "/config/tiles"), ("/config/tiles", "/no")],
            "requires /no: not found",
        ),
        (
            &[("/boot/00_bios", "/boot/01_kernel"), ("/boot/01_kernel", "/boot/00_bios")],
            "circle: /boot/00_bios -> /boot/01_kernel -> /boot/00_bios",
        ),
        (&[("/boot/00_bios", "/boot/00_bios")], "circle: /boot/00_bios -> /boot/00_bios"),
        (&[("/boot/00_bios", "/boot/10_llm_shell")], "a stage that failed"),
    ];
    for (requires, words) in cases {
        let root = Root::new();
        root.edit("pixelfs.json", |json| {
            for (path, required) in *requires {
                json["entries"][*path]["requires"] = json!([required]);
            }
        });
        let said = pxfs(["boot", root.path().to_str().unwrap()]).expect(1).stdout;
        assert!(said.contains(words), "{words}: {said}");
        assert!(!said.contains("Ran: "), "{words}: {said}");
        let said = pxfs(["boot", "--dry-run", root.path().to_str().unwrap()]).expect(1).stdout;
        assert!(said.contains(words), "{words}: {said}");
    }
}
