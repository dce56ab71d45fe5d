//! A TARGET of `pxfs chat` and `pxfs shell`: its map, its files, its models.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::machine_model::open_audit;
use super::open::{OpenRequest, open_picture};
use crate::boot::Model;
use crate::builder::{EditOptions, Editor, PlaceKind};
use crate::fs::PixelTree;
use crate::llm::{
    Audit, Cancel, Cartridge, ChatError, ChatModel, Routes, SystemModel, bare_default, connect,
    registry_beside, routes_of, routes_of_tree,
};
use crate::map::{Map, Partner, Partners};
use crate::web::{Models, TreeSource};

/// Memory for reading the map; the rest of the usual budget is for the files.
const MAP_MEM: u64 = 64 << 20;

/// What a TARGET holds.
pub(super) struct Target {
    pub(super) map: Arc<Map>,
    pub(super) place: Arc<Place>,
    pub(super) models: Arc<Cartridges>,
    pub(super) kind: &'static str,
}

/// Opens a TARGET. One that nobody can change (a picture that is no PNG) is read only.
/// What is asked of its models is recorded in `audit`.
///
/// # Errors
/// When it is no picture, root or directory, or the audit log cannot be written.
pub(super) fn open_target(path: &Path, audit: Option<&Path>) -> anyhow::Result<Target> {
    let audit = audit.map(open_audit).transpose()?;
    let (place, map, kind) = match Editor::open(path, &EditOptions::default()) {
        Ok(editor) => {
            let kind = match editor.kind() {
                PlaceKind::Picture => "picture",
                PlaceKind::Root => "root",
                PlaceKind::Directory => "directory",
            };
            let options = EditOptions { mem: MAP_MEM, ..EditOptions::default() };
            let map = Map::open(path, &options).context("the map")?;
            (Place::Editor(Box::new(Mutex::new(editor))), map, kind)
        }
        Err(error) if path.is_file() => {
            let tree: Arc<dyn PixelTree> = Arc::new(open_picture(path, &OpenRequest::default())?);
            let map = Map::of_tree(&*tree, error.to_string());
            (Place::Tree(tree), map, "picture")
        }
        Err(error) => return Err(error.into()),
    };
    let place = Arc::new(place);
    let audit = audit.map(Arc::new);
    let models = Cartridges { place: Arc::clone(&place), open: Mutex::default(), audit };
    Ok(Target { map: Arc::new(map), place, models: Arc::new(models), kind })
}

/// Where files are read.
pub(super) enum Place {
    /// A place that others may change.
    Editor(Box<Mutex<Editor>>),
    /// A picture that stays as it is.
    Tree(Arc<dyn PixelTree>),
}

impl TreeSource for Arc<Place> {
    fn tree(&self) -> Result<Arc<dyn PixelTree>, String> {
        match &**self {
            Place::Tree(tree) => Ok(Arc::clone(tree)),
            Place::Editor(editor) => {
                let mut editor = editor.lock();
                editor.refresh().map_err(|error| error.to_string())?;
                Ok(editor.tree())
            }
        }
    }

    fn registry_beside(&self) -> Result<Option<Vec<u8>>, String> {
        match &**self {
            Place::Tree(_) => Ok(None),
            Place::Editor(editor) => {
                registry_beside(&editor.lock()).map_err(|error| error.to_string())
            }
        }
    }
}

impl Place {
    fn routes(&self) -> Result<Routes, ChatError> {
        let refused = |sentence: String| ChatError::Refused(sentence);
        let found = match self {
            Self::Tree(tree) => routes_of_tree(&**tree),
            Self::Editor(editor) => {
                let mut editor = editor.lock();
                editor.refresh().map_err(|error| refused(error.to_string()))?;
                routes_of(&editor)
            }
        };
        found.map_err(|error| refused(error.to_string()))
    }
}

/// The cartridges of a place. A model that was connected stays so: one that lies in
/// the picture takes its time to load.
pub(super) struct Cartridges {
    place: Arc<Place>,
    open: Mutex<Vec<(Cartridge, Arc<dyn ChatModel>)>>,
    audit: Option<Arc<Audit>>,
}

/// Models that stay connected.
const MOST_OPEN: usize = 4;

impl Cartridges {
    /// The cartridges as they are now.
    pub(super) fn routes(&self) -> Result<Routes, ChatError> {
        self.place.routes()
    }

    /// The cartridge of a number, or the default one; 0 is the default, too.
    fn chosen(&self, id: Option<u32>) -> Result<Cartridge, ChatError> {
        let (routes, id) = (self.routes()?, id.unwrap_or(0));
        let refused = match routes.by_id(id) {
            Ok(route) => return Ok(route.cartridge.clone()),
            Err(error) => ChatError::Refused(error.to_string()),
        };
        let bare = if id == 0 { self.bare() } else { None };
        bare.ok_or(refused)
    }

    /// Weights that no cartridge stands for.
    fn bare(&self) -> Option<Cartridge> {
        bare_default(&*self.place.tree().ok()?)
    }

    fn connected(&self, cartridge: &Cartridge) -> Result<Arc<dyn ChatModel>, ChatError> {
        let mut open = self.open.lock();
        if let Some((_, model)) = open.iter().find(|(own, _)| own == cartridge) {
            return Ok(Arc::clone(model));
        }
        let tree = self.place.tree().map_err(ChatError::Refused)?;
        let model: Arc<dyn ChatModel> = connect(cartridge, &*tree)?.into();
        if open.len() == MOST_OPEN {
            open.remove(0);
        }
        open.push((cartridge.clone(), Arc::clone(&model)));
        Ok(model)
    }
}

impl Partners for Cartridges {
    fn partner(&self, cartridge: Option<u32>) -> Result<Partner, ChatError> {
        let cartridge = self.chosen(cartridge)?;
        let model = self.connected(&cartridge)?;
        Ok(Partner { model, cartridge, audit: self.audit.clone() })
    }
}

impl Models for Cartridges {
    fn list(&self) -> Value {
        let routes = match self.routes() {
            Ok(routes) => routes,
            Err(error) => {
                return json!({"models": [], "default": null, "note": error.to_string()});
            }
        };
        let mut models: Vec<Value> = routes.registry().cartridges().iter().map(shown).collect();
        let (default, note) = match routes.default_route() {
            Ok(route) => (Some(route.cartridge.id), None),
            Err(error) => match self.bare() {
                Some(bare) => {
                    models.push(shown(&bare));
                    (Some(bare.id), None)
                }
                None => (None, Some(error.to_string())),
            },
        };
        let faults: Vec<String> =
            routes.registry().faults().iter().map(ToString::to_string).collect();
        json!({"models": models, "default": default, "note": note, "faults": faults})
    }

    fn of_machine(&self, has_table: bool, cancel: Cancel) -> Result<Box<dyn Model + Send>, String> {
        let Some(audit) = &self.audit else {
            // A program asks without a person who sees what: what it asks is recorded, or
            // not asked.
            return Err("programs may ask models only if the shell records it: \
                        pxfs shell --audit FILE"
                .to_owned());
        };
        let routes = self.routes().map_err(|error| error.to_string())?;
        let model = SystemModel::new(routes, self.place.tree()?);
        let model = model.with_audit(Arc::clone(audit)).with_cancel(cancel);
        Ok(Box::new(if has_table { model } else { model.with_usual_default() }))
    }

    fn is_recorded(&self) -> bool {
        self.audit.is_some()
    }
}

/// A cartridge as the page sees it.
fn shown(cartridge: &Cartridge) -> Value {
    json!({
        "id": cartridge.id,
        "name": cartridge.name,
        "description": cartridge.description,
        "backend": cartridge.backend.name(),
        "model": cartridge.model_name,
        "endpoint": cartridge.endpoint,
        "rgba": cartridge.rgba(),
    })
}
