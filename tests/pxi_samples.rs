//! Every sample program ends in exactly the state that the old machine ended in.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};

use pxfs::legacy::RegistryRoot;
use pxfs::pxi::host::push_bounded;
use pxfs::pxi::{
    BlobError, BlobReply, BlobRequest, Host, LlmError, LlmRequest, Program, Raster, ScreenError,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pxi")
}

fn cases() -> Vec<Value> {
    let text = std::fs::read_to_string(samples().join("cases.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

struct SampleHost {
    root: RegistryRoot,
    screen: String,
}

impl Host for SampleHost {
    fn print(&mut self, c: char) -> Result<(), ScreenError> {
        push_bounded(&mut self.screen, c, 1 << 20)
    }

    fn blob(&mut self, request: &BlobRequest) -> BlobReply {
        let fetched = self.root.fetch(request.id, request.max_len, request.inflate);
        let result = fetched.result.map_err(|_| BlobError::NotFound(request.id));
        BlobReply { result, cost: fetched.cost }
    }

    fn llm(&mut self, request: &LlmRequest) -> Result<String, LlmError> {
        panic!("no sample asks a model, but this was asked: {request:?}")
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn all_samples_end_in_the_given_state() {
    let cases = cases();
    assert_eq!(cases.len(), 96);
    for case in cases {
        let id = case["id"].as_str().unwrap();
        let file = std::fs::read(samples().join(case["png"].as_str().unwrap())).unwrap();
        let raster = Raster::from_png(&file).unwrap();
        assert_eq!(hex(&raster.to_bytes()), case["image_sha256"], "{id}: image");
        let root = RegistryRoot::open(&samples().join(case["cwd"].as_str().unwrap())).unwrap();
        let mut host = SampleHost { root, screen: String::new() };
        let mut machine = Program::raw(raster).into_machine();
        let stop = machine.run(&mut host, case["max_steps"].as_u64().unwrap());
        assert_eq!(machine.steps(), case["steps"].as_u64().unwrap(), "{id}: steps");
        assert_eq!(machine.pc() as u64, case["pc"].as_u64().unwrap(), "{id}: pc");
        assert_eq!(stop.halted(), case["halted"].as_bool().unwrap(), "{id}: halted");
        assert_eq!(serde_json::json!(machine.registers()), case["regs"], "{id}: regs");
        let stack: Vec<String> = machine.stack().iter().map(u32::to_string).collect();
        assert_eq!(hex(stack.join(",").as_bytes()), case["stack_sha256"], "{id}: stack");
        assert_eq!(hex(host.screen.as_bytes()), case["screen_sha256"], "{id}: screen");
        assert_eq!(hex(&machine.frame().to_bytes()), case["frame_sha256"], "{id}: frame");
        assert_eq!(hex(&machine.memory().to_bytes()), case["mem_sha256"], "{id}: memory");
    }
}
