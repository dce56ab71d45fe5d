//! while and for.

use ruff_python_ast::{Expr, Stmt, StmtFor, StmtWhile};
use ruff_text_size::Ranged;

use super::frame::{Flow, Loop};
use super::{Lower, Res};
use crate::pxc::ir::{Label, Op, V, Why};
use crate::pxc::names::Names;
use crate::pxc::types::Ty;
use crate::pxc::value::Value;
use crate::pxi::isa;

/// What `range()` was given.
struct Range {
    start: Value,
    stop: Value,
    step: Step,
}

/// How far a loop over `range()` goes each round.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// As far as this, which is not zero.
    Known(i64),
    /// As far as a register says, which is greater than zero.
    Up(V),
    /// As far as the first register says; the second one counts the rounds left.
    Counted(V, V),
}

/// Where a loop ends: when it is through, and behind `else`, where `break` leads.
struct Ends {
    done: Label,
    out: Label,
}

impl Lower<'_, '_> {
    /// The body of a loop; gives what holds where `break` leads to.
    fn looped(&mut self, body: &[Stmt], again: Label, out: Label) -> Flow {
        let once = std::mem::replace(&mut self.once, false);
        self.loops.push(Loop { again, out, left: Flow::nowhere() });
        self.block(body);
        self.once = once;
        self.loops.pop().map_or(Flow::nowhere(), |one| one.left)
    }

    pub(super) fn jump_stmt(&mut self, stmt: &Stmt) -> Res<()> {
        let flow = self.flow.clone();
        let Some(around) = self.loops.last_mut() else {
            return Err(self.error(stmt, "break and continue stand in loops", ""));
        };
        let label = if stmt.is_break_stmt() {
            around.left.join(&flow);
            around.out
        } else {
            around.again
        };
        self.op(Op::Jump(label));
        self.flow = Flow::nowhere();
        Ok(())
    }

    pub(super) fn while_stmt(&mut self, stmt: &StmtWhile) -> Res<()> {
        let (test, body, out) = (self.label(), self.label(), self.label());
        let forever = self.known_number(&stmt.test).is_some_and(|number| number != 0)
            || stmt.test.as_boolean_literal_expr().is_some_and(|literal| literal.value);
        // The test lies below the body: one jump a round. It is compiled where
        // it stands all the same, for what it says about names.
        let before = self.flow.clone();
        let line = self.line;
        self.op(Op::Jump(test));
        self.mark(body);
        let left = self.looped(&stmt.body, test, out);
        self.flow = before;
        self.line = line;
        self.mark(test);
        let once = std::mem::replace(&mut self.once, false);
        let tested = if forever {
            self.op(Op::Jump(body));
            self.flow = Flow::nowhere();
            Ok(())
        } else {
            self.jump_if(&stmt.test, true, body)
        };
        self.once = once;
        self.block(&stmt.orelse);
        self.flow.join(&left);
        self.mark(out);
        tested
    }

    pub(super) fn for_stmt(&mut self, stmt: &StmtFor) -> Res<()> {
        if stmt.is_async {
            return self.refuse(stmt, "async is", "");
        }
        let Expr::Name(target) = &*stmt.target else {
            return self.refuse(&*stmt.target, "a loop variable that is no name is", "");
        };
        match &*stmt.iter {
            Expr::Call(call) if self.is_builtin(&call.func, "range") => {
                let range = self.range_of(call)?;
                self.for_range(stmt, &target.id, range)
            }
            other => {
                let array = self.expr(other)?;
                self.for_elements(stmt, &target.id, &array)
            }
        }
    }

    fn range_of(&mut self, call: &ruff_python_ast::ExprCall) -> Res<Range> {
        let args = &call.arguments;
        if args.args.is_empty() || args.args.len() > 3 || !args.keywords.is_empty() {
            return Err(self.error(call, "range() takes one to three numbers", ""));
        }
        let mut values = Vec::new();
        for arg in &args.args {
            let value = self.expr(arg)?;
            let value = self.number(value, arg)?;
            self.check(&value, &Ty::Int, arg, "a number of range()")?;
            values.push(value);
        }
        let step = match values.get(2) {
            None => Step::Known(1),
            Some(step) => match step.known() {
                Some(0) => {
                    return Err(self.error(&args.args[2], "the step of range() is zero", ""));
                }
                Some(step) => Step::Known(step as i64),
                None if step.range.0 > 0 => Step::Up(self.copy(step)),
                None => {
                    let step = self.copy(step);
                    let rounds = self.rounds(&values[0], &values[1], step);
                    Step::Counted(step, rounds)
                }
            },
        };
        let mut values = values.into_iter();
        let first = values.next().unwrap_or_else(Value::nothing);
        Ok(match values.next() {
            Some(stop) => Range { start: first, stop, step },
            None => Range { start: Value::number(0), stop: first, step },
        })
    }

    fn for_range(&mut self, stmt: &StmtFor, name: &str, range: Range) -> Res<()> {
        // The loop counts with a register of its own, unless nothing else sees
        // the variable: it keeps its last value, and may be changed by the body.
        let counter = self.value();
        self.put_copy(counter, &range.start);
        let stop = match range.stop.known() {
            Some(number) => self.li(number as u32),
            None => self.copy(&range.stop),
        };
        let ends = Ends { done: self.label(), out: self.label() };
        self.skip_if_done(counter, stop, range.step, ends.done);
        let body = self.label();
        let again = self.label();
        let before = self.flow.clone();
        self.mark(body);
        let value = Value::reg(Ty::Int, counter);
        let value =
            if matches!(range.step, Step::Known(1..) | Step::Up(_)) && range.start.is_natural() {
                value.within(range.start.range.0, range.stop.range.1.max(0))
            } else {
                value
            };
        let shared = self.share_counter(stmt, name, &value, counter);
        if shared.is_none() {
            self.assign(name, value, stmt.target.range())?;
        }
        let line = self.line;
        let left = self.looped(&stmt.body, again, ends.out);
        self.unshare(shared, counter);
        self.line = line;
        self.mark(again);
        self.next_round(counter, stop, range.step, body);
        self.end_for(stmt, before, &left, &ends);
        Ok(())
    }

    fn end_for(&mut self, stmt: &StmtFor, before: Flow, left: &Flow, ends: &Ends) {
        // The body may not have run at all.
        self.flow = before;
        self.mark(ends.done);
        self.block(&stmt.orelse);
        self.flow.join(left);
        self.mark(ends.out);
    }

    /// Lets the counter be the variable itself, where nobody sees a difference:
    /// the body does not assign it, and behind the loop it has no value that may
    /// be read, as the loop may not have run. Gives the variable and the register
    /// that it had before.
    fn share_counter(
        &mut self,
        stmt: &StmtFor,
        name: &str,
        value: &Value,
        counter: V,
    ) -> Option<(usize, Option<V>)> {
        if !self.in_register(name) || !self.names.is_local(name) || !stmt.orelse.is_empty() {
            return None;
        }
        let number = self.variable(name);
        let variable = &self.variables[number];
        if self.flow.has(number)
            || variable.broken
            || variable.ty.as_ref().is_some_and(|ty| *ty != value.ty)
            || Names::of_body(&stmt.body).stores.contains_key(name)
        {
            return None;
        }
        let before = variable.home;
        let variable = &mut self.variables[number];
        variable.ty = Some(value.ty.clone());
        variable.home = Some(counter);
        variable.range = value.ty.is_number().then_some(value.range);
        self.flow.set(number);
        Some((number, before))
    }

    /// Behind the loop the variable has its own register again.
    fn unshare(&mut self, shared: Option<(usize, Option<V>)>, register: V) {
        if let Some((number, home)) = shared {
            self.variables[number].home = home.or(Some(register));
            self.variables[number].range = None;
        }
    }

    /// A copy of a value that nothing else changes.
    pub(super) fn copy(&mut self, value: &Value) -> V {
        let v = self.value();
        self.put_copy(v, value);
        v
    }

    fn put_copy(&mut self, to: V, value: &Value) {
        match value.known() {
            Some(number) => self.op(Op::Li(to, number as u32)),
            None => {
                let from = self.word(value);
                self.op(Op::Mov(to, from));
            }
        }
    }

    /// How many rounds a range with a step of unknown sign has.
    fn rounds(&mut self, start: &Value, stop: &Value, step: V) -> V {
        let fail = self.fail(Why::Value);
        self.op(Op::Zero(true, step, fail));
        let (start, stop) = (self.word(start), self.word(stop));
        self.runtime("_pxi_rounds", vec![start, stop, step], 1)[0]
    }

    fn skip_if_done(&mut self, counter: V, stop: V, step: Step, out: Label) {
        match step {
            Step::Known(..0) => self.op(Op::Branch(isa::BGE, stop, counter, out)),
            Step::Counted(_, rounds) => self.op(Op::Zero(true, rounds, out)),
            _ => self.op(Op::Branch(isa::BGE, counter, stop, out)),
        }
    }

    /// Counts on; neither an overflow nor a step over the end is possible.
    fn next_round(&mut self, counter: V, stop: V, step: Step, body: Label) {
        match step {
            Step::Known(step @ (1 | -1)) => {
                let (a, b) = if step > 0 { (counter, stop) } else { (stop, counter) };
                self.op(Op::Imm(isa::ADDI, counter, counter, step as i16));
                self.op(Op::Branch(isa::BLT, a, b, body));
            }
            Step::Known(step) => {
                let (a, b) = if step > 0 { (counter, stop) } else { (stop, counter) };
                // What is left, without a sign, against the length of the step.
                let left = self.three(isa::SUBW, b, a);
                let size = self.li(step.unsigned_abs() as u32);
                let by = self.li(step as u32);
                self.op(Op::Three(isa::ADDW, counter, counter, by));
                self.op(Op::Branch(isa::BLTU, size, left, body));
            }
            Step::Up(step) => {
                let left = self.three(isa::SUBW, stop, counter);
                self.op(Op::Three(isa::ADDW, counter, counter, step));
                self.op(Op::Branch(isa::BLTU, step, left, body));
            }
            Step::Counted(step, rounds) => {
                self.op(Op::Three(isa::ADDW, counter, counter, step));
                self.op(Op::Imm(isa::ADDI, rounds, rounds, -1));
                self.op(Op::Zero(false, rounds, body));
            }
        }
    }

    fn for_elements(&mut self, stmt: &StmtFor, name: &str, array: &Value) -> Res<()> {
        let bytes = match &array.ty {
            Ty::List(_) => false,
            Ty::Bytes | Ty::ByteArray => true,
            other => {
                let message = format!("a loop over {other} is not in the subset");
                return Err(self.error(&*stmt.iter, message, "range(), lists and bytes are"));
            }
        };
        let list = self.copy(array);
        let length = self.imm(isa::LD, list, -1);
        let base = if bytes { self.imm(isa::SHLI, list, 2) } else { list };
        let counter = self.li(0);
        let (body, again) = (self.label(), self.label());
        let ends = Ends { done: self.label(), out: self.label() };
        self.skip_if_done(counter, length, Step::Known(1), ends.done);
        let before = self.flow.clone();
        self.mark(body);
        let v = self.three(if bytes { isa::LDBX } else { isa::LDX }, base, counter);
        let value = match &array.ty {
            Ty::List(of) => Value::reg((**of).clone(), v),
            _ => Value::reg(Ty::Int, v).within(0, 255),
        };
        let shared = self.share_counter(stmt, name, &value, v);
        if shared.is_none() {
            self.assign(name, value, stmt.target.range())?;
        }
        let left = self.looped(&stmt.body, again, ends.out);
        self.unshare(shared, v);
        self.mark(again);
        self.next_round(counter, length, Step::Known(1), body);
        self.end_for(stmt, before, &left, &ends);
        Ok(())
    }
}
