//! What is known about the variables of a function at one place of its code.

use ruff_python_ast::Identifier;
use ruff_text_size::Ranged;

use super::{Lower, Res};
use crate::pxc::ir::{Label, Op, Place, V};
use crate::pxc::types::Ty;
use crate::pxc::value::Value;
use crate::pxi::isa;

/// A variable, or for the main program also a function or a constant.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    /// Its type, once it was assigned.
    pub(super) ty: Option<Ty>,
    /// Its register, if it lives in one.
    pub(super) home: Option<V>,
    /// What is known about its size, all the time.
    pub(super) range: Option<(i64, i64)>,
    /// Something was wrong with its assignment.
    pub(super) broken: bool,
}

/// Which variables have a value here. `None`: here is never reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flow(Option<Vec<u64>>);

impl Flow {
    pub(super) fn start() -> Self {
        Self(Some(Vec::new()))
    }

    pub(super) fn nowhere() -> Self {
        Self(None)
    }

    pub(super) fn is_reached(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn set(&mut self, variable: usize) {
        if let Some(bits) = &mut self.0 {
            if bits.len() <= variable / 64 {
                bits.resize(variable / 64 + 1, 0);
            }
            bits[variable / 64] |= 1 << (variable % 64);
        }
    }

    pub(super) fn has(&self, variable: usize) -> bool {
        let Some(bits) = &self.0 else { return true };
        bits.get(variable / 64).is_some_and(|word| word >> (variable % 64) & 1 == 1)
    }

    /// What holds if one comes from here or from there.
    pub(super) fn join(&mut self, other: &Self) {
        match (&mut self.0, &other.0) {
            (_, None) => {}
            (None, Some(_)) => *self = other.clone(),
            (Some(bits), Some(others)) => {
                bits.truncate(others.len());
                bits.iter_mut().zip(others).for_each(|(word, other)| *word &= other);
            }
        }
    }
}

/// A loop around the statement being compiled.
#[derive(Debug)]
pub(super) struct Loop {
    pub(super) again: Label,
    pub(super) out: Label,
    /// What holds where it is left by `break`.
    pub(super) left: Flow,
}

impl Lower<'_, '_> {
    /// The number of a variable of this scope.
    pub(super) fn variable(&mut self, name: &str) -> usize {
        if let Some(number) = self.by_name.get(name) {
            return *number;
        }
        self.by_name.insert(name.to_owned(), self.variables.len());
        self.variables.push(Variable { ty: None, home: None, range: None, broken: false });
        self.variables.len() - 1
    }

    /// Whether the name is a variable with a register here.
    pub(super) fn in_register(&self, name: &str) -> bool {
        if self.body.main { !self.program.is_shared(name) } else { self.names.is_local(name) }
    }

    /// Reads a variable.
    pub(super) fn load(&mut self, name: &str, at: impl Ranged) -> Res<Value> {
        if self.in_register(name) && self.names.is_local(name) {
            return self.load_local(name, at);
        }
        if !self.body.main && self.trusted {
            return Err(self.error(at, format!("the runtime has no `{name}`"), ""));
        }
        self.load_global(name, at)
    }

    fn load_local(&mut self, name: &str, at: impl Ranged) -> Res<Value> {
        let number = self.variable(name);
        self.check_assigned(number, name, &at)?;
        let variable = &self.variables[number];
        if variable.broken {
            return Err(super::Reported);
        }
        if self.body.main
            && let Some(value) = self.program.constant(name)
        {
            return Ok(value);
        }
        match (variable.ty.clone(), variable.home) {
            (Some(ty), Some(v)) => {
                let range = variable.range.unwrap_or(ty.range());
                Ok(Value::reg(ty, v).within(range.0, range.1))
            }
            // Only where nothing is reached a variable has no type yet.
            _ => Err(self.error(at, format!("`{name}` is read before it is assigned"), "")),
        }
    }

    pub(super) fn check_assigned(
        &mut self,
        number: usize,
        name: &str,
        at: &impl Ranged,
    ) -> Res<()> {
        if self.flow.has(number) || self.variables[number].broken {
            return Ok(());
        }
        // One complaint is enough.
        self.flow.set(number);
        let help = "assign it on every way that leads here";
        Err(self.error(at.range(), format!("`{name}` may have no value here"), help))
    }

    fn load_global(&mut self, name: &str, at: impl Ranged) -> Res<Value> {
        let exists = self.program.constant(name).is_some() || self.program.is_shared(name);
        if self.body.main && exists {
            let number = self.variable(name);
            self.check_assigned(number, name, &at)?;
        }
        if let Some(value) = self.program.constant(name) {
            return Ok(value);
        }
        let (slot, ty) = match self.program.shared(name) {
            Some((slot, Some(ty))) => (slot, ty),
            Some((_, None)) => return Err(super::Reported),
            None => {
                let message = format!("`{name}` is not defined");
                return Err(self.error(at, message, ""));
            }
        };
        let address = self.lea(Place::Data(slot));
        let v = self.imm(isa::LD, address, 0);
        Ok(Value::reg(ty, v))
    }

    /// Gives a variable a value: the first one decides its type.
    pub(super) fn assign(&mut self, name: &str, value: Value, at: impl Ranged) -> Res<()> {
        if let Some(home) = self.assign_type(name, &value, at.range())? {
            let number = self.variable(name);
            self.put(home, &value);
            self.flow.set(number);
            // What is assigned at one place only is never more than it is there.
            if value.ty.is_number() && self.names.stores.get(name) == Some(&1) {
                self.variables[number].range = Some(value.range);
            }
        } else {
            self.assign_shared(name, &value)?;
        }
        Ok(())
    }

    /// The register of a variable that is assigned a value; `None` if functions share it.
    fn assign_type(&mut self, name: &str, value: &Value, at: impl Ranged) -> Res<Option<V>> {
        let local = self.in_register(name) && self.names.is_local(name);
        if !local {
            self.declare_shared(name, value.ty.clone(), &at)?;
            let ty = self.program.shared(name).and_then(|(_, ty)| ty).unwrap_or(Ty::Int);
            self.check(value, &ty, at, &format!("`{name}`"))?;
            return Ok(None);
        }
        let number = self.variable(name);
        let ty = match self.variables[number].ty.clone() {
            Some(ty) => ty,
            None => self.settle(number, value.ty.clone(), &at)?,
        };
        self.check(value, &ty, at, &format!("`{name}`"))?;
        Ok(self.variables[number].home)
    }

    /// Gives a variable its type and a register.
    pub(super) fn settle(&mut self, number: usize, ty: Ty, at: &impl Ranged) -> Res<Ty> {
        if matches!(ty, Ty::None | Ty::Tuple(_)) {
            self.variables[number].broken = true;
            let message = format!("a variable cannot be {ty}");
            return Err(self.error(at.range(), message, "take its parts: a, b = ..."));
        }
        let home = self.value();
        self.variables[number].home = Some(home);
        self.variables[number].ty = Some(ty.clone());
        Ok(ty)
    }

    /// Declares the type of a variable by an annotation.
    pub(super) fn declare(&mut self, name: &Identifier, ty: Ty) -> Res<()> {
        if !(self.in_register(name) && self.names.is_local(name)) {
            return self.declare_shared(name, ty, name);
        }
        let number = self.variable(name);
        match self.variables[number].ty.clone() {
            Some(old) if old != ty => {
                let message = format!("`{name}` is {old} above, here it is {ty}");
                Err(self.error(name, message, "a name has one type"))
            }
            Some(_) => Ok(()),
            None => self.settle(number, ty, name).map(|_| ()),
        }
    }

    fn declare_shared(&mut self, name: &str, ty: Ty, at: &impl Ranged) -> Res<()> {
        if !self.body.main {
            if self.program.shared(name).is_some_and(|(_, ty)| ty.is_some()) {
                return Ok(());
            }
            let message = format!("`{name}` is not assigned outside of functions");
            return Err(self.error(at.range(), message, "give it a first value at module level"));
        }
        if matches!(ty, Ty::None | Ty::Tuple(_)) {
            return Err(self.error(at.range(), format!("a variable cannot be {ty}"), ""));
        }
        self.program.declare(name, ty);
        Ok(())
    }

    fn assign_shared(&mut self, name: &str, value: &Value) -> Res<()> {
        if self.body.main {
            let number = self.variable(name);
            self.flow.set(number);
        }
        let Some((slot, _)) = self.program.shared(name) else { return Ok(()) };
        let v = self.word(value);
        let address = self.lea(Place::Data(slot));
        self.op(Op::Put(isa::ST, v, address, 0));
        Ok(())
    }
}
