//! The protocol over HTTP, for clients that speak no other: on loopback only, and
//! only for who knows the token.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

use super::server::Server;
use crate::store::hex;

/// Bytes of a token.
const TOKEN: usize = 16;

/// Where a server listens.
#[derive(Debug, Clone, Default)]
pub struct HttpOptions {
    /// The port; 0 for any that is free.
    pub port: u16,
}

/// Listens, and tells `ready` the address with its token.
pub(super) async fn listen(
    server: Server,
    options: &HttpOptions,
    ready: impl FnOnce(&str) -> io::Result<()>,
) -> io::Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let listener = tokio::net::TcpListener::bind(address).await?;
    let port = listener.local_addr()?.port();
    let token: Arc<str> = new_token()?.into();
    let hosts = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    // Pages of other origins are refused, also when their name leads here.
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(hosts.clone())
        .with_allowed_origins(hosts.map(|host| format!("http://{host}")));
    let sessions = Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(server.clone()), sessions, config);
    let router = Router::new()
        .route_service("/mcp", service)
        .layer(from_fn_with_state(Arc::clone(&token), check_token));
    ready(&format!("http://127.0.0.1:{port}/mcp?token={token}"))?;
    axum::serve(listener, router).await
}

/// Letters and digits that nobody can guess.
fn new_token() -> io::Result<String> {
    use std::io::Read as _;
    let mut bytes = [0; TOKEN];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hex(&bytes))
}

/// Lets pass who has the token, in the address or as a bearer.
async fn check_token(State(token): State<Arc<str>>, request: Request, next: Next) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let in_query = query.split('&').filter_map(|pair| pair.strip_prefix("token="));
    let authorization = request.headers().get(header::AUTHORIZATION);
    let bearer = authorization.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if in_query.chain(bearer).any(|given| is_same(given, &token)) {
        return next.run(request).await;
    }
    (StatusCode::UNAUTHORIZED, "the token is missing or wrong\n").into_response()
}

/// Compares in a time that tells nothing of where they differ.
fn is_same(one: &str, other: &str) -> bool {
    let differ = |sum, (a, b): (u8, u8)| sum | (a ^ b);
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, differ) == 0
}
