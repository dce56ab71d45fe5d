//! The verifier for raw programs and modules of version 1: warnings only.
//!
//! Their code and data are not told apart, so it follows the fixed jumps from
//! the entry. What SYS_BLOB writes is not known here.

use std::collections::BTreeSet;

use super::{Finding, MAX_FINDINGS, Problem, Report};
use crate::pxi::Pixel;
use crate::pxi::isa::{self, Instruction, Isa, Kind};

/// What can be said of an old program that starts at a pixel.
pub fn verify_old(pixels: &[Pixel], entry: usize) -> Report {
    let mut walk = Walk {
        pixels,
        seen: vec![false; pixels.len()],
        waiting: Vec::new(),
        report: Report::default(),
        calls: BTreeSet::new(),
    };
    let last = pixels.len().saturating_sub(1) as u32;
    if entry < pixels.len() {
        walk.waiting.push(entry);
    } else {
        walk.warn(entry, Problem::Entry { first: 0, last });
    }
    while let Some(at) = walk.waiting.pop() {
        walk.follow(at);
    }
    walk.report.warnings.sort_by_key(|finding| finding.address);
    walk.report.calls = walk.calls.into_iter().collect();
    walk.report
}

struct Walk<'p> {
    pixels: &'p [Pixel],
    seen: Vec<bool>,
    waiting: Vec<usize>,
    report: Report,
    /// Opcodes of the system calls.
    calls: BTreeSet<u16>,
}

impl Walk<'_> {
    fn warn(&mut self, address: usize, problem: Problem) {
        if self.report.warnings.len() < MAX_FINDINGS {
            self.report.warnings.push(Finding { address: address as u32, problem });
        }
    }

    /// Goes on from a pixel until something ends that.
    fn follow(&mut self, start: usize) {
        let mut at = start;
        while let Some(seen) = self.seen.get_mut(at) {
            if std::mem::replace(seen, true) {
                return;
            }
            if !self.visit(at) {
                return;
            }
            at += 1;
        }
        self.warn(at.saturating_sub(1), Problem::FallsOut);
    }

    /// Looks at one pixel; whether the next one may run after it.
    fn visit(&mut self, at: usize) -> bool {
        let pixel = self.pixels[at];
        let opcode = pixel.channels()[0];
        self.report.instructions += 1;
        let Some(kind) = isa::by_opcode(opcode, Isa::Pxi1) else {
            self.warn(at, Problem::Opcode(opcode));
            return true;
        };
        if isa::decode(pixel, Isa::Pxi1).is_none() {
            self.warn_register(at, kind, pixel);
            return true;
        }
        match opcode {
            isa::SYS_BLOB | isa::SYS_LLM => {
                self.calls.insert(opcode.into());
            }
            isa::JMP | isa::JNZ | isa::CALL => self.jump(at, kind, pixel),
            _ => {}
        }
        !matches!(opcode, isa::HALT | isa::RET | isa::JMP)
    }

    fn warn_register(&mut self, at: usize, kind: &Instruction, pixel: Pixel) {
        let registers = kind.operands.iter().filter(|operand| operand.kind == Kind::Register);
        let wrong = registers.map(|operand| operand.get(pixel)).find(|number| *number >= 16);
        self.warn(at, Problem::Register(wrong.unwrap_or(16) as u8));
    }

    fn jump(&mut self, at: usize, kind: &Instruction, pixel: Pixel) {
        let target = kind.operands.iter().find(|operand| operand.kind == Kind::Absolute);
        let Some(target) = target.map(|operand| operand.get(pixel)) else { return };
        self.report.branches += 1;
        if (target as usize) < self.pixels.len() {
            self.waiting.push(target as usize);
        } else {
            let last = self.pixels.len().saturating_sub(1) as u32;
            self.warn(at, Problem::Target { target, first: 0, last });
        }
    }
}
