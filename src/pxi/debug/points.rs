//! Where a debugged program stops: breakpoints, and watches of registers and memory.

use super::debugger::CommandError;
use super::expr::Expr;
use crate::pxi::Machine;

/// Points of both kinds together.
const MAX_POINTS: usize = 1000;

/// A breakpoint.
#[derive(Debug, Clone)]
pub(super) struct Break {
    pub(super) id: u32,
    pub(super) address: u32,
    /// The condition, and how it was written.
    pub(super) condition: Option<(Expr, String)>,
    /// Deleted when it has stopped the program.
    pub(super) once: bool,
    pub(super) hits: u64,
}

/// What a watch looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watched {
    Register(usize),
    Memory(u32),
}

impl std::fmt::Display for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Register(n) => write!(f, "R{n}"),
            Self::Memory(address) => write!(f, "[{address}]"),
        }
    }
}

/// A watch.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    pub(super) id: u32,
    pub(super) what: Watched,
    pub(super) hits: u64,
    seen: u32,
}

/// A watch that saw a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) id: u32,
    pub(super) what: Watched,
    pub(super) old: u32,
    pub(super) new: u32,
}

/// All points, by number.
#[derive(Debug, Default)]
pub(super) struct Points {
    pub(super) breaks: Vec<Break>,
    pub(super) watches: Vec<Watch>,
    last_id: u32,
}

impl Points {
    fn next_id(&mut self) -> Result<u32, CommandError> {
        if self.breaks.len() + self.watches.len() >= MAX_POINTS {
            return Err(CommandError::new(format!("there are {MAX_POINTS} points already")));
        }
        self.last_id += 1;
        Ok(self.last_id)
    }

    /// Adds a breakpoint.
    pub(super) fn add_break(
        &mut self,
        address: u32,
        condition: Option<(Expr, String)>,
        once: bool,
    ) -> Result<u32, CommandError> {
        let id = self.next_id()?;
        self.breaks.push(Break { id, address, condition, once, hits: 0 });
        Ok(id)
    }

    /// Adds a watch.
    pub(super) fn add_watch(
        &mut self,
        what: Watched,
        machine: &Machine,
    ) -> Result<u32, CommandError> {
        let Some(seen) = what.value(machine) else {
            return Err(CommandError::new(format!("{what} is outside the memory")));
        };
        let id = self.next_id()?;
        self.watches.push(Watch { id, what, hits: 0, seen });
        Ok(id)
    }

    /// Removes a point, or all.
    pub(super) fn delete(&mut self, id: Option<u32>) -> Result<(), CommandError> {
        let before = self.breaks.len() + self.watches.len();
        self.breaks.retain(|point| id.is_some_and(|id| point.id != id));
        self.watches.retain(|point| id.is_some_and(|id| point.id != id));
        match id {
            Some(id) if self.breaks.len() + self.watches.len() == before => {
                Err(CommandError::new(format!("there is no breakpoint or watch {id}")))
            }
            _ => Ok(()),
        }
    }

    /// The breakpoint that stops the program where it is now. A condition that
    /// has no value stops it, too, and is said.
    pub(super) fn hit(&mut self, address: u32, machine: &Machine) -> Option<(u32, Option<String>)> {
        let mut stopped = None;
        for point in self.breaks.iter_mut().filter(|point| point.address == address) {
            let holds = match &point.condition {
                None => Ok(true),
                Some((condition, _)) => condition.eval(machine).map(|value| value != 0),
            };
            let fault = match holds {
                Ok(false) => continue,
                Ok(true) => None,
                Err(error) => Some(error.to_string()),
            };
            point.hits += 1;
            stopped = stopped.or(Some((point.id, fault, point.once)));
        }
        let (id, fault, once) = stopped?;
        if once {
            self.breaks.retain(|point| point.id != id);
        }
        Some((id, fault))
    }

    /// The first watch whose value is another than before. All take note.
    pub(super) fn changed(&mut self, machine: &Machine) -> Option<Change> {
        let mut first = None;
        for watch in &mut self.watches {
            let Some(new) = watch.what.value(machine) else { continue };
            if new != watch.seen {
                let change = Change { id: watch.id, what: watch.what, old: watch.seen, new };
                watch.seen = new;
                watch.hits += 1;
                first = first.or(Some(change));
            }
        }
        first
    }

    /// Takes the values as they are: what changed while nobody ran is no change.
    pub(super) fn settle(&mut self, machine: &Machine) {
        for watch in &mut self.watches {
            watch.seen = watch.what.value(machine).unwrap_or(watch.seen);
        }
    }
}

impl Watched {
    #[inline]
    fn value(self, machine: &Machine) -> Option<u32> {
        match self {
            Self::Register(n) => machine.registers().get(n).copied(),
            Self::Memory(at) => machine.memory().pixels().get(at as usize).map(|p| p.value()),
        }
    }
}
