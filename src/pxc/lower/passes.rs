//! The passes over a program: what it says of itself, its constants, what its
//! functions share; then the main program, the functions, and what they need.

use std::collections::{BTreeSet, HashMap, HashSet};

use ruff_python_ast::{Expr, ModModule, Stmt, StmtFunctionDef};

use super::program::{External, Function, Param, Program, Settings, Shared};
use super::{Lower, Res};
use crate::pxc::data::Data;
use crate::pxc::diagnostic::Lines;
use crate::pxc::ir::{Body, Op};
use crate::pxc::names::Names;
use crate::pxc::types::Ty;
use crate::pxc::value::Value;
use crate::pxi::asm::Diagnostic;

/// The runtime, in the subset itself.
const RUNTIME: &str = include_str!("../runtime.py");

/// Compiles a parsed program to operations. The last body is the main program's.
pub(in crate::pxc) fn lower<'s>(
    lines: Lines<'s>,
    module: ModModule,
    runtime: ModModule,
) -> Result<(Program<'s>, Body), Vec<Diagnostic>> {
    let mut program = Program {
        lines,
        runtime_lines: Lines::new("runtime.py", RUNTIME),
        errors: Vec::new(),
        data: Data::default(),
        functions: Vec::new(),
        by_name: HashMap::new(),
        runtime: HashMap::new(),
        todo: Vec::new(),
        constants: HashMap::new(),
        assigned: HashSet::new(),
        shared: HashMap::new(),
        settings: Settings::default(),
        uses_err: false,
        given: None,
    };
    for stmt in runtime.body {
        if let Stmt::FunctionDef(function) = stmt {
            program.define(function, true);
        }
    }
    let names = Names::of_body(&module.body);
    program.assigned = names.stores.keys().cloned().collect();
    program.settings(&module.body);
    program.constants(&module.body, &names);
    let mut body = Vec::new();
    for stmt in module.body {
        match stmt {
            Stmt::FunctionDef(function) => {
                // A mark in the main program: from here on it can be called.
                body.push(MainStmt::Defined(function.name.to_string()));
                program.define(function, false);
            }
            other => body.push(MainStmt::Run(other)),
        }
    }
    program.share(&names);
    let main = program.main(names, &body);
    program.bodies();
    if program.errors.is_empty() {
        return Ok((program, main));
    }
    program.errors.sort_by_key(|error| (error.place.line, error.place.column));
    Err(program.errors)
}

/// The text of the runtime, to be parsed.
pub(in crate::pxc) fn runtime_source() -> &'static str {
    RUNTIME
}

/// The name and the value of `name = value`, with or without an annotation.
fn simple_assignment(stmt: &Stmt) -> Option<(&str, &Expr)> {
    let (target, value) = match stmt {
        Stmt::Assign(assign) if assign.targets.len() == 1 => (&assign.targets[0], &*assign.value),
        Stmt::AnnAssign(assign) => (&*assign.target, &**assign.value.as_ref()?),
        _ => return None,
    };
    target.as_name_expr().map(|name| (name.id.as_str(), value))
}

/// A statement of the main program.
enum MainStmt {
    Defined(String),
    Run(Stmt),
}

impl<'s> Program<'s> {
    fn with_main<T>(&mut self, trusted: bool, f: impl FnOnce(&mut Lower<'_, 's>) -> T) -> T {
        let mut lower = Lower::new(self, Names::default(), Ty::None, trusted);
        f(&mut lower)
    }

    fn define(&mut self, function: StmtFunctionDef, trusted: bool) {
        let name = function.name.to_string();
        let taken = self.by_name.contains_key(&name);
        let (signature, external) = self.with_main(trusted, |lower| {
            if taken {
                lower.error(&function.name, format!("`{name}` is defined twice"), "");
            }
            if name.starts_with("_pxi_") && !trusted {
                lower.error(&function.name, "names with _pxi_ belong to the runtime", "");
            }
            (lower.signature(&function), lower.external(&function))
        });
        let names = Names::of_function(&function);
        let number = self.functions.len();
        self.functions.push(Function {
            name: name.clone(),
            signature,
            ast: function,
            names,
            trusted,
            external,
            body: None,
            wanted: false,
        });
        let map = if trusted { &mut self.runtime } else { &mut self.by_name };
        map.insert(name, number);
    }

    /// REQUIRES, HEAP and FRAME.
    fn settings(&mut self, body: &[Stmt]) {
        for stmt in body {
            let Some((name, value)) = simple_assignment(stmt) else { continue };
            if super::signature::SETTINGS.contains(&name) {
                let setting = self.with_main(false, |lower| lower.setting(name, value));
                if let Ok(setting) = setting {
                    setting.apply(&mut self.settings);
                }
            }
        }
    }

    /// Names that are assigned once, at module level, with a value that is known.
    fn constants(&mut self, body: &[Stmt], names: &Names) {
        let declared: HashSet<String> = body
            .iter()
            .filter_map(|stmt| stmt.as_function_def_stmt())
            .flat_map(|function| Names::of_body(&function.body).globals)
            .collect();
        for stmt in body {
            let Some((name, value)) = simple_assignment(stmt) else { continue };
            if names.stores.get(name) != Some(&1) || declared.contains(name) {
                continue;
            }
            if let Some(mut value) = self.literal(value) {
                if let Stmt::AnnAssign(assign) = stmt {
                    let ty = self.with_main(false, |lower| lower.annotation(&assign.annotation));
                    match ty {
                        Ok(ty) if value.fits(&ty) && value.ty != Ty::Bool && ty != Ty::Bool => {
                            value.ty = ty
                        }
                        Ok(ty) if ty == value.ty && !ty.is_number() || ty == Ty::Bool => {}
                        // What does not fit is an error where it is assigned.
                        _ => continue,
                    }
                }
                self.constants.insert(name.to_owned(), value);
            }
        }
    }

    /// The value of an expression that is constant.
    fn literal(&self, expr: &Expr) -> Option<Value> {
        match expr {
            Expr::BooleanLiteral(literal) => Some(Value::bool(literal.value)),
            Expr::StringLiteral(literal) => {
                let text: String = literal.value.iter().map(|part| &*part.value).collect();
                (!text.contains('\u{FFFD}')).then(|| Value::text(&text))
            }
            Expr::BytesLiteral(literal) => {
                let parts = literal.value.iter().flat_map(|part| part.value.iter());
                Some(Value::bytes(parts.copied().collect()))
            }
            _ => self.known(expr, &|_| true).map(Value::number),
        }
    }

    /// Variables of the module that functions use get a pixel.
    fn share(&mut self, names: &Names) {
        let mut used: BTreeSet<String> = BTreeSet::new();
        for function in self.functions.iter().filter(|function| !function.trusted) {
            used.extend(function.names.outside().cloned());
            used.extend(function.names.globals.iter().cloned());
            self.uses_err |= function.names.loads.contains("err");
        }
        self.uses_err |= names.loads.contains("err");
        let mut all = self.functions.iter().filter(|function| !function.trusted);
        let in_functions = all.any(|function| function.names.loads.contains("argument"));
        if in_functions || names.loads.contains("argument") {
            self.given = Some(std::array::from_fn(|_| self.data.slot(0)));
        }
        for name in used {
            if names.stores.contains_key(&name) && !self.constants.contains_key(&name) {
                let slot = self.data.slot(0);
                self.shared.insert(name, Shared { slot, ty: None, is_static: false });
            }
        }
    }

    /// Notes the value that a shared variable has before anything runs: that of
    /// its first assignment at module level, if it is known.
    fn note_static(&mut self, stmt: &Stmt) {
        let Some((name, value)) = simple_assignment(stmt) else { return };
        let known = self.literal(value).and_then(|value| value.known());
        if let (Some(number), Some(shared)) = (known, self.shared.get_mut(name))
            && !shared.is_static
            && shared.ty.is_some()
        {
            shared.is_static = true;
            self.data.set(shared.slot, number as u32);
        }
    }

    fn main(&mut self, names: Names, body: &[MainStmt]) -> Body {
        let mut lower = Lower::new(self, names, Ty::None, false);
        lower.body.main = true;
        lower.keep_given();
        for stmt in body {
            lower.once = true;
            match stmt {
                MainStmt::Defined(name) => lower.defined(name),
                MainStmt::Run(stmt) => {
                    lower.block(std::slice::from_ref(stmt));
                    lower.program.note_static(stmt);
                }
            }
        }
        lower.finish()
    }

    fn bodies(&mut self) {
        let own: Vec<usize> = (0..self.functions.len())
            .filter(|n| !self.functions[*n].trusted && self.functions[*n].external.is_none())
            .collect();
        own.into_iter().for_each(|number| self.want(number));
        self.todo.sort_unstable_by(|a, b| b.cmp(a));
        while let Some(number) = self.todo.pop() {
            let function = &self.functions[number];
            let (ast, names) = (function.ast.clone(), function.names.clone());
            let (gives, trusted) = (function.signature.gives.clone(), function.trusted);
            let params = function.signature.params.clone();
            let mut lower = Lower::new(self, names, gives, trusted);
            lower.parameters(&params);
            lower.check_parameters(&ast);
            lower.check_globals(&ast);
            lower.block(&ast.body);
            lower.check_end(&ast);
            self.functions[number].body = Some(lower.finish());
        }
    }
}

impl Lower<'_, '_> {
    fn parameters(&mut self, params: &[Param]) {
        for param in params {
            let number = self.variable(&param.name);
            let v = self.value();
            self.body.params.push(v);
            self.variables[number].ty = Some(param.ty.clone());
            self.variables[number].home = Some(v);
            self.flow.set(number);
        }
    }

    /// From here on the main program can call a function.
    fn defined(&mut self, name: &str) {
        let number = self.variable(name);
        self.flow.set(number);
        let Some(function) = self.program.by_name.get(name) else { return };
        let ast = &self.program.functions[*function].ast;
        let (at, parameters) = (ast.name.range, ast.parameters.clone());
        if self.names.stores.contains_key(name) {
            let message = format!("`{name}` is a function and a variable");
            self.error(at, message, "a name is one thing");
        }
        for default in parameters.args.iter().filter_map(|one| one.default.as_deref()) {
            for used in Names::of_expr(default).loads {
                let number = self.variable(&used);
                let _ = self.check_assigned(number, &used, default);
            }
        }
    }

    fn check_parameters(&mut self, ast: &StmtFunctionDef) {
        let args = &ast.parameters.args;
        for (n, one) in args.iter().enumerate() {
            let name = one.name().as_str();
            if args[..n].iter().any(|other| other.name().as_str() == name) {
                self.error(one.name(), format!("two parameters are named `{name}`"), "");
            }
            if self.names.globals.contains(name) {
                self.error(one.name(), format!("`{name}` is a parameter and global"), "");
            }
        }
    }

    fn check_globals(&mut self, ast: &StmtFunctionDef) {
        for name in self.names.globals.clone() {
            if self.program.is_shared(&name) || self.program.function(&name, self.trusted).is_some()
            {
                continue;
            }
            let message = format!("global `{name}` is not assigned at module level");
            self.error(&ast.name, message, "give it a first value there");
        }
    }

    fn check_end(&mut self, ast: &StmtFunctionDef) {
        if self.flow.is_reached() && self.gives != Ty::None {
            let message = format!("`{}` can end without giving {}", ast.name, self.gives);
            self.error(&ast.name, message, "return a value on every way");
        }
    }

    /// Ends the body: a return, and where failures lead.
    fn finish(mut self) -> Body {
        self.op(Op::Return(Vec::new()));
        let mut fails: Vec<_> = self.fails.drain().collect();
        fails.sort_unstable();
        for ((why, line), label) in fails {
            self.body.ops.push((Op::Mark(label), line));
            self.body.ops.push((Op::Fail(super::why(why)), line));
        }
        self.body
    }

    fn external(&mut self, function: &StmtFunctionDef) -> Option<External> {
        let [decorator] = &function.decorator_list[..] else {
            if let Some(decorator) = function.decorator_list.first() {
                let _: Res<()> = self.refuse(decorator, "more than one decorator is", "");
            }
            return None;
        };
        let texts: Option<Vec<String>> = match &decorator.expression {
            Expr::Call(call) if self.is_builtin(&call.func, "external") => call
                .arguments
                .args
                .iter()
                .map(|arg| arg.as_string_literal_expr().map(|text| text.value.to_str().to_owned()))
                .collect(),
            _ => None,
        };
        match texts.as_deref() {
            Some([path, name]) if !path.is_empty() && !name.is_empty() => {
                let slot = self.program.data.slot(0);
                Some(External { slot, path: path.clone(), name: name.clone() })
            }
            _ => {
                let help = "@external(\"/path/of/module\", \"function\") is";
                let _: Res<()> = self.refuse(decorator, "this decorator is", help);
                None
            }
        }
    }
}
