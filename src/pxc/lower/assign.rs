//! Assignments.

use ruff_python_ast::{Expr, ExprTuple, Operator, StmtAnnAssign, StmtAssign, StmtAugAssign};
use ruff_text_size::Ranged;

use super::{Lower, Res};
use crate::pxc::ir::Op;
use crate::pxc::types::Ty;
use crate::pxc::value::{At, Value};

impl Lower<'_, '_> {
    pub(super) fn assign_stmt(&mut self, stmt: &StmtAssign) -> Res<()> {
        if let [Expr::Name(name)] = &stmt.targets[..]
            && self.is_setting(&name.id)
        {
            return Ok(());
        }
        let result = self.assigned(stmt);
        if result.is_err() {
            stmt.targets.iter().for_each(|target| self.break_target(target));
        }
        result
    }

    fn assigned(&mut self, stmt: &StmtAssign) -> Res<()> {
        if let [Expr::Tuple(targets)] = &stmt.targets[..] {
            return self.assign_tuple(targets, &stmt.value);
        }
        let want = match &stmt.targets[0] {
            Expr::Name(name) => self.type_of_name(&name.id),
            _ => None,
        };
        let value = self.expr_as(&stmt.value, want.as_ref())?;
        for target in &stmt.targets {
            // Each target but the last one takes a copy.
            let copied = match &value.at {
                At::Reg(v) if stmt.targets.len() > 1 => {
                    let to = self.value();
                    self.op(Op::Mov(to, *v));
                    Value { at: At::Reg(to), ..value.clone() }
                }
                _ => value.clone(),
            };
            self.assign_target(target, copied, &*stmt.value)?;
        }
        Ok(())
    }

    /// The type that a name has already.
    fn type_of_name(&mut self, name: &str) -> Option<Ty> {
        if self.in_register(name) && self.names.is_local(name) {
            let number = self.variable(name);
            return self.variables[number].ty.clone();
        }
        self.program.shared(name).and_then(|(_, ty)| ty)
    }

    fn assign_target(&mut self, target: &Expr, value: Value, at: impl Ranged) -> Res<()> {
        match target {
            Expr::Name(name) => self.assign(&name.id, value, at),
            Expr::Subscript(subscript) => self.assign_element(subscript, &value),
            Expr::Tuple(_) | Expr::List(_) => {
                self.refuse(target, "a tuple among other targets is", "write a, b = ... alone")
            }
            Expr::Attribute(_) => self.refuse(target, "an attribute is", ""),
            _ => self.refuse(target, "this target of an assignment is", ""),
        }
    }

    /// `a, b = x, y` and `a, b = f()`: all values first, then the targets.
    fn assign_tuple(&mut self, targets: &ExprTuple, value: &Expr) -> Res<()> {
        let values = match value {
            Expr::Tuple(values) => {
                let mut parts = Vec::new();
                for (n, value) in values.elts.iter().enumerate() {
                    let want = match targets.elts.get(n) {
                        Some(Expr::Name(name)) => self.type_of_name(&name.id),
                        _ => None,
                    };
                    let part = self.expr_as(value, want.as_ref())?;
                    parts.push(self.kept(part));
                }
                parts
            }
            _ => {
                let given = self.expr(value)?;
                match given.at {
                    At::Words(parts) => parts.into_iter().map(|part| self.kept(part)).collect(),
                    _ => {
                        let message = format!("{} cannot be taken apart", given.ty);
                        return Err(self.error(value, message, ""));
                    }
                }
            }
        };
        if values.len() != targets.elts.len() {
            let message = format!("{} targets, but {} values", targets.elts.len(), values.len());
            return Err(self.error(targets, message, ""));
        }
        for (target, part) in targets.elts.iter().zip(values) {
            self.assign_target(target, part, value)?;
        }
        Ok(())
    }

    /// The value in a register of its own.
    fn kept(&mut self, value: Value) -> Value {
        match value.at {
            At::Reg(_) => {
                let v = self.copy(&value);
                Value { at: At::Reg(v), ..value }
            }
            _ => value,
        }
    }

    pub(super) fn annotated(&mut self, stmt: &StmtAnnAssign) -> Res<()> {
        let Expr::Name(name) = &*stmt.target else {
            return self.refuse(&*stmt.target, "an annotation of what is no name is", "");
        };
        if self.is_setting(&name.id) {
            return Ok(());
        }
        let result = self.annotated_name(name, stmt);
        if result.is_err() {
            self.break_target(&stmt.target);
        }
        result
    }

    fn annotated_name(
        &mut self,
        name: &ruff_python_ast::ExprName,
        stmt: &StmtAnnAssign,
    ) -> Res<()> {
        let ty = self.annotation(&stmt.annotation)?;
        if self.names.globals.contains(name.id.as_str()) {
            return self.refuse(name, "annotating a global variable in a function is", "");
        }
        let identifier = ruff_python_ast::Identifier {
            id: name.id.clone(),
            range: name.range,
            node_index: ruff_python_ast::AtomicNodeIndex::NONE,
        };
        let Some(value) = &stmt.value else { return self.declare(&identifier, ty) };
        let given = self.expr_as(value, Some(&ty))?;
        self.declare(&identifier, ty.clone())?;
        self.check(&given, &ty, &**value, &format!("`{}`", name.id))?;
        self.assign(&name.id, given, &**value)
    }

    pub(super) fn augmented(&mut self, stmt: &StmtAugAssign) -> Res<()> {
        match &*stmt.target {
            Expr::Name(name) => {
                // If the other side changes a variable of the module, this is
                // its value from before, as in CPython.
                let old = self.load(&name.id, name)?;
                let new = self.changed(old, stmt.op, &stmt.value, stmt)?;
                self.assign(&name.id, new, stmt)
            }
            Expr::Subscript(subscript) => {
                self.update_element(subscript, stmt.op, &stmt.value, stmt)
            }
            target => self.refuse(target, "this target of an assignment is", ""),
        }
    }

    /// What `op=` makes of a value.
    pub(super) fn changed(
        &mut self,
        old: Value,
        op: Operator,
        value: &Expr,
        whole: impl Ranged,
    ) -> Res<Value> {
        // In CPython these change a bytearray itself, for all who have it. Where
        // `bytes` is wanted it may be given.
        if matches!(op, Operator::Add | Operator::Mult)
            && matches!(old.ty, Ty::Bytes | Ty::ByteArray)
        {
            let what = match old.ty {
                Ty::Bytes => "of bytes, which may be a bytearray, is",
                _ => "of a bytearray is",
            };
            let op = op.as_str();
            let help = "write x = x + ..., which makes a new one";
            return self.refuse(whole, &format!("`{op}=` {what}"), help);
        }
        self.binary_with(old, op, value, whole)
    }

    /// Names whose assignment failed are not complained about again.
    fn break_target(&mut self, target: &Expr) {
        match target {
            Expr::Name(name) if self.in_register(&name.id) && self.names.is_local(&name.id) => {
                let number = self.variable(&name.id);
                if self.variables[number].ty.is_none() {
                    self.variables[number].broken = true;
                }
                self.flow.set(number);
            }
            Expr::Name(name) => {
                self.program.break_shared(&name.id);
                if self.body.main {
                    let number = self.variable(&name.id);
                    self.flow.set(number);
                }
            }
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|target| self.break_target(target)),
            _ => {}
        }
    }
}
