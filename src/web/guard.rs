//! Who may ask: whoever has the token, at this address, from this page.
//!
//! The token is in the fragment of the URL, which a browser sends nowhere; the page
//! sends it in a header. Unlike a cookie it is not given to other ports of this
//! address, and no other site can make a browser send it. Host and Origin are checked
//! besides: a name that leads here after the fact (DNS rebinding) is another name.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use super::desk::Shared;
use super::reply::Fault;

/// A secret of one run of the shell.
pub(super) struct Token {
    text: String,
    digest: [u8; 32],
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// A new one, of the system's random numbers.
    pub(super) fn new() -> std::io::Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
        let text = crate::store::hex(&bytes);
        Ok(Self { digest: Sha256::digest(&text).into(), text })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Digests are compared: how far a guess was right cannot be told from the time.
    fn is(&self, guess: &str) -> bool {
        let guess: [u8; 32] = Sha256::digest(guess).into();
        let difference = self.digest.iter().zip(guess).fold(0, |sum, (a, b)| sum | (a ^ b));
        std::hint::black_box(difference) == 0
    }
}

/// The names under which this server is asked, and its secret.
#[derive(Debug)]
pub(super) struct Guard {
    hosts: [String; 2],
    token: Token,
}

impl Guard {
    pub(super) fn new(port: u16, token: Token) -> Self {
        Self { hosts: [format!("127.0.0.1:{port}"), format!("localhost:{port}")], token }
    }

    fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Fault> {
        self.check_host(uri, headers)?;
        self.check_origin(headers)?;
        if !uri.path().starts_with("/api/") {
            // The page itself holds no secret.
            return match *method {
                Method::GET | Method::HEAD => Ok(()),
                _ => Err(Fault::new(StatusCode::METHOD_NOT_ALLOWED, "the page can only be read")),
            };
        }
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
            return Err(forbidden("asked by another site"));
        }
        let given =
            only(headers, header::AUTHORIZATION).and_then(|text| text.strip_prefix("Bearer "));
        match given {
            Some(given) if self.token.is(given) => Ok(()),
            _ => {
                let sentence =
                    "the token is missing or wrong; open the address that pxfs shell printed";
                Err(Fault::new(StatusCode::UNAUTHORIZED, sentence))
            }
        }
    }

    fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Fault> {
        let host = only(headers, header::HOST);
        let is_own = |name: &str| self.hosts.iter().any(|own| own.eq_ignore_ascii_case(name));
        let named = uri.authority().map(|authority| authority.as_str());
        if !host.is_some_and(is_own) || named.is_some_and(|named| !is_own(named)) {
            return Err(forbidden("asked under another name than this machine's own address"));
        }
        Ok(())
    }

    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Fault> {
        if !headers.contains_key(header::ORIGIN) {
            return Ok(());
        }
        let origin = only(headers, header::ORIGIN).and_then(|text| text.strip_prefix("http://"));
        // localhost and 127.0.0.1 are two origins: only the one that is asked may ask.
        match origin {
            Some(origin) if only(headers, header::HOST) == Some(origin) => Ok(()),
            _ => Err(forbidden("asked by another site")),
        }
    }
}

fn forbidden(sentence: &str) -> Fault {
    Fault::new(StatusCode::FORBIDDEN, sentence)
}

/// The one value of a header; none if there are several.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Nothing but what this page brings: no other site, no inline code, no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(&str, &str); 8] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("cache-control", "no-store"),
];

/// Lets through who may ask, and labels every answer.
pub(super) async fn guard(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let checked = shared.guard.check(request.method(), request.uri(), request.headers());
    let mut response = match checked {
        Ok(()) => next.run(request).await,
        Err(fault) => fault.into_response(),
    };
    for (name, value) in HEADERS {
        let name = HeaderName::from_static(name);
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_the_page_at_this_address_with_the_token_may_ask() {
        let token = Token::new().unwrap();
        let secret = format!("Bearer {}", token.text());
        let guard = Guard::new(8080, token);
        let check = |uri: &str, headers: &[(&str, &str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(
                    HeaderName::from_bytes(name.as_bytes()).unwrap(),
                    HeaderValue::from_str(value).unwrap(),
                );
            }
            let checked = guard.check(&Method::GET, &uri.parse().unwrap(), &map);
            checked.map_or_else(|fault| fault.status.as_u16(), |()| 200)
        };
        let host = ("host", "127.0.0.1:8080");
        let auth = ("authorization", secret.as_str());
        assert_eq!(check("/api/map", &[host, auth]), 200);
        assert_eq!(check("/", &[host]), 200);
        assert_eq!(check("/api/map", &[("host", "LOCALHOST:8080"), auth]), 200);
        assert_eq!(check("/api/map", &[host, auth, ("origin", "http://127.0.0.1:8080")]), 200);
        type Headers<'a> = &'a [(&'a str, &'a str)];
        let wrong: [(&str, Headers<'_>, u16); 14] = [
            ("/api/map", &[host], 401),
            ("/api/map", &[host, ("authorization", "Bearer x")], 401),
            ("/api/map", &[host, ("authorization", &secret[..secret.len() - 1])], 401),
            ("/api/map", &[host, auth, auth], 401),
            ("/api/map", &[auth], 403),
            ("/", &[("host", "evil.example:8080")], 403),
            ("/", &[("host", "127.0.0.1")], 403),
            ("/", &[("host", "127.0.0.1:8081")], 403),
            ("/", &[host, ("host", "evil.example")], 403),
            ("http://evil.example/", &[host], 403),
            ("/api/map", &[host, auth, ("origin", "http://evil.example")], 403),
            ("/api/map", &[host, auth, ("origin", "null")], 403),
            ("/api/map", &[host, auth, ("origin", "http://localhost:8080")], 403),
            ("/api/map", &[host, auth, ("sec-fetch-site", "cross-site")], 403),
        ];
        for (uri, headers, status) in wrong {
            assert_eq!(check(uri, headers), status, "{uri} {headers:?}");
        }
    }
}
