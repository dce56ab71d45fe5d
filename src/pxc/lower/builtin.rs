//! Python's own functions.

use ruff_python_ast::{Expr, ExprCall};

use super::{Lower, Res};
use crate::pxc::ir::{Op, Place, Why};
use crate::pxc::types::Ty;
use crate::pxc::value::{At, Value};
use crate::pxi::isa;

impl Lower<'_, '_> {
    pub(super) fn call_builtin(
        &mut self,
        name: &str,
        call: &ExprCall,
        want: Option<&Ty>,
    ) -> Res<Value> {
        match name {
            "len" => {
                let [value] = self.values(name, call)?;
                if value.ty.has_length() {
                    return Ok(self.length(&value));
                }
                Err(self.error(call, format!("{} has no length", value.ty), ""))
            }
            "int" => self.convert(call, Ty::Int),
            "u32" => self.convert(call, Ty::U32),
            "bool" => {
                let [value] = self.values(name, call)?;
                self.bool_of(&value, call)
            }
            "str" => {
                let [value] = self.values(name, call)?;
                self.str_of(&value, call)
            }
            "abs" => self.abs(call),
            "argument" => self.argument(call),
            "min" | "max" => self.extreme(name, call, want),
            "ord" => self.ord(call),
            "bytearray" => self.bytearray(call),
            "chr" | "hex" | "bin" | "oct" => {
                let message = format!("{name}() outside of print() is");
                self.refuse(call, &message, "")
            }
            "range" => self.refuse(call, "range() outside of for is", ""),
            _ => match self.call_memory(name, call)? {
                Some(value) => Ok(value),
                None => self.call_system(name, call),
            },
        }
    }

    /// argument(n): what was in Rn when the program began.
    fn argument(&mut self, call: &ExprCall) -> Res<Value> {
        let [number] = self.exact_args("argument", call)?;
        let known = self.expr(number)?.known();
        let slot = known.and_then(|n| self.program.given?.get(usize::try_from(n).ok()?).copied());
        let Some(slot) = slot else {
            let last = super::program::GIVEN - 1;
            let message = format!("argument() takes a constant, 0 to {last}");
            return Err(self.error(number, message, ""));
        };
        let address = self.lea(Place::Data(slot));
        let v = self.imm(isa::LD, address, 0);
        Ok(Value::reg(Ty::U32, v))
    }

    /// The first thing the main program does: registers that hold what it was
    /// started with are free for other values afterwards.
    pub(super) fn keep_given(&mut self) {
        let Some(slots) = self.program.given else { return };
        self.body.params = slots.iter().map(|_| self.value()).collect();
        for (v, slot) in self.body.params.clone().into_iter().zip(slots) {
            let address = self.lea(Place::Data(slot));
            self.op(Op::Put(isa::ST, v, address, 0));
        }
    }

    /// The arguments of a function that takes a certain number of them.
    fn values<const N: usize>(&mut self, name: &str, call: &ExprCall) -> Res<[Value; N]> {
        let args = self.exact_args::<N>(name, call)?;
        let mut values = Vec::new();
        for arg in args {
            values.push(self.expr(arg)?);
        }
        values.try_into().map_err(|_| super::Reported)
    }

    pub(super) fn exact_args<'c, const N: usize>(
        &mut self,
        name: &str,
        call: &'c ExprCall,
    ) -> Res<&'c [Expr; N]> {
        if let (Ok(args), true) =
            (<&[Expr; N]>::try_from(&call.arguments.args[..]), call.arguments.keywords.is_empty())
        {
            return Ok(args);
        }
        let plural = if N == 1 { "" } else { "s" };
        Err(self.error(call, format!("{name}() takes {N} argument{plural} here"), ""))
    }

    /// int(x) and u32(x): the same number, or the program stops.
    fn convert(&mut self, call: &ExprCall, ty: Ty) -> Res<Value> {
        let [value] = self.values(&ty.to_string(), call)?;
        if value.ty.has_bytes() {
            return self.refuse(call, "int() of a text is", "compute it from its bytes");
        }
        let value = self.number(value, call)?;
        if value.known().is_some() {
            self.check(&value, &ty, call, "the result")?;
            return Ok(Value { ty, ..value });
        }
        let (low, high) = value.range;
        if value.fits(&ty) {
            return Ok(Value { ty, ..value });
        }
        // As a word with a sign it is negative exactly if it does not fit the other type.
        let v = self.word(&value);
        let (fail, zero) = (self.fail(Why::Range), self.li(0));
        self.op(Op::Branch(isa::BLT, v, zero, fail));
        Ok(Value { ty, ..value }.within(low.max(0), high))
    }

    fn bool_of(&mut self, value: &Value, at: &ExprCall) -> Res<Value> {
        let (result, out) = (self.value(), self.label());
        if value.ty == Ty::Bool {
            return Ok(value.clone());
        }
        let kept = Value { at: At::Reg(self.word(value)), ..value.clone() };
        self.op(Op::Li(result, 1));
        self.jump_if_value(&kept, true, out, at)?;
        self.op(Op::Li(result, 0));
        self.mark(out);
        Ok(Value::reg(Ty::Bool, result))
    }

    fn abs(&mut self, call: &ExprCall) -> Res<Value> {
        let [value] = self.values("abs", call)?;
        let value = self.number(value, call)?;
        if let Some(number) = value.known() {
            return Ok(Value::number(number.abs()));
        }
        if value.is_natural() {
            return Ok(value);
        }
        let (result, out) = (self.copy(&value), self.label());
        let zero = self.li(0);
        self.op(Op::Branch(isa::BGE, result, zero, out));
        self.op(Op::Three(isa::SUBV, result, zero, result));
        self.mark(out);
        let high = value.range.1.max(-value.range.0);
        Ok(Value::reg(Ty::Int, result).within(0, high))
    }

    fn extreme(&mut self, name: &str, call: &ExprCall, want: Option<&Ty>) -> Res<Value> {
        let args = &call.arguments.args;
        if args.len() < 2 || !call.arguments.keywords.is_empty() {
            let message = format!("{name}() of one value, or with keywords, is");
            return self.refuse(call, &message, "give it two numbers or more");
        }
        let mut values = Vec::new();
        for arg in args {
            let value = self.expr_as(arg, want)?;
            if value.ty == Ty::Bool {
                let message = format!("{name}() of bool is");
                return self.refuse(arg, &message, "write int(...)");
            }
            values.push(self.number(value, arg)?);
        }
        let known: Option<Vec<i128>> = values.iter().map(Value::known).collect();
        if let Some(numbers) = known {
            let mut numbers = numbers.into_iter();
            let first = numbers.next().unwrap_or(0);
            let pick = if name == "min" { i128::min } else { i128::max };
            return Ok(Value::number(numbers.fold(first, pick)));
        }
        let mut values = values.into_iter();
        let first = values.next().unwrap_or_else(Value::nothing);
        values.try_fold(first, |best, value| self.better(name, best, &value, call))
    }

    fn better(&mut self, name: &str, best: Value, value: &Value, at: &ExprCall) -> Res<Value> {
        let ty = self.common(&best, value, at)?;
        let less = if ty == Ty::U32 { isa::BGEU } else { isa::BGE };
        let (other, out) = (self.word(value), self.label());
        let result = self.copy(&best);
        // The first of equal ones stays; they are the same number.
        let (a, b) = if name == "min" { (other, result) } else { (result, other) };
        self.op(Op::Branch(less, a, b, out));
        self.op(Op::Mov(result, other));
        self.mark(out);
        let (a, b) = (best.range, value.range);
        let (low, high) =
            if name == "min" { (a.0.min(b.0), a.1.min(b.1)) } else { (a.0.max(b.0), a.1.max(b.1)) };
        Ok(Value::reg(ty, result).within(low, high))
    }

    fn ord(&mut self, call: &ExprCall) -> Res<Value> {
        let [arg] = self.exact_args("ord", call)?;
        if let Expr::Subscript(subscript) = arg {
            return self.ord_of(subscript);
        }
        let value = self.expr(arg)?;
        if let (At::Text(bytes), Ty::Str) = (&value.at, &value.ty) {
            let text = String::from_utf8_lossy(bytes);
            let mut characters = text.chars();
            if let (Some(c), None) = (characters.next(), characters.next()) {
                return Ok(Value::number(u32::from(c).into()));
            }
            return Err(self.error(arg, "ord() takes one character", ""));
        }
        self.refuse(call, "ord() of this is", "write ord(s[i])")
    }

    fn bytearray(&mut self, call: &ExprCall) -> Res<Value> {
        let [value] = self.values("bytearray", call)?;
        if let At::Text(bytes) = &value.at
            && value.ty == Ty::Bytes
        {
            let bytes = bytes.clone();
            return Ok(self.bytes_in_memory(&bytes));
        }
        if matches!(value.ty, Ty::Bytes | Ty::ByteArray) {
            let v = self.word(&value);
            let (start, stop) = (self.li(0), self.li(i32::MAX as u32));
            let v = self.runtime("_pxi_slice", vec![v, start, stop], 1)[0];
            return Ok(Value::reg(Ty::ByteArray, v));
        }
        if value.ty == Ty::Bool || !value.ty.is_number() {
            let message = format!("bytearray() of {} is", value.ty);
            return self.refuse(call, &message, "give it a number or bytes");
        }
        self.check(&value, &Ty::Int, call, "the length")?;
        if let Some(number) = value.known().filter(|number| self.is_static(*number)) {
            return Ok(self.bytes_in_memory(&vec![0; number as usize]));
        }
        let v = self.word(&value);
        let v = self.runtime("_pxi_bytearray", vec![v], 1)[0];
        Ok(Value::reg(Ty::ByteArray, v))
    }
}
