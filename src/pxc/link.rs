//! Instructions of all functions to one stretch of code: addresses are filled
//! in, and branches that do not reach become two instructions.

use std::collections::HashMap;

use crate::pxi::isa::{self, Isa, Kind};
use crate::pxi::pixel::Pixel;
use crate::pxi::pxim2::HEADER;

use super::emit::{Item, Link};
use super::ir::{Label, Place};

/// A function and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Located {
    /// First pixel.
    pub(super) address: u32,
    /// Pixels.
    pub(super) length: u32,
}

/// The code, linked.
#[derive(Debug)]
pub(super) struct Linked {
    /// The instructions.
    pub(super) code: Vec<Pixel>,
    /// Line of the source for each; 0: none.
    pub(super) lines: Vec<u32>,
    /// The functions, as they were given.
    pub(super) functions: Vec<Located>,
}

/// Links. The numbers of functions are their places in the list; those that are
/// empty are left out.
pub(super) fn link(functions: &[Vec<Item>]) -> Result<Linked, String> {
    let mut layout = Layout::new(functions);
    layout.settle();
    layout.finish()
}

struct Layout<'f> {
    functions: &'f [Vec<Item>],
    /// Address of each item, by function; one more for the end.
    at: Vec<Vec<u32>>,
    labels: Vec<HashMap<Label, usize>>,
    long: Vec<Vec<bool>>,
}

impl<'f> Layout<'f> {
    fn new(functions: &'f [Vec<Item>]) -> Self {
        let mark = |(n, item): (usize, &Item)| match item {
            Item::Mark(label) => Some((*label, n)),
            Item::Code(..) => None,
        };
        let labels =
            functions.iter().map(|items| items.iter().enumerate().filter_map(mark).collect());
        let long = functions.iter().map(|items| vec![false; items.len()]).collect();
        Self { functions, at: Vec::new(), labels: labels.collect(), long }
    }

    fn place(&mut self) {
        let mut next = HEADER;
        self.at.clear();
        for (items, long) in self.functions.iter().zip(&self.long) {
            let mut at = Vec::with_capacity(items.len() + 1);
            for (item, long) in items.iter().zip(long) {
                at.push(next);
                next += match item {
                    Item::Mark(_) => 0,
                    Item::Code(..) => 1 + u32::from(*long),
                };
            }
            at.push(next);
            self.at.push(at);
        }
    }

    /// Places all until every branch reaches; each round makes some longer.
    fn settle(&mut self) {
        loop {
            self.place();
            let mut changed = false;
            for function in 0..self.functions.len() {
                for (item, code) in self.functions[function].iter().enumerate() {
                    let Item::Code(pixel, Some(Link::Label(label)), _) = code else { continue };
                    let distance =
                        self.label(function, *label) - i64::from(self.at[function][item]);
                    // Two instructions less than the reach, for those that grow yet.
                    if !reaches(*pixel, distance) && !self.long[function][item] {
                        self.long[function][item] = true;
                        changed = true;
                    }
                }
            }
            if !changed {
                return;
            }
        }
    }

    fn label(&self, function: usize, label: Label) -> i64 {
        let item = self.labels[function].get(&label).copied().unwrap_or(0);
        self.at[function][item].into()
    }

    fn end(&self) -> u32 {
        self.at.last().and_then(|at| at.last()).copied().unwrap_or(HEADER)
    }

    fn finish(&self) -> Result<Linked, String> {
        let mut linked = Linked { code: Vec::new(), lines: Vec::new(), functions: Vec::new() };
        for (function, items) in self.functions.iter().enumerate() {
            for (item, code) in items.iter().enumerate() {
                let Item::Code(pixel, link, line) = code else { continue };
                let at = self.at[function][item];
                let target = link.map(|link| self.target(function, link));
                self.write(&mut linked, *pixel, at, target, self.long[function][item])?;
                linked.lines.resize(linked.code.len(), *line);
            }
            let at = &self.at[function];
            let (address, end) = (at[0], at[items.len()]);
            linked.functions.push(Located { address, length: end - address });
        }
        Ok(linked)
    }

    fn target(&self, function: usize, link: Link) -> i64 {
        match link {
            Link::Label(label) => self.label(function, label),
            Link::Function(number) => self.at[number][0].into(),
            Link::Place(Place::Base) => 0,
            Link::Place(Place::Data(pixel)) => i64::from(self.end()) + i64::from(pixel),
        }
    }

    fn write(
        &self,
        linked: &mut Linked,
        pixel: Pixel,
        at: u32,
        target: Option<i64>,
        long: bool,
    ) -> Result<(), String> {
        let Some(target) = target else {
            linked.code.push(pixel);
            return Ok(());
        };
        let distance = target - i64::from(at);
        if long {
            linked.code.push(aimed(inverse(pixel), 2)?);
            linked.code.push(aimed(Pixel::new(isa::BRA, 0, 0, 0), distance - 1)?);
        } else {
            linked.code.push(aimed(pixel, distance)?);
        }
        Ok(())
    }
}

fn address(pixel: Pixel) -> Option<isa::Operand> {
    let instruction = isa::by_opcode(pixel.channels()[0], Isa::Pxi2)?;
    instruction.operands.iter().copied().find(|operand| operand.kind == Kind::Relative)
}

fn reaches(pixel: Pixel, distance: i64) -> bool {
    address(pixel).is_none_or(|operand| (operand.range().0..=operand.range().1).contains(&distance))
}

fn aimed(pixel: Pixel, distance: i64) -> Result<Pixel, String> {
    if !reaches(pixel, distance) {
        return Err("the module is too large: its data lies out of reach of its code".to_owned());
    }
    Ok(address(pixel).map_or(pixel, |operand| operand.set(pixel, distance)))
}

/// The branch that is taken when the other is not.
fn inverse(pixel: Pixel) -> Pixel {
    let [opcode, g, b, a] = pixel.channels();
    let other = match opcode {
        isa::BEQ => isa::BNE,
        isa::BNE => isa::BEQ,
        isa::BLT => isa::BGE,
        isa::BGE => isa::BLT,
        isa::BLTU => isa::BGEU,
        isa::BGEU => isa::BLTU,
        isa::BZ => isa::BNZ,
        _ => isa::BZ,
    };
    Pixel::new(other, g, b, a)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_that_does_not_reach_becomes_two() {
        let branch = Item::Code(Pixel::new(isa::BLT, 0x12, 0, 0), Some(Link::Label(0)), 1);
        let nop = Item::Code(Pixel::BACKGROUND, None, 2);
        let mut items = vec![branch];
        items.extend(vec![nop; 40_000]);
        items.push(Item::Mark(0));
        items.push(nop);
        let linked = link(&[items]).unwrap();
        assert_eq!(linked.code.len(), 40_003);
        assert_eq!(linked.code[0], Pixel::new(isa::BGE, 0x12, 0, 2));
        assert_eq!(linked.code[1].value(), u32::from(isa::BRA) << 24 | 40_001);
    }
}
