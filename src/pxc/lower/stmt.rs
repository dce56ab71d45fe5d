//! Statements.

use ruff_python_ast::{Expr, Stmt, StmtAssert, StmtIf, StmtReturn};
use ruff_text_size::Ranged;

use super::frame::Flow;
use super::{Lower, Res};
use crate::pxc::ir::{Op, Target, Why};
use crate::pxc::types::Ty;
use crate::pxc::value::{At, Value};
use crate::pxi::isa::calls;

impl Lower<'_, '_> {
    /// Statements; one that is wrong does not hide what is wrong with the next.
    pub(super) fn block(&mut self, body: &[Stmt]) {
        for stmt in body {
            self.at_line(stmt.range());
            let _ = self.stmt(stmt);
        }
    }

    fn stmt(&mut self, stmt: &Stmt) -> Res<()> {
        match stmt {
            Stmt::Assign(assign) => self.assign_stmt(assign),
            Stmt::AnnAssign(assign) => self.annotated(assign),
            Stmt::AugAssign(assign) => self.augmented(assign),
            Stmt::Expr(stmt) => self.expr_stmt(&stmt.value),
            Stmt::If(stmt) => self.if_stmt(stmt),
            Stmt::While(stmt) => self.while_stmt(stmt),
            Stmt::For(stmt) => self.for_stmt(stmt),
            Stmt::Break(_) | Stmt::Continue(_) => self.jump_stmt(stmt),
            Stmt::Return(stmt) => self.return_stmt(stmt),
            Stmt::Assert(stmt) => self.assert_stmt(stmt),
            Stmt::Pass(_) => Ok(()),
            Stmt::Global(global) => self.global_stmt(global),
            Stmt::ImportFrom(import) => self.import_stmt(import),
            other => self.refuse_stmt(other),
        }
    }

    fn global_stmt(&mut self, global: &ruff_python_ast::StmtGlobal) -> Res<()> {
        if self.body.main {
            return self.refuse(global, "global outside of a function is", "");
        }
        if !self.body.ops.is_empty() {
            return self.refuse(
                global,
                "global behind other statements is",
                "begin the function with it",
            );
        }
        Ok(())
    }

    fn import_stmt(&mut self, import: &ruff_python_ast::StmtImportFrom) -> Res<()> {
        let all = import.names.len() == 1 && &*import.names[0].name == "*";
        let pxi = import.module.as_ref().is_some_and(|module| &**module == "pxi");
        if all && pxi && import.level == 0 && self.body.main {
            return Ok(());
        }
        let help = "`from pxi import *` is; functions of modules come by @external(path, name)";
        self.refuse(import, "this import is", help)
    }

    fn expr_stmt(&mut self, expr: &Expr) -> Res<()> {
        match expr {
            // A text that is a statement is a comment, as at the start of a function.
            Expr::StringLiteral(_) | Expr::EllipsisLiteral(_) => Ok(()),
            Expr::Call(call) => self.call_stmt(call),
            _ => self.expr(expr).map(|_| ()),
        }
    }

    fn if_stmt(&mut self, stmt: &StmtIf) -> Res<()> {
        let out = self.label();
        let mut after = Flow::nowhere();
        let mut next = self.label();
        let mut arms = vec![(Some(&*stmt.test), &stmt.body)];
        let clauses = stmt.elif_else_clauses.iter();
        arms.extend(clauses.map(|clause| (clause.test.as_ref(), &clause.body)));
        let mut has_else = false;
        for (test, body) in arms {
            if let Some(test) = test {
                self.at_line(test.range());
                let _ = self.jump_if(test, false, next);
            } else {
                has_else = true;
            }
            let before = self.flow.clone();
            self.block(body);
            after.join(&self.flow);
            self.op(Op::Jump(out));
            self.mark(next);
            next = self.label();
            self.flow = before;
        }
        if has_else {
            self.flow = Flow::nowhere();
        }
        self.flow.join(&after);
        self.mark(out);
        Ok(())
    }

    fn return_stmt(&mut self, stmt: &StmtReturn) -> Res<()> {
        if self.body.main {
            return self.refuse(stmt, "return outside of a function is", "write exit()");
        }
        let values = self.returned(stmt);
        self.flow = Flow::nowhere();
        self.op(Op::Return(values?));
        Ok(())
    }

    fn returned(&mut self, stmt: &StmtReturn) -> Res<Vec<u32>> {
        let gives = self.gives.clone();
        match (&stmt.value, &gives) {
            (None, Ty::None) => Ok(Vec::new()),
            (Some(value), Ty::None) if value.is_none_literal_expr() => Ok(Vec::new()),
            (Some(value), Ty::None) => {
                let help = "say what it gives: def f(...) -> int:";
                Err(self.error(&**value, "this function gives nothing", help))
            }
            (None, ty) => {
                Err(self.error(stmt, format!("this function gives {ty}"), "return a value"))
            }
            (Some(value), Ty::Tuple(types)) => self.returned_tuple(value, types),
            (Some(value), ty) => Ok(vec![self.expr_word(value, ty, "what the function gives")?]),
        }
    }

    fn returned_tuple(&mut self, value: &Expr, types: &[Ty]) -> Res<Vec<u32>> {
        if let Expr::Tuple(tuple) = value
            && tuple.elts.len() == types.len()
        {
            let pairs = tuple.elts.iter().zip(types);
            return pairs.map(|(e, ty)| self.expr_word(e, ty, "what the function gives")).collect();
        }
        let given = self.expr(value)?;
        let wanted = Ty::Tuple(types.to_vec());
        match given.at {
            At::Words(parts) if given.ty == wanted => {
                Ok(parts.iter().map(|part| self.word(part)).collect())
            }
            _ => Err(self.error(value, format!("this function gives {wanted}"), "")),
        }
    }

    fn assert_stmt(&mut self, stmt: &StmtAssert) -> Res<()> {
        let fine = self.label();
        self.jump_if(&stmt.test, true, fine)?;
        if let Some(message) = &stmt.msg {
            let message = self.expr(message)?;
            if message.ty != Ty::Str {
                return Err(self.error(stmt, "the message of assert must be a str", ""));
            }
            let [address, length] = self.byte_range(&message);
            let (level, event) = (self.li(2), Value::text("error"));
            let [event, event_length] = self.byte_range(&event);
            let args = vec![address, length, level, event, event_length];
            self.call(Target::Sys(calls::LOG), args, 2);
        }
        let fail = self.fail(Why::Assert);
        self.op(Op::Jump(fail));
        self.mark(fine);
        Ok(())
    }
}
