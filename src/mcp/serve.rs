//! How a server meets its clients: standard input and output, or HTTP on loopback.

use std::io;

use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::stdio_pipes;
use tokio::runtime::{Builder, Runtime};

use super::http::{HttpOptions, listen};
use super::server::Server;

/// Threads for blocking work: the calls at work, and reading and writing where
/// standard input and output are no pipes.
const THREADS: usize = 8;
/// How long calls that nobody waits for any more are waited for.
const END: std::time::Duration = std::time::Duration::from_secs(2);

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(THREADS).build()
}

/// Serves one client on standard input and output, until its input ends.
///
/// # Errors
/// When the client does not begin as the protocol wants it.
pub fn serve_stdio(server: Server) -> io::Result<()> {
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        let (input, output) = stdio_pipes();
        let transport = AsyncRwTransport::new_server(input, output);
        match rmcp::serve_server(server, transport).await {
            Ok(running) => running.waiting().await.map(drop).map_err(io::Error::other),
            // Whoever came and went said nothing wrong.
            Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => Ok(()),
            Err(error) => Err(io::Error::other(error.to_string())),
        }
    });
    runtime.shutdown_timeout(END);
    done
}

/// Serves any number of clients over HTTP on loopback, until the process ends;
/// `ready` is told where.
///
/// # Errors
/// When the port cannot be had.
pub fn serve_http(
    server: Server,
    options: &HttpOptions,
    ready: impl FnOnce(&str) -> io::Result<()>,
) -> io::Result<()> {
    let runtime = runtime()?;
    let done = runtime.block_on(listen(server, options, ready));
    runtime.shutdown_timeout(END);
    done
}
