//! Modules of PXIM 2, put together instruction by instruction, and roots of them.

use std::path::Path;

use pxfs::pxi::isa::{self, calls};
use pxfs::pxi::{Pixel, pxim2};
use tempfile::TempDir;

/// Pixels of code of every module here; what is not used is NOP.
const CODE: u32 = 400;

/// A module under construction.
#[derive(Default)]
pub(crate) struct Module {
    code: Vec<Pixel>,
    data: Vec<Pixel>,
    pub(crate) parts: pxim2::Parts,
}

impl Module {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn op(mut self, opcode: u8, a: u8, b: u8, c: u8) -> Self {
        self.code.push(Pixel::new(opcode, a, b, c));
        self
    }

    /// A small number into a register.
    pub(crate) fn li(mut self, register: u32, number: i32) -> Self {
        let word = u32::from(isa::LI) << 24 | register << 20 | number as u32 & 0xF_FFFF;
        self.code.push(Pixel::of_value(word));
        self
    }

    pub(crate) fn mov(self, to: u8, from: u8) -> Self {
        self.op(isa::MOV, to, from, 0)
    }

    pub(crate) fn sys(self, call: u16) -> Self {
        let [high, low] = call.to_be_bytes();
        self.op(isa::SYS, 0, high, low)
    }

    /// A text in the data: its address and length into two registers.
    pub(crate) fn text(mut self, register: u32, text: &str) -> Self {
        let at = (16 + CODE + self.data.len() as u32) * 4;
        self.data.extend(pxim2::pack(text.as_bytes()));
        self.li(register, at as i32).li(register + 1, text.len() as i32)
    }

    pub(crate) fn write(self, text: &str) -> Self {
        self.text(0, text).sys(calls::WRITE)
    }

    pub(crate) fn log(self, level: i32, event: &str, text: &str) -> Self {
        self.text(0, text).li(2, level).text(3, event).sys(calls::LOG)
    }

    pub(crate) fn policy(self, text: &str) -> Self {
        self.text(0, text).sys(calls::POLICY)
    }

    /// Prints the low digit of R1, the error of the call before.
    pub(crate) fn print_error(self) -> Self {
        self.li(9, 48).op(isa::ADDW, 9, 9, 1).op(isa::PUTC, 9, 0, 0).li(9, 10).op(
            isa::PUTC,
            9,
            0,
            0,
        )
    }

    /// Asks a model for eight bytes.
    pub(crate) fn ask(self) -> Self {
        self.text(0, "hello?").li(2, 16 * 4).li(3, 8).li(4, 0).sys(calls::LLM)
    }

    pub(crate) fn exit(self, status: i32) -> Self {
        self.li(0, status).sys(calls::EXIT)
    }

    /// Back by so many instructions.
    pub(crate) fn back(mut self, count: i32) -> Self {
        self.code.push(Pixel::of_value(u32::from(isa::BRA) << 24 | -count as u32 & 0xFF_FFFF));
        self
    }

    /// Over the next `count - 1` instructions if a register is not zero.
    pub(crate) fn skip_if(self, register: u8, count: u8) -> Self {
        self.op(isa::BNZ, register, 0, count)
    }

    pub(crate) fn png(mut self) -> Vec<u8> {
        self.code.push(Pixel::new(isa::RET, 0, 0, 0));
        assert!(self.code.len() <= CODE as usize);
        self.code.resize(CODE as usize, Pixel::new(isa::RET, 0, 0, 0));
        self.parts.code = self.code;
        self.parts.data = self.data;
        self.parts.entry = 16;
        self.parts.heap += 8;
        self.parts.build(None).unwrap().to_png().unwrap()
    }
}

/// A root with stages named by their paths in /boot, required unless the name ends in `?`.
pub(crate) fn root(stages: &[(&str, Vec<u8>)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("boot")).unwrap();
    let mut lines = Vec::new();
    for (index, (name, bytes)) in stages.iter().enumerate() {
        let required = !name.ends_with('?');
        let name = name.trim_end_matches('?');
        std::fs::write(root.path().join("boot").join(name), bytes).unwrap();
        lines.push(format!(
            r#"{{"stage": {index}, "name": "{name}", "path": "/boot/{name}", "required": {required}}}"#
        ));
    }
    let text = format!(r#"{{"sequence": [{}]}}"#, lines.join(",\n"));
    std::fs::write(root.path().join("boot_sequence.json"), text).unwrap();
    root
}

pub(crate) fn set_xattr(path: &Path, name: &str, value: &str) {
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(path, name, value.as_bytes(), flags).unwrap();
}
