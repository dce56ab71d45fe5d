//! Cartridges: registries of the Python tools are read and written byte for byte,
//! broken entries are named and all else is used; `pxfs llm` on pictures, roots and
//! directories.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use pxfs::llm::{Backend, Cartridge, KeySource, LLM_REGISTRY, Registry, Routes, Why};
use serde_json::{Value, json};
use support::{Outcome, PXFS, mkfs, pxfs, run, sh, temp_dir};

/// What the Python tool wrote: see tests/data/README.md.
fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pxdigest")
}

fn sample_text() -> String {
    fs::read_to_string(sample().join(LLM_REGISTRY)).unwrap()
}

/// Runs `pxfs llm VERB PLACE ARGS`.
fn llm(verb: &str, place: &Path, args: &[&str]) -> Outcome {
    run(Command::new(PXFS).args(["llm", verb]).arg(place).args(args))
}

fn json_of(outcome: Outcome) -> Value {
    serde_json::from_str(&outcome.expect(0).stdout).unwrap()
}

#[test]
fn a_registry_of_the_python_tool_is_read_as_it_means_it() {
    let registry = Registry::parse(sample_text().as_bytes()).unwrap();
    assert_eq!(registry.faults(), []);
    let names: Vec<&str> = registry.cartridges().iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["TinyLlama", "Llama 3 Fast", "Gr\u{f6}\u{df}e \u{1f600}", "pxOS_Architect"]);
    let fast = registry.by_name("LLAMA 3 fast").unwrap();
    let expected = Cartridge {
        id: 0x24E7_58F9,
        name: "Llama 3 Fast".into(),
        description: "quick \"answers\"".into(),
        backend: Backend::Ollama,
        endpoint: "http://localhost:11434/v1/chat/completions".into(),
        model_name: "llama3.2:latest".into(),
        max_tokens: 64,
        temperature: 0.0,
        system_prompt: None,
        key: None,
        file: "llm_llama_3_fast.pxdigest.png".into(),
    };
    assert_eq!(*fast, expected);
    let third = &registry.cartridges()[2];
    assert_eq!(third.system_prompt.as_deref(), Some("Sei kurz.\nZwei Zeilen, \\ und Tab\t."));
    for cartridge in registry.cartridges() {
        let png = fs::read(sample().join(&cartridge.file)).unwrap();
        assert_eq!(pxfs::legacy::pixel_png::parse_pixel(&png), Ok(cartridge.id));
    }
}

#[test]
fn what_is_written_is_what_the_python_tool_writes() {
    let text = sample_text();
    let registry = Registry::parse(text.as_bytes()).unwrap();
    assert_eq!(registry.to_json(), text, "what is not changed stays, to the byte");
    // The same cartridges entered anew are the same file, names of files included.
    let mut again = Registry::default();
    for cartridge in registry.cartridges() {
        again.add(Cartridge { file: String::new(), ..cartridge.clone() }).unwrap();
    }
    assert_eq!(again.to_json(), text);
    let mut registry = registry;
    registry.remove("llama 3 FAST").unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let mut members = value.as_object().unwrap().clone();
    members.shift_remove("619141369").unwrap();
    let left: Value = serde_json::from_str(&registry.to_json()).unwrap();
    assert_eq!(left, Value::Object(members));
}

#[test]
fn what_is_not_understood_is_written_back_as_it_was() {
    let odd = "{\"5\": {\"name\": \"a\",   \"backend\": \"ollama\", \"x-new\": [1e3, {\"\\u00e4\": null}]}, \"note\": [1]}";
    let mut registry = Registry::parse(odd.as_bytes()).unwrap();
    assert_eq!(registry.cartridges()[0].endpoint, "http://localhost:11434/v1");
    assert_eq!(registry.faults().len(), 1);
    let mut new = registry.cartridges()[0].clone();
    (new.id, new.name) = (6, "b".into());
    registry.add(new).unwrap();
    let text = registry.to_json();
    assert!(text.contains(
        "{\"name\": \"a\",   \"backend\": \"ollama\", \"x-new\": [1e3, {\"\\u00e4\": null}]}"
    ));
    assert!(text.contains("\"note\": [1]"), "{text}");
    registry.remove("b").unwrap();
    assert_eq!(registry.to_json().replace("\n  ", " ").replace("{ ", "{").replace('\n', ""), odd);
}

#[test]
fn each_broken_entry_is_named_and_the_rest_is_used() {
    let good = json!({"name": "Good", "backend": "lmstudio"});
    let with = |field: &str, value: Value| {
        let mut entry = json!({"name": "N", "backend": "custom", "endpoint": "http://x/v1"});
        entry[field] = value;
        entry
    };
    let cases = [
        ("1", json!(null), "is no object; it is left out"),
        ("2", json!({}), "has no name"),
        ("3", json!({"name": "N"}), "3 (N): has no backend"),
        (
            "4",
            with("backend", json!("gpt\u{1b}[2J")),
            "backend \"gpt\\\\u{1b}[2J\" is none of lmstudio, ollama, custom, embedded",
        ),
        ("5", with("name", json!(7)), "name is no text"),
        ("6", with("name", json!(" ")), "its name is empty"),
        ("7", with("name", json!("a\u{1b}[31m")), "control characters"),
        ("8", with("name", json!("n".repeat(200))), "its name has 200 bytes, more than 128"),
        ("9", with("endpoint", json!("file:///etc/passwd")), "does not begin with http"),
        ("10", with("endpoint", json!("http://me:pw@x/")), "user or a password"),
        ("11", with("max_tokens", json!(0)), "max_tokens 0 is not within 1 to"),
        ("12", with("max_tokens", json!(-5)), "max_tokens is not within"),
        ("13", with("max_tokens", json!("many")), "max_tokens is not within"),
        ("14", with("temperature", json!(9)), "temperature 9 is not within 0 to 2"),
        ("15", with("temperature", json!("hot")), "temperature is no number"),
        ("16", with("system_prompt", json!({})), "system_prompt is no text"),
        ("17", with("system_prompt", json!("x".repeat(70_000))), "system_prompt has 70000 bytes"),
        (
            "18",
            json!({"name": "E", "backend": "embedded", "model_name": "x.gguf"}),
            "must be the path",
        ),
        ("19", with("api_key_env", json!("sk-0123")), "api_key_env is not the name of a variable"),
        ("20", with("api_key_file", json!("../key")), "api_key_file is no absolute path"),
        ("0", with("name", json!("Zero")), "id 0 asks for the default"),
        ("007", with("name", json!("Agent")), "its key is no 32-bit number"),
        ("4294967296", with("name", json!("Large")), "its key is no 32-bit number"),
        ("x", with("name", json!("X")), "its key is no 32-bit number"),
        ("21", json!({"name": "gOOD", "backend": "ollama"}), "its name is that of entry 1000"),
        ("22", json!({"name": "C", "backend": "custom"}), "endpoint \"\""),
    ];
    for (key, entry, expected) in cases {
        let text = json!({"1000": good, key: entry, "1001": {"name": "Last", "backend": "ollama"}});
        let registry = Registry::parse(text.to_string().as_bytes()).unwrap();
        let names: Vec<&str> = registry.cartridges().iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["Good", "Last"], "{key}");
        let [fault] = registry.faults() else { panic!("{key}: {:?}", registry.faults()) };
        let said = fault.to_string();
        assert!(said.contains(expected) && !fault.is_used, "{key}: {said}");
        assert!(said.starts_with(&format!("{LLM_REGISTRY}: entry {key}")), "{said}");
        assert!(!said.chars().any(char::is_control) && !said.contains("sk-0123"), "{said}");
    }
}

#[test]
fn what_is_only_odd_is_told_and_used() {
    let text = json!({"7": {
        "name": "Odd", "backend": "lmstudio", "id": "0x00000008", "pixel": [0, 0, 0, 9],
        "api_key": "geheim", "max_tokens": null, "endpoint": ""}});
    let registry = Registry::parse(text.to_string().as_bytes()).unwrap();
    assert_eq!((registry.cartridges()[0].id, registry.cartridges()[0].max_tokens), (7, 512));
    let said: Vec<String> = registry.faults().iter().map(ToString::to_string).collect();
    let expected = ["its id is not", "its pixel is not", "\"api_key\" looks like a secret"];
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.contains(expected) && !said.contains("geheim"), "{said}");
    }
    assert!(registry.faults().len() == 3 && registry.faults().iter().all(|fault| fault.is_used));
}

#[test]
fn what_is_no_registry_is_refused_whole() {
    let deep = format!("{{\"1\": {}}}", "[".repeat(100_000));
    let cases: [&[u8]; 7] =
        [b"", b"[]", b"null", b"{\"1\": }", b"{\"1\": {}} x", b"\xff\xfe{}", deep.as_bytes()];
    for text in cases {
        let error = Registry::parse(text).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{LLM_REGISTRY}: ")) && error.len() < 300, "{error}");
    }
    let error = Registry::parse(&vec![b' '; 5 << 20]).unwrap_err().to_string();
    assert!(error.contains("has 5242880 bytes, more than"), "{error}");
    let faults: Value = (1..5000).map(|key| (key.to_string(), Value::Null)).collect();
    let registry = Registry::parse(faults.to_string().as_bytes()).unwrap();
    assert_eq!(registry.faults().len(), 101, "and not thousands");
}

#[test]
fn the_same_question_goes_the_same_way() {
    let registry = Registry::parse(sample_text().as_bytes()).unwrap();
    let routes = Routes::new(registry, vec![(0xAABB_CCDD, 0xA2C3_7A3C)]);
    let way = |route: pxfs::llm::Route<'_>| (route.cartridge.name.clone(), route.why);
    assert_eq!(way(routes.by_id(0).unwrap()), ("TinyLlama".into(), Why::First));
    assert_eq!(way(routes.by_id(0x24E7_58F9).unwrap()), ("Llama 3 Fast".into(), Why::Id));
    assert_eq!(way(routes.by_id(0xAABB_CCDD).unwrap()), ("pxOS_Architect".into(), Why::File));
    assert_eq!(way(routes.by_name("pxos_architect").unwrap()).1, Why::Name);
    assert_eq!(way(routes.by_name("0xA2C37A3C").unwrap()).1, Why::Id);
    assert_eq!(way(routes.by_name("619141369").unwrap()).0, "Llama 3 Fast");
    let error = routes.by_id(5).unwrap_err().to_string();
    assert!(
        error.starts_with("there is no cartridge \"0x00000005\"; there are: TinyLlama"),
        "{error}"
    );
    let text = r#"{"1": {"name": "a", "backend": "ollama"}, "2": {"name": "Default", "backend": "ollama"}}"#;
    let routes = Routes::new(Registry::parse(text.as_bytes()).unwrap(), Vec::new());
    assert_eq!(way(routes.by_id(0).unwrap()), ("Default".into(), Why::CalledDefault));
    let error = Routes::default().by_id(0).unwrap_err().to_string();
    assert!(error.contains("'pxfs llm create' makes one"), "{error}");
}

/// A picture, a directory and a pxOS root, all without cartridges.
fn places(dir: &Path) -> [(PathBuf, PathBuf); 3] {
    let source = dir.join("source");
    fs::create_dir_all(source.join("models")).unwrap();
    fs::write(source.join("models/readme"), "models").unwrap();
    let (picture, root, plain) = (dir.join("p.png"), dir.join("root"), dir.join("plain"));
    mkfs(&picture, &source);
    pxfs(["init".as_ref(), "--root".as_ref(), root.as_os_str()]).expect(0);
    fs::create_dir(&plain).unwrap();
    [(picture, "models".into()), (plain, "models".into()), (root, "".into())]
}

/// Copies the file of a place out of it.
fn file_of(place: &Path, inside: &Path) -> Vec<u8> {
    if place.is_dir() {
        return fs::read(place.join(inside)).unwrap();
    }
    let output = Command::new(PXFS).arg("cat").arg(place).arg(inside).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn cartridges_are_made_shown_and_deleted_in_every_kind_of_place() {
    let dir = temp_dir();
    for (place, models) in places(dir.path()) {
        assert!(llm("list", &place, &[]).expect(0).stdout.contains("no cartridges"));
        let made = ["Tiny One", "-b", "lmstudio", "--id", "0x12345678", "-s", "be brief", "--json"];
        let made = json_of(llm("create", &place, &made));
        assert_eq!(made["file"], "llm_tiny_one.pxdigest.png");
        assert_eq!(made["chat_url"], "http://localhost:1234/v1/chat/completions");
        let more = ["Two", "-b", "embedded", "-m", "/models/two.gguf", "--temperature", "0"];
        llm("create", &place, &more).expect(0).says("there is no \"/models/two.gguf\" yet");
        llm("create", &place, &["tWO", "-b", "ollama"])
            .expect(1)
            .says("a cartridge \"Two\" already");

        let list = json_of(llm("list", &place, &["--json"]));
        let names: Vec<&Value> =
            list["cartridges"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(names, ["Tiny One", "Two"]);
        let shown = llm("show", &place, &["tiny one"]).expect(0).stdout;
        for text in ["0x12345678", "(18, 52, 86, 120)", "be brief", "lmstudio"] {
            assert!(shown.contains(text), "{shown}");
        }
        let way = json_of(llm("route", &place, &["--json"]));
        assert_eq!((&way["name"], &way["why"]), (&"Tiny One".into(), &"first".into()));
        let way = llm("route", &place, &["two"]).expect(0).stdout;
        assert!(way.contains("embedded, /models/two.gguf; it has this name"), "{way}");

        let registry = file_of(&place, &models.join(LLM_REGISTRY));
        assert_eq!(Registry::parse(&registry).unwrap().faults(), []);
        let png = file_of(&place, &models.join("llm_tiny_one.pxdigest.png"));
        assert_eq!(pxfs::legacy::pixel_png::parse_pixel(&png), Ok(0x1234_5678));

        llm("delete", &place, &["two"]).expect(1).says("--yes is needed");
        llm("delete", &place, &["TWO", "--yes"]).expect(0);
        llm("delete", &place, &["two", "--yes"]).expect(1).says("there are: Tiny One");
        llm("delete", &place, &["0x12345678", "-y"]).expect(0);
        assert_eq!(file_of(&place, &models.join(LLM_REGISTRY)), b"{}");
        let files: BTreeSet<String> = match place.is_dir() {
            true => fs::read_dir(place.join(&models))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect(),
            false => pxfs(["ls".as_ref(), place.as_os_str(), "models".as_ref()])
                .expect(0)
                .stdout
                .lines()
                .map(str::to_owned)
                .collect(),
        };
        assert!(!files.iter().any(|name| name.ends_with(".pxdigest.png")), "{files:?}");
    }
}

#[test]
fn in_a_picture_they_are_models_and_known_by_their_files() {
    let dir = temp_dir();
    let [(picture, _), ..] = places(dir.path());
    llm("create", &picture, &["Tiny", "-b", "lmstudio", "--id", "0x12345678"]).expect(0);
    for name in [LLM_REGISTRY, "llm_tiny.pxdigest.png"] {
        let path = format!("models/{name}");
        let args = ["stat".as_ref(), "--json".as_ref(), picture.as_os_str(), path.as_ref()];
        let found = json_of(pxfs(args));
        let found = found.get(0).unwrap_or(&found);
        assert_eq!(found["pixel"]["type"], "model", "{found}");
        if name != LLM_REGISTRY {
            // The number that the machine's routing table has.
            let id = found["pixel"]["id"].as_str().unwrap();
            let way = json_of(llm("route", &picture, &[id, "--json"]));
            assert_eq!((&way["name"], &way["why"]), (&"Tiny".into(), &"file".into()));
        }
    }
    // Everything else in the picture is as it was.
    assert_eq!(file_of(&picture, Path::new("models/readme")), b"models");
    pxfs(["verify".as_ref(), picture.as_os_str()]).expect(0);
}

#[test]
fn the_python_tools_read_what_is_written() {
    let dir = temp_dir();
    let [_, _, (root, _)] = places(dir.path());
    for name in sample().read_dir().unwrap().map(|entry| entry.unwrap().file_name()) {
        fs::copy(sample().join(&name), root.join(&name)).unwrap();
    }
    let args =
        ["N\u{e4}chste", "-b", "custom", "-e", "http://h/v1", "-d", "d", "--api-key-env", "K_1"];
    llm("create", &root, &args).expect(0);
    // What px_digest_model.py does to list, show and boot: json, Pillow, these fields.
    let script = r#"
import json, sys
from PIL import Image
registry = json.load(open("llm_pixel_registry.json"))
for key, entry in registry.items():
    r, g, b, a = entry["pixel"]
    assert int(key) == (r << 24 | g << 16 | b << 8 | a) == int(entry["id"], 16), key
    image = Image.open(entry["file"])
    assert (image.size, image.mode, image.getpixel((0, 0))) == ((1, 1), "RGBA", (r, g, b, a)), key
    assert entry["backend"] in ("lmstudio", "ollama", "custom") and entry["endpoint"]
    assert isinstance(entry["max_tokens"], int) and isinstance(entry["temperature"], float)
text = open("llm_pixel_registry.json").read()
assert text == json.dumps(registry, indent=2)
print(len(registry), list(registry.values())[-1]["name"])
"#;
    let root = root.display();
    let said = sh(&format!("cd '{root}'; PYTHONIOENCODING=utf-8 /usr/bin/python3 -c '{script}'"));
    assert_eq!(said.trim(), "5 N\u{e4}chste");
}

#[test]
fn a_picture_made_of_a_root_keeps_the_roots_cartridges() {
    let dir = temp_dir();
    let [_, _, (root, _)] = places(dir.path());
    llm("create", &root, &["Old", "-b", "ollama", "--id", "0x00000007"]).expect(0);
    let picture = dir.path().join("imported.png");
    pxfs(["import".as_ref(), root.as_os_str(), picture.as_os_str()]).expect(0);
    assert!(llm("list", &picture, &[]).expect(0).stdout.contains("Old"));
    llm("create", &picture, &["New", "-b", "ollama"]).expect(0);
    let list = llm("list", &picture, &[]).expect(0).stdout;
    assert!(list.contains("Old") && list.contains("New"), "{list}");
    let png = file_of(&picture, Path::new("models/llm_old.pxdigest.png"));
    assert_eq!(pxfs::legacy::pixel_png::parse_pixel(&png), Ok(7));
}

#[test]
fn no_secret_gets_into_a_place() {
    let dir = temp_dir();
    let [(picture, _), (plain, _), _] = places(dir.path());
    let before = fs::read(&picture).unwrap();
    let key = "sk-proj-0123456789abcdefghij";
    let cases: [&[&str]; 7] = [
        &["N", "-b", "ollama", "--api-key-env", key],
        &["N", "-b", "ollama", "-s", "use the key sk-proj-0123456789abcdefghij"],
        &["N", "-b", "ollama", "-d", "key: sk-proj-0123456789abcdefghij"],
        &["N", "-b", "ollama", "-m", key],
        &[key, "-b", "ollama"],
        &["N", "-b", "custom", "-e", "https://x/v1?key=sk-proj-0123456789abcdefghij"],
        &["N", "-b", "custom", "-e", "https://user:sk-proj-0123456789abcdefghij@x/v1"],
    ];
    for args in cases {
        let said = llm("create", &picture, args).expect(1);
        let text = format!("{}{}", said.stdout, said.stderr);
        assert_eq!(text.lines().count(), 1, "{text}");
        let tells = ["key", "password", "'?'"].iter().any(|word| text.contains(word));
        assert!(tells && !text.contains("abcdefghij"), "{args:?}: {text}");
    }
    assert_eq!(fs::read(&picture).unwrap(), before, "nothing was written");
    let inside = plain.join("key");
    fs::write(&inside, "geheim").unwrap();
    fs::set_permissions(&inside, fs::Permissions::from_mode(0o600)).unwrap();
    let args = ["N", "-b", "ollama", "--api-key-file", inside.to_str().unwrap()];
    llm("create", &plain, &args).expect(1).says("a key stays outside");
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&inside, &link).unwrap();
    let args = ["N", "-b", "ollama", "--api-key-file", link.to_str().unwrap()];
    llm("create", &plain, &args).expect(1).says("a key stays outside");
    let outside = dir.path().join("outside");
    fs::write(&outside, "geheim").unwrap();
    let args = ["N", "-b", "ollama", "--api-key-file", outside.to_str().unwrap(), "--json"];
    let made = json_of(llm("create", &plain, &args));
    assert_eq!(made["api_key_file"], outside.canonicalize().unwrap().to_str().unwrap());
}

#[test]
fn a_registry_cannot_have_other_files_removed() {
    let dir = temp_dir();
    let [_, (plain, _), (root, _)] = places(dir.path());
    let victim = dir.path().join("victim.pxdigest.png");
    fs::write(&victim, "precious").unwrap();
    for (place, at) in [(&plain, plain.join("models")), (&root, root.clone())] {
        fs::create_dir_all(&at).unwrap();
        fs::write(at.join("mine.pxdigest.png"), "no pixel of that number").unwrap();
        let entry =
            |name: &str, file: &Path| json!({"name": name, "backend": "ollama", "file": file});
        let text = json!({
            "1": entry("a", Path::new("../victim.pxdigest.png")),
            "2": entry("b", &victim),
            "3": entry("c", Path::new("mine.pxdigest.png")),
            "4": entry("d", Path::new("pixelfs.json")),
            "5": entry("e", Path::new("llm_pixel_registry.json")),
        });
        fs::write(at.join(LLM_REGISTRY), text.to_string()).unwrap();
        for name in ["a", "b", "c", "d", "e"] {
            llm("delete", place, &[name, "--yes"]).expect(0);
        }
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert!(at.join("mine.pxdigest.png").exists());
        assert_eq!(fs::read(at.join(LLM_REGISTRY)).unwrap(), b"{}");
    }
    assert!(root.join("pixelfs.json").exists());
}

#[test]
fn broken_entries_are_told_on_standard_error_and_can_be_deleted() {
    let dir = temp_dir();
    let [_, (plain, _), _] = places(dir.path());
    fs::create_dir_all(plain.join("models")).unwrap();
    let text = r#"{"5": {"name": "evil\u001b[2J", "backend": "x"}, "6": {"name": "Good", "backend": "ollama"}}"#;
    fs::write(plain.join("models").join(LLM_REGISTRY), text).unwrap();
    let said =
        llm("list", &plain, &[]).expect(0).says("entry 5 (evil\\u{1b}[2J): backend \"x\" is none");
    assert!(said.stdout.contains("Good") && !said.stderr.contains('\x1b'));
    let list = json_of(llm("list", &plain, &["--json"]));
    assert_eq!(
        (list["faults"][0]["entry"].as_str().unwrap(), &list["faults"][0]["is_used"]),
        ("5 (evil\\u{1b}[2J)", &false.into())
    );
    llm("delete", &plain, &["5", "--yes"]).expect(0);
    assert_eq!(llm("list", &plain, &[]).expect(0).stderr, "");
    fs::write(plain.join("models").join(LLM_REGISTRY), "[1, 2").unwrap();
    for verb in ["list", "show", "test", "route", "delete"] {
        let args: &[&str] = match verb {
            "show" => &["x"],
            "delete" => &["x", "--yes"],
            _ => &[],
        };
        llm(verb, &plain, args).expect(1).says(LLM_REGISTRY);
    }
    // What cannot be read is not written over.
    llm("create", &plain, &["N", "-b", "ollama"]).expect(1).says(LLM_REGISTRY);
    assert_eq!(fs::read(plain.join("models").join(LLM_REGISTRY)).unwrap(), b"[1, 2");
}

#[test]
fn wrong_usage_is_status_2() {
    let dir = temp_dir();
    let place = dir.path();
    let cases: [(&str, &[&str]); 8] = [
        ("create", &["N"]),
        ("create", &["N", "-b", "gpt"]),
        ("create", &["N", "-b", "custom"]),
        ("create", &["N", "-b", "embedded"]),
        ("create", &["N", "-b", "ollama", "--max-tokens", "0"]),
        ("create", &["N", "-b", "ollama", "--id", "0"]),
        ("create", &["N", "-b", "ollama", "--api-key-env", "A", "--api-key-file", "B"]),
        ("test", &["N", "--timeout", "0"]),
    ];
    for (verb, args) in cases {
        llm(verb, place, args).expect(2);
    }
    pxfs(["llm"]).expect(2);
    pxfs(["llm", "teach"]).expect(2);
    llm("list", Path::new("/nonexistent"), &[]).expect(1).says("/nonexistent");
    llm("create", place, &["N", "-b", "ollama", "--temperature", "7"])
        .expect(1)
        .says("temperature 7");
    llm("create", place, &["a/b", "-b", "ollama"]).expect(1).says("holds a '/'");
}

#[test]
fn an_embedded_model_without_the_feature_or_weights_is_a_sentence() {
    let dir = temp_dir();
    let place = dir.path();
    llm("create", place, &["E", "-b", "embedded", "-m", "/models/e.gguf"]).expect(0);
    let said = llm("test", place, &[]).expect(1).says("embedded");
    assert_eq!(said.stderr.lines().count(), 1, "{}", said.stderr);
}

/// Any cartridge that can be made.
fn cartridges() -> impl Strategy<Value = Cartridge> {
    let text = "[ -~\u{e4}\u{1f600}]{0,30}";
    let key = prop_oneof![
        Just(None),
        "[A-Z_][A-Z0-9_]{0,9}".prop_map(|name| Some(KeySource::Env(name))),
        "/[a-z]{1,9}".prop_map(|path| Some(KeySource::File(path.into()))),
    ];
    let names = "[a-zA-Z0-9\u{e4}][ -.0-~\u{e4}]{0,20}";
    (1..=u32::MAX, names, text, 0..3usize, 1..1_000_000u32, 0..=200u32, key, text).prop_map(
        |(id, name, description, backend, max_tokens, temperature, key, prompt)| Cartridge {
            id,
            name,
            description,
            backend: Backend::ALL[backend],
            endpoint: "https://models.example/v1".into(),
            model_name: "m".into(),
            max_tokens,
            temperature: f64::from(temperature) / 100.0,
            system_prompt: Some(prompt).filter(|prompt| !prompt.is_empty()),
            key,
            file: String::new(),
        },
    )
}

proptest! {
    #[test]
    fn what_is_added_is_read_again(made in prop::collection::vec(cartridges(), 1..6)) {
        let mut registry = Registry::default();
        for cartridge in made {
            // A name or number that is taken, or what looks like a key, is refused.
            let _ = registry.add(cartridge);
        }
        let again = Registry::parse(registry.to_json().as_bytes()).unwrap();
        prop_assert_eq!(again.cartridges(), registry.cartridges());
        prop_assert!(again.faults().is_empty(), "{:?}", again.faults());
        prop_assert_eq!(again.to_json(), registry.to_json());
    }

    #[test]
    fn any_bytes_are_a_registry_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(registry) = Registry::parse(&bytes) {
            let again = Registry::parse(registry.to_json().as_bytes()).unwrap();
            prop_assert_eq!(again.cartridges(), registry.cartridges());
        }
    }
}
