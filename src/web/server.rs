//! Connections: at most so many, each with limits, until somebody ends the shell.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};

use super::desk::{Desk, Shared};
use super::guard::{Guard, Token};
use super::routes::routes;

/// Connections at the same time; more wait until one ends.
const MOST_CONNECTIONS: usize = 256;
/// How long the head of a request may take, and a connection be idle.
const HEAD_TIME: Duration = Duration::from_secs(20);
/// Bytes of a head, at most.
const HEAD_BYTES: usize = 32 << 10;
/// How often what other processes changed is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A journal goes into its picture when nothing was added for so long.
const IDLE: Duration = Duration::from_secs(60);
/// A journal of so many bytes goes into its picture without waiting.
const MUCH: u64 = 8 << 20;
/// How long answers may take to notice that the shell ends.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How to serve.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServerOptions {
    /// The port; 0 takes a free one.
    pub port: u16,
}

/// Where the page is.
#[derive(Debug, Clone)]
pub struct Served {
    /// The address to open, with the token.
    pub url: String,
}

/// Serves the page until the process is asked to end, then stops the answers that
/// are being given and puts the map's journal into its picture.
///
/// # Errors
/// When the port cannot be had, or the map cannot be saved at the end.
pub fn serve(desk: Desk, options: ServerOptions, ready: &dyn Fn(&Served)) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(64)
        .enable_all()
        .build()?;
    let map = Arc::clone(&desk.map);
    let done = runtime.block_on(run(desk, options, ready));
    // What still runs then (a module with much fuel) is not waited for.
    runtime.shutdown_background();
    done?;
    map.fold().map_err(|error| {
        io::Error::other(format!("the map's journal stays beside the picture: {error}"))
    })
}

async fn run(desk: Desk, options: ServerOptions, ready: &dyn Fn(&Served)) -> io::Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("port {}: {error}", options.port)))?;
    let port = listener.local_addr()?.port();
    let token = Token::new()?;
    let served = Served { url: format!("http://127.0.0.1:{port}/#token={}", token.text()) };
    let shared = Arc::new(Shared::new(desk, Guard::new(port, token)));
    let mut ends = [
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
        signal(SignalKind::hangup())?,
    ];
    let (end, ended) = watch::channel(());
    tokio::task::spawn_blocking({
        let shared = Arc::clone(&shared);
        let ended = ended.clone();
        move || look_after(&shared, &ended)
    });
    ready(&served);
    let [interrupt, terminate, hangup] = &mut ends;
    tokio::select! {
        () = accept(listener, routes(Arc::clone(&shared))) => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    drop(end);
    let start = Instant::now();
    let is_busy = || {
        let is_asking = shared.stop_asking();
        shared.turns.cancel_all() > 0 || is_asking
    };
    while is_busy() && start.elapsed() < LAST_WORDS {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn accept(listener: TcpListener, router: Router) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let router = router.clone();
                tokio::spawn(async move {
                    serve_connection(stream, router).await;
                    drop(place);
                });
            }
            // Out of file descriptors, or whoever came is gone: others go on.
            Err(error) => {
                log::debug!("a connection: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, router: Router) {
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router);
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_BYTES);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        log::debug!("a connection: {error}");
    }
}

/// Looks for what others change, and puts the journal away when nothing happens.
fn look_after(shared: &Shared, ended: &watch::Receiver<()>) {
    let map = &shared.desk.map;
    let mut last = (map.waiting(), Instant::now());
    while sleep_until_end(ended) {
        shared.refresh();
        let waiting = map.waiting();
        if waiting != last.0 {
            last = (waiting, Instant::now());
        }
        if waiting > 0 && (last.1.elapsed() > IDLE || waiting > MUCH) {
            if let Err(error) = map.fold() {
                log::warn!("the map's journal stays beside the picture: {error}");
            }
            // After a failure it is tried again only after some time.
            last = (map.waiting(), Instant::now());
        }
    }
}

/// Waits a moment; false when the shell ends.
fn sleep_until_end(ended: &watch::Receiver<()>) -> bool {
    let start = Instant::now();
    while start.elapsed() < LOOK_AGAIN {
        if ended.has_changed().is_err() {
            return false;
        }
        std::thread::sleep(LOOK_AGAIN / 20);
    }
    true
}
