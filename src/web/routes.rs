//! What is asked for where.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post, put};
use serde_json::json;

use super::desk::Shared;
use super::guard::guard;
use super::reply::{Fault, Reply, blocking, json_response};
use super::{boot, events, files, machine, page, tiles, turns};

/// All routes, guarded.
pub(super) fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(page::index))
        .route("/page/{name}", get(page::file))
        .route("/api/hello", get(hello))
        .route("/api/models", get(models))
        .route("/api/events", get(events::listen))
        .route("/api/map", get(tiles::all))
        .route("/api/tiles/{at}", get(tiles::one))
        .route("/api/tiles/{at}/model", put(tiles::set_model))
        .route("/api/tiles/{at}/messages", post(turns::post))
        .route("/api/tiles/{at}/answer", get(turns::attach))
        .route("/api/tiles/{at}/cancel", post(turns::cancel))
        .route("/api/files/list", get(files::list))
        .route("/api/files/stat", get(files::stat))
        .route("/api/files/read", get(files::read))
        .route("/api/files/pixels", get(files::pixels))
        .route("/api/boot", post(boot::run))
        .route("/api/machine", post(machine::run))
        .route("/api/machine/frames/{number}", get(machine::frame))
        .fallback(nothing)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::clone(&shared), guard))
        .with_state(shared)
}

async fn nothing() -> Fault {
    Fault::new(StatusCode::NOT_FOUND, "there is nothing here")
}

async fn wrong_method() -> Fault {
    Fault::new(StatusCode::METHOD_NOT_ALLOWED, "this cannot be done here")
}

/// `GET /api/hello`: what this is.
async fn hello(State(shared): State<Arc<Shared>>) -> Reply {
    let desk = &shared.desk;
    Ok(json_response(&json!({
        "target": desk.target,
        "kind": desk.kind,
        "version": env!("CARGO_PKG_VERSION"),
        "read_only": desk.map.read_only(),
        "max_message": crate::map::MAX_MESSAGE,
        "recorded": desk.models.is_recorded(),
    })))
}

/// `GET /api/models`: who answers.
async fn models(State(shared): State<Arc<Shared>>) -> Reply {
    blocking(move || Ok(json_response(&shared.desk.models.list()))).await
}
