//! Calls of functions of the module and of other modules.

use ruff_python_ast::{Expr, ExprCall};
use ruff_text_size::Ranged;

use super::program::Signature;
use super::{Lower, Res};
use crate::pxc::ir::{Target, V};
use crate::pxc::types::Ty;
use crate::pxc::value::Value;

impl Lower<'_, '_> {
    /// A call as a statement: what it gives is dropped.
    pub(super) fn call_stmt(&mut self, call: &ExprCall) -> Res<()> {
        if self.is_builtin(&call.func, "print") {
            return self.print(call);
        }
        self.called(call, None).map(|_| ())
    }

    pub(super) fn call_expr(&mut self, call: &ExprCall, want: Option<&Ty>) -> Res<Value> {
        if self.is_builtin(&call.func, "print") {
            return Err(self.error(call, "print() gives no value", ""));
        }
        let value = self.called(call, want)?;
        if value.ty == Ty::None {
            return Err(self.error(
                call,
                "this gives no value",
                "say `-> int` where it is defined",
            ));
        }
        Ok(value)
    }

    fn called(&mut self, call: &ExprCall, want: Option<&Ty>) -> Res<Value> {
        let Expr::Name(name) = &*call.func else {
            return self.refuse(&*call.func, "calling what is no name is", "there are no methods");
        };
        let id = name.id.as_str();
        let function = self.program.function(id, self.trusted);
        let is_variable = self.names.is_local(id) || self.is_shadowed(id);
        if is_variable {
            return Err(self.error(name, format!("`{id}` is a variable, no function"), ""));
        }
        if let Some(function) = function {
            return self.call_function(call, id, function);
        }
        if id.starts_with("_pxi_") && self.trusted {
            return self.intrinsic(id, call);
        }
        self.call_builtin(id, call, want)
    }

    fn call_function(&mut self, call: &ExprCall, name: &str, function: usize) -> Res<Value> {
        if self.body.main && !self.trusted {
            self.check_needs(call, name)?;
        }
        let signature = self.program.signature(function);
        let args = self.arguments(call, name, &signature)?;
        let target = self.program.target(function);
        let results = self.call(target, args, signature.gives.words().len());
        Ok(self.of_words(&signature.gives, &results))
    }

    /// All that a function uses must have a value when the main program calls it.
    fn check_needs(&mut self, call: &ExprCall, name: &str) -> Res<()> {
        for needed in self.program.needs(name) {
            let number = self.variable(&needed);
            if !self.flow.has(number) && !self.variables[number].broken {
                self.flow.set(number);
                let message = if needed == name {
                    format!("`{name}` is called before it is defined")
                } else {
                    format!("`{name}` uses `{needed}`, which may have no value here")
                };
                return Err(self.error(call, message, "move what it needs above this call"));
            }
        }
        Ok(())
    }

    fn arguments(&mut self, call: &ExprCall, name: &str, signature: &Signature) -> Res<Vec<V>> {
        let mut given: Vec<Option<V>> = vec![None; signature.params.len()];
        let args = call.arguments.args.iter().enumerate();
        let mut all: Vec<(usize, &Expr)> = args.collect();
        for keyword in &call.arguments.keywords {
            let wanted = keyword.arg.as_ref().map_or("", |arg| arg.as_str());
            match signature.params.iter().position(|param| param.name == wanted) {
                Some(place) => all.push((place, &keyword.value)),
                None => {
                    let message = format!("`{name}` has no parameter `{wanted}`");
                    return Err(self.error(keyword, message, ""));
                }
            }
        }
        for (place, arg) in all {
            let Some(param) = signature.params.get(place) else {
                let message = format!(
                    "`{name}` takes {} arguments, this is one more",
                    signature.params.len()
                );
                return Err(self.error(arg, message, ""));
            };
            if given[place].is_some() {
                return Err(self.error(arg, format!("`{}` is given twice", param.name), ""));
            }
            let what = format!("parameter `{}` of `{name}`", param.name);
            given[place] = Some(self.expr_word(arg, &param.ty, &what)?);
        }
        let mut words = Vec::new();
        for (given, param) in given.into_iter().zip(&signature.params) {
            match (given, &param.default) {
                (Some(v), _) => words.push(v),
                (None, Some(value)) => words.push(self.word(value)),
                (None, None) => {
                    let message = format!("`{name}` needs an argument for `{}`", param.name);
                    return Err(self.error(call.range(), message, ""));
                }
            }
        }
        Ok(words)
    }

    /// Whether a name is that of a builtin and nothing else.
    pub(super) fn is_builtin(&self, func: &Expr, name: &str) -> bool {
        let Expr::Name(found) = func else { return false };
        found.id == name
            && !self.names.is_local(name)
            && !self.is_shadowed(name)
            && self.program.function(name, self.trusted).is_none()
    }

    /// Whether the program has a variable of the name of a builtin.
    fn is_shadowed(&self, name: &str) -> bool {
        !self.trusted && self.program.is_assigned(name)
    }

    /// Calls the host and keeps the error for err().
    pub(super) fn system(&mut self, number: u16, args: Vec<V>, results: usize) -> Vec<V> {
        let keeps = self.program.uses_err && !self.trusted;
        let count = if keeps { results.max(2) } else { results };
        let given = self.call(Target::Sys(number), args, count);
        if keeps {
            let slot = self.program.data.error();
            let address = self.lea(crate::pxc::ir::Place::Data(slot));
            self.op(crate::pxc::ir::Op::Put(crate::pxi::isa::ST, given[1], address, 0));
        }
        given
    }
}
