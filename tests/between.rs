//! Roots, pictures and pixels: what is in one comes out of the other, and what
//! somebody hostile packed does no harm.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::{Mounted, Outcome, pxfs, sh, temp_dir};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/pxos_root");
const PIXEL: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/pxos_boot_pixel/project_demo.boot.png");

fn line(words: &str) -> Outcome {
    pxfs(words.split(' '))
}

fn json_of(said: Outcome) -> Value {
    serde_json::from_str(&said.expect(0).stdout).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares a mounted tree with what the Python tools say of the sample.
fn is_the_sample(dir: &Path) {
    let text = fs::read_to_string(format!("{ROOT}.expected.json")).unwrap();
    let expected: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(expected.len(), 12);
    for (path, entry) in &expected {
        let file = dir.join(&path[1..]);
        let bytes = fs::read(&file).unwrap();
        assert_eq!(json!(bytes.len()), entry["size"], "{path}");
        assert_eq!(json!(hex(&Sha256::digest(&bytes))), entry["sha256"], "{path}");
        let xattr = |name: &str| {
            let file = file.display();
            sh(&format!("getfattr --absolute-names --only-values -n user.pxfs.{name} '{file}'"))
        };
        assert_eq!(json!(xattr("id")), entry["file_id"], "{path}");
        assert_eq!(json!(xattr("type")), entry["type"], "{path}");
        let rgba: Vec<_> = entry["rgba"].as_array().unwrap().iter().map(Value::to_string).collect();
        assert_eq!(xattr("rgba"), rgba.join(","), "{path}");
    }
    let find = format!("find {} -type f -not -path '*/.pxos/*' | wc -l", dir.display());
    assert_eq!(sh(&find).trim(), "12");
    let open = |path: &str| {
        image::load_from_memory(&fs::read(dir.join(path)).unwrap()).unwrap().into_rgba8()
    };
    let world = open(".pxfs/worlds/plasma.png");
    let universe = open("worlds/plasma_universe");
    assert_eq!(world, universe);
    assert!(dir.join(".pxfs/worlds/44393CA8.png").exists());
}

fn mounted_is_the_sample(source: &str, options: &str) {
    let dir = temp_dir();
    let mounted = Mounted::new(Path::new(source), dir.path(), options);
    is_the_sample(dir.path());
    mounted.unmount();
}

#[test]
fn the_sample_is_the_same_in_every_form() {
    let dir = temp_dir();
    let at = |name: &str| dir.path().join(name).display().to_string();
    mounted_is_the_sample(ROOT, "ro");
    mounted_is_the_sample(PIXEL, "ro");
    // Without its registry beside it the pixel needs to be told.
    fs::copy(PIXEL, at("alone.png")).unwrap();
    line(&format!("ls {}", at("alone.png"))).expect(1).says("project_boot_registry.json");
    let store = Path::new(PIXEL).parent().unwrap().display();
    mounted_is_the_sample(&at("alone.png"), &format!("store={store}"));
    line(&format!("import {ROOT} {}", at("root.png"))).expect(0);
    line(&format!("import {PIXEL} {}", at("pixel.png"))).expect(0);
    line(&format!("import {ROOT} {}", at("root.png"))).expect(1).says("exists");
    for image in ["root.png", "pixel.png"] {
        mounted_is_the_sample(&at(image), "ro");
        line(&format!("verify -q {}", at(image))).expect(0);
        let back = at(&format!("{image}.root"));
        line(&format!("export --root {back} {}", at(image))).expect(0);
        mounted_is_the_sample(&back, "ro");
        line(&format!("check -q {back}")).expect(0);
        // Everything that a list shows, sources and descriptions too.
        let list = |target: &str| json_of(line(&format!("list --json --root {target}")));
        assert_eq!(list(ROOT), list(&back));
        let god = "god_pixel_registry.json";
        assert_eq!(
            fs::read(format!("{ROOT}/{god}")).unwrap(),
            fs::read(format!("{back}/{god}")).unwrap()
        );
    }
    line(&format!("export --root {} {PIXEL}", at("direct"))).expect(1).says("imported");
    line(&format!("export --root {} {ROOT}", at("direct"))).expect(1).says("a pxOS root");
}

#[test]
fn what_is_wrong_with_a_root_is_named_when_it_is_imported() {
    let dir = temp_dir();
    let root = dir.path().join("root");
    sh(&format!("cp -r {ROOT} {0}; chmod -R u+w {0}", root.display()));
    let mut pack = fs::read(root.join("project_files.bin")).unwrap();
    pack[10] ^= 1;
    fs::write(root.join("project_files.bin"), pack).unwrap();
    let image = dir.path().join("x.png");
    let (root, shown) = (root.display(), image.display());
    line(&format!("import {root} {shown}")).expect(1).says("welcome");
    assert!(!image.exists());
    let said = line(&format!("import --skip-errors {root} {shown}")).expect(1);
    assert!(said.stderr.contains("/data/welcome"), "{}", said.stderr);
    let list = json_of(line(&format!("list --json --image {shown}")));
    assert_eq!(list.as_array().unwrap().len(), 11);
    line(&format!("verify -q {shown}")).expect(0);
}

#[test]
fn what_a_root_cannot_hold_is_named_when_it_is_exported() {
    let dir = temp_dir();
    let at = |name: &str| dir.path().join(name).display().to_string();
    sh(&format!(
        "mkdir -p {0}/d; echo x > {0}/d/file; ln -s file {0}/d/link; mkfifo {0}/fifo",
        at("s")
    ));
    sh(&format!("printf x > {}/$'bad\\xff'; : > {}/empty", at("s"), at("s")));
    sh(&format!("head -c 20M /dev/zero > {}/large", at("s")));
    line(&format!("mkfs -q {} {}", at("w.png"), at("s"))).expect(0);
    let said = line(&format!("export --root {} {}", at("r"), at("w.png"))).expect(1);
    for name in ["link", "fifo", "bad"] {
        assert!(said.stderr.contains(name), "{}", said.stderr);
    }
    line(&format!("check -q {}", at("r"))).expect(0);
    let list = json_of(line(&format!("list --json --root {}", at("r"))));
    let paths: Vec<_> = list.as_array().unwrap().iter().map(|entry| &entry["path"]).collect();
    assert_eq!(paths, ["/d/file", "/empty", "/large"]);
}

#[test]
fn a_project_pixel_is_reproducible_and_comes_back() {
    let dir = temp_dir();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let source = at("s");
    sh(&format!(
        "mkdir -p {source}/sub/empty {source}/.git {source}/.github; echo hello > {source}/sub/a; \
         ln {source}/sub/a {source}/hard; ln -s sub/a {source}/soft; echo x > {source}/.git/x; \
         echo y > {source}/.github/y; echo z > {source}/.gitattributes; chmod 750 {source}/sub/a"
    ));
    for out in ["one", "two"] {
        fs::create_dir(at(out)).unwrap();
        line(&format!("boot-pixel {source} -n demo -o {}", at(out))).expect(0);
    }
    sh(&format!("diff -r {} {}", at("one"), at("two")));
    let pixel = format!("{}/project_demo.boot.png", at("one"));
    line(&format!("resurrect {pixel} -o {}", at("back"))).expect(0);
    sh(&format!(
        "rm -r {source}/.git; rsync -aHAXn --no-o --no-g -O --delete -i {source}/ {}/ > {}",
        at("back"),
        at("diff")
    ));
    let differ = fs::read_to_string(at("diff")).unwrap();
    assert_eq!(differ.trim(), "", "{differ}");
    line(&format!("resurrect {pixel} -o {}", at("back"))).expect(1).says("not empty");
    // Its files, as it is no root; and a picture of them.
    assert_eq!(line(&format!("cat {pixel} /sub/a")).expect(0).stdout, "hello\n");
    line(&format!("import {pixel} {}", at("w.png"))).expect(0);
    let made =
        json_of(line(&format!("boot-pixel --json {} -n again -o {}", at("w.png"), at("two"))));
    // The same files, so the same colour, by whatever way they came.
    line(&format!("ls {}/project_again.boot.png", at("two"))).expect(0);
    let registry = fs::read_to_string(format!("{}/project_boot_registry.json", at("two"))).unwrap();
    let registry: Value = serde_json::from_str(&registry).unwrap();
    let (_, entry) = registry.as_object().unwrap().iter().next().unwrap();
    assert_eq!((registry.as_object().unwrap().len(), &entry["id"]), (1, &made["id"]));
}

/// The same files with other times, as after another checkout.
#[test]
fn source_date_epoch_makes_times_equal() {
    let dir = temp_dir();
    let at = |name: &str| dir.path().join(name).display().to_string();
    sh(&format!(
        "mkdir {0} {1}; echo a > {0}/f; echo a > {1}/f; touch -d @1700000001 {0}/f {0}; \
         touch -d @1700000002.5 {1}/f {1}",
        at("one"),
        at("two")
    ));
    let made = |source: &str, epoch: &str| {
        let output = std::process::Command::new(support::PXFS)
            .args(["boot-pixel", "--json", &at(source), "-n", "n", "-o", &at("new/store")])
            .env("SOURCE_DATE_EPOCH", epoch)
            .output()
            .unwrap();
        let made: Value = serde_json::from_slice(&output.stdout).unwrap();
        made["id"].as_str().unwrap().to_owned()
    };
    assert_ne!(made("one", "1800000000"), made("two", "1800000000"));
    assert_eq!(made("one", "1700000001"), made("two", "1700000001"));
}

#[test]
fn the_pixel_of_a_picture_has_its_worlds() {
    let dir = temp_dir();
    let at = |name: &str| dir.path().join(name).display().to_string();
    line(&format!("import {ROOT} {}", at("w.png"))).expect(0);
    line(&format!("boot-pixel {} -n w -o {}", at("w.png"), at("new"))).expect(0);
    let pixel = format!("{}/project_w.boot.png", at("new"));
    let plasma = line(&format!("ls {pixel} /.pxfs/worlds")).expect(0).stdout;
    assert!(plasma.contains("plasma.png"), "{plasma}");
    fs::remove_file(format!("{}/project_boot_registry.json", at("new"))).unwrap();
    line(&format!("ls {pixel}")).expect(1).says("store=DIR");
    line(&format!("resurrect {ROOT}/hello.filepx.png")).expect(1).says("pxfs extract");
}

/// A store with one project, and its pixel.
struct Project {
    dir: tempfile::TempDir,
    id: [u8; 4],
}

impl Project {
    fn of_blob(blob: &[u8]) -> Self {
        let dir = temp_dir();
        let hash = Sha256::digest(blob);
        let id: [u8; 4] = hash[..4].try_into().unwrap();
        fs::create_dir(dir.path().join("project_blobs")).unwrap();
        fs::write(dir.path().join("project_blobs/b.bin"), blob).unwrap();
        let made = Self { dir, id };
        made.pixel(image::ColorType::Rgba8);
        made.register(
            &made.key(),
            json!({
                "name": "x", "description": "", "root": "x", "blob": "project_blobs/b.bin",
                "pixel": id, "id": format!("0x{:08X}", u32::from_be_bytes(id)),
                "hash": hex(&hash), "size": blob.len(), "original_size": 1,
            }),
        );
        made
    }

    fn of_tar(tar: &[u8]) -> Self {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(tar).unwrap();
        Self::of_blob(&zlib(&gzip.finish().unwrap()))
    }

    fn key(&self) -> String {
        let parts: Vec<String> = self.id.iter().map(u8::to_string).collect();
        parts.join(",")
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("x.boot.png")
    }

    fn pixel(&self, color: image::ColorType) {
        let id = self.id;
        let picture: image::DynamicImage = match color {
            image::ColorType::Rgb8 => {
                image::RgbImage::from_pixel(1, 1, image::Rgb([id[0], id[1], id[2]])).into()
            }
            _ => image::RgbaImage::from_pixel(1, 1, image::Rgba(id)).into(),
        };
        picture.save(self.path()).unwrap();
    }

    fn register(&self, key: &str, entry: Value) {
        let text = json!({key: entry}).to_string();
        fs::write(self.dir.path().join("project_boot_registry.json"), text).unwrap();
    }

    fn edit(&self, edit: impl FnOnce(&mut Value)) {
        let path = self.dir.path().join("project_boot_registry.json");
        let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        edit(&mut value[self.key()]);
        fs::write(path, value.to_string()).unwrap();
    }

    /// It is refused with a sentence that says `text`, and nothing is written.
    fn is_refused(&self, text: &str) {
        let out = temp_dir();
        let target = out.path().join("out");
        let before = sh(&format!("find {} | sort", self.dir.path().display()));
        let pixel = self.path();
        let pixel = pixel.to_str().unwrap();
        let args = ["resurrect", pixel, "-o", target.to_str().unwrap()];
        let said = pxfs(args).expect(1);
        assert!(said.stderr.contains(text), "no {text:?} in {}", said.stderr);
        assert_eq!(said.stderr.trim_end().lines().count(), 1, "{}", said.stderr);
        let left = fs::read_dir(&target).map_or(0, |entries| entries.count());
        assert_eq!(left, 0, "{text}");
        pxfs(["ls", pixel]).expect(1);
        assert_eq!(sh(&format!("find {} | sort", self.dir.path().display())), before);
    }
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut stream = ZlibEncoder::new(Vec::new(), Compression::fast());
    stream.write_all(bytes).unwrap();
    stream.finish().unwrap()
}

/// A member with a name that honest tools would not write.
fn member(
    tar: &mut tar::Builder<Vec<u8>>,
    name: &str,
    kind: tar::EntryType,
    link: &str,
    body: &[u8],
) {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_size(body.len() as u64);
    header.set_mode(0o4755);
    header.set_cksum();
    tar.append(&header, body).unwrap();
}

#[test]
fn hostile_members_go_nowhere() {
    use tar::EntryType as Kind;
    let outside = temp_dir();
    let secret = outside.path().join("x").display().to_string();
    type Members<'m> = &'m [(&'m str, Kind, &'m str)];
    let cases: [(&str, Members); 8] = [
        ("absolute", &[(&secret, Kind::Regular, "")]),
        ("cannot be a name", &[("../x", Kind::Regular, "")]),
        ("cannot be a name", &[("a/../../x", Kind::Regular, "")]),
        ("device", &[("dev", Kind::Char, "")]),
        ("device or fifo", &[("pipe", Kind::Fifo, "")]),
        ("hard link", &[("l", Kind::Link, "gone")]),
        ("absolute", &[("l", Kind::Link, "/etc/passwd")]),
        ("link", &[("dir", Kind::Symlink, "/tmp"), ("dir/x", Kind::Regular, "")]),
    ];
    for (text, members) in cases {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, kind, link) in members {
            let body: &[u8] = if *kind == Kind::Regular { b"hostile" } else { b"" };
            member(&mut tar, name, *kind, link, body);
        }
        let said = std::panic::catch_unwind(|| {
            let tar = tar.into_inner().unwrap();
            Project::of_tar(&tar)
        });
        let project = said.unwrap();
        if text == "link" {
            // Through a link nothing is written; whether the member is refused or
            // the link replaced, /tmp/x must not be there.
            let out = temp_dir();
            let _ = pxfs([
                "resurrect",
                project.path().to_str().unwrap(),
                "-o",
                out.path().join("o").to_str().unwrap(),
            ]);
            assert!(fs::read("/tmp/x").map_or(true, |bytes| bytes != b"hostile"));
            continue;
        }
        project.is_refused(text);
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    // Set-user-id bits do not come out.
    let mut tar = tar::Builder::new(Vec::new());
    member(&mut tar, "suid", Kind::Regular, "", b"x");
    let project = Project::of_tar(&tar.into_inner().unwrap());
    let shown = pxfs(["ls", "-l", project.path().to_str().unwrap()]).expect(0).stdout;
    assert!(shown.starts_with("-rwxr-xr-x"), "{shown}");
}

#[test]
fn pixels_and_registries_are_not_trusted() {
    let mut tar = tar::Builder::new(Vec::new());
    member(&mut tar, "a", tar::EntryType::Regular, "", b"hello");
    let tar = tar.into_inner().unwrap();
    let fresh = || Project::of_tar(&tar);
    let shown = fresh();
    assert_eq!(pxfs(["cat", shown.path().to_str().unwrap(), "/a"]).expect(0).stdout, "hello");

    let project = fresh();
    project.pixel(image::ColorType::Rgb8);
    project.is_refused("alpha");
    let project = fresh();
    project.register("1,2,3,4", json!({}));
    project.is_refused("not in project_boot_registry.json");
    let project = fresh();
    fs::write(project.dir.path().join("project_boot_registry.json"), "{\"x\": ").unwrap();
    project.is_refused("project_boot_registry.json");
    let edits: [(&str, &str, Value); 7] = [
        ("colour", "hash", json!("00".repeat(32))),
        ("hash", "hash", json!("xyz")),
        ("hash", "hash", json!(5)),
        ("id says", "id", json!("0x00000001")),
        ("blob is missing", "blob", json!(null)),
        ("No such file", "blob", json!("project_blobs/none")),
        ("leads out", "blob", json!("../../../../etc/passwd")),
    ];
    for (text, field, value) in edits {
        let project = fresh();
        project.edit(|entry| entry[field] = value);
        project.is_refused(text);
    }
    let project = fresh();
    let blob = project.dir.path().join("project_blobs/b.bin");
    let mut bytes = fs::read(&blob).unwrap();
    bytes[20] ^= 1;
    fs::write(&blob, bytes).unwrap();
    project.is_refused("SHA-256");

    Project::of_blob(b"no zlib at all").is_refused("");
    Project::of_blob(&zlib(b"no archive at all")).is_refused("tar");
    let whole = zlib(&tar);
    Project::of_blob(&whole[..whole.len() / 2]).is_refused("");
    Project::of_tar(&tar[..700]).is_refused("truncated");
}

#[test]
fn an_inflate_bomb_is_refused_before_it_fills_anything() {
    // A member that says it has 17 GiB; one is enough, none of it is there.
    let mut header = tar::Header::new_gnu();
    header.set_path("bomb").unwrap();
    header.set_size(17 << 30);
    header.set_cksum();
    let mut tar = header.as_bytes().to_vec();
    tar.resize(1 << 20, 0);
    Project::of_tar(&tar).is_refused("more than 17179869184 bytes");
}

#[test]
fn god_pixels_have_the_colours_of_the_python_tools() {
    let dir = temp_dir();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let universe = at("universe.png");
    line(&format!("extract --root {ROOT} /worlds/plasma_universe -o {universe}")).expect(0);
    let told = line(&format!("god-pixel --dry-run {universe}")).expect(0).stdout;
    assert!(told.starts_with("68,57,60,168\n"), "{told}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    let made = json_of(line(&format!(
        "god-pixel --json {universe} -n plasma -o {}",
        dir.path().display()
    )));
    assert_eq!(made["id"], "0x44393CA8");
    let payload = "compressed_44393ca8472205ad.bin";
    assert_eq!(fs::read(at(payload)).unwrap(), fs::read(format!("{ROOT}/{payload}")).unwrap());
    line(&format!("resurrect {} -o {}", at("god_plasma.png"), at("back.png"))).expect(0);
    let open = |path: &str| image::open(path).unwrap().into_rgba8();
    assert_eq!(open(&at("back.png")), open(&universe));
    line(&format!("resurrect {} -o {}", at("god_plasma.png"), at("back.png")))
        .expect(1)
        .says("exists");
    // Another payload, a registry that lies, a colour nobody knows.
    let registry = fs::read_to_string(at("god_pixel_registry.json")).unwrap();
    let cases = [
        ("fewer pixels", registry.replace("96", "97")),
        ("more pixels", registry.replace("96", "95")),
        ("no registry", registry.replace("68,57,60,168", "68,57,60,169")),
        ("leads out", registry.replace(payload, "../../x")),
        ("No such file", registry.replace(payload, "none")),
    ];
    for (text, changed) in cases {
        fs::write(at("god_pixel_registry.json"), changed).unwrap();
        line(&format!("resurrect {} -o {}", at("god_plasma.png"), at("no.png")))
            .expect(1)
            .says(text);
        assert!(!Path::new(&at("no.png")).exists());
    }
    fs::write(at("god_pixel_registry.json"), &registry).unwrap();
    let mut bytes = fs::read(at(payload)).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(at(payload), bytes).unwrap();
    line(&format!("resurrect {} -o {}", at("god_plasma.png"), at("no.png"))).expect(1);
    line(&format!("resurrect {universe}")).expect(1).says("META");
    line(&format!("god-pixel {}", at("god_pixel_registry.json"))).expect(1);
}

#[test]
fn an_ordinary_user_can_do_all_of_it() {
    use std::os::unix::process::CommandExt as _;
    let dir = temp_dir();
    let work = dir.path().join("work");
    fs::create_dir(&work).unwrap();
    std::os::unix::fs::chown(&work, Some(support::NOBODY), Some(support::NOBODY)).unwrap();
    let script = format!(
        "cd {0} && P={1} && $P init && echo hi > f && $P add /a f && $P pack && $P import . w.png -f \
         && $P add --image w.png /b f && $P boot-pixel w.png -n p -o . && $P resurrect project_p.boot.png -o back \
         && cmp back/a f && cmp back/b f",
        work.display(),
        support::PXFS
    );
    let mut command = std::process::Command::new("bash");
    command.args(["-c", &script]).env("TMPDIR", &work).uid(support::NOBODY).gid(support::NOBODY);
    support::run(&mut command).expect(0);
}
