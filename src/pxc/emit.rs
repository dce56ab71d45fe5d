//! Operations with places to instructions.

use crate::pxi::isa;
use crate::pxi::pixel::Pixel;

use super::ir::{Body, Label, Op, Place, Target, V, Why};
use super::place::{CARRIERS, Loc, Places};

/// What an instruction's address is, once all lies in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// A label of the same function.
    Label(Label),
    /// A function.
    Function(usize),
    /// Data, or the module's start.
    Place(Place),
}

/// An instruction, or a label.
#[derive(Debug, Clone, Copy)]
pub(super) enum Item {
    /// Pixel with the address still 0, what it points at, line of the source.
    Code(Pixel, Option<Link>, u32),
    /// A label.
    Mark(Label),
}

/// The number of the function that reports failures.
pub(super) const FAIL: usize = 0;

/// Instructions of a function.
pub(super) fn emit(body: &Body, places: &Places) -> Vec<Item> {
    let (items, late) = (Vec::new(), Vec::new());
    let mut emitter = Emitter { places, items, late, labels: body.labels, line: 0 };
    emitter.line = body.ops.first().map_or(0, |(_, line)| *line);
    emitter.enter(body);
    for (op, line) in &body.ops {
        emitter.line = *line;
        emitter.op(op);
    }
    emitter.items.append(&mut emitter.late);
    emitter.items
}

struct Emitter<'p> {
    places: &'p Places,
    items: Vec<Item>,
    /// What is seldom reached, to lie behind all else.
    late: Vec<Item>,
    labels: Label,
    line: u32,
}

/// The pixel of an instruction; operands in the order of assembly.
fn pixel(opcode: u8, operands: &[i64]) -> Pixel {
    let Some(instruction) = isa::by_opcode(opcode, isa::Isa::Pxi2) else {
        return Pixel::new(opcode, 0, 0, 0);
    };
    let blank = Pixel::from(instruction.blank());
    let pairs = instruction.operands.iter().zip(operands);
    pairs.fold(blank, |pixel, (operand, value)| operand.set(pixel, *value))
}

impl Emitter<'_> {
    fn put(&mut self, opcode: u8, operands: &[i64]) {
        self.items.push(Item::Code(pixel(opcode, operands), None, self.line));
    }

    fn link(&mut self, opcode: u8, operands: &[i64], link: Link) {
        self.items.push(Item::Code(pixel(opcode, operands), Some(link), self.line));
    }

    fn loc(&self, v: V) -> Loc {
        self.places.of.get(v as usize).copied().flatten().unwrap_or(Loc::Reg(CARRIERS[0]))
    }

    fn reads(&self, v: V) -> bool {
        self.places.read.get(v as usize).copied().unwrap_or(false)
    }

    fn enter(&mut self, body: &Body) {
        if self.places.kept != 0 {
            self.put(isa::PUSHM, &[self.places.kept.into()]);
        }
        if self.places.slots != 0 {
            self.put(isa::GROW, &[self.places.slots.into()]);
        }
        self.receive(&body.params);
    }

    /// What lies in R0, R1 and so on goes to the values that want it.
    fn receive(&mut self, values: &[V]) {
        let moves: Vec<_> = (0..).zip(values).filter(|(_, v)| self.reads(**v)).collect();
        let moves = moves.into_iter().map(|(reg, v)| (self.loc(*v), Loc::Reg(reg))).collect();
        self.moves(moves);
    }

    /// Values go to R0, R1 and so on.
    fn send(&mut self, values: &[V]) {
        let moves = (0..).zip(values).map(|(reg, v)| (Loc::Reg(reg), self.loc(*v))).collect();
        self.moves(moves);
    }

    /// Moves as if all at once: (to, from). Not both of one move are on the stack.
    fn moves(&mut self, moves: Vec<(Loc, Loc)>) {
        let mut between = Vec::new();
        let mut loads = Vec::new();
        for (to, from) in moves {
            match (to, from) {
                (Loc::Slot(slot), Loc::Reg(reg)) => self.put(isa::POKE, &[reg.into(), slot.into()]),
                (Loc::Reg(to), Loc::Reg(from)) if to != from => between.push((to, from)),
                (Loc::Reg(reg), Loc::Slot(slot)) => loads.push((reg, slot)),
                _ => {}
            }
        }
        while !between.is_empty() {
            let free =
                between.iter().position(|(to, _)| between.iter().all(|(_, from)| from != to));
            match free {
                Some(at) => {
                    let (to, from) = between.swap_remove(at);
                    self.put(isa::MOV, &[to.into(), from.into()]);
                }
                None => {
                    // A circle: one of its values steps aside.
                    let aside = between[0].1;
                    self.put(isa::MOV, &[CARRIERS[0].into(), aside.into()]);
                    let users = between.iter_mut().filter(|(_, from)| *from == aside);
                    users.for_each(|(_, from)| *from = CARRIERS[0]);
                }
            }
        }
        for (reg, slot) in loads {
            self.put(isa::PEEK, &[reg.into(), slot.into()]);
        }
    }

    /// The register that holds a value now; those on the stack come by a carrier.
    fn fetch(&mut self, v: V, carrier: usize) -> i64 {
        match self.loc(v) {
            Loc::Reg(reg) => reg.into(),
            Loc::Slot(slot) => {
                self.put(isa::PEEK, &[CARRIERS[carrier].into(), slot.into()]);
                CARRIERS[carrier].into()
            }
        }
    }

    /// The register that a result is written to.
    fn result(&self, v: V, carrier: usize) -> i64 {
        match self.loc(v) {
            Loc::Reg(reg) => reg.into(),
            Loc::Slot(_) => CARRIERS[carrier].into(),
        }
    }

    fn store(&mut self, v: V, carrier: usize) {
        if let Loc::Slot(slot) = self.loc(v) {
            self.put(isa::POKE, &[CARRIERS[carrier].into(), slot.into()]);
        }
    }

    fn op(&mut self, op: &Op) {
        match op {
            Op::Li(d, _) | Op::Lea(d, _) | Op::Mov(d, _) if !self.reads(*d) => {}
            Op::Li(d, value) => {
                let reg = self.result(*d, 0);
                self.number(reg, *value);
                self.store(*d, 0);
            }
            Op::Lea(d, place) => {
                let reg = self.result(*d, 0);
                self.link(isa::LEA, &[reg, 0], Link::Place(*place));
                self.store(*d, 0);
            }
            Op::Mov(d, s) => self.mov(*d, *s),
            Op::Three(opcode, d, a, b) => {
                let (a, b) = (self.fetch(*a, 0), self.fetch(*b, 1));
                let reg = self.result(*d, 0);
                self.put(*opcode, &[reg, a, b]);
                self.store(*d, 0);
            }
            Op::Imm(opcode, d, a, n) => {
                let a = self.fetch(*a, 0);
                let reg = self.result(*d, 0);
                self.put(*opcode, &[reg, a, (*n).into()]);
                self.store(*d, 0);
            }
            Op::Two(opcode, a, b) => {
                let regs = [self.result(*a, 0), self.result(*b, 1)];
                self.put(*opcode, &regs);
                self.store(*a, 0);
                self.store(*b, 1);
            }
            Op::Load(opcode, d, base, index, length, fail) => {
                let regs = self.bound([*base, *index, *length]);
                let reg = self.result(*d, 0);
                self.indexed(*opcode, reg, regs, *fail);
                self.store(*d, 0);
            }
            _ => self.effect(op),
        }
    }

    /// Registers of a base, an index and a length.
    fn bound(&mut self, [base, index, length]: [V; 3]) -> [i64; 3] {
        let index = self.fetch(index, 0);
        [self.fetch(base, 1), index, self.fetch(length, 2)]
    }

    /// An access with its check. What a negative index needs lies behind the function.
    fn indexed(&mut self, opcode: u8, reg: i64, [base, index, length]: [i64; 3], fail: Label) {
        let (slow, back) = (self.labels, self.labels + 1);
        self.labels += 2;
        self.link(isa::BGEU, &[index, length, 0], Link::Label(slow));
        self.put(opcode, &[reg, base, index]);
        self.items.push(Item::Mark(back));
        let main = std::mem::take(&mut self.items);
        let carrier = CARRIERS[0].into();
        self.items.push(Item::Mark(slow));
        self.put(isa::ADDW, &[carrier, index, length]);
        self.link(isa::BGEU, &[carrier, length, 0], Link::Label(fail));
        self.put(opcode, &[reg, base, carrier]);
        self.link(isa::BRA, &[0], Link::Label(back));
        self.late.append(&mut self.items);
        self.items = main;
    }

    /// As `indexed`, when the value to store lies on the stack: there is no
    /// register left for it until the length has been used.
    fn store_indexed(&mut self, opcode: u8, value: V, regs: [i64; 3], fail: Label) {
        let Loc::Slot(slot) = self.loc(value) else {
            let reg = self.fetch(value, 0);
            return self.indexed(opcode, reg, regs, fail);
        };
        let [base, index, length] = regs;
        let (carrier, inside) = (CARRIERS[0].into(), self.labels);
        self.labels += 1;
        self.put(isa::MOV, &[carrier, index]);
        self.link(isa::BLTU, &[carrier, length, 0], Link::Label(inside));
        self.put(isa::ADDW, &[carrier, carrier, length]);
        self.link(isa::BGEU, &[carrier, length, 0], Link::Label(fail));
        self.items.push(Item::Mark(inside));
        self.put(isa::PEEK, &[CARRIERS[2].into(), slot.into()]);
        self.put(opcode, &[CARRIERS[2].into(), base, carrier]);
    }

    fn mov(&mut self, d: V, s: V) {
        match (self.loc(d), self.loc(s)) {
            (Loc::Slot(slot), _) => {
                let from = self.fetch(s, 0);
                self.put(isa::POKE, &[from, slot.into()]);
            }
            (to, from) => self.moves(vec![(to, from)]),
        }
    }

    /// Operations without a result of their own.
    fn effect(&mut self, op: &Op) {
        match op {
            Op::Put(opcode, value, base, n) => {
                let operands = [self.fetch(*value, 0), self.fetch(*base, 1), (*n).into()];
                self.put(*opcode, &operands);
            }
            Op::Take(opcode, a, b, c) => {
                let operands = [self.fetch(*a, 0), self.fetch(*b, 1), self.fetch(*c, 2)];
                self.put(*opcode, &operands);
            }
            Op::Use(opcode, a) => {
                let operands = [self.fetch(*a, 0)];
                self.put(*opcode, &operands);
            }
            Op::Store(opcode, value, base, index, length, fail) => {
                let regs = self.bound([*base, *index, *length]);
                self.store_indexed(*opcode, *value, regs, *fail);
            }
            Op::Call(target, args, results) => self.call(*target, args, results),
            _ => self.flow(op),
        }
    }

    fn flow(&mut self, op: &Op) {
        match op {
            Op::Mark(label) => self.items.push(Item::Mark(*label)),
            Op::Jump(label) => self.link(isa::BRA, &[0], Link::Label(*label)),
            Op::Branch(opcode, a, b, label) => {
                let operands = [self.fetch(*a, 0), self.fetch(*b, 1), 0];
                self.link(*opcode, &operands, Link::Label(*label));
            }
            Op::Zero(zero, a, label) => {
                let opcode = if *zero { isa::BZ } else { isa::BNZ };
                let operands = [self.fetch(*a, 0), 0];
                self.link(opcode, &operands, Link::Label(*label));
            }
            Op::Return(values) => {
                self.send(values);
                self.leave();
            }
            Op::Fail(why) => self.fail(*why),
            _ => self.put(isa::HALT, &[]),
        }
    }

    fn leave(&mut self) {
        if self.places.slots != 0 {
            self.put(isa::DROP, &[self.places.slots.into()]);
        }
        if self.places.kept != 0 {
            self.put(isa::POPM, &[self.places.kept.into()]);
        }
        self.put(isa::RET, &[]);
    }

    fn number(&mut self, reg: i64, value: u32) {
        let signed = i64::from(value as i32);
        if (-(1 << 19)..1 << 19).contains(&signed) {
            self.put(isa::LI, &[reg, signed]);
        } else {
            self.put(isa::LI, &[reg, i64::from(value & 0xFFFF)]);
            self.put(isa::LIH, &[reg, i64::from(value >> 16)]);
        }
    }

    fn call(&mut self, target: Target, args: &[V], results: &[V]) {
        self.send(args);
        match target {
            Target::Function(number) => self.link(isa::BSR, &[0], Link::Function(number)),
            Target::Sys(number) => self.put(isa::SYS, &[number.into()]),
            Target::Import(slot) => {
                let carrier = CARRIERS[0].into();
                self.link(isa::LEA, &[carrier, 0], Link::Place(Place::Data(slot)));
                self.put(isa::LD, &[carrier, carrier, 0]);
                self.put(isa::JSR, &[carrier]);
            }
        }
        self.receive(results);
    }

    /// Says line and reason, and does not come back.
    fn fail(&mut self, why: Why) {
        self.number(0, self.line);
        self.number(1, why as u32);
        self.link(isa::BRA, &[0], Link::Function(FAIL));
    }
}
