//! The routing table: which model an id means. A stage builds it (ROUTE), and every
//! request of a module goes by it.

use crate::pxi::CallError;

/// Models of a table.
pub const MAX_ROUTES: usize = 256;

/// The table, in the order in which it was built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routes(Vec<(u32, String)>);

impl Routes {
    /// Enters a model; an id that is there already gets the new target.
    ///
    /// # Errors
    /// [`CallError::NoRoom`] when the table is full.
    pub fn enter(&mut self, model: u32, target: &str) -> Result<(), CallError> {
        if let Some((_, old)) = self.0.iter_mut().find(|(id, _)| *id == model) {
            target.clone_into(old);
            return Ok(());
        }
        if self.0.len() >= MAX_ROUTES {
            return Err(CallError::NoRoom);
        }
        self.0.push((model, target.to_owned()));
        Ok(())
    }

    /// Whether no model was entered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What an id means; 0 means the first.
    pub fn target(&self, model: u32) -> Option<&str> {
        let found = match model {
            0 => self.0.first(),
            model => self.0.iter().find(|(id, _)| *id == model),
        };
        found.map(|(_, target)| target.as_str())
    }

    /// The text of an entry, as the log keeps it.
    pub(super) fn line(model: u32, target: &str) -> String {
        format!("0x{model:08X} {target}")
    }

    /// Enters what [`line`](Self::line) gave.
    pub(super) fn enter_line(&mut self, line: &str) -> Option<()> {
        let (id, target) = line.strip_prefix("0x")?.split_once(' ')?;
        self.enter(u32::from_str_radix(id, 16).ok()?, target).ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_the_default_and_lines_come_back() {
        let mut routes = Routes::default();
        assert_eq!(routes.target(0), None);
        routes.enter_line(&Routes::line(7, "a b")).unwrap();
        routes.enter(9, "/models/x.gguf").unwrap();
        routes.enter(7, "c").unwrap();
        assert_eq!(routes.target(0), Some("c"));
        assert_eq!(routes.target(9), Some("/models/x.gguf"));
        assert_eq!(routes.target(8), None);
        assert_eq!(routes.enter_line("7 x"), None);
    }

    #[test]
    fn a_table_has_an_end() {
        let mut routes = Routes::default();
        for id in 1..=MAX_ROUTES as u32 {
            routes.enter(id, "x").unwrap();
        }
        assert_eq!(routes.enter(9999, "x"), Err(CallError::NoRoom));
        assert_eq!(routes.enter(1, "y"), Ok(()));
    }
}
