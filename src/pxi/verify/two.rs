//! The verifier for modules of version 2.

use std::collections::BTreeSet;

use super::{Finding, MAX_FINDINGS, Problem, Report};
use crate::pxi::Pixel;
use crate::pxi::isa::{self, Instruction, Isa, Kind, REGISTERS, calls};
use crate::pxi::pxim2::{HEADER, Header};

/// Checks a module: its pixels and its header.
///
/// # Errors
/// What is wrong, pixel by pixel, up to [`MAX_FINDINGS`].
pub fn verify(pixels: &[Pixel], header: &Header) -> Result<Report, Vec<Finding>> {
    let mut check = Check { header, findings: Vec::new(), report: Report::default() };
    let Header { code_end, length, .. } = *header;
    let fits = HEADER < code_end && code_end <= length && length as usize <= pixels.len();
    if !fits || header.memory < length {
        let problem = Problem::Lengths { code_end, length, pixels: pixels.len() };
        return Err(vec![Finding { address: 0, problem }]);
    }
    check.header();
    let mut calls = BTreeSet::new();
    let code = &pixels[HEADER as usize..code_end as usize];
    for (pixel, address) in code.iter().zip(HEADER..) {
        if check.findings.len() >= MAX_FINDINGS {
            break;
        }
        check.pixel(*pixel, address, &mut calls);
    }
    if let Some(last) = code.last()
        && can_go_on(*last)
    {
        check.find(code_end - 1, Problem::FallsOut);
    }
    check.findings.truncate(MAX_FINDINGS);
    check.report.calls = calls.into_iter().collect();
    if check.findings.is_empty() { Ok(check.report) } else { Err(check.findings) }
}

/// Whether the next instruction may run after this one.
fn can_go_on(pixel: Pixel) -> bool {
    let Some(kind) = isa::decode(pixel, Isa::Pxi2) else { return false };
    match kind.opcode {
        isa::HALT | isa::RET | isa::BRA | isa::JR => false,
        isa::SYS => kind.operands.iter().all(|op| op.get(pixel) != i64::from(calls::EXIT)),
        _ => true,
    }
}

struct Check<'h> {
    header: &'h Header,
    findings: Vec<Finding>,
    report: Report,
}

impl Check<'_> {
    fn find(&mut self, address: u32, problem: Problem) {
        self.findings.push(Finding { address, problem });
    }

    fn is_code(&self, address: i64) -> bool {
        (i64::from(HEADER)..i64::from(self.header.code_end)).contains(&address)
    }

    /// Entry, functions and slots.
    fn header(&mut self) {
        let header = self.header;
        let (first, last) = (HEADER, header.code_end - 1);
        if !self.is_code(header.entry.into()) {
            self.find(header.entry, Problem::Entry { first, last });
        }
        for function in &header.functions {
            if !self.is_code(function.address.into()) {
                self.find(function.address, Problem::Function { first, last });
            }
        }
        for import in &header.imports {
            if !(header.code_end..header.length).contains(&import.slot) {
                let (first, last) = (header.code_end, header.length - 1);
                self.find(import.slot, Problem::Slot { first, last });
            }
        }
    }

    fn pixel(&mut self, pixel: Pixel, address: u32, calls: &mut BTreeSet<u16>) {
        let opcode = pixel.channels()[0];
        let Some(kind) = isa::by_opcode(opcode, Isa::Pxi2) else {
            return self.find(address, Problem::Opcode(opcode));
        };
        self.report.instructions += 1;
        for operand in kind.operands {
            let value = operand.get(pixel);
            match operand.kind {
                Kind::Register if value >= i64::from(REGISTERS) => {
                    self.find(address, Problem::Register(value as u8));
                }
                Kind::Call => {
                    let number = value as u16;
                    calls.insert(number);
                    if isa::calls::by_number(number).is_none() {
                        self.find(address, Problem::Call(number));
                    }
                }
                Kind::Relative => self.target(kind, address, i64::from(address) + value),
                _ => {}
            }
        }
    }

    fn target(&mut self, kind: &Instruction, address: u32, target: i64) {
        if kind.opcode == isa::LEA {
            let memory = self.header.memory;
            if !(0..i64::from(memory)).contains(&target) {
                self.find(address, Problem::Address { target, memory });
            }
            return;
        }
        self.report.branches += 1;
        if !self.is_code(target) {
            let (first, last) = (HEADER, self.header.code_end - 1);
            self.find(address, Problem::Target { target, first, last });
        }
    }
}
