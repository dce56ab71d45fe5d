//! Which names a function or the main program assigns and reads.

use std::collections::{HashMap, HashSet};

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Expr, ExprContext, Stmt, StmtFunctionDef};

/// The names of one scope. Functions inside are scopes of their own.
#[derive(Debug, Default, Clone)]
pub(super) struct Names {
    /// Assigned, how often.
    pub(super) stores: HashMap<String, usize>,
    /// Read.
    pub(super) loads: HashSet<String>,
    /// Declared `global`.
    pub(super) globals: HashSet<String>,
}

impl Names {
    /// Of a function's body and parameters.
    pub(super) fn of_function(function: &StmtFunctionDef) -> Self {
        let mut names = Self::of_body(&function.body);
        for parameter in function.parameters.iter_non_variadic_params() {
            *names.stores.entry(parameter.name().to_string()).or_insert(0) += 1;
        }
        names
    }

    /// Of an expression.
    pub(super) fn of_expr(expr: &Expr) -> Self {
        let mut names = Self::default();
        names.visit_expr(expr);
        names
    }

    /// Of statements.
    pub(super) fn of_body(body: &[Stmt]) -> Self {
        let mut names = Self::default();
        body.iter().for_each(|stmt| names.visit_stmt(stmt));
        names
    }

    /// Whether a name is a variable of this scope.
    pub(super) fn is_local(&self, name: &str) -> bool {
        self.stores.contains_key(name) && !self.globals.contains(name)
    }

    /// Names of the module that the scope uses.
    pub(super) fn outside(&self) -> impl Iterator<Item = &String> {
        self.loads.iter().filter(|name| !self.is_local(name))
    }
}

impl<'a> Visitor<'a> for Names {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
            Stmt::Global(global) => {
                self.globals.extend(global.names.iter().map(|name| name.to_string()));
            }
            Stmt::AugAssign(assign) => {
                if let Expr::Name(name) = &*assign.target {
                    self.loads.insert(name.id.to_string());
                }
                visitor::walk_stmt(self, stmt);
            }
            // Annotations are no uses.
            Stmt::AnnAssign(assign) => {
                self.visit_expr(&assign.target);
                assign.value.iter().for_each(|value| self.visit_expr(value));
            }
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::Name(name) = expr {
            match name.ctx {
                ExprContext::Load => {
                    self.loads.insert(name.id.to_string());
                }
                _ => *self.stores.entry(name.id.to_string()).or_insert(0) += 1,
            }
        }
        visitor::walk_expr(self, expr);
    }
}
