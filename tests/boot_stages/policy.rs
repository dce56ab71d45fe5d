//! What one stage forbids the later ones cannot do, and the log says so.

use pxfs::boot::{Ask, Model, Options, Outcome, Reply};
use pxfs::pxi::LlmError;
use pxfs::pxi::isa::calls;

use crate::build::{Module, root};
use crate::run::{boot, boot_asking, messages};

/// Answers and counts.
struct Counting(usize);

impl Model for Counting {
    fn ask(&mut self, ask: &Ask<'_>) -> Result<Reply, LlmError> {
        assert_eq!(ask.prompt, "hello?");
        self.0 += 1;
        let (text, model) = ("a long answer".to_owned(), "counting".to_owned());
        Ok(Reply { text, model, tokens: Some(5) })
    }
}

/// Must never be reached.
struct Forbidden;

impl Model for Forbidden {
    fn ask(&mut self, _ask: &Ask<'_>) -> Result<Reply, LlmError> {
        panic!("the call left the machine");
    }
}

fn asking() -> Vec<u8> {
    Module::new().ask().print_error().exit(0).png()
}

#[test]
fn a_forbidden_model_call_never_leaves_the_machine_and_is_logged() {
    let policy = Module::new().policy(r#"{"deny": ["LLM"]}"#).exit(0).png();
    let root = root(&[("policy", policy), ("asks", asking())]);
    let (outcome, events) = boot_asking(root.path(), Options::default(), &mut Forbidden);
    assert_eq!(outcome, Outcome::Complete { done: 2, skipped: 0 });
    assert_eq!(messages(&events, "print"), ["| 3"]);
    let denied = events.iter().find(|event| event.is("denied")).unwrap();
    assert_eq!(denied.message(), "Denied: LLM: the policy forbids it");
    assert_eq!((&denied.0["level"], &denied.0["path"]), (&"warn".into(), &"/boot/asks".into()));
    let policy = events.iter().find(|event| event.is("policy")).unwrap();
    assert_eq!(policy.0["policy"], r#"{"deny": ["LLM"]}"#);
    assert_eq!(policy.0["path"], "/boot/policy");
}

#[test]
fn an_old_module_is_forbidden_it_as_well() {
    let options =
        pxfs::pxi::asm::Options { form: pxfs::pxi::asm::Form::Module, ..Default::default() };
    // Its own first pixel is the prompt: the green of "PXIM" is not zero.
    let old = pxfs::pxi::asm::assemble("LOAD R0, 0\nSYS_LLM\nRET", options).unwrap();
    let policy = Module::new().policy(r#"{"deny": ["llm"]}"#).exit(0).png();
    let root = root(&[("policy", policy), ("old", old.raster.to_png().unwrap())]);
    let (_, events) = boot_asking(root.path(), Options::default(), &mut Forbidden);
    assert_eq!(messages(&events, "denied"), ["Denied: SYS_LLM: the policy forbids it"]);
}

#[test]
fn model_calls_are_counted_from_stage_to_stage() {
    let policy = Module::new().policy(r#"{"llm_per_minute": 2}"#).exit(0).png();
    let stages = [("policy", policy), ("a", asking()), ("b", asking()), ("c", asking())];
    let root = root(&stages);
    let mut model = Counting(0);
    let (_, events) = boot_asking(root.path(), Options::default(), &mut model);
    assert_eq!(model.0, 2);
    assert_eq!(messages(&events, "print"), ["| 0", "| 0", "| ="], "13 is =");
    assert_eq!(messages(&events, "denied"), ["Denied: LLM: too many model calls"]);
    assert_eq!(messages(&events, "llm").len(), 2);
}

#[test]
fn a_stage_that_fails_has_narrowed_all_the_same_and_none_can_widen() {
    let policy = Module::new().policy(r#"{"paths": ["/boot"]}"#).exit(1).png();
    let widens = Module::new().policy(r#"{"paths": ["/"], "ids": true}"#).print_error();
    let resolve =
        |module: Module, path: &str| module.text(0, path).sys(calls::RESOLVE).print_error();
    let looks = resolve(resolve(widens, "/boot_sequence.json"), "/boot/looks");
    let looks = resolve(resolve(looks, "/boot/../boot_sequence.json"), "/boot/out").exit(0);
    let root = root(&[("policy?", policy), ("looks", looks.png())]);
    std::os::unix::fs::symlink("/boot_sequence.json", root.path().join("boot/out")).unwrap();
    let (_, events) = boot(root.path(), Options::default());
    assert_eq!(messages(&events, "print"), ["| 0", "| 3", "| 0", "| 3", "| 3"]);
    assert_eq!(messages(&events, "denied").len(), 3);
}

#[test]
fn a_policy_that_is_not_understood_is_refused_with_its_reason() {
    let policy = Module::new().policy(r#"{"deny": ["FLY"]}"#).print_error();
    let policy = policy.log(1, "policy-refused", "forged").print_error().exit(0).png();
    let root = root(&[("policy", policy)]);
    let (_, events) = boot(root.path(), Options::default());
    assert_eq!(messages(&events, "print"), ["| 6", "| 6"]);
    assert_eq!(messages(&events, "policy-refused").len(), 1);
    assert!(messages(&events, "policy-refused")[0].contains("no system call \"FLY\""));
    assert!(messages(&events, "policy").is_empty());
}

#[test]
fn only_so_many_policies_are_kept() {
    let policy = Module::new().policy("{}").skip_if(1, 2).back(4).print_error().exit(0).png();
    let root = root(&[("policy", policy)]);
    let (_, events) = boot(root.path(), Options::default());
    assert_eq!(messages(&events, "print"), ["| 5"]);
    assert_eq!(messages(&events, "policy").len(), 256);
}
