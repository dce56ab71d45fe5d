//! Which values live where: the stretch of code over which each needs a place.

use std::collections::HashMap;

use super::ir::{Body, Label, Op, V};

/// A value's stretch: from its first position to its last, loops included.
/// Operation n reads at 2n + 2 and writes at 2n + 3; parameters come at 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
    /// How often it is used, loops counted tenfold.
    pub(super) weight: u32,
}

/// Most bits that liveness may take.
const MAX_BITS: usize = 1 << 28;

/// Removes what is never reached.
pub(super) fn prune(body: &mut Body) {
    let places = places(&body.ops);
    let mut reached = vec![false; body.ops.len()];
    let mut todo = vec![0];
    while let Some(mut at) = todo.pop() {
        while at < body.ops.len() && !reached[at] {
            reached[at] = true;
            let op = &body.ops[at].0;
            todo.extend(op.target().and_then(|label| places.get(&label).copied()));
            if op.ends() {
                break;
            }
            at += 1;
        }
    }
    let mut keep = reached.into_iter();
    body.ops.retain(|_| keep.next().unwrap_or(false));
    drop_jumps_to_next(body);
}

fn drop_jumps_to_next(body: &mut Body) {
    let marks = |ops: &[(Op, u32)], at: usize, label: Label| {
        let after = ops[at + 1..].iter();
        let mut marks =
            after.map_while(|(op, _)| if let Op::Mark(l) = op { Some(*l) } else { None });
        marks.any(|mark| mark == label)
    };
    let keep: Vec<bool> = (0..body.ops.len())
        .map(|at| !matches!(body.ops[at].0, Op::Jump(label) if marks(&body.ops, at, label)))
        .collect();
    let mut keep = keep.into_iter();
    body.ops.retain(|_| keep.next().unwrap_or(true));
}

fn places(ops: &[(Op, u32)]) -> HashMap<Label, usize> {
    let marks = ops.iter().enumerate();
    marks
        .filter_map(|(at, (op, _))| if let Op::Mark(l) = op { Some((*l, at)) } else { None })
        .collect()
}

/// A stretch of code without jumps in or out.
struct Block {
    first: usize,
    end: usize,
    next: Vec<usize>,
}

fn blocks(ops: &[(Op, u32)]) -> Vec<Block> {
    let mut starts = vec![0];
    for (at, (op, _)) in ops.iter().enumerate().skip(1) {
        let before = &ops[at - 1].0;
        if matches!(op, Op::Mark(_)) || before.target().is_some() || before.ends() {
            starts.push(at);
        }
    }
    let at_block: HashMap<usize, usize> =
        starts.iter().enumerate().map(|(n, at)| (*at, n)).collect();
    let places = places(ops);
    let ends = starts.iter().skip(1).copied().chain([ops.len()]);
    let mut blocks = Vec::new();
    for (number, (first, end)) in starts.iter().copied().zip(ends).enumerate() {
        let last = &ops[end - 1].0;
        let target = last.target().and_then(|label| places.get(&label));
        let mut next: Vec<_> =
            target.and_then(|at| at_block.get(at)).copied().into_iter().collect();
        if !last.ends() && end < ops.len() {
            next.push(number + 1);
        }
        blocks.push(Block { first, end, next });
    }
    blocks
}

/// Depth of loops at each operation: a jump back spans one.
fn depths(ops: &[(Op, u32)]) -> Vec<u32> {
    let places = places(ops);
    let mut change = vec![0i32; ops.len() + 1];
    for (at, (op, _)) in ops.iter().enumerate() {
        if let Some(start) = op.target().and_then(|label| places.get(&label)).filter(|s| **s <= at)
        {
            change[*start] += 1;
            change[at + 1] -= 1;
        }
    }
    let mut depth = 0;
    let depths = change.into_iter().take(ops.len()).map(|by| {
        depth += by;
        depth.clamp(0, 4) as u32
    });
    depths.collect()
}

/// The spans of all values; `None` for those that are never used.
/// None at all if the function is too large.
pub(super) fn spans(body: &Body) -> Option<Vec<Option<Span>>> {
    let ops = &body.ops;
    let mut spans: Vec<Option<Span>> = vec![None; body.values as usize];
    if ops.is_empty() {
        return Some(spans);
    }
    let depths = depths(ops);
    for (n, param) in body.params.iter().enumerate() {
        let _ = n;
        extend(&mut spans, *param, 1, 1);
    }
    for (at, (op, _)) in ops.iter().enumerate() {
        let weight = 10u32.pow(depths[at]);
        let position = 2 * at as u32 + 2;
        op.uses().into_iter().for_each(|v| extend(&mut spans, v, position, weight));
        op.defs().into_iter().for_each(|v| extend(&mut spans, v, position + 1, weight));
    }
    across_blocks(body, &mut spans)?;
    Some(spans)
}

fn extend(spans: &mut [Option<Span>], v: V, position: u32, weight: u32) {
    let Some(span) = spans.get_mut(v as usize) else { return };
    let span = span.get_or_insert(Span { start: position, end: position, weight: 0 });
    span.start = span.start.min(position);
    span.end = span.end.max(position);
    span.weight = span.weight.saturating_add(weight);
}

/// Numbers of the values that more than one block uses.
fn shared(body: &Body, blocks: &[Block]) -> HashMap<V, usize> {
    let mut seen: Vec<Option<usize>> = vec![None; body.values as usize];
    body.params.iter().for_each(|v| seen[*v as usize] = Some(0));
    let mut shared = HashMap::new();
    for (number, block) in blocks.iter().enumerate() {
        for (op, _) in &body.ops[block.first..block.end] {
            for v in op.uses().into_iter().chain(op.defs()) {
                let first = *seen[v as usize].get_or_insert(number);
                if first != number {
                    let next = shared.len();
                    shared.entry(v).or_insert(next);
                }
            }
        }
    }
    shared
}

type Bits = Vec<u64>;

fn has(bits: &Bits, n: usize) -> bool {
    bits[n / 64] >> (n % 64) & 1 == 1
}

fn across_blocks(body: &Body, spans: &mut [Option<Span>]) -> Option<()> {
    let blocks = blocks(&body.ops);
    let shared = shared(body, &blocks);
    let words = shared.len().div_ceil(64);
    if words * 64 * blocks.len() * 3 > MAX_BITS {
        return None;
    }
    let live_in = live_in(body, &blocks, &shared, words);
    for (block, live) in blocks.iter().zip(&live_in) {
        let (start, end) = (2 * block.first as u32 + 2, 2 * block.end as u32 + 1);
        for (v, n) in &shared {
            if has(live, *n) {
                extend(spans, *v, start, 0);
            }
            if block.next.iter().any(|next| has(&live_in[*next], *n)) {
                extend(spans, *v, end, 0);
            }
        }
    }
    Some(())
}

fn live_in(body: &Body, blocks: &[Block], shared: &HashMap<V, usize>, words: usize) -> Vec<Bits> {
    let mut live_in: Vec<Bits> = vec![vec![0; words]; blocks.len()];
    let mut kills: Vec<Bits> = vec![vec![0; words]; blocks.len()];
    for (number, block) in blocks.iter().enumerate() {
        for (op, _) in &body.ops[block.first..block.end] {
            for n in op.uses().iter().filter_map(|v| shared.get(v)) {
                if !has(&kills[number], *n) {
                    live_in[number][n / 64] |= 1 << (n % 64);
                }
            }
            for n in op.defs().iter().filter_map(|v| shared.get(v)) {
                kills[number][n / 64] |= 1 << (n % 64);
            }
        }
    }
    let mut changed = true;
    while changed {
        changed = false;
        for (number, block) in blocks.iter().enumerate().rev() {
            for next in &block.next {
                for word in 0..words {
                    let through = live_in[*next][word] & !kills[number][word];
                    let before = live_in[number][word];
                    live_in[number][word] |= through;
                    changed |= live_in[number][word] != before;
                }
            }
        }
    }
    live_in
}
