//! The model that `pxboot` and `pxi run` give a machine: none, or those of its root.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::builder::{EditOptions, Editor};
use crate::llm::{Audit, SystemModel, routes_of};

/// The word for what the routing table says.
const AUTO: &str = "auto";
/// The word for no model.
const NONE: &str = "none";

/// Options on models.
#[derive(Debug, Args)]
pub(super) struct ModelArgs {
    /// Let modules ask the models of the root; WHICH is auto (the routing table says which, the
    /// default), none, or the cartridge or path of weights that is the default model
    #[arg(
        long,
        value_name = "WHICH",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = AUTO
    )]
    llm: Option<String>,
    /// Append a line of JSON for each request to a model to this file
    #[arg(long, value_name = "FILE", requires = "llm")]
    audit: Option<PathBuf>,
}

impl ModelArgs {
    /// The models of the place at `root`, if any may be asked. Without a routing
    /// table (`has_table`) the usual default is what id 0 means.
    ///
    /// # Errors
    /// When there is no such model, or the audit log cannot be written.
    pub(super) fn models(
        &self,
        root: Option<&Path>,
        seed: Option<u64>,
        has_table: bool,
    ) -> anyhow::Result<Option<SystemModel>> {
        let Some(which) = self.llm.as_deref().filter(|which| *which != NONE) else {
            return Ok(None);
        };
        let Some(root) = root else {
            bail!("--llm asks models that lie in a root: --root says where");
        };
        let shown = || format!("models of {}", root.display());
        let editor = Editor::open(root, &EditOptions::default()).with_context(shown)?;
        let routes = routes_of(&editor).with_context(shown)?;
        for fault in routes.registry().faults() {
            log::warn!("{fault}");
        }
        let mut models = SystemModel::new(routes, editor.tree());
        models = match which {
            AUTO if has_table => models,
            AUTO => models.with_usual_default(),
            name => models.with_default(name).with_context(|| format!("--llm={name}"))?,
        };
        if let Some(path) = &self.audit {
            models = models.with_audit(Arc::new(open_audit(path)?));
        }
        Ok(Some(match seed {
            Some(seed) => models.with_seed(seed),
            None => models,
        }))
    }
}

/// Opens the log that `--audit` names.
pub(super) fn open_audit(path: &Path) -> anyhow::Result<Audit> {
    Audit::open(path).with_context(|| format!("cannot write the audit log {}", path.display()))
}
