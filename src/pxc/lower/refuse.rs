//! What is Python but not in the subset, by name.

use ruff_python_ast::{Expr, Stmt};

use super::{Lower, Res};
use crate::pxc::value::Value;

impl Lower<'_, '_> {
    pub(super) fn refuse_expr(&mut self, expr: &Expr) -> Res<Value> {
        let (what, help) = match expr {
            Expr::Named(_) => ("an assignment expression is", "assign in a statement before"),
            Expr::Lambda(_) => ("a lambda is", "write a function"),
            Expr::Dict(_) => ("a dict is", "use lists"),
            Expr::Set(_) => ("a set is", "use lists"),
            Expr::ListComp(_) => ("a list comprehension is", "write [0] * n and a loop"),
            Expr::SetComp(_) | Expr::DictComp(_) => ("a comprehension is", "write a loop"),
            Expr::Generator(_) => ("a generator is", "write a loop"),
            Expr::Await(_) => ("await is", ""),
            Expr::Yield(_) | Expr::YieldFrom(_) => ("yield is", ""),
            Expr::FString(_) => ("an f-string outside of print() is", "write str(x) + ..."),
            Expr::TString(_) => ("a template string is", ""),
            Expr::NoneLiteral(_) => ("None is", "use a number that says so"),
            Expr::EllipsisLiteral(_) => ("... is", "write pass"),
            Expr::Attribute(_) => ("an attribute or a method is", "there are functions only"),
            Expr::Starred(_) => ("* before an expression is", ""),
            Expr::Tuple(_) => ("a tuple as a value is", "return a, b and a, b = ... are"),
            Expr::Slice(_) => ("a slice here is", ""),
            _ => ("this expression is", ""),
        };
        self.refuse(expr, what, help)
    }

    pub(super) fn refuse_stmt(&mut self, stmt: &Stmt) -> Res<()> {
        let (what, help) = match stmt {
            Stmt::ClassDef(_) => ("a class definition is", "use functions and lists"),
            Stmt::Delete(_) => ("del is", ""),
            Stmt::TypeAlias(_) => ("a type alias is", ""),
            Stmt::With(_) => ("with is", ""),
            Stmt::Match(_) => ("match is", "write if and elif"),
            Stmt::Raise(_) => ("raise is", "write exit(status), or assert"),
            Stmt::Try(_) => ("try is", "calls give errors by err()"),
            Stmt::Import(_) => ("import is", "only `from pxi import *` is"),
            Stmt::Nonlocal(_) => ("nonlocal is", ""),
            Stmt::FunctionDef(_) => {
                ("a function in a function or a block is", "define it at module level")
            }
            _ => ("this statement is", ""),
        };
        self.refuse(stmt, what, help)
    }
}
