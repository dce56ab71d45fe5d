//! The whole program, as the functions that are compiled see it: what functions
//! and constants there are, and what they share.

use std::collections::{BTreeSet, HashMap, HashSet};

use ruff_python_ast::{Expr, StmtFunctionDef, UnaryOp};

use crate::pxc::data::Data;
use crate::pxc::diagnostic::Lines;
use crate::pxc::ir::{Body, Target};
use crate::pxc::names::Names;
use crate::pxc::types::Ty;
use crate::pxc::value::Value;
use crate::pxi::asm::Diagnostic;

/// Registers that a program is started with: those of arguments.
pub(super) const GIVEN: usize = 6;

/// A parameter.
#[derive(Debug, Clone)]
pub(super) struct Param {
    pub(super) name: String,
    pub(super) ty: Ty,
    pub(super) default: Option<Value>,
}

/// What is known of a function where it is called.
#[derive(Debug, Clone)]
pub(super) struct Signature {
    pub(super) params: Vec<Param>,
    pub(super) gives: Ty,
}

/// A function of another module.
#[derive(Debug, Clone)]
pub(in crate::pxc) struct External {
    /// The pixel of the data that gets its address.
    pub(in crate::pxc) slot: u32,
    pub(in crate::pxc) path: String,
    pub(in crate::pxc) name: String,
}

/// A function.
pub(in crate::pxc) struct Function {
    pub(in crate::pxc) name: String,
    pub(super) signature: Signature,
    pub(super) ast: StmtFunctionDef,
    pub(super) names: Names,
    /// One of the runtime's own.
    pub(in crate::pxc) trusted: bool,
    pub(in crate::pxc) external: Option<External>,
    /// Its code, once it is compiled.
    pub(in crate::pxc) body: Option<Body>,
    pub(super) wanted: bool,
}

/// A variable that functions share: its pixel and type.
#[derive(Debug, Clone, Default)]
pub(super) struct Shared {
    pub(super) slot: u32,
    pub(super) ty: Option<Ty>,
    /// Whether its pixel holds its first value before the main program runs.
    pub(super) is_static: bool,
}

/// Module constants that are no variables but say something about the module.
#[derive(Debug, Default)]
pub(in crate::pxc) struct Settings {
    /// REQUIRES
    pub(in crate::pxc) requires: Vec<String>,
    /// HEAP
    pub(in crate::pxc) heap: Option<u32>,
    /// FRAME
    pub(in crate::pxc) frame: Option<(u32, u32)>,
}

/// Everything about the program being compiled.
pub(in crate::pxc) struct Program<'s> {
    pub(super) lines: Lines<'s>,
    pub(super) runtime_lines: Lines<'s>,
    pub(super) errors: Vec<Diagnostic>,
    pub(in crate::pxc) data: Data,
    pub(in crate::pxc) functions: Vec<Function>,
    pub(super) by_name: HashMap<String, usize>,
    pub(super) runtime: HashMap<String, usize>,
    pub(super) todo: Vec<usize>,
    pub(super) constants: HashMap<String, Value>,
    /// Names that the main program assigns.
    pub(super) assigned: HashSet<String>,
    pub(super) shared: HashMap<String, Shared>,
    pub(in crate::pxc) settings: Settings,
    /// Whether the error of the last system call is asked for.
    pub(super) uses_err: bool,
    /// Where what the program was started with is kept, R0 first.
    pub(super) given: Option<[u32; GIVEN]>,
}

impl Program<'_> {
    /// The number of a function, of the program or of the runtime: neither
    /// sees the other's.
    pub(super) fn function(&self, name: &str, trusted: bool) -> Option<usize> {
        let functions = if trusted { &self.runtime } else { &self.by_name };
        functions.get(name).copied()
    }

    /// Whether the main program assigns a name.
    pub(super) fn is_assigned(&self, name: &str) -> bool {
        self.assigned.contains(name)
    }

    pub(super) fn signature(&self, number: usize) -> Signature {
        self.functions[number].signature.clone()
    }

    pub(super) fn target(&mut self, number: usize) -> Target {
        if let Some(external) = &self.functions[number].external {
            return Target::Import(external.slot);
        }
        self.want(number);
        Target::Function(number)
    }

    pub(super) fn want(&mut self, number: usize) {
        if !std::mem::replace(&mut self.functions[number].wanted, true) {
            self.todo.push(number);
        }
    }

    /// A function of the runtime, which is compiled because it is used.
    pub(super) fn runtime(&mut self, name: &str) -> usize {
        let number = self.runtime.get(name).copied().unwrap_or(0);
        self.want(number);
        number
    }

    pub(super) fn constant(&self, name: &str) -> Option<Value> {
        self.constants.get(name).cloned()
    }

    pub(super) fn is_shared(&self, name: &str) -> bool {
        self.shared.contains_key(name)
    }

    /// Pixel and type of a variable that functions share.
    pub(super) fn shared(&self, name: &str) -> Option<(u32, Option<Ty>)> {
        self.shared.get(name).map(|shared| (shared.slot, shared.ty.clone()))
    }

    pub(super) fn declare(&mut self, name: &str, ty: Ty) {
        if let Some(shared) = self.shared.get_mut(name) {
            shared.ty.get_or_insert(ty);
        }
    }

    pub(super) fn break_shared(&mut self, name: &str) {
        if let Some(shared) = self.shared.get_mut(name) {
            shared.ty = None;
        }
    }

    /// All names of the module that a call of a function can come to use.
    pub(super) fn needs(&self, name: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::from([name.to_owned()]);
        let mut todo = vec![name.to_owned()];
        while let Some(name) = todo.pop() {
            let Some(function) = self.by_name.get(&name).map(|n| &self.functions[*n]) else {
                continue;
            };
            for used in function.names.outside() {
                let of_module = self.by_name.contains_key(used)
                    || self.shared.contains_key(used)
                    || self.constants.contains_key(used);
                if of_module && found.insert(used.clone()) {
                    todo.push(used.clone());
                }
            }
        }
        found
    }

    /// Whether a function can be called by other modules: nothing that it uses
    /// comes to be only when the main program runs.
    pub(in crate::pxc) fn is_open(&self, function: &Function) -> bool {
        let is_set = |name: &String| self.shared.get(name).is_none_or(|shared| shared.is_static);
        self.needs(&function.name).iter().all(is_set)
    }

    /// The number that an expression of numbers and constants is.
    pub(super) fn known(&self, expr: &Expr, has: &dyn Fn(&str) -> bool) -> Option<i128> {
        match expr {
            Expr::NumberLiteral(literal) => match &literal.value {
                ruff_python_ast::Number::Int(int) => int.as_u64().map(i128::from),
                _ => None,
            },
            Expr::Name(name) if has(&name.id) => {
                let value = self.constants.get(name.id.as_str())?;
                if value.ty == Ty::Bool { None } else { value.known() }
            }
            Expr::UnaryOp(op) => {
                let number = self.known(&op.operand, has)?;
                match op.op {
                    UnaryOp::USub => Some(-number),
                    UnaryOp::Invert => Some(!number),
                    UnaryOp::UAdd => Some(number),
                    UnaryOp::Not => None,
                }
            }
            Expr::BinOp(op) => {
                let (a, b) = (self.known(&op.left, has)?, self.known(&op.right, has)?);
                super::binary::fold(a, op.op, b).ok()
            }
            _ => None,
        }
    }
}
