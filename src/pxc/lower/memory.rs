//! Arrays that are made, and memory as it is: for programs that are a system.

use ruff_python_ast::{Expr, ExprCall, ExprList};
use ruff_text_size::Ranged;

use super::{Lower, Res};
use crate::pxc::ir::{Op, Place, Why};
use crate::pxc::types::Ty;
use crate::pxc::value::Value;
use crate::pxi::isa;

/// Longest array that lies in the picture; longer ones are made at run time.
const MAX_STATIC: i128 = 1 << 16;

impl Lower<'_, '_> {
    /// Whether an array of a known length lies in the module's data.
    pub(super) fn is_static(&self, length: i128) -> bool {
        self.once && (0..=MAX_STATIC).contains(&length)
    }

    /// A bytearray with these bytes.
    pub(super) fn bytes_in_memory(&mut self, bytes: &[u8]) -> Value {
        if self.once {
            let at = self.program.data.bytes(bytes);
            let v = self.lea(Place::Data(at));
            return Value::reg(Ty::ByteArray, v);
        }
        let source = Value::bytes(bytes.to_vec());
        let source = self.word(&source);
        let (start, stop) = (self.li(0), self.li(i32::MAX as u32));
        let v = self.runtime("_pxi_slice", vec![source, start, stop], 1)[0];
        Value::reg(Ty::ByteArray, v)
    }

    /// `[x] * n`.
    pub(super) fn filled(
        &mut self,
        list: &ExprList,
        times: &Expr,
        want: Option<&Ty>,
    ) -> Res<Value> {
        let [element] = &list.elts[..] else {
            return self.refuse(list, "repeating a list of other than one element is", "");
        };
        let wanted = if let Some(Ty::List(of)) = want { Some((**of).clone()) } else { None };
        let value = self.expr_as(element, wanted.as_ref())?;
        let of = wanted.unwrap_or_else(|| value.ty.clone());
        self.check(&value, &of, element, "an element of the list")?;
        let count = self.expr(times)?;
        let count = self.number(count, times)?;
        self.check(&count, &Ty::Int, times, "the length")?;
        let ty = Ty::List(Box::new(of));
        if let (Some(number), Some(length)) = (value.known(), count.known())
            && self.is_static(length)
        {
            let words = vec![number as u32; length as usize];
            let at = self.program.data.list(&words);
            let v = self.lea(Place::Data(at));
            return Ok(Value::reg(ty, v));
        }
        let word = self.word(&value);
        let count = self.word(&count);
        let v = self.runtime("_pxi_list", vec![count, word], 1)[0];
        Ok(Value::reg(ty, v))
    }

    /// peek, poke and what else reaches memory or the frame by its address.
    /// `None`: no such function.
    pub(super) fn call_memory(&mut self, name: &str, call: &ExprCall) -> Res<Option<Value>> {
        let value = match name {
            "peek" | "peek_byte" => self.peek(name, call)?,
            "poke" | "poke_byte" => self.poke(name, call)?,
            "addr_of" => self.addr_of(call)?,
            "fill_pixels" => self.three_words(name, call, isa::FILL)?,
            "copy_pixels" => self.three_words(name, call, isa::COPY)?,
            "plot" => self.three_words(name, call, isa::PLOT)?,
            "putc" => {
                let [arg] = self.exact_args("putc", call)?;
                let v = self.raw_word(arg)?;
                self.op(Op::Use(isa::PUTC, v));
                Value::nothing()
            }
            "pixel" => {
                let [x, y] = self.exact_args("pixel", call)?;
                let (x, y) = (self.raw_word(x)?, self.raw_word(y)?);
                let v = self.three(isa::PIXEL, x, y);
                Value::reg(Ty::U32, v)
            }
            "frame_width" | "frame_height" => {
                let [] = self.exact_args(name, call)?;
                let (width, height) = (self.value(), self.value());
                self.op(Op::Two(isa::FSIZE, width, height));
                let v = if name == "frame_width" { width } else { height };
                Value::reg(Ty::Int, v).within(0, 0x00FF_FFFF)
            }
            _ => return Ok(None),
        };
        Ok(Some(value))
    }

    /// A number as a word, with or without sign.
    pub(super) fn raw_word(&mut self, arg: &Expr) -> Res<u32> {
        let value = self.expr(arg)?;
        let value = self.number(value, arg)?;
        if !value.fits(&Ty::U32) {
            self.check(&value, &Ty::Int, arg, "this")?;
        }
        Ok(self.word(&value))
    }

    fn peek(&mut self, name: &str, call: &ExprCall) -> Res<Value> {
        let [address] = self.exact_args(name, call)?;
        let address = self.raw_word(address)?;
        if name == "peek" {
            let v = self.imm(isa::LD, address, 0);
            return Ok(Value::reg(Ty::U32, v));
        }
        let v = self.imm(isa::LDB, address, 0);
        Ok(Value::reg(Ty::Int, v).within(0, 255))
    }

    fn poke(&mut self, name: &str, call: &ExprCall) -> Res<Value> {
        let [address, value] = self.exact_args(name, call)?;
        let address = self.raw_word(address)?;
        let value = self.raw_word(value)?;
        let opcode = if name == "poke" { isa::ST } else { isa::STB };
        self.op(Op::Put(opcode, value, address, 0));
        Ok(Value::nothing())
    }

    fn addr_of(&mut self, call: &ExprCall) -> Res<Value> {
        let [array] = self.exact_args("addr_of", call)?;
        let value = self.expr(array)?;
        if !value.ty.has_length() {
            return Err(self.error(array, format!("{} has no address", value.ty), ""));
        }
        let v = self.word(&value);
        let v = if value.ty.has_bytes() {
            self.imm(isa::SHLI, v, 2)
        } else {
            self.copy(&Value::reg(Ty::Int, v))
        };
        Ok(Value::reg(Ty::Int, v).within(0, 1 << 26))
    }

    fn three_words(&mut self, name: &str, call: &ExprCall, opcode: u8) -> Res<Value> {
        let [a, b, c] = self.exact_args(name, call)?;
        let (a, b, c) = (self.raw_word(a)?, self.raw_word(b)?, self.raw_word(c)?);
        self.op(Op::Take(opcode, a, b, c));
        Ok(Value::nothing())
    }

    /// What only the runtime can ask for, and the runtime's own functions.
    pub(super) fn intrinsic(&mut self, name: &str, call: &ExprCall) -> Res<Value> {
        match name {
            "_pxi_base" => Ok(self.place(Place::Base)),
            "_pxi_heap" => {
                let at = self.program.data.heap();
                Ok(self.place(Place::Data(at)))
            }
            "_pxi_scratch" => {
                let at = self.program.data.scratch();
                Ok(self.place(Place::Data(at)))
            }
            "_pxi_stop" => {
                let why = call.arguments.args.first().and_then(|arg| self.known_number(arg));
                let why = match why {
                    Some(5) => Why::Memory,
                    Some(2) => Why::Byte,
                    Some(7) => Why::Ascii,
                    _ => Why::Value,
                };
                self.op(Op::Fail(why));
                self.program.runtime("_pxi_fail");
                Ok(Value::nothing())
            }
            _ => Err(self.error(call.range(), format!("no `{name}` in the runtime"), "")),
        }
    }

    fn place(&mut self, place: Place) -> Value {
        let v = self.lea(place);
        Value::reg(Ty::Int, v).within(0, 1 << 24)
    }
}
