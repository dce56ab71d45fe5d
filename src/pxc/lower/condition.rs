//! Conditions: jumps and, where a value is wanted, zero or one.

use ruff_python_ast::{BoolOp, CmpOp, Expr, ExprCompare, UnaryOp};
use ruff_text_size::Ranged;

use super::{Lower, Res};
use crate::pxc::ir::{Label, Op, V};
use crate::pxc::types::Ty;
use crate::pxc::value::{At, Value};
use crate::pxi::isa;

impl Lower<'_, '_> {
    /// Jumps if an expression is true, or if it is not; else goes on.
    pub(super) fn jump_if(&mut self, expr: &Expr, sense: bool, label: Label) -> Res<()> {
        match expr {
            Expr::UnaryOp(op) if op.op == UnaryOp::Not => self.jump_if(&op.operand, !sense, label),
            Expr::BoolOp(op) => {
                // `or` decides with the first that is true, `and` with the first that is not.
                let decides = op.op == BoolOp::Or;
                let Some((last, others)) = op.values.split_last() else { return Ok(()) };
                let skip = self.label();
                let to = if decides == sense { label } else { skip };
                for operand in others {
                    self.jump_if(operand, decides, to)?;
                }
                self.jump_if(last, sense, label)?;
                self.mark(skip);
                Ok(())
            }
            Expr::Compare(compare) => self.jump_compare(compare, sense, label),
            _ => {
                let value = self.expr(expr)?;
                self.jump_if_value(&value, sense, label, expr)
            }
        }
    }

    /// Jumps if a value is true, or if it is not.
    pub(super) fn jump_if_value(
        &mut self,
        value: &Value,
        sense: bool,
        label: Label,
        at: impl Ranged,
    ) -> Res<()> {
        let known = match &value.at {
            At::Number(number) => Some(*number != 0),
            At::Text(bytes) => Some(!bytes.is_empty()),
            _ => None,
        };
        if let Some(truth) = known {
            if truth == sense {
                self.op(Op::Jump(label));
            }
            return Ok(());
        }
        let v = if value.ty.is_number() {
            self.word(value)
        } else if value.ty.has_length() {
            let v = self.word(value);
            self.imm(isa::LD, v, -1)
        } else {
            let message = format!("a condition cannot be {}", value.ty);
            return Err(self.error(at, message, ""));
        };
        self.op(Op::Zero(!sense, v, label));
        Ok(())
    }

    fn jump_compare(&mut self, compare: &ExprCompare, sense: bool, label: Label) -> Res<()> {
        let mut left = self.expr(&compare.left)?;
        let skip = self.label();
        let pairs = compare.ops.iter().zip(&compare.comparators);
        let last = compare.ops.len().saturating_sub(1);
        for (n, (op, comparator)) in pairs.enumerate() {
            if matches!(op, CmpOp::In | CmpOp::NotIn) {
                let value = self.contains(&left, comparator, compare)?;
                let sense = sense == (*op == CmpOp::In);
                return self.jump_if_value(&value, sense, label, compare);
            }
            let right = self.expr(comparator)?;
            // What stands between two operators is used twice.
            if n == last {
                self.jump_pair(&left, *op, &right, sense, label, compare)?;
            } else {
                let to = if sense { skip } else { label };
                self.jump_pair(&left, *op, &right, false, to, compare)?;
            }
            left = right;
        }
        self.mark(skip);
        Ok(())
    }

    fn jump_pair(
        &mut self,
        left: &Value,
        op: CmpOp,
        right: &Value,
        sense: bool,
        label: Label,
        at: &ExprCompare,
    ) -> Res<()> {
        let (left, right) = self.comparable(left, op, right, at)?;
        if let (Some(a), Some(b)) = (left.known(), right.known()) {
            if holds(a, op, b) == sense {
                self.op(Op::Jump(label));
            }
            return Ok(());
        }
        let unsigned = self.unsigned(&left, &right, at)?;
        let op = if sense { op } else { opposite(op) };
        let zero = |value: &Value| value.known() == Some(0);
        if matches!(op, CmpOp::Eq | CmpOp::NotEq) && (zero(&left) || zero(&right)) {
            let v = self.word(if zero(&left) { &right } else { &left });
            self.op(Op::Zero(op == CmpOp::Eq, v, label));
            return Ok(());
        }
        let (a, b) = (self.word(&left), self.word(&right));
        let (less, not_less) = if unsigned { (isa::BLTU, isa::BGEU) } else { (isa::BLT, isa::BGE) };
        let branch = match op {
            CmpOp::Eq => Op::Branch(isa::BEQ, a, b, label),
            CmpOp::NotEq => Op::Branch(isa::BNE, a, b, label),
            CmpOp::Lt => Op::Branch(less, a, b, label),
            CmpOp::GtE => Op::Branch(not_less, a, b, label),
            CmpOp::Gt => Op::Branch(less, b, a, label),
            _ => Op::Branch(not_less, b, a, label),
        };
        self.op(branch);
        Ok(())
    }

    /// Two values as numbers to compare; texts and bytes are compared here.
    fn comparable(
        &mut self,
        left: &Value,
        op: CmpOp,
        right: &Value,
        at: &ExprCompare,
    ) -> Res<(Value, Value)> {
        if matches!(op, CmpOp::Is | CmpOp::IsNot) {
            return self.refuse(at, "`is` is", "write == or !=");
        }
        if left.ty.is_number() && right.ty.is_number() {
            return Ok((left.clone(), right.clone()));
        }
        let text = |value: &Value| value.ty == Ty::Str;
        if left.ty.has_bytes() && right.ty.has_bytes() && text(left) == text(right) {
            return Ok(self.compare_texts(left, op, right));
        }
        let message = format!("{} and {} cannot be compared", left.ty, right.ty);
        Err(self.error(at, message, "numbers, texts, and bytes can, each with their like"))
    }

    fn compare_texts(&mut self, left: &Value, op: CmpOp, right: &Value) -> (Value, Value) {
        if let (At::Text(a), At::Text(b)) = (&left.at, &right.at) {
            let order = a.cmp(b) as i128;
            return (Value::number(order), Value::number(0));
        }
        let args = vec![self.word(left), self.word(right)];
        if matches!(op, CmpOp::Eq | CmpOp::NotEq) {
            let same = self.runtime("_pxi_equal", args, 1)[0];
            let differ = self.li(1);
            let differ = self.three(isa::XOR, same, differ);
            return (Value::reg(Ty::Int, differ), Value::number(0));
        }
        let order = self.runtime("_pxi_compare", args, 1)[0];
        (Value::reg(Ty::Int, order), Value::number(0))
    }

    /// Whether two numbers are compared without signs.
    fn unsigned(&mut self, a: &Value, b: &Value, at: &ExprCompare) -> Res<bool> {
        if a.ty == Ty::Bool && b.ty == Ty::Bool {
            return Ok(true);
        }
        Ok(self.common(a, b, at)? == Ty::U32)
    }

    /// A single comparison of numbers as zero or one; `None` if it is not that.
    pub(super) fn compared(&mut self, expr: &Expr) -> Res<Option<Value>> {
        match expr {
            Expr::UnaryOp(op) if op.op == UnaryOp::Not => {
                let Some(value) = self.compared(&op.operand)? else { return Ok(None) };
                let (v, one) = (self.word(&value), self.li(1));
                let v = self.three(isa::XOR, v, one);
                Ok(Some(Value::reg(Ty::Bool, v)))
            }
            Expr::Compare(compare) if compare.ops.len() == 1 => {
                self.compared_pair(compare).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn compared_pair(&mut self, compare: &ExprCompare) -> Res<Value> {
        let left = self.expr(&compare.left)?;
        let op = compare.ops[0];
        if matches!(op, CmpOp::In | CmpOp::NotIn) {
            let value = self.contains(&left, &compare.comparators[0], compare)?;
            if op == CmpOp::In {
                return Ok(value);
            }
            let (v, one) = (self.word(&value), self.li(1));
            let v = self.three(isa::XOR, v, one);
            return Ok(Value::reg(Ty::Bool, v));
        }
        let right = self.expr(&compare.comparators[0])?;
        let (left, right) = self.comparable(&left, op, &right, compare)?;
        if let (Some(a), Some(b)) = (left.known(), right.known()) {
            return Ok(Value::bool(holds(a, op, b)));
        }
        let unsigned = self.unsigned(&left, &right, compare)?;
        let (a, b) = (self.word(&left), self.word(&right));
        let (less, least) = if unsigned { (isa::SLTU, isa::SLEU) } else { (isa::SLT, isa::SLE) };
        let v = match op {
            CmpOp::Eq => self.three(isa::SEQ, a, b),
            CmpOp::NotEq => self.three(isa::SNE, a, b),
            CmpOp::Lt => self.three(less, a, b),
            CmpOp::LtE => self.three(least, a, b),
            CmpOp::Gt => self.three(less, b, a),
            _ => self.three(least, b, a),
        };
        Ok(Value::reg(Ty::Bool, v))
    }

    /// `x in (1, 2, 3)` and `x in array`.
    fn contains(&mut self, value: &Value, of: &Expr, at: &ExprCompare) -> Res<Value> {
        if at.ops.len() != 1 {
            return self.refuse(at, "`in` in a chain of comparisons is", "write `and`");
        }
        let elements = match of {
            Expr::Tuple(tuple) => &tuple.elts,
            Expr::List(list) => &list.elts,
            _ => return self.contains_in(value, of, at),
        };
        let (found, out) = (self.value(), self.label());
        let values: Res<Vec<Value>> = elements.iter().map(|element| self.expr(element)).collect();
        self.op(Op::Li(found, 1));
        for element in values? {
            self.jump_pair(value, CmpOp::Eq, &element, true, out, at)?;
        }
        self.op(Op::Li(found, 0));
        self.mark(out);
        Ok(Value::reg(Ty::Bool, found))
    }

    fn contains_in(&mut self, value: &Value, of: &Expr, at: &ExprCompare) -> Res<Value> {
        let array = self.expr(of)?;
        let number = |value: &Value| matches!(value.ty, Ty::Int | Ty::U32 | Ty::Bool);
        let (function, element) = match &array.ty {
            Ty::Bytes | Ty::ByteArray if number(value) => ("_pxi_has_byte", Ty::Int),
            Ty::List(of) if of.is_number() && number(value) => ("_pxi_has_word", (**of).clone()),
            other => {
                let message = format!("`in` of {} and {other} is not in the subset", value.ty);
                return Err(self.error(at, message, ""));
            }
        };
        let value = self.number(value.clone(), at)?;
        let element = if element == Ty::Bool { Ty::Int } else { element };
        self.check(&value, &element, at, "an element")?;
        let args: Vec<V> = vec![self.word(&array), self.word(&value)];
        let v = self.runtime(function, args, 1)[0];
        Ok(Value::reg(Ty::Bool, v))
    }
}

fn opposite(op: CmpOp) -> CmpOp {
    match op {
        CmpOp::Eq => CmpOp::NotEq,
        CmpOp::NotEq => CmpOp::Eq,
        CmpOp::Lt => CmpOp::GtE,
        CmpOp::GtE => CmpOp::Lt,
        CmpOp::Gt => CmpOp::LtE,
        _ => CmpOp::Gt,
    }
}

fn holds(a: i128, op: CmpOp, b: i128) -> bool {
    match op {
        CmpOp::Eq => a == b,
        CmpOp::NotEq => a != b,
        CmpOp::Lt => a < b,
        CmpOp::LtE => a <= b,
        CmpOp::Gt => a > b,
        _ => a >= b,
    }
}
