//! Moves what is the same in every round out of a loop: numbers, addresses,
//! and the lengths of arrays, which never change.
//!
//! Only for loops without calls: there a value needs a kept register, and the
//! saving is small beside the call.

use std::collections::{HashMap, HashSet};

use super::ir::{Body, Label, Op, V};
use crate::pxi::isa;

/// Registers that loops may use before moving things out costs more than it gives.
const ENOUGH: usize = 12;

/// Bodies larger than this times their loops are left as they are.
const MAX_WORK: usize = 20_000_000;

/// A loop: the operation of its mark and that of its last jump back.
#[derive(Debug, Clone, Copy)]
struct Loop {
    mark: Label,
    length: usize,
}

/// Moves what can be moved, the innermost loops first.
pub(super) fn hoist(body: &mut Body) {
    let mut loops = loops(body);
    if loops.len().saturating_mul(body.ops.len()) > MAX_WORK {
        return;
    }
    loops.sort_by_key(|one| one.length);
    let mut writes: HashMap<V, usize> = HashMap::new();
    for v in body.ops.iter().flat_map(|(op, _)| op.defs()).chain(body.params.iter().copied()) {
        *writes.entry(v).or_insert(0) += 1;
    }
    for one in loops {
        hoist_one(body, one.mark, &writes);
    }
}

fn loops(body: &Body) -> Vec<Loop> {
    let mut marks: HashMap<Label, usize> = HashMap::new();
    let mut ends: HashMap<Label, usize> = HashMap::new();
    for (at, (op, _)) in body.ops.iter().enumerate() {
        if let Op::Mark(label) = op {
            marks.insert(*label, at);
        } else if let Some(label) = op.target()
            && marks.contains_key(&label)
        {
            ends.insert(label, at);
        }
    }
    ends.iter().map(|(mark, end)| Loop { mark: *mark, length: end - marks[mark] }).collect()
}

/// Where a loop stands now: its mark, its last jump back, and where what is
/// moved out goes. `None` if it can be entered elsewhere.
fn find(body: &Body, mark: Label) -> Option<(usize, usize, usize)> {
    let ops = &body.ops;
    let start = ops.iter().position(|(op, _)| *op == Op::Mark(mark))?;
    let end = ops.iter().rposition(|(op, _)| op.target() == Some(mark))?;
    let inside: HashSet<Label> = ops[start..=end]
        .iter()
        .filter_map(|(op, _)| if let Op::Mark(label) = op { Some(*label) } else { None })
        .collect();
    // A loop with its test below is entered by a jump right above it.
    let entered = |at: usize| ops[at].0.target().is_some_and(|label| inside.contains(&label));
    let before = match start.checked_sub(1) {
        Some(at) if entered(at) && matches!(ops[at].0, Op::Jump(_)) => at,
        _ => start,
    };
    let elsewhere = (0..before).chain(end + 1..ops.len()).any(entered);
    (!elsewhere && end >= start).then_some((start, end, before))
}

fn hoist_one(body: &mut Body, mark: Label, writes: &HashMap<V, usize>) {
    let Some((start, end, before)) = find(body, mark) else { return };
    let inside = &body.ops[start..=end];
    if inside.iter().any(|(op, _)| matches!(op, Op::Call(..))) {
        return;
    }
    let written: HashSet<V> = inside.iter().flat_map(|(op, _)| op.defs()).collect();
    let outside = body.ops[..start].iter().chain(&body.ops[end + 1..]);
    let outside: HashSet<V> = outside.flat_map(|(op, _)| op.uses()).collect();
    let mut pressure = pressure(inside, &written, &outside);
    let mut moved = HashSet::new();
    let mut same: HashMap<(u8, i64, V), V> = HashMap::new();
    let mut renamed: HashMap<V, V> = HashMap::new();
    let mut out = Vec::new();
    for at in start..=end {
        let (op, line) = &body.ops[at];
        let Some(key) = key(op) else { continue };
        let fixed = |v: &V| !written.contains(v) || moved.contains(v);
        let result = op.defs()[0];
        if writes.get(&result) != Some(&1)
            || !op.uses().iter().all(fixed)
            || outside.contains(&result)
        {
            continue;
        }
        if let Some(first) = same.get(&key) {
            renamed.insert(result, *first);
            moved.insert(result);
            continue;
        }
        if pressure >= ENOUGH {
            continue;
        }
        pressure += 1;
        same.insert(key, result);
        moved.insert(result);
        out.push((at, (op.clone(), *line)));
    }
    rebuild(body, before, &out, &moved, &renamed);
}

/// What an operation computes, if it is always the same for the same sources.
fn key(op: &Op) -> Option<(u8, i64, V)> {
    match op {
        Op::Li(_, number) => Some((isa::LI, (*number).into(), 0)),
        // A length lies before its array, and nothing writes there.
        Op::Imm(isa::LD, _, base, n @ (-1 | -2)) => Some((isa::LD, (*n).into(), *base)),
        Op::Imm(isa::SHLI, _, base, n) => Some((isa::SHLI, (*n).into(), *base)),
        _ => None,
    }
}

/// About how many registers a loop needs all the time: those that it reads from
/// outside, and those that it writes more than once.
fn pressure(inside: &[(Op, u32)], written: &HashSet<V>, outside: &HashSet<V>) -> usize {
    let mut read_first: HashSet<V> = HashSet::new();
    let mut seen: HashSet<V> = HashSet::new();
    for (op, _) in inside {
        read_first.extend(op.uses().into_iter().filter(|v| !seen.contains(v)));
        seen.extend(op.defs());
    }
    let through = written.intersection(outside).count();
    read_first.len() + through.min(ENOUGH)
}

fn rebuild(
    body: &mut Body,
    before: usize,
    out: &[(usize, (Op, u32))],
    moved: &HashSet<V>,
    renamed: &HashMap<V, V>,
) {
    if moved.is_empty() {
        return;
    }
    let ops = std::mem::take(&mut body.ops);
    for (at, (mut op, line)) in ops.into_iter().enumerate() {
        if at == before {
            body.ops.extend(out.iter().map(|(_, op)| op.clone()));
        }
        let is_moved =
            at >= before && key(&op).is_some() && op.defs().iter().all(|v| moved.contains(v));
        if is_moved {
            continue;
        }
        op.rename(renamed);
        body.ops.push((op, line));
    }
    for (op, _) in &mut body.ops {
        op.rename(renamed);
    }
}
