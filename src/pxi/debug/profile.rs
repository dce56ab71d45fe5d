//! Where a program spends its steps: by address, by function, by chain of calls.

use std::collections::HashMap;
use std::fmt::Write;

use super::tracer::{Step, Tracer};
use crate::pxi::host::Host;
use crate::pxi::stop::Stop;

/// Chains of calls that are told apart, and how long they may be. What lies
/// deeper counts for the chain's last function that is kept.
const MAX_CHAINS: usize = 1 << 18;
const MAX_DEPTH: usize = 256;
/// Functions that are told apart.
const MAX_FUNCTIONS: usize = 1 << 18;

/// Counts while a program runs.
#[derive(Debug)]
pub struct Profiler {
    /// The program.
    pub tracer: Tracer,
    hits: Vec<u64>,
    functions: Vec<Function>,
    by_address: HashMap<u32, usize>,
    chains: Vec<Chain>,
    children: HashMap<(usize, usize), usize>,
    /// Open calls: the function and the chain.
    open: Vec<(usize, usize)>,
}

#[derive(Debug)]
struct Function {
    address: u32,
    name: String,
    own: u64,
    total: u64,
    calls: u64,
    /// How often it is open, and the steps when it was opened first.
    active: u64,
    entered: u64,
}

#[derive(Debug)]
struct Chain {
    function: usize,
    parent: Option<usize>,
    depth: usize,
    own: u64,
}

/// What a function cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionCost {
    /// Its name, or its address.
    pub name: String,
    /// Its first instruction in the memory.
    pub address: u32,
    /// Steps in it.
    pub own: u64,
    /// Steps in it and in what it called.
    pub total: u64,
    /// Times it was called.
    pub calls: u64,
}

/// A finished profile.
#[derive(Debug)]
pub struct Profile {
    /// Steps by address, most first; addresses that were run.
    pub addresses: Vec<(u32, u64)>,
    /// Functions, most own steps first.
    pub functions: Vec<FunctionCost>,
    /// Steps by file and line, most first.
    pub lines: Vec<(String, u32, u64)>,
    /// All steps.
    pub steps: u64,
    chains: Vec<(String, u64)>,
}

impl Profiler {
    /// Will count what this program does.
    pub fn new(tracer: Tracer) -> Self {
        let len = tracer.machine.memory().pixels().len();
        let mut profiler = Self {
            hits: vec![0; len],
            functions: Vec::new(),
            by_address: HashMap::new(),
            chains: Vec::new(),
            children: HashMap::new(),
            open: Vec::new(),
            tracer,
        };
        let entry = profiler.tracer.address();
        let root = profiler.function(entry);
        profiler.chains.push(Chain { function: root, parent: None, depth: 0, own: 0 });
        profiler.enter(root, 0);
        profiler
    }

    /// Runs until the program stops or so many more steps are done.
    pub fn run<H: Host>(&mut self, host: &mut H, fuel: u64) -> Stop {
        let end = self.tracer.machine.steps().saturating_add(fuel);
        while self.tracer.machine.steps() < end {
            let step = self.tracer.step(host);
            self.count(&step);
            if let Some(stop) = step.stop {
                return stop;
            }
        }
        Stop::OutOfFuel
    }

    fn count(&mut self, step: &Step) {
        let cost = self.tracer.machine.steps() - step.number;
        if let Some(hits) = self.hits.get_mut(step.address as usize) {
            *hits += cost;
        }
        if let Some((function, chain)) = self.open.last() {
            self.functions[*function].own += cost;
            self.chains[*chain].own += cost;
        }
        for _ in 0..step.ended {
            self.leave();
        }
        if step.called {
            self.begin_call();
        }
    }

    fn begin_call(&mut self) {
        let Some(call) = self.tracer.calls().last().copied() else { return };
        let function = self.function(call.target);
        let parent = self.open.last().map_or(0, |(_, chain)| *chain);
        let chain = self.chain(parent, function);
        self.enter(function, chain);
    }

    fn enter(&mut self, function: usize, chain: usize) {
        let now = self.tracer.machine.steps();
        let known = &mut self.functions[function];
        known.calls += 1;
        known.active += 1;
        if known.active == 1 {
            known.entered = now;
        }
        self.open.push((function, chain));
    }

    fn leave(&mut self) {
        // The outermost is never left: the program itself.
        if self.open.len() <= 1 {
            return;
        }
        if let Some((function, _)) = self.open.pop() {
            let now = self.tracer.machine.steps();
            self.functions[function].close(now);
        }
    }

    /// The function at an address; when there are too many, the program itself.
    fn function(&mut self, address: u32) -> usize {
        if let Some(known) = self.by_address.get(&address) {
            return *known;
        }
        if self.functions.len() >= MAX_FUNCTIONS {
            return 0;
        }
        let named = self.tracer.names.at(address);
        let name = named.map_or_else(|| format!("@{address}"), |named| named.to_string());
        let (own, total, calls, active, entered) = (0, 0, 0, 0, 0);
        self.functions.push(Function { address, name, own, total, calls, active, entered });
        self.by_address.insert(address, self.functions.len() - 1);
        self.functions.len() - 1
    }

    fn chain(&mut self, parent: usize, function: usize) -> usize {
        if let Some(known) = self.children.get(&(parent, function)) {
            return *known;
        }
        let depth = self.chains[parent].depth + 1;
        if self.chains.len() >= MAX_CHAINS || depth > MAX_DEPTH {
            return parent;
        }
        self.chains.push(Chain { function, parent: Some(parent), depth, own: 0 });
        self.children.insert((parent, function), self.chains.len() - 1);
        self.chains.len() - 1
    }

    /// Ends all calls and sums up.
    pub fn finish(mut self) -> (Profile, Tracer) {
        let now = self.tracer.machine.steps();
        for function in &mut self.functions {
            function.active = function.active.min(1);
            function.close(now);
        }
        let addresses = self.addresses();
        let lines = self.lines(&addresses);
        let chains = self.folded();
        let functions = self.functions.iter().map(Function::cost);
        let mut functions: Vec<_> = functions.collect();
        functions.sort_by(|a, b| (b.own, a.address).cmp(&(a.own, b.address)));
        (Profile { addresses, functions, lines, steps: now, chains }, self.tracer)
    }

    fn addresses(&self) -> Vec<(u32, u64)> {
        let hits = self.hits.iter().enumerate().filter(|(_, hits)| **hits > 0);
        let mut addresses: Vec<_> = hits.map(|(at, hits)| (at as u32, *hits)).collect();
        addresses.sort_by(|a, b| (b.1, a.0).cmp(&(a.1, b.0)));
        addresses
    }

    fn lines(&self, addresses: &[(u32, u64)]) -> Vec<(String, u32, u64)> {
        let mut sums: HashMap<(&str, u32), u64> = HashMap::new();
        for (address, hits) in addresses {
            if let Some(line) = self.tracer.names.line_at(*address) {
                *sums.entry(line).or_default() += hits;
            }
        }
        let sums = sums.into_iter().map(|((file, line), hits)| (file.to_owned(), line, hits));
        let mut lines: Vec<_> = sums.collect();
        lines.sort_by(|a, b| (b.2, &a.0, a.1).cmp(&(a.2, &b.0, b.1)));
        lines
    }

    fn folded(&self) -> Vec<(String, u64)> {
        let used = self.chains.iter().filter(|chain| chain.own > 0);
        let folded = used.map(|chain| {
            let mut names = vec![self.functions[chain.function].name.as_str()];
            let mut at = chain.parent;
            while let Some(parent) = at {
                names.push(&self.functions[self.chains[parent].function].name);
                at = self.chains[parent].parent;
            }
            names.reverse();
            (names.join(";"), chain.own)
        });
        folded.collect()
    }
}

impl Function {
    fn close(&mut self, now: u64) {
        if self.active == 0 {
            return;
        }
        self.active -= 1;
        if self.active == 0 {
            self.total += now - self.entered;
        }
    }

    fn cost(&self) -> FunctionCost {
        let Self { address, own, total, calls, .. } = *self;
        FunctionCost { name: self.name.clone(), address, own, total, calls }
    }
}

impl Profile {
    /// Chains of calls with their steps, as flame graph tools read them: `main;f;g 17`.
    pub fn folded(&self) -> String {
        let mut text = String::new();
        for (chain, steps) in &self.chains {
            let _ = writeln!(text, "{chain} {steps}");
        }
        text
    }

    /// Steps as a part of all, in percent.
    pub fn percent(&self, steps: u64) -> f64 {
        if self.steps == 0 { 0.0 } else { steps as f64 * 100.0 / self.steps as f64 }
    }
}
