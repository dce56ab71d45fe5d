//! Expressions.

use ruff_python_ast::{Expr, ExprBoolOp, ExprIf, Number, UnaryOp};
use ruff_text_size::Ranged;

use super::{Lower, Res};
use crate::pxc::ir::{Op, V};
use crate::pxc::types::Ty;
use crate::pxc::value::{At, Value};
use crate::pxi::isa;

impl Lower<'_, '_> {
    /// An expression and its value.
    pub(super) fn expr(&mut self, expr: &Expr) -> Res<Value> {
        self.expr_as(expr, None)
    }

    /// An expression where a type is wanted; it need not be given.
    pub(super) fn expr_as(&mut self, expr: &Expr, want: Option<&Ty>) -> Res<Value> {
        match expr {
            Expr::NumberLiteral(literal) => match &literal.value {
                Number::Int(int) => self.integer(expr, int),
                Number::Float(_) => self.refuse(expr, "a float literal is", "numbers are int"),
                Number::Complex { .. } => self.refuse(expr, "a complex literal is", ""),
            },
            Expr::BooleanLiteral(literal) => Ok(Value::bool(literal.value)),
            Expr::StringLiteral(literal) => self.text_literal(literal),
            Expr::BytesLiteral(literal) => {
                let parts = literal.value.iter().flat_map(|part| part.value.iter());
                Ok(Value::bytes(parts.copied().collect()))
            }
            Expr::Name(name) => self.name(name),
            Expr::BinOp(op) => self.binary(op, want),
            Expr::UnaryOp(op) => self.unary(op.op, &op.operand, expr),
            Expr::Compare(_) => self.truth(expr),
            Expr::BoolOp(op) => self.bool_op(op),
            Expr::If(choice) => self.choice(choice, want),
            Expr::Call(call) => self.call_expr(call, want),
            Expr::Subscript(subscript) => self.subscript(subscript),
            Expr::List(list) => self.list(list, want),
            other => self.refuse_expr(other),
        }
    }

    fn integer(&mut self, expr: &Expr, int: &ruff_python_ast::Int) -> Res<Value> {
        match int.as_u64() {
            Some(number) => Ok(Value::number(number.into())),
            None => Err(self.error(expr, "the number does not fit in 64 bits", "")),
        }
    }

    fn name(&mut self, name: &ruff_python_ast::ExprName) -> Res<Value> {
        if name.id == "__name__" && !self.names.is_local("__name__") {
            return Ok(Value::text("__main__"));
        }
        if self.program.function(&name.id, self.trusted).is_some() && !self.names.is_local(&name.id)
        {
            return self.refuse(name, "a function as a value is", "call it: f(...)");
        }
        self.load(&name.id, name)
    }

    /// A value as a number: a bool counts as 0 or 1.
    pub(super) fn number(&mut self, value: Value, at: impl Ranged) -> Res<Value> {
        match value.ty {
            Ty::Int | Ty::U32 => Ok(value),
            Ty::Bool => Ok(Value { ty: Ty::Int, ..value }),
            ty => Err(self.error(at, format!("a number is needed here, this is {ty}"), "")),
        }
    }

    /// The value as a word of a type, if it provably is that for CPython, too.
    pub(super) fn check(&mut self, value: &Value, ty: &Ty, at: impl Ranged, what: &str) -> Res<()> {
        let number = |ty: &Ty| matches!(ty, Ty::Int | Ty::U32);
        if number(&value.ty) && number(ty) {
            if value.fits(ty) || (value.ty == *ty && value.known().is_none()) {
                return Ok(());
            }
            if let Some(number) = value.known() {
                return Err(self.error(
                    at,
                    format!("{number} does not fit in {what}, which is {ty}"),
                    "",
                ));
            }
            let help = format!("write {ty}(...) if it fits always: it stops the program if not");
            let message = format!("{what} is {ty}, this is {}", value.ty);
            return Err(self.error(at, message, &help));
        }
        let same = value.ty == *ty || (value.ty == Ty::ByteArray && *ty == Ty::Bytes);
        if same {
            return Ok(());
        }
        let help = if number(ty) && value.ty == Ty::Bool { "write int(...)" } else { "" };
        Err(self.error(at, format!("{what} is {ty}, this is {}", value.ty), help))
    }

    /// An expression that must have a type; its register.
    pub(super) fn expr_word(&mut self, expr: &Expr, ty: &Ty, what: &str) -> Res<V> {
        let value = self.expr_as(expr, Some(ty))?;
        self.check(&value, ty, expr, what)?;
        Ok(self.word(&value))
    }

    fn unary(&mut self, op: UnaryOp, operand: &Expr, whole: &Expr) -> Res<Value> {
        if op == UnaryOp::Not {
            return self.truth(whole);
        }
        let value = self.expr(operand)?;
        let value = self.number(value, operand)?;
        if let Some(number) = value.known() {
            let folded = match op {
                UnaryOp::USub => -number,
                UnaryOp::Invert => !number,
                _ => number,
            };
            return Ok(Value::number(folded));
        }
        if op == UnaryOp::UAdd {
            return Ok(value);
        }
        if !value.fits(&Ty::Int) && value.ty == Ty::U32 {
            let help = "in (...) & 0xFFFFFFFF it wraps, as CPython's does";
            return Err(self.error(whole, "the result is negative, a u32 is not", help));
        }
        let v = self.word(&value);
        let (low, high) = value.range;
        if op == UnaryOp::Invert {
            let ones = self.li(u32::MAX);
            let v = self.three(isa::XOR, v, ones);
            return Ok(Value::reg(Ty::Int, v).within(!high, !low));
        }
        let zero = self.li(0);
        let v = self.three(isa::SUBV, zero, v);
        Ok(Value::reg(Ty::Int, v).within(-high, -low))
    }

    /// A condition as a value.
    fn truth(&mut self, expr: &Expr) -> Res<Value> {
        if let Some(value) = self.compared(expr)? {
            return Ok(value);
        }
        let (result, out) = (self.value(), self.label());
        // The result is written before the condition is known: one jump less.
        let no = self.label();
        self.jump_if(expr, false, no)?;
        self.op(Op::Li(result, 1));
        self.op(Op::Jump(out));
        self.mark(no);
        self.op(Op::Li(result, 0));
        self.mark(out);
        Ok(Value::reg(Ty::Bool, result))
    }

    /// `and`, `or`: the value is that of the last operand looked at.
    fn bool_op(&mut self, op: &ExprBoolOp) -> Res<Value> {
        let is_or = op.op == ruff_python_ast::BoolOp::Or;
        let (result, out) = (self.value(), self.label());
        let mut ty: Option<Ty> = None;
        let (mut low, mut high) = (i64::MAX, i64::MIN);
        for (n, operand) in op.values.iter().enumerate() {
            let value = self.expr_as(operand, ty.as_ref())?;
            let wanted = ty.get_or_insert_with(|| value.ty.clone()).clone();
            self.check(&value, &wanted, operand, "what stands before `and` or `or`")?;
            (low, high) = (low.min(value.range.0), high.max(value.range.1));
            self.put(result, &value);
            if n + 1 < op.values.len() {
                let here = Value::reg(wanted.clone(), result);
                self.jump_if_value(&here, is_or, out, operand)?;
            }
        }
        self.mark(out);
        Ok(Value::reg(ty.unwrap_or(Ty::Bool), result).within(low, high))
    }

    fn choice(&mut self, choice: &ExprIf, want: Option<&Ty>) -> Res<Value> {
        let (result, other, out) = (self.value(), self.label(), self.label());
        self.jump_if(&choice.test, false, other)?;
        let first = self.expr_as(&choice.body, want)?;
        let mut ty = first.ty.clone();
        if let Some(want @ (Ty::Int | Ty::U32)) = want
            && first.fits(want)
            && first.ty != Ty::Bool
        {
            ty = want.clone();
        }
        self.check(&first, &ty, &*choice.body, "this")?;
        self.put(result, &first);
        self.op(Op::Jump(out));
        self.mark(other);
        let second = self.expr_as(&choice.orelse, Some(&ty))?;
        self.check(&second, &ty, &*choice.orelse, "what stands before `if`")?;
        self.put(result, &second);
        self.mark(out);
        let (low, high) = (first.range.0.min(second.range.0), first.range.1.max(second.range.1));
        let value = Value::reg(ty.clone(), result);
        Ok(if ty.is_number() { value.within(low, high) } else { value })
    }

    /// A list of expressions as a list in memory.
    fn list(&mut self, list: &ruff_python_ast::ExprList, want: Option<&Ty>) -> Res<Value> {
        let wanted = if let Some(Ty::List(of)) = want { Some((**of).clone()) } else { None };
        let mut values = Vec::new();
        for element in &list.elts {
            let value = self.expr_as(element, wanted.as_ref())?;
            values.push(value);
        }
        let large = |value: &Value| value.ty == Ty::U32;
        let of = match (wanted, values.iter().find(|value| large(value)), values.first()) {
            (Some(of), ..) => of,
            (_, Some(value), _) | (_, _, Some(value)) => value.ty.clone(),
            _ => {
                let help = "annotate it: x: list[int] = []";
                return Err(self.error(list, "the type of the elements is not known", help));
            }
        };
        for (value, element) in values.iter().zip(&list.elts) {
            self.check(value, &of, element, "an element of the list")?;
        }
        if matches!(of, Ty::None | Ty::Tuple(_)) {
            return Err(self.error(list, format!("a list of {of}"), ""));
        }
        let v = self.list_of(&values);
        Ok(Value::reg(Ty::List(Box::new(of)), v))
    }

    fn list_of(&mut self, values: &[Value]) -> V {
        let known: Option<Vec<u32>> =
            values.iter().map(|value| value.known().map(|number| number as u32)).collect();
        if let Some(words) = known {
            let at = self.program.data.list(&words);
            let v = self.lea(crate::pxc::ir::Place::Data(at));
            return if self.once { v } else { self.runtime("_pxi_copy_list", vec![v], 1)[0] };
        }
        let regs: Vec<V> = values.iter().map(|value| self.word(value)).collect();
        let (length, zero) = (self.li(values.len() as u32), self.li(0));
        let list = self.runtime("_pxi_list", vec![length, zero], 1)[0];
        for (n, v) in regs.into_iter().enumerate() {
            if let Ok(n @ 0..=127) = i16::try_from(n) {
                self.op(Op::Put(isa::ST, v, list, n));
            } else {
                let n = self.li(n as u32);
                self.op(Op::Take(isa::STX, v, list, n));
            }
        }
        list
    }

    /// The one value that a number of words is.
    pub(super) fn of_words(&mut self, ty: &Ty, words: &[V]) -> Value {
        match ty {
            Ty::None => Value::nothing(),
            Ty::Tuple(types) => {
                let parts = types.iter().zip(words);
                let parts = parts.map(|(ty, v)| Value::reg(ty.clone(), *v)).collect();
                Value { ty: ty.clone(), at: At::Words(parts), range: (0, 0) }
            }
            ty => Value::reg(ty.clone(), words.first().copied().unwrap_or(0)),
        }
    }
}
