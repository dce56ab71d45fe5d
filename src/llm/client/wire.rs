//! One HTTP exchange in a thread of its own. Whoever waits for it looks at the
//! clock and at [`Cancel`] meanwhile, and leaves at once: when the exchange is
//! dropped its socket is shut, which ends a read that blocks.
//!
//! Each exchange has its own connection. A conversation takes seconds, so a kept
//! one would save nothing that can be felt, and one that the server closed in the
//! meantime would look like a failure.

use std::io::{self, ErrorKind, Read as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use ureq::http::HeaderMap;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Timeout};

use super::super::chat::{Cancel, ChatError};
use super::super::endpoint::Endpoint;
use super::super::harmless::{EXCERPT, harmless};
use super::super::secret::Key;
use super::Limits;

/// How often a wait looks whether it is to end.
const LOOK: Duration = Duration::from_millis(20);

/// Bytes that are read at a time, and pieces that wait to be understood: what a
/// fast server can make us hold.
const PIECE: usize = 16 << 10;
const WAITING: usize = 16;

/// The variable that names a file of certificates to trust instead of the built-in
/// ones; and how long that file may be.
const CERTIFICATES: &str = "SSL_CERT_FILE";
const MAX_PEM: u64 = 4 << 20;

/// What is asked.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) url: String,
    /// Sent by POST; without one it is a GET.
    pub(super) body: Option<Vec<u8>>,
    pub(super) key: Option<Key>,
}

/// The head of a response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) retry_after: Option<String>,
    pub(super) location: Option<String>,
}

/// What comes, in this order: the head, pieces of the body, the end. Instead of
/// any of them it can fail.
#[derive(Debug)]
pub(super) enum Came {
    Head(Head),
    Piece(Vec<u8>),
    End,
    Lost(Lost),
}

/// Why nothing more comes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// There is no connection.
    Unreachable(String),
    /// The connection broke.
    Broken(String),
    /// What came is no HTTP.
    Garbage(String),
    /// The time for all of it is over.
    TimedOut,
}

/// An exchange under way.
#[derive(Debug)]
pub(super) struct Exchange {
    agent: Agent,
    from_thread: Receiver<Came>,
}

/// Until when a call may last, and who may end it before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch<'a> {
    pub(super) cancel: &'a Cancel,
    pub(super) end: Instant,
    pub(super) total: Duration,
}

impl Watch<'_> {
    /// Whether it is to end now.
    pub(super) fn look(&self) -> Result<(), ChatError> {
        if self.cancel.is_cancelled() {
            return Err(ChatError::Cancelled);
        }
        if Instant::now() >= self.end {
            return Err(ChatError::TimedOut(self.total));
        }
        Ok(())
    }

    /// Waits, unless it is to end before.
    pub(super) fn sleep(&self, wait: Duration) -> Result<(), ChatError> {
        let until = Instant::now() + wait;
        loop {
            self.look()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(LOOK));
        }
    }
}

impl Exchange {
    /// Begins an exchange.
    pub(super) fn start(
        request: Request,
        endpoint: &Endpoint,
        limits: &Limits,
    ) -> Result<Self, ChatError> {
        let agent = agent(endpoint, limits)?;
        let (to_owner, from_thread) = sync_channel(WAITING);
        let own = agent.clone();
        std::thread::Builder::new()
            .name("pxfs-llm".into())
            .spawn(move || exchange(&own, request, &to_owner))
            .map_err(|error| ChatError::Refused(format!("no thread for the request: {error}")))?;
        Ok(Self { agent, from_thread })
    }

    /// What comes next, if it comes within `wait`.
    pub(super) fn next(&self, watch: &Watch<'_>, wait: Duration) -> Result<Came, ChatError> {
        let until = Instant::now() + wait;
        loop {
            // What is there already is taken before the clock is asked.
            match self.from_thread.recv_timeout(LOOK) {
                Ok(came) => {
                    watch.look()?;
                    return Ok(came);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Ok(Came::Lost(Lost::Broken("the request's thread ended".into())));
                }
            }
            watch.look()?;
            if Instant::now() >= until {
                return Err(ChatError::TimedOut(wait));
            }
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.agent.clone().shutdown();
    }
}

fn agent(endpoint: &Endpoint, limits: &Limits) -> Result<Agent, ChatError> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        // A redirect would take the conversation, maybe the key, to another place
        // than the cartridge says.
        .max_redirects(0)
        .user_agent(concat!("pxfs/", env!("CARGO_PKG_VERSION")))
        .accept("text/event-stream, application/json")
        .max_idle_connections(0)
        .timeout_resolve(Some(limits.connect))
        .timeout_connect(Some(limits.connect))
        // Who waits leaves before; this is for the thread.
        .timeout_global(Some(limits.total));
    // The proxy of the environment is for other machines.
    let config = if endpoint.is_local() { config.proxy(None) } else { config };
    let config = match std::env::var_os(CERTIFICATES).filter(|_| endpoint.is_https()) {
        Some(file) => config.tls_config(trusting(Path::new(&file)).map_err(|why| {
            ChatError::Refused(format!("${CERTIFICATES}: {}: {why}", Path::new(&file).display()))
        })?),
        None => config,
    };
    Ok(config.build().new_agent())
}

/// TLS that trusts those who have a certificate of `file` (as OpenSSL takes it), and
/// nobody else.
fn trusting(file: &Path) -> Result<TlsConfig, String> {
    let file = std::fs::File::open(file).map_err(|error| error.to_string())?;
    let mut pem = Vec::new();
    file.take(MAX_PEM).read_to_end(&mut pem).map_err(|error| error.to_string())?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| error.to_string())? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err("holds no certificate".into());
    }
    let roots = RootCerts::new_with_certs(&certificates);
    Ok(TlsConfig::builder().root_certs(roots).build())
}

/// The thread: sends the request, hands on what comes until nobody wants it.
fn exchange(agent: &Agent, request: Request, to_owner: &SyncSender<Came>) {
    let last = match send(agent, request) {
        Err(error) => Came::Lost(of_error(error)),
        Ok(response) => {
            let head = head(response.status().as_u16(), response.headers());
            if to_owner.send(Came::Head(head)).is_err() {
                return;
            }
            let body = response.into_body().into_with_config().limit(u64::MAX).reader();
            match hand_on(body, to_owner) {
                Ok(true) => Came::End,
                Ok(false) => return,
                Err(error) => Came::Lost(Lost::Broken(harmless(&error.to_string(), EXCERPT))),
            }
        }
    };
    // An owner who left needs no last word.
    let _ = to_owner.send(last);
}

fn send(agent: &Agent, request: Request) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
    let bearer = request.key.as_ref().map(|key| format!("Bearer {}", key.expose()));
    match request.body {
        Some(body) => {
            let mut post = agent.post(&request.url).header("content-type", "application/json");
            if let Some(bearer) = &bearer {
                post = post.header("authorization", bearer);
            }
            post.send(&body[..])
        }
        None => {
            let mut get = agent.get(&request.url);
            if let Some(bearer) = &bearer {
                get = get.header("authorization", bearer);
            }
            get.call()
        }
    }
}

/// Hands on a body; false if nobody wants it any more.
fn hand_on(mut body: impl io::Read, to_owner: &SyncSender<Came>) -> io::Result<bool> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = match body.read(&mut piece) {
            Ok(0) => return Ok(true),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if to_owner.send(Came::Piece(piece[..read].to_vec())).is_err() {
            return Ok(false);
        }
    }
}

fn head(status: u16, headers: &HeaderMap) -> Head {
    let text = |name: &str| {
        let value = headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Head {
        status,
        content_type: text("content-type").unwrap_or_default(),
        retry_after: text("retry-after"),
        location: text("location"),
    }
}

/// Sorts what ureq says.
fn of_error(error: ureq::Error) -> Lost {
    let text = harmless(&error.to_string(), EXCERPT);
    match error {
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            Lost::Unreachable("no connection within the time for it".into())
        }
        ureq::Error::Timeout(_) => Lost::TimedOut,
        ureq::Error::Io(error) => of_io(&error, harmless(&error.to_string(), EXCERPT)),
        ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..) | ureq::Error::Http(_) => {
            Lost::Garbage(text)
        }
        _ => Lost::Unreachable(text),
    }
}

fn of_io(error: &io::Error, text: String) -> Lost {
    match error.kind() {
        ErrorKind::UnexpectedEof
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe => Lost::Broken(text),
        // Refused, no route, no such host, a certificate that is not trusted.
        _ => Lost::Unreachable(text),
    }
}
