//! SYS_LLM, LLM and ORACLE of a machine that boots: the llm_plane stage builds the
//! routing table, requests go by it to a real server, within the policy, and each
//! is in the audit log. The modules are those of boot/, and small ones in Python.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../llm_client/server.rs"]
#[allow(dead_code)]
mod server;
#[path = "../support/mod.rs"]
mod support;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use pxfs::pxi::isa;
use serde_json::{Value, json};
use server::Server;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use support::{Outcome, mkfs, pxfs};

/// Says `text` to whatever is asked, in the form of a stream.
fn saying(text: &'static str) -> Server {
    Server::start(move |_, _, stream| {
        let piece = json!({"choices": [{"delta": {"content": text}}]});
        let last = json!({
            "choices": [{"delta": {}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 3},
        });
        let body = format!("data: {piece}\n\ndata: {last}\n\ndata: [DONE]\n\n");
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        let _ = stream.write_all(format!("{head}{body}").as_bytes());
    })
}

/// What each request said: the model, the prompt, the tokens it left.
fn asked(server: &Server) -> Vec<(String, String, u64)> {
    let of = |body: &str| {
        let body: Value = serde_json::from_str(body).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let last = body["messages"].as_array().unwrap().last().unwrap()["content"].clone();
        (text(&body["model"]), text(&last), body["max_tokens"].as_u64().unwrap())
    };
    server.requests().iter().map(|came| of(&came.body)).collect()
}

fn compiled(name: &str, source: &str) -> Vec<u8> {
    let compiled =
        pxfs::pxc::compile(name, source).unwrap_or_else(|errors| panic!("{name}: {errors:?}"));
    compiled.parts.build(None).unwrap().to_png().unwrap()
}

/// A module of this repository.
fn of_boot(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("boot/{name}.py"));
    compiled(name, &std::fs::read_to_string(path).unwrap())
}

/// Asks `prompt` of some ids, and prints the error and the answer of each.
fn asking(prompt: &str, ids: &[u32]) -> String {
    let mut source = "from pxi import *\n\nbuffer = bytearray(64)\n".to_owned();
    for id in ids {
        source.push_str(&format!(
            "got = llm({prompt:?}, buffer, {id})\nprint(err())\nwrite(view(buffer, 0, got))\n\
             write(\"\\n\")\n"
        ));
    }
    source
}

fn entry(name: &str, base: &str, more: Value) -> Value {
    let mut entry = json!({
        "name": name, "description": "", "backend": "custom", "endpoint": base,
        "model_name": format!("model-of-{name}"), "max_tokens": 50, "temperature": 0.0,
        "system_prompt": null, "pixel": [0, 0, 0, 0], "id": "", "file": "",
    });
    entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    entry
}

/// A directory that boots: bios, kernel, policy, llm plane, and a module that asks.
struct Place {
    dir: TempDir,
    /// For what does not lie in it.
    beside: TempDir,
}

impl Place {
    fn new(registry: &Value, asks: &str) -> Self {
        let dir = support::temp_dir();
        let boot = dir.path().join("boot");
        std::fs::create_dir_all(dir.path().join("models")).unwrap();
        std::fs::create_dir(&boot).unwrap();
        for name in ["00_bios", "01_kernel", "02_policy", "03_llm_plane"] {
            std::fs::write(boot.join(name), of_boot(name)).unwrap();
        }
        std::fs::write(boot.join("05_asks"), compiled("asks", asks)).unwrap();
        let stage = |n: u32, name: &str| json!({"stage": n, "name": name, "path": format!("/boot/{name}"), "required": true});
        let names = ["00_bios", "01_kernel", "02_policy", "03_llm_plane", "05_asks"];
        let stages: Vec<Value> = (0..).zip(names).map(|(n, name)| stage(n, name)).collect();
        let place = Self { dir, beside: support::temp_dir() };
        place.write("boot_sequence.json", &json!({"sequence": stages}).to_string());
        place.write("models/llm_pixel_registry.json", &registry.to_string());
        place
    }

    fn path(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.dir.path().join(path), text).unwrap();
    }

    fn audit(&self) -> PathBuf {
        self.beside.path().join("audit.jsonl")
    }

    /// The lines of the audit log, which is taken away.
    fn audited(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.audit()).unwrap_or_default();
        let _ = std::fs::remove_file(self.audit());
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Boots it with its models; gives the lines of the log.
    fn boot(&self, more: &[&str]) -> Vec<Value> {
        boot(&self.path(), &self.audit(), more)
    }
}

fn boot(root: &Path, audit: &Path, more: &[&str]) -> Vec<Value> {
    let audit = format!("--audit={}", audit.display());
    let root = root.display().to_string();
    let args = ["boot", "--log-format=json", "--llm", &audit, &root];
    let outcome: Outcome = pxfs(args.iter().copied().chain(more.iter().copied()));
    let lines = outcome.expect(0).stdout;
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn events<'l>(log: &'l [Value], event: &str) -> Vec<&'l Value> {
    log.iter().filter(|line| line["event"] == event).collect()
}

/// What the asking module printed.
fn printed(log: &[Value]) -> Vec<String> {
    let lines = events(log, "print").into_iter().filter(|line| line["path"] == "/boot/05_asks");
    lines.map(|line| line["message"].as_str().unwrap()[2..].to_owned()).collect()
}

const ALPHA: u32 = 0x0102_0304;
const BETA: u32 = 0xFFFF_FFFE;

fn two(server: &Server) -> Value {
    json!({
        ALPHA.to_string(): entry("alpha", &server.base, json!({})),
        BETA.to_string(): entry("be ta", &server.base, json!({"system_prompt": "be brief"})),
    })
}

#[test]
fn requests_go_by_the_table_that_the_stage_built() {
    let server = saying("four");
    let place = Place::new(&two(&server), &asking("2+2?", &[0, BETA, ALPHA, 77]));
    let picture = place.beside.path().join("place.png");
    mkfs(&picture, &place.path());
    for root in [place.path(), picture] {
        let before = asked(&server).len();
        let log = boot(&root, &place.audit(), &[]);
        let routes: Vec<_> =
            events(&log, "route").iter().map(|line| line["route"].clone()).collect();
        assert_eq!(routes, ["0x01020304 alpha", "0xFFFFFFFE be ta"]);
        assert_eq!(printed(&log), ["0", "four", "0", "four", "0", "four", "12", ""]);
        let models: Vec<_> = asked(&server)[before..].iter().map(|asked| asked.0.clone()).collect();
        assert_eq!(models, ["model-of-alpha", "model-of-be ta", "model-of-alpha"]);
        assert!(
            events(&log, "llm-refused")[0]["message"]
                .as_str()
                .unwrap()
                .contains("the routing table has no model 0x0000004D")
        );
        let llm = events(&log, "llm");
        let sha256 = pxfs::store::hex(&Sha256::digest("2+2?"));
        assert_eq!(llm[0]["prompt_sha256"], *sha256);
        assert_eq!((&llm[0]["model"], &llm[0]["tokens"]), (&json!("model-of-alpha"), &json!(3)));
        assert!(llm[0]["ms"].as_f64().unwrap() > 0.0);
        let audited = place.audited();
        assert_eq!(audited.len(), 4);
        // Whom nobody knows nobody is asked, and that is a line, too.
        let unknown = &audited[3];
        assert_eq!((&unknown["result"], &unknown["id"]), (&json!("denied"), &json!("0x0000004D")));
        assert_eq!(unknown["error"], "the routing table has no model 0x0000004D");
        let line = &audited[1];
        assert_eq!(
            (&line["who"], &line["cartridge"]),
            (&json!("SYS_LLM /boot/05_asks"), &json!("be ta"))
        );
        assert_eq!((&line["answer_tokens"], &line["result"]), (&json!(3), &json!("answered")));
        assert!(!serde_json::to_string(&audited).unwrap().contains("2+2"));
    }
}

#[test]
fn a_native_boot_is_answered_alike() {
    let server = saying("four");
    let place = Place::new(&two(&server), &asking("2+2?", &[0, 77]));
    let kept = |log: &[Value]| -> Vec<(Value, Value, Value)> {
        let kinds = ["route", "llm", "llm-refused", "print", "policy", "denied"];
        let is_kept = |line: &&Value| kinds.iter().any(|kind| line["event"] == *kind);
        let part =
            |line: &Value| (line["event"].clone(), line["path"].clone(), line["message"].clone());
        log.iter().filter(is_kept).map(part).collect()
    };
    assert_eq!(kept(&place.boot(&[])), kept(&place.boot(&["--native"])));
    assert_eq!(asked(&server).len(), 2);
}

#[test]
fn what_the_policy_forbids_never_leaves_the_machine() {
    let server = saying("four");
    let place = Place::new(&two(&server), &asking("a longer question", &[0, BETA]));
    let cases = [
        // Policy, what the module is told, what was asked.
        (json!({"llm_models": ["be ta"]}), ["3", "0"], vec!["model-of-be ta"]),
        (json!({"llm_models": ["0xfffffffe"]}), ["3", "0"], vec!["model-of-be ta"]),
        (json!({"llm_models": []}), ["3", "3"], vec![]),
        (json!({"llm_prompt_bytes": 5}), ["3", "3"], vec![]),
        (json!({"llm_tokens": 0}), ["13", "13"], vec![]),
        (json!({"llm_tokens": 3}), ["0", "13"], vec!["model-of-alpha"]),
        (json!({"llm_per_minute": 1}), ["0", "13"], vec!["model-of-alpha"]),
        (json!({"deny": ["LLM"]}), ["3", "3"], vec![]),
    ];
    for (policy, told, expected) in cases {
        place.write("boot/policy.json", &policy.to_string());
        let before = asked(&server).len();
        let log = place.boot(&[]);
        let lines = printed(&log);
        assert_eq!([&lines[0], &lines[2]], told, "{policy}: {lines:?}");
        let models: Vec<_> = asked(&server)[before..].iter().map(|asked| asked.0.clone()).collect();
        assert_eq!(models, expected, "{policy}");
        assert_eq!(events(&log, "denied").len(), 2 - expected.len(), "{policy}");
        let audited = place.audited();
        assert_eq!(audited.len(), 2, "{policy}: {audited:?}");
        for (line, (told, cartridge)) in
            audited.iter().zip(told.into_iter().zip(["alpha", "be ta"]))
        {
            let (result, error) = match told {
                "0" => ("answered", None),
                "3" => ("denied", Some("the policy forbids it")),
                _ => ("denied", Some("too many model calls")),
            };
            assert_eq!((line["result"].as_str(), line["error"].as_str()), (Some(result), error));
            assert_eq!(line["cartridge"], cartridge);
            assert_eq!(line["who"], "SYS_LLM /boot/05_asks");
            // The question is not recorded and can be told by its digest all the same.
            let alone = pxfs::llm::Message::new(pxfs::llm::Role::User, "a longer question");
            let known = pxfs::llm::CallRecord::new("", "", 0, "", &[alone]);
            let is_known = line["prompt_sha256"] == *pxfs::store::hex(&known.prompt_sha256);
            // Before that of be ta stands a system prompt.
            assert_eq!(is_known, cartridge == "alpha", "{line}");
        }
    }
}

#[test]
fn every_way_to_ask_leaves_a_line_when_it_is_denied() {
    let server = saying("yes");
    let source = "from pxi import *\n\nprint(oracle(\"is it?\"), err())\n";
    let place = Place::new(&two(&server), source);
    let digest = |line: &Value| line["prompt_sha256"].clone();
    place.boot(&[]);
    let answered = place.audited();
    for policy in [json!({"deny": ["ORACLE"]}), json!({"llm_per_minute": 0})] {
        place.write("boot/policy.json", &policy.to_string());
        for more in [&[][..], &["--native"]] {
            place.boot(more);
            let audited = place.audited();
            assert_eq!(audited.len(), 1, "{policy}");
            assert_eq!(audited[0]["result"], "denied");
            assert_eq!(digest(&audited[0]), digest(&answered[0]), "it is another question");
        }
    }
    // The old machine's SYS_LLM, run by hand: R0 is where the prompt begins, pixel 4.
    let old = place.beside.path().join("old.png");
    let image = pxfs::pxi::Raster::new(
        6,
        1,
        [
            [isa::LOAD, 0, 4, 0],
            [isa::SYS_LLM, 0, 0, 0],
            [isa::HALT, 0, 0, 0],
            [0; 4],
            [0, 72, 0, 0],
            [0; 4],
        ]
        .into_iter()
        .map(pxfs::pxi::Pixel::from)
        .collect(),
    );
    std::fs::write(&old, image.unwrap().to_png().unwrap()).unwrap();
    let policy = place.beside.path().join("policy.json");
    std::fs::write(&policy, r#"{"deny": ["LLM"]}"#).unwrap();
    let (root, audit) = (place.path(), place.audit());
    let args = ["pxi", "run", "--llm", "--root", root.to_str().unwrap(), "--audit"];
    let more = [audit.to_str().unwrap(), "--policy", policy.to_str().unwrap()];
    pxfs(args.into_iter().chain(more).chain([old.to_str().unwrap()])).expect(0);
    let audited = place.audited();
    assert_eq!((audited.len(), &audited[0]["prompt_bytes"]), (1, &json!(1)));
    assert_eq!(
        (&audited[0]["who"], &audited[0]["result"]),
        (&json!("SYS_LLM pxi"), &json!("denied"))
    );
    assert_eq!(asked(&server).len(), 1);
}

#[test]
fn a_loop_of_denied_questions_does_not_fill_the_disk() {
    let server = saying("yes");
    let source = "from pxi import *\n\nbuffer = bytearray(64)\nfor i in range(3000):\n    llm(\"x\", buffer, 0)\nprint(err())\n";
    let place = Place::new(&two(&server), source);
    place.write("boot/policy.json", r#"{"deny": ["LLM"]}"#);
    assert_eq!(printed(&place.boot(&[])), ["3"]);
    let audited = place.audited();
    assert_eq!(audited.len(), 1000);
    assert!(audited[999]["error"].as_str().unwrap().ends_with("further ones are not recorded"));
}

#[test]
fn the_tokens_that_are_left_are_what_is_asked_for() {
    let server = saying("four");
    let place = Place::new(&two(&server), &asking("2+2?", &[0, 0]));
    place.write("boot/policy.json", r#"{"llm_answer_tokens": 20, "llm_tokens": 22}"#);
    place.boot(&[]);
    let tokens: Vec<u64> = asked(&server).iter().map(|asked| asked.2).collect();
    // 22 less the three of the first answer.
    assert_eq!(tokens, [20, 19]);
}

#[test]
fn nobody_routes_when_the_table_is_closed() {
    let server = saying("four");
    let source = "from pxi import *\n\nroute(\"alpha\", 99)\nprint(err())\n";
    let log = Place::new(&two(&server), source).boot(&[]);
    assert_eq!(printed(&log), ["3"]);
    assert_eq!(events(&log, "denied")[0]["message"], "Denied: ROUTE: the policy forbids it");
}

#[test]
fn an_oracle_says_yes_or_no() {
    let source = "from pxi import *\n\nprint(oracle(\"is it?\"), err())\n";
    for (answer, expected) in
        [("Yes, it is.", "True 0"), (" no", "False 0"), ("perhaps", "False 12")]
    {
        let server = saying(answer);
        let log = Place::new(&two(&server), source).boot(&[]);
        assert_eq!(printed(&log), [expected], "{answer}");
        assert!(asked(&server)[0].1.starts_with("is it?\n"));
    }
}

#[test]
fn broken_entries_and_servers_that_are_gone_are_no_answers() {
    let server = saying("four");
    let gone = entry("gone", "http://127.0.0.1:1/v1", json!({}));
    let registry = json!({
        "nonsense": 7,
        "5": {"name": "no backend"},
        "4294967296": entry("beyond", &server.base, json!({})),
        "6": gone,
        "7": entry("good", &server.base, json!({})),
    });
    let place = Place::new(&registry, &asking("2+2?", &[6, 7]));
    let log = place.boot(&[]);
    let routes: Vec<_> = events(&log, "route").iter().map(|line| line["route"].clone()).collect();
    assert_eq!(routes, ["0x00000006 gone", "0x00000007 good"]);
    assert_eq!(printed(&log), ["12", "", "0", "four"]);
    let audited = place.audited();
    assert_eq!(
        (&audited[0]["result"], &audited[1]["result"]),
        (&json!("failed"), &json!("answered"))
    );
}

#[test]
fn a_default_is_the_one_that_is_called_so_or_that_the_starter_names() {
    let server = saying("four");
    let mut registry = two(&server);
    registry["9"] = entry("Default", &server.base, json!({}));
    let place = Place::new(&registry, &asking("2+2?", &[0]));
    place.boot(&[]);
    let root = place.path().display().to_string();
    pxfs(["boot", "--llm=alpha", &root]).expect(0);
    pxfs(["boot", "--llm=0xFFFFFFFE", &root]).expect(0);
    let models: Vec<_> = asked(&server).into_iter().map(|asked| asked.0).collect();
    assert_eq!(models, ["model-of-Default", "model-of-alpha", "model-of-be ta"]);
    // By name the policy is asked of what is really asked.
    place.write("boot/policy.json", r#"{"llm_models": ["Default"]}"#);
    pxfs(["boot", "--llm=alpha", &root]).expect(0);
    assert_eq!(asked(&server).len(), 3);
    pxfs(["boot", "--llm=none-such", &root]).expect(1).says("there is no model \"none-such\"");
}

#[test]
fn without_the_flag_no_model_is_asked() {
    let server = saying("four");
    let place = Place::new(&two(&server), &asking("2+2?", &[0]));
    let root = place.path().display().to_string();
    for args in [vec!["boot", &root], vec!["boot", "--llm=none", &root]] {
        let outcome = pxfs(args).expect(0);
        assert!(outcome.stdout.contains("SYS_LLM: this machine has no model to ask"));
    }
    assert!(asked(&server).is_empty());
}

#[test]
fn a_boot_that_is_resumed_has_the_table_of_the_first() {
    let server = saying("four");
    let place = Place::new(&two(&server), &asking("2+2?", &[BETA]));
    let root = place.path().display().to_string();
    let log = place.beside.path().join("boot.jsonl");
    // The last stage is missing at first.
    let module = place.path().join("boot/05_asks");
    let bytes = std::fs::read(&module).unwrap();
    std::fs::remove_file(&module).unwrap();
    let to = format!("--log={}", log.display());
    pxfs(["boot", "--log-format=json", &to, "--llm", &root]).expect(1);
    std::fs::write(&module, bytes).unwrap();
    pxfs(["boot", "--resume", log.to_str().unwrap(), "--llm", &root]).expect(0);
    assert_eq!(asked(&server).len(), 1);
    assert_eq!(asked(&server)[0].0, "model-of-be ta");
}

#[test]
fn a_program_that_is_run_by_hand_asks_the_root() {
    let server = saying("four");
    let place = Place::new(&two(&server), &asking("2+2?", &[0]));
    let (root, program) = (place.path(), place.path().join("boot/05_asks"));
    let (root, program) = (root.to_str().unwrap(), program.to_str().unwrap());
    let outcome = pxfs(["pxi", "run", "--root", root, "--llm", program]).expect(0);
    assert_eq!(outcome.stdout, "0\nfour\n");
    let outcome = pxfs(["pxi", "run", "--root", root, "--llm=be ta", program]).expect(0);
    assert_eq!(outcome.stdout, "0\nfour\n");
    pxfs(["pxi", "run", "--llm", program]).expect(1).says("--root says where");
    let models: Vec<_> = asked(&server).into_iter().map(|asked| asked.0).collect();
    assert_eq!(models, ["model-of-alpha", "model-of-be ta"]);
}

#[test]
fn a_root_has_its_registry_beside_its_files() {
    let server = saying("four");
    let place = Place::new(&json!({}), &asking("2+2?", &[0, BETA]));
    let (dir, files) = (support::temp_dir(), place.path());
    let root = dir.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let target = format!("--root={}", root.display());
    pxfs(["init", &target]).expect(0);
    for path in [
        "boot/00_bios",
        "boot/01_kernel",
        "boot/02_policy",
        "boot/03_llm_plane",
        "boot/05_asks",
        "boot_sequence.json",
    ] {
        let file = files.join(path);
        pxfs(["add", &target, &format!("/{path}"), file.to_str().unwrap()]).expect(0);
    }
    std::fs::write(root.join("llm_pixel_registry.json"), two(&server).to_string()).unwrap();
    // And a picture that is made of the root has it in /.pxos.
    let picture = dir.path().join("root.png");
    pxfs(["import", root.to_str().unwrap(), picture.to_str().unwrap()]).expect(0);
    for place in [&root, &picture] {
        let before = asked(&server).len();
        let log = boot(place, &dir.path().join("audit"), &[]);
        assert_eq!(printed(&log), ["0", "four", "0", "four"], "{}", place.display());
        let models: Vec<_> = asked(&server)[before..].iter().map(|asked| asked.0.clone()).collect();
        assert_eq!(models, ["model-of-alpha", "model-of-be ta"]);
    }
}
