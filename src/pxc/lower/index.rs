//! Elements of lists, bytes and bytearrays, with CPython's checks.

use ruff_python_ast::{Expr, ExprSubscript, Operator};
use ruff_text_size::Ranged;

use super::{Lower, Res};
use crate::pxc::ir::{Label, Op, V, Why};
use crate::pxc::types::Ty;
use crate::pxc::value::Value;
use crate::pxi::isa;

/// An element whose place is known.
pub(super) struct Element {
    /// Its type.
    pub(super) ty: Ty,
    bytes: bool,
    base: V,
    index: V,
    length: V,
    fail: Label,
}

impl Lower<'_, '_> {
    /// `a[i]` or `a[i:j]`, read.
    pub(super) fn subscript(&mut self, subscript: &ExprSubscript) -> Res<Value> {
        let array = self.expr(&subscript.value)?;
        if let Expr::Slice(slice) = &*subscript.slice {
            return self.slice(&array, slice);
        }
        if array.ty == Ty::Str {
            return self.refuse(
                subscript,
                "a character of a str is",
                "write ord(s[i]), or s[i:i+1]",
            );
        }
        let element = self.element(&array, &subscript.slice, subscript)?;
        Ok(self.load_element(&element))
    }

    /// `ord(s[i])`.
    pub(super) fn ord_of(&mut self, subscript: &ExprSubscript) -> Res<Value> {
        let text = self.expr(&subscript.value)?;
        if text.ty != Ty::Str || matches!(&*subscript.slice, Expr::Slice(_)) {
            return self.refuse(subscript, "ord() of this is", "ord(s[i]) of a str is");
        }
        let v = self.word(&text);
        // Only where each character is a byte the place of one is known.
        let (bytes, characters) = (self.imm(isa::LD, v, -1), self.imm(isa::LD, v, -2));
        let fail = self.fail(Why::Ascii);
        self.op(Op::Branch(isa::BNE, bytes, characters, fail));
        let text = Value::reg(Ty::Bytes, v);
        let element = self.element(&text, &subscript.slice, subscript)?;
        Ok(self.load_element(&element).within(0, 127))
    }

    /// Evaluates array and index; the access itself checks them.
    pub(super) fn element(&mut self, array: &Value, index: &Expr, at: impl Ranged) -> Res<Element> {
        let (ty, bytes) = match &array.ty {
            Ty::List(of) => ((**of).clone(), false),
            Ty::Bytes | Ty::ByteArray => (Ty::Int, true),
            other => {
                let message = format!("{other} has no elements");
                return Err(self.error(at, message, ""));
            }
        };
        let list = self.word(array);
        // What the index calls may not change what is in a register already.
        let index_value = self.expr(index)?;
        let index_value = self.number(index_value, index)?;
        if !index_value.fits(&Ty::U32) {
            self.check(&index_value, &Ty::Int, index, "an index")?;
        }
        let index = self.word(&index_value);
        let fail = self.fail(Why::Index);
        let length = self.imm(isa::LD, list, -1);
        if index_value.range.1 > i32::MAX.into() {
            // The access takes an index of 2^31 or more for a negative one, which it is not.
            self.op(Op::Branch(isa::BGEU, index, length, fail));
        }
        let base = if bytes { self.imm(isa::SHLI, list, 2) } else { list };
        Ok(Element { ty, bytes, base, index, length, fail })
    }

    pub(super) fn load_element(&mut self, element: &Element) -> Value {
        let v = self.value();
        let opcode = if element.bytes { isa::LDBX } else { isa::LDX };
        let Element { base, index, length, fail, .. } = *element;
        self.op(Op::Load(opcode, v, base, index, length, fail));
        let value = Value::reg(element.ty.clone(), v);
        if element.bytes { value.within(0, 255) } else { value }
    }

    fn store_element(&mut self, element: &Element, value: &Value, at: impl Ranged) -> Res<()> {
        let Element { base, index, length, fail, .. } = *element;
        self.check(value, &element.ty, at, "an element")?;
        let v = self.word(value);
        if element.bytes && !(value.range.0 >= 0 && value.range.1 <= 255) {
            let (fail, most) = (self.fail(Why::Byte), self.li(256));
            self.op(Op::Branch(isa::BGEU, v, most, fail));
        }
        let opcode = if element.bytes { isa::STBX } else { isa::STX };
        self.op(Op::Store(opcode, v, base, index, length, fail));
        Ok(())
    }

    /// `a[i] = value`, where the value is there already.
    pub(super) fn assign_element(&mut self, target: &ExprSubscript, value: &Value) -> Res<()> {
        let array = self.expr(&target.value)?;
        self.check_changeable(&array, target)?;
        let element = self.element(&array, &target.slice, target)?;
        self.store_element(&element, value, target)
    }

    /// `a[i] op= value`.
    pub(super) fn update_element(
        &mut self,
        target: &ExprSubscript,
        op: Operator,
        value: &Expr,
        at: impl Ranged,
    ) -> Res<()> {
        let array = self.expr(&target.value)?;
        self.check_changeable(&array, target)?;
        let element = self.element(&array, &target.slice, target)?;
        let old = self.load_element(&element);
        let new = self.changed(old, op, value, at)?;
        self.store_element(&element, &new, target)
    }

    fn check_changeable(&mut self, array: &Value, target: &ExprSubscript) -> Res<()> {
        if matches!(&*target.slice, Expr::Slice(_)) {
            return self.refuse(target, "assigning to a slice is", "copy in a loop");
        }
        if matches!(array.ty, Ty::List(_) | Ty::ByteArray) {
            return Ok(());
        }
        let message = format!("the elements of {} cannot be changed", array.ty);
        Err(self.error(target, message, ""))
    }
}
