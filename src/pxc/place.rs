//! Gives each value a register or a place on the stack: a linear scan.
//!
//! R9 is never given: it carries what has to be moved. R0 to R5 are lost at
//! calls, so a value that lives across one gets a kept register.

use super::ir::{Body, Op, V};
use super::live::{Span, spans};

/// Where a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loc {
    /// In a register.
    Reg(u8),
    /// On the stack.
    Slot(u16),
}

/// Registers that carry what lies on the stack to an instruction.
pub(super) const CARRIERS: [u8; 3] = [9, 15, 14];

/// Registers that a call changes, in the order in which they are given.
const LOST: [u8; 6] = [5, 4, 3, 2, 1, 0];
/// Registers that a function keeps.
const KEPT: [u8; 9] = [6, 7, 8, 10, 11, 12, 13, 14, 15];

/// The places of a function's values.
#[derive(Debug)]
pub(super) struct Places {
    /// By value; `None` for those that are never read or written.
    pub(super) of: Vec<Option<Loc>>,
    /// Numbers on the stack.
    pub(super) slots: u16,
    /// Kept registers that are used.
    pub(super) kept: u16,
    /// Values that are read somewhere.
    pub(super) read: Vec<bool>,
}

/// Chooses. `None` if the function is too large.
pub(super) fn place(body: &Body) -> Option<Places> {
    let spans = spans(body)?;
    let mut scan = Scan::new(body, &spans, &KEPT);
    scan.run();
    if scan.slots.total > 0 {
        // What lies on the stack needs two more registers to be carried in.
        scan = Scan::new(body, &spans, &KEPT[..7]);
        scan.run();
        scan.kept |= 1 << CARRIERS[1] | 1 << CARRIERS[2];
    }
    let slots = u16::try_from(scan.slots.total).ok().filter(|slots| *slots < 0x7FFF)?;
    let kept = if body.main { 0 } else { scan.kept };
    Some(Places { of: scan.of, slots, kept, read: read(body) })
}

fn read(body: &Body) -> Vec<bool> {
    let mut read = vec![false; body.values as usize];
    for (op, _) in &body.ops {
        op.uses().into_iter().for_each(|v| read[v as usize] = true);
    }
    read
}

/// Places on the stack, used again when their value has ended.
#[derive(Default)]
struct Slots {
    total: u32,
    free: Vec<u16>,
}

impl Slots {
    fn take(&mut self) -> u16 {
        self.free.pop().unwrap_or_else(|| self.fresh())
    }

    /// One that no value ever had.
    fn fresh(&mut self) -> u16 {
        self.total += 1;
        (self.total - 1).min(u16::MAX.into()) as u16
    }
}

struct Scan<'b> {
    spans: &'b [Option<Span>],
    hints: Vec<Vec<Hint>>,
    calls: Vec<u32>,
    kept_set: &'b [u8],
    of: Vec<Option<Loc>>,
    active: Vec<V>,
    kept: u16,
    slots: Slots,
}

/// A place that saves a move.
#[derive(Clone, Copy)]
enum Hint {
    Reg(u8),
    Same(V),
}

impl<'b> Scan<'b> {
    fn new(body: &Body, spans: &'b [Option<Span>], kept_set: &'b [u8]) -> Self {
        let calls = body.ops.iter().enumerate().filter(|(_, (op, _))| matches!(op, Op::Call(..)));
        Self {
            spans,
            hints: hints(body),
            calls: calls.map(|(at, _)| 2 * at as u32 + 2).collect(),
            kept_set,
            of: vec![None; body.values as usize],
            active: Vec::new(),
            kept: 0,
            slots: Slots::default(),
        }
    }

    fn run(&mut self) {
        let mut order: Vec<(V, Span)> =
            (0..).zip(self.spans).filter_map(|(v, span)| Some((v, (*span)?))).collect();
        order.sort_by_key(|(v, span)| (span.start, *v));
        for (v, span) in order {
            self.expire(span.start);
            self.give(v, span);
        }
    }

    fn expire(&mut self, now: u32) {
        let (spans, of, slots) = (self.spans, &self.of, &mut self.slots);
        self.active.retain(|v| {
            let lives = spans[*v as usize].is_some_and(|span| span.end >= now);
            if !lives && let Some(Loc::Slot(slot)) = of[*v as usize] {
                slots.free.push(slot);
            }
            lives
        });
    }

    /// Whether a call lies inside a span.
    fn crosses(&self, span: Span) -> bool {
        let next = self.calls.partition_point(|call| *call < span.start);
        self.calls.get(next).is_some_and(|call| *call < span.end)
    }

    fn give(&mut self, v: V, span: Span) {
        let allowed = self.allowed(span);
        let taken = self.taken();
        let hinted = self.hints[v as usize].iter().filter_map(|hint| match hint {
            Hint::Reg(reg) => Some(*reg),
            Hint::Same(other) => match self.of[*other as usize] {
                Some(Loc::Reg(reg)) => Some(reg),
                _ => None,
            },
        });
        let free = |reg: &u8| allowed.contains(reg) && taken >> reg & 1 == 0;
        let found = hinted.into_iter().find(free).or_else(|| allowed.iter().copied().find(free));
        match found {
            Some(reg) => self.put(v, reg),
            None => self.evict(v, span, &allowed),
        }
    }

    fn allowed(&self, span: Span) -> Vec<u8> {
        // A kept register that is in use costs nothing more.
        let (used, fresh): (Vec<u8>, Vec<u8>) =
            self.kept_set.iter().partition(|reg| self.kept >> **reg & 1 == 1);
        let lost: &[u8] = if self.crosses(span) { &[] } else { &LOST };
        [lost, &used, &fresh].concat()
    }

    fn taken(&self) -> u16 {
        let regs = self.active.iter().filter_map(|v| match self.of[*v as usize] {
            Some(Loc::Reg(reg)) => Some(1u16 << reg),
            _ => None,
        });
        regs.fold(0, |set, bit| set | bit)
    }

    fn put(&mut self, v: V, reg: u8) {
        self.of[v as usize] = Some(Loc::Reg(reg));
        self.active.push(v);
        if KEPT.contains(&reg) {
            self.kept |= 1 << reg;
        }
    }

    /// No register is free: the value used least goes to the stack.
    fn evict(&mut self, v: V, span: Span, allowed: &[u8]) {
        let weight = |span: Span| f64::from(span.weight) / f64::from(span.end - span.start + 1);
        let candidates = self.active.iter().filter_map(|other| match self.of[*other as usize] {
            Some(Loc::Reg(reg)) if allowed.contains(&reg) => {
                Some((*other, reg, weight(self.spans[*other as usize]?)))
            }
            _ => None,
        });
        let least = candidates.min_by(|a, b| a.2.total_cmp(&b.2));
        match least.filter(|(_, _, other)| *other < weight(span)) {
            Some((other, reg, _)) => {
                // It began earlier, when others may have had the places now free.
                self.of[other as usize] = Some(Loc::Slot(self.slots.fresh()));
                self.put(v, reg);
            }
            None => {
                self.of[v as usize] = Some(Loc::Slot(self.slots.take()));
                self.active.push(v);
            }
        }
    }
}

fn hints(body: &Body) -> Vec<Vec<Hint>> {
    let mut hints: Vec<Vec<Hint>> = vec![Vec::new(); body.values as usize];
    let mut note = |values: &[V]| {
        for (reg, v) in (0..6).zip(values) {
            hints[*v as usize].push(Hint::Reg(reg));
        }
    };
    note(&body.params);
    for (op, _) in &body.ops {
        match op {
            Op::Call(_, args, results) => {
                note(results);
                note(args);
            }
            Op::Return(values) => note(values),
            _ => {}
        }
    }
    for (op, _) in &body.ops {
        if let Op::Mov(to, from) = op {
            hints[*to as usize].push(Hint::Same(*from));
            hints[*from as usize].push(Hint::Same(*to));
        }
    }
    hints
}
