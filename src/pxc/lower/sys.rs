//! System calls as functions.

use ruff_python_ast::{Expr, ExprCall};

use super::{Lower, Res};
use crate::pxc::ir::{Op, Place, V, Why};
use crate::pxc::types::Ty;
use crate::pxc::value::Value;
use crate::pxi::isa::{self, calls};

/// What a parameter of a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// A text: two registers.
    Text,
    /// A place to write to: two registers.
    Buffer,
    /// A list of at least so many `u32`.
    Fields(u32),
    /// A number; without one, this.
    Number(Option<u32>),
    /// A word, a text, without one `log`.
    Event,
    /// No parameter: that number.
    Fixed(u32),
}

/// What a call gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gives {
    Nothing,
    Int,
    U32,
    Bool,
    /// Two numbers: R0 and R2.
    Pair,
    /// R0, R2 and R3.
    Run,
}

/// A function that is a system call.
struct Function {
    name: &'static str,
    call: u16,
    takes: &'static [Takes],
    gives: Gives,
}

const fn function(
    name: &'static str,
    call: u16,
    takes: &'static [Takes],
    gives: Gives,
) -> Function {
    Function { name, call, takes, gives }
}

use Gives::{Bool, Int, Nothing, Pair, Run, U32};
use Takes::{Buffer, Event, Fields, Fixed, Number, Text};

/// All of them. `docs/pxi-python.md` says what they do.
const FUNCTIONS: &[Function] = &[
    function("exit", calls::EXIT, &[Number(Some(0))], Nothing),
    function("write", calls::WRITE, &[Text], Nothing),
    function("log", calls::LOG, &[Text, Number(Some(0)), Event], Nothing),
    function("stage", calls::STAGE, &[Text], Nothing),
    function("time", calls::TIME, &[Number(Some(0))], U32),
    function("random", calls::RANDOM, &[], U32),
    function("resolve", calls::RESOLVE, &[Text], U32),
    function("stat", calls::STAT, &[Text, Fields(8)], Int),
    function("list_names", calls::LIST, &[Text, Buffer, Number(Some(0))], Pair),
    function("read", calls::READ, &[Text, Buffer, Number(Some(0))], Int),
    function("blob", calls::BLOB, &[Number(None), Buffer, Number(Some(0))], Int),
    function("check", calls::CHECK, &[Text], U32),
    function("requires", calls::REQUIRES, &[Text, Buffer], Int),
    function("module", calls::MODULE, &[Text, Number(None), Number(None)], Pair),
    function(
        "module_id",
        calls::MODULE,
        &[Number(None), Fixed(0), Number(None), Number(None)],
        Pair,
    ),
    function(
        "run",
        calls::RUN,
        &[Number(None), Number(None), Number(Some(0)), Number(Some(0)), Number(Some(0))],
        Run,
    ),
    function("policy", calls::POLICY, &[Text], Nothing),
    function("llm", calls::LLM, &[Text, Buffer, Number(Some(0))], Int),
    function("oracle", calls::ORACLE, &[Text], Bool),
    function("input_line", calls::INPUT, &[Buffer], Int),
    function("stopped", calls::STOPPED, &[Buffer], Int),
    function("journal", calls::JOURNAL, &[Buffer, Number(Some(0))], Int),
    function("route", calls::ROUTE, &[Text, Number(None)], Nothing),
];

impl Lower<'_, '_> {
    pub(super) fn call_system(&mut self, name: &str, call: &ExprCall) -> Res<Value> {
        if name == "err" {
            let [] = self.exact_args("err", call)?;
            let slot = self.program.data.error();
            let address = self.lea(Place::Data(slot));
            let v = self.imm(isa::LD, address, 0);
            return Ok(Value::reg(Ty::Int, v).within(0, 255));
        }
        if name == "raw" || name == "view" {
            let message = format!("{name}() where no system call takes it is");
            return self.refuse(call, &message, "give it to write(), read() and the like");
        }
        let Some(function) = FUNCTIONS.iter().find(|function| function.name == name) else {
            return self.unknown(name, call);
        };
        let args = self.system_args(function, call)?;
        let results = match function.gives {
            Nothing => 0,
            Int | U32 | Bool => 1,
            Pair => 3,
            Run => 4,
        };
        let given = self.system(function.call, args, results);
        if name == "exit" {
            // The machine does not come back from there; the verifier cannot know.
            self.op(Op::Halt);
            self.flow = super::frame::Flow::nowhere();
        }
        Ok(self.given(function.gives, &given))
    }

    fn unknown(&mut self, name: &str, call: &ExprCall) -> Res<Value> {
        const PYTHON: &[&str] = &[
            "all",
            "any",
            "bytes",
            "callable",
            "complex",
            "dict",
            "dir",
            "divmod",
            "enumerate",
            "eval",
            "exec",
            "filter",
            "float",
            "format",
            "getattr",
            "hasattr",
            "hash",
            "id",
            "input",
            "isinstance",
            "issubclass",
            "iter",
            "list",
            "map",
            "memoryview",
            "next",
            "object",
            "open",
            "pow",
            "repr",
            "reversed",
            "round",
            "set",
            "setattr",
            "slice",
            "sorted",
            "sum",
            "super",
            "tuple",
            "type",
            "vars",
            "zip",
        ];
        if PYTHON.contains(&name) {
            let message = format!("{name}() is");
            return self.refuse(call, &message, "");
        }
        Err(self.error(&*call.func, format!("`{name}` is not defined"), ""))
    }

    fn given(&mut self, gives: Gives, results: &[V]) -> Value {
        let reg = |ty: Ty, n: usize| Value::reg(ty, results.get(n).copied().unwrap_or(0));
        match gives {
            Nothing => Value::nothing(),
            Int => reg(Ty::Int, 0),
            U32 => reg(Ty::U32, 0),
            Bool => reg(Ty::Bool, 0),
            Pair => {
                let ty = Ty::Tuple(vec![Ty::Int, Ty::U32]);
                let words: Vec<V> =
                    [0, 2].iter().filter_map(|n| results.get(*n)).copied().collect();
                self.of_words(&ty, &words)
            }
            Run => {
                let ty = Ty::Tuple(vec![Ty::Int, Ty::U32, Ty::U32]);
                let words: Vec<V> =
                    [0, 2, 3].iter().filter_map(|n| results.get(*n)).copied().collect();
                self.of_words(&ty, &words)
            }
        }
    }

    fn system_args(&mut self, function: &Function, call: &ExprCall) -> Res<Vec<V>> {
        if let Some(keyword) = call.arguments.keywords.first() {
            return self.refuse(keyword, "naming an argument of a system call is", "");
        }
        let mut given = call.arguments.args.iter();
        let mut words = Vec::new();
        for takes in function.takes {
            let arg = if matches!(takes, Fixed(_)) { None } else { given.next() };
            match (takes, arg) {
                (Text | Event, Some(arg)) => words.extend(self.text_arg(arg)?),
                (Buffer, Some(arg)) => words.extend(self.buffer_arg(arg)?),
                (Fields(count), Some(arg)) => words.push(self.fields_arg(arg, *count)?),
                (Number(_), Some(arg)) => words.push(self.raw_word(arg)?),
                (Number(Some(number)) | Fixed(number), None) => words.push(self.li(*number)),
                (Event, None) => {
                    let none = self.li(0);
                    words.extend([none, none]);
                }
                (Fixed(_), Some(_)) | (_, None) => {
                    let message = format!("{}() needs more arguments", function.name);
                    return Err(self.error(call, message, ""));
                }
            }
        }
        match given.next() {
            None => Ok(words),
            Some(arg) => {
                Err(self.error(arg, format!("{}() takes no such argument", function.name), ""))
            }
        }
    }

    /// A text: a value, a part of one by view(), or memory by raw().
    fn text_arg(&mut self, arg: &Expr) -> Res<[V; 2]> {
        if let Some(part) = self.part(arg)? {
            return Ok(part);
        }
        let value = self.expr(arg)?;
        if value.ty.has_bytes() {
            return Ok(self.byte_range(&value));
        }
        let message = format!("a text is needed here, this is {}", value.ty);
        Err(self.error(arg, message, "a str, bytes, or view(array, start, length)"))
    }

    fn buffer_arg(&mut self, arg: &Expr) -> Res<[V; 2]> {
        if let Some(part) = self.part(arg)? {
            return Ok(part);
        }
        let value = self.expr(arg)?;
        if value.ty == Ty::ByteArray {
            return Ok(self.byte_range(&value));
        }
        let message = format!("a buffer is needed here, this is {}", value.ty);
        Err(self.error(arg, message, "a bytearray, or view(array, start, length)"))
    }

    fn part(&mut self, arg: &Expr) -> Res<Option<[V; 2]>> {
        let Expr::Call(call) = arg else { return Ok(None) };
        if self.is_builtin(&call.func, "raw") {
            let [address, length] = self.exact_args("raw", call)?;
            return Ok(Some([self.raw_word(address)?, self.raw_word(length)?]));
        }
        if !self.is_builtin(&call.func, "view") {
            return Ok(None);
        }
        let [array, start, length] = self.exact_args("view", call)?;
        let value = self.expr(array)?;
        if !value.ty.has_bytes() {
            let message = format!("view() of {} is", value.ty);
            return self.refuse(array, &message, "");
        }
        let [base, all] = self.byte_range(&value);
        let (start, length) = (self.raw_word(start)?, self.raw_word(length)?);
        let fail = self.fail(Why::Index);
        // Without signs: a negative start is too large.
        self.op(Op::Branch(isa::BLTU, all, start, fail));
        let rest = self.three(isa::SUBW, all, start);
        self.op(Op::Branch(isa::BLTU, rest, length, fail));
        let address = self.three(isa::ADDW, base, start);
        Ok(Some([address, length]))
    }

    fn fields_arg(&mut self, arg: &Expr, count: u32) -> Res<V> {
        let value = self.expr(arg)?;
        if value.ty != Ty::List(Box::new(Ty::U32)) {
            let message = format!("a list[u32] is needed here, this is {}", value.ty);
            return Err(self.error(arg, message, "x: list[u32] = [0] * 8"));
        }
        let v = self.word(&value);
        let length = self.imm(isa::LD, v, -1);
        let (fail, least) = (self.fail(Why::Index), self.li(count));
        self.op(Op::Branch(isa::BLTU, length, least, fail));
        Ok(v)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_of_the_machine_is_a_function() {
        for call in calls::CALLS {
            assert!(FUNCTIONS.iter().any(|f| f.call == call.number), "{} is missing", call.name);
        }
    }
}
