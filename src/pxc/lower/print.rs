//! print(): what CPython prints, of numbers, bools and texts.

use ruff_python_ast::{Expr, ExprCall, ExprFString, FStringPart, InterpolatedStringElement};
use ruff_text_size::Ranged;

use super::{Lower, Res};
use crate::pxc::ir::{Op, V};
use crate::pxc::types::Ty;
use crate::pxc::value::{At, Value};
use crate::pxi::isa::{self, calls};

/// A piece of what is printed.
enum Piece {
    Value(Value),
    /// A character by its number.
    Character(V),
}

impl Lower<'_, '_> {
    pub(super) fn print(&mut self, call: &ExprCall) -> Res<()> {
        let (sep, end) = self.separators(call)?;
        let mut pieces = Vec::new();
        // All is computed before anything is printed, as in CPython.
        for (n, arg) in call.arguments.args.iter().enumerate() {
            if n > 0 {
                pieces.push(Piece::Value(Value::text(&sep)));
            }
            self.piece(arg, &mut pieces)?;
        }
        pieces.push(Piece::Value(Value::text(&end)));
        let mut text = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Value(value) => self.print_value(&value, &mut text),
                Piece::Character(v) => {
                    self.flush(&mut text);
                    self.runtime("_pxi_print_chr", vec![v], 0);
                }
            }
        }
        self.flush(&mut text);
        Ok(())
    }

    fn separators(&mut self, call: &ExprCall) -> Res<(String, String)> {
        let (mut sep, mut end) = (" ".to_owned(), "\n".to_owned());
        for keyword in &call.arguments.keywords {
            let name = keyword.arg.as_ref().map_or("**", |arg| arg.as_str());
            let place = match name {
                "sep" => &mut sep,
                "end" => &mut end,
                "flush" if keyword.value.is_boolean_literal_expr() => continue,
                _ => {
                    let message = format!("`{name}` of print() is");
                    return self.refuse(keyword, &message, "sep and end are");
                }
            };
            match &self.expr(&keyword.value)? {
                Value { ty: Ty::Str, at: At::Text(bytes), .. } => {
                    *place = String::from_utf8_lossy(bytes).into_owned();
                }
                _ => {
                    let message = format!("`{name}` that is no constant text is");
                    return self.refuse(keyword, &message, "");
                }
            }
        }
        Ok((sep, end))
    }

    fn piece(&mut self, arg: &Expr, pieces: &mut Vec<Piece>) -> Res<()> {
        match arg {
            Expr::FString(f) => return self.f_string(f, pieces),
            Expr::Call(call) if self.is_builtin(&call.func, "chr") => {
                let [number] = self.exact_args("chr", call)?;
                let v = self.expr_word(number, &Ty::Int, "the number of a character")?;
                let v = self.copy(&Value::reg(Ty::Int, v));
                pieces.push(Piece::Character(v));
                return Ok(());
            }
            Expr::Call(call) if self.is_builtin(&call.func, "str") => {
                let [inner] = self.exact_args("str", call)?;
                return self.piece(inner, pieces);
            }
            _ => {}
        }
        let value = self.expr(arg)?;
        let printable = value.ty.is_number() || value.ty == Ty::Str;
        if !printable {
            let message = format!("printing {} is", value.ty);
            return self.refuse(arg, &message, "print its elements, or write() its bytes");
        }
        if value.known().is_some_and(|n| n < i32::MIN.into() || n > u32::MAX.into()) {
            // A number that is known may be of any size here.
            let text = value.known().map(|n| n.to_string()).unwrap_or_default();
            pieces.push(Piece::Value(Value::text(&text)));
            return Ok(());
        }
        pieces.push(Piece::Value(value));
        Ok(())
    }

    fn f_string(&mut self, f: &ExprFString, pieces: &mut Vec<Piece>) -> Res<()> {
        for part in &f.value {
            let elements = match part {
                FStringPart::Literal(literal) => {
                    pieces.push(Piece::Value(Value::text(&literal.value)));
                    continue;
                }
                FStringPart::FString(f) => &f.elements,
            };
            for element in elements {
                match element {
                    InterpolatedStringElement::Literal(text) => {
                        pieces.push(Piece::Value(Value::text(&text.value)));
                    }
                    InterpolatedStringElement::Interpolation(one) => {
                        let plain = one.format_spec.is_none()
                            && one.debug_text.is_none()
                            && one.conversion.to_byte().is_none();
                        if !plain {
                            return self.refuse(one.range(), "a format in an f-string is", "");
                        }
                        self.piece(&one.expression, pieces)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn print_value(&mut self, value: &Value, text: &mut Vec<u8>) {
        match (&value.at, &value.ty) {
            (At::Number(number), Ty::Bool) => {
                text.extend_from_slice(if *number == 0 { b"False" } else { b"True" });
            }
            (At::Number(number), _) => text.extend_from_slice(number.to_string().as_bytes()),
            (At::Text(bytes), _) => text.extend_from_slice(bytes),
            _ => {
                self.flush(text);
                let v = self.word(value);
                match value.ty {
                    Ty::Bool => drop(self.runtime("_pxi_print_bool", vec![v], 0)),
                    Ty::U32 => drop(self.runtime("_pxi_print_u32", vec![v], 0)),
                    Ty::Str => {
                        let range = self.byte_range(value);
                        self.system(calls::WRITE, range.to_vec(), 0);
                    }
                    _ => drop(self.runtime("_pxi_print_int", vec![v], 0)),
                }
            }
        }
    }

    /// Prints the text that has come together.
    fn flush(&mut self, text: &mut Vec<u8>) {
        if let [byte @ 0..=127] = text[..] {
            let v = self.li(byte.into());
            self.op(Op::Use(isa::PUTC, v));
        } else if !text.is_empty() {
            let value = Value { ty: Ty::Bytes, at: At::Text(text.clone()), range: (0, 0) };
            let range = self.byte_range(&value);
            self.system(calls::WRITE, range.to_vec(), 0);
        }
        text.clear();
    }
}
