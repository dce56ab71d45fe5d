//! What is said about a function or a module before any code: annotations,
//! parameters, results, and the settings of a module.

use ruff_python_ast::{Expr, Stmt, StmtFunctionDef};
use ruff_text_size::Ranged;

use super::program::{Param, Settings, Signature};
use super::{Lower, Res};
use crate::pxc::types::Ty;
use crate::pxc::value::Value;

/// Most arguments and most results of a function: the registers for them.
const MAX_ARGS: usize = 6;

/// Names that are no variables but say something about the module.
pub(super) const SETTINGS: &[&str] = &["REQUIRES", "HEAP", "FRAME"];

/// Largest heap.
const MAX_HEAP: i128 = 1 << 24;

/// What one of them says.
pub(super) enum Setting {
    Requires(Vec<String>),
    Heap(u32),
    Frame(u32, u32),
}

impl Setting {
    pub(super) fn apply(self, settings: &mut Settings) {
        match self {
            Self::Requires(paths) => settings.requires = paths,
            Self::Heap(pixels) => settings.heap = Some(pixels),
            Self::Frame(width, height) => settings.frame = Some((width, height)),
        }
    }
}

impl Lower<'_, '_> {
    /// Whether an assignment of the main program is one of the module's settings.
    pub(super) fn is_setting(&self, name: &str) -> bool {
        self.body.main && self.loops.is_empty() && SETTINGS.contains(&name)
    }

    pub(super) fn setting(&mut self, name: &str, value: &Expr) -> Res<Setting> {
        let elements = match value {
            Expr::List(list) => Some(&list.elts[..]),
            Expr::Tuple(tuple) => Some(&tuple.elts[..]),
            _ => None,
        };
        let number = |lower: &Self, expr: &Expr, most: i128| {
            lower.known_number(expr).filter(|number| (0..=most).contains(number))
        };
        let setting = match (name, elements) {
            ("REQUIRES", Some(elements)) => elements
                .iter()
                .map(|e| e.as_string_literal_expr().map(|text| text.value.to_str().to_owned()))
                .collect::<Option<Vec<_>>>()
                .filter(|paths| paths.iter().all(|path| !path.is_empty() && !path.contains('\n')))
                .map(Setting::Requires),
            ("HEAP", None) => number(self, value, MAX_HEAP).map(|n| Setting::Heap(n as u32)),
            ("FRAME", Some([width, height])) => {
                let sizes = (number(self, width, 0xFFFF), number(self, height, 0xFFFF));
                match sizes {
                    (Some(w @ 1..), Some(h @ 1..)) => Some(Setting::Frame(w as u32, h as u32)),
                    _ => None,
                }
            }
            _ => None,
        };
        let help = "REQUIRES = [\"/path\", ...], HEAP = pixels, FRAME = (width, height)";
        setting.ok_or_else(|| self.error(value, format!("{name} cannot be this"), help))
    }

    /// The type that an annotation names.
    pub(super) fn annotation(&mut self, expr: &Expr) -> Res<Ty> {
        let (name, inner) = match expr {
            Expr::Name(name) => (name.id.as_str(), None),
            Expr::NoneLiteral(_) => return Ok(Ty::None),
            Expr::Subscript(subscript) => match &*subscript.value {
                Expr::Name(name) => (name.id.as_str(), Some(&*subscript.slice)),
                _ => ("", None),
            },
            _ => ("", None),
        };
        match (name, inner) {
            ("int", None) => Ok(Ty::Int),
            ("u32", None) => Ok(Ty::U32),
            ("bool", None) => Ok(Ty::Bool),
            ("str", None) => Ok(Ty::Str),
            ("bytes", None) => Ok(Ty::Bytes),
            ("bytearray", None) => Ok(Ty::ByteArray),
            ("list", Some(of)) => match self.annotation(of)? {
                Ty::None | Ty::Tuple(_) => self.refuse(expr, "a list of this is", ""),
                of => Ok(Ty::List(Box::new(of))),
            },
            ("tuple", Some(Expr::Tuple(parts))) if parts.elts.len() <= MAX_ARGS => {
                let mut types = Vec::new();
                for part in &parts.elts {
                    types.push(self.annotation(part)?);
                }
                let plain = |ty: &Ty| !matches!(ty, Ty::None | Ty::Tuple(_));
                if types.iter().all(plain) {
                    return Ok(Ty::Tuple(types));
                }
                self.refuse(expr, "a tuple of this is", "")
            }
            _ => {
                let help = "int, u32, bool, str, bytes, bytearray, list[...], tuple[...] are";
                self.refuse(expr, "this type is", help)
            }
        }
    }

    pub(super) fn signature(&mut self, function: &StmtFunctionDef) -> Signature {
        let parameters = &function.parameters;
        if function.is_async || function.type_params.is_some() {
            let _: Res<()> = self.refuse(&function.name, "async or generic functions are", "");
        }
        if parameters.vararg.is_some()
            || parameters.kwarg.is_some()
            || !parameters.kwonlyargs.is_empty()
            || !parameters.posonlyargs.is_empty()
        {
            let help = "plain parameters are, with constant defaults";
            let _: Res<()> = self.refuse(&**parameters, "*, / and ** in parameters are", help);
        }
        if parameters.args.len() > MAX_ARGS {
            let message = format!("more than {MAX_ARGS} parameters are");
            let _: Res<()> = self.refuse(&**parameters, &message, "pass a list");
        }
        let params = parameters.args.iter().take(MAX_ARGS).map(|one| self.param(one)).collect();
        let gives = match &function.returns {
            Some(annotation) => self.annotation(annotation).unwrap_or(Ty::None),
            None => guess_result(function),
        };
        Signature { params, gives }
    }

    fn param(&mut self, one: &ruff_python_ast::ParameterWithDefault) -> Param {
        let default = one.default.as_deref();
        let value = default.and_then(|expr| self.default_value(expr).ok());
        let ty = match (&one.parameter.annotation, &value) {
            (Some(annotation), _) => self.annotation(annotation).unwrap_or(Ty::Int),
            (None, Some(value)) => value.ty.clone(),
            (None, None) => Ty::Int,
        };
        if let (Some(value), Some(expr)) = (&value, default) {
            let _ = self.check(value, &ty, expr, "the parameter");
        }
        if matches!(ty, Ty::None | Ty::Tuple(_)) {
            self.error(one.range(), format!("a parameter cannot be {ty}"), "");
        }
        Param { name: one.name().to_string(), ty, default: value }
    }

    fn default_value(&mut self, expr: &Expr) -> Res<Value> {
        if let Some(number) = self.program.known(expr, &|_| true) {
            return Ok(Value::number(number));
        }
        match expr {
            Expr::BooleanLiteral(_) | Expr::StringLiteral(_) | Expr::BytesLiteral(_) => {
                self.expr(expr)
            }
            _ => self.refuse(expr, "a default that is not constant is", ""),
        }
    }
}

/// What a function gives that does not say it: what its first `return` looks
/// like; a number if that does not say. Where that is wrong the return is refused.
fn guess_result(function: &StmtFunctionDef) -> Ty {
    let mut found = None;
    first_return(&function.body, &mut found);
    let Some(value) = found else { return Ty::None };
    match value {
        Expr::Tuple(tuple) => Ty::Tuple(tuple.elts.iter().map(|e| guess(e, function, 4)).collect()),
        Expr::NoneLiteral(_) => Ty::None,
        value => guess(value, function, 4),
    }
}

fn first_return<'a>(body: &'a [Stmt], found: &mut Option<&'a Expr>) {
    for stmt in body {
        if found.is_some() {
            return;
        }
        match stmt {
            Stmt::Return(stmt) => *found = stmt.value.as_deref(),
            Stmt::If(stmt) => {
                first_return(&stmt.body, found);
                stmt.elif_else_clauses.iter().for_each(|clause| first_return(&clause.body, found));
            }
            Stmt::While(stmt) => {
                first_return(&stmt.body, found);
                first_return(&stmt.orelse, found);
            }
            Stmt::For(stmt) => {
                first_return(&stmt.body, found);
                first_return(&stmt.orelse, found);
            }
            _ => {}
        }
    }
}

fn guess(expr: &Expr, function: &StmtFunctionDef, depth: usize) -> Ty {
    match expr {
        Expr::BooleanLiteral(_) | Expr::Compare(_) => Ty::Bool,
        Expr::UnaryOp(op) if op.op == ruff_python_ast::UnaryOp::Not => Ty::Bool,
        Expr::StringLiteral(_) => Ty::Str,
        Expr::BytesLiteral(_) => Ty::Bytes,
        Expr::Call(call) => match &*call.func {
            Expr::Name(name) if name.id == "bytearray" => Ty::ByteArray,
            Expr::Name(name) if name.id == "str" => Ty::Str,
            Expr::Name(name) if name.id == "bool" => Ty::Bool,
            Expr::Name(name) if name.id == "u32" => Ty::U32,
            _ => Ty::Int,
        },
        Expr::BoolOp(op) if depth > 0 => {
            op.values.first().map_or(Ty::Int, |first| guess(first, function, depth - 1))
        }
        Expr::List(list) if depth > 0 => {
            let of = list.elts.first().map_or(Ty::Int, |one| guess(one, function, depth - 1));
            Ty::List(Box::new(of))
        }
        Expr::BinOp(op) if depth > 0 && op.left.is_list_expr() => {
            guess(&op.left, function, depth - 1)
        }
        Expr::Name(name) if depth > 0 => guess_name(&name.id, function, depth - 1),
        _ => Ty::Int,
    }
}

fn guess_name(name: &str, function: &StmtFunctionDef, depth: usize) -> Ty {
    let annotated = |annotation: &Expr| match annotation {
        Expr::Name(name) => match name.id.as_str() {
            "u32" => Ty::U32,
            "bool" => Ty::Bool,
            "str" => Ty::Str,
            "bytes" => Ty::Bytes,
            "bytearray" => Ty::ByteArray,
            _ => Ty::Int,
        },
        Expr::Subscript(subscript) => match &*subscript.slice {
            Expr::Name(of) if of.id == "u32" => Ty::List(Box::new(Ty::U32)),
            Expr::Name(of) if of.id == "bool" => Ty::List(Box::new(Ty::Bool)),
            _ => Ty::List(Box::new(Ty::Int)),
        },
        _ => Ty::Int,
    };
    let param = function.parameters.args.iter().find(|param| param.name().as_str() == name);
    if let Some(annotation) = param.and_then(|param| param.parameter.annotation.as_deref()) {
        return annotated(annotation);
    }
    let is_name = |expr: &Expr| matches!(expr, Expr::Name(found) if found.id == name);
    for stmt in &function.body {
        match stmt {
            Stmt::Assign(assign) if assign.targets.iter().any(is_name) => {
                return guess(&assign.value, function, depth);
            }
            Stmt::AnnAssign(assign) if is_name(&assign.target) => {
                return annotated(&assign.annotation);
            }
            _ => {}
        }
    }
    Ty::Int
}
