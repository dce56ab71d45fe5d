//! The address of a model server. The Python tools write the whole URL of the
//! chat completions, people the base of the API or just host and port: all of
//! them mean the same server.

use std::net::IpAddr;

use ureq::http::Uri;

use super::harmless::harmless;

/// The last parts of the path of a chat completion.
const CHAT: &str = "/chat/completions";

/// Why a text is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("endpoint {shown:?}: {why}")]
pub struct NoEndpoint {
    shown: String,
    why: &'static str,
}

/// A server with the API of chat completions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// As `http://localhost:1234/v1`.
    base: String,
    host: String,
    is_local: bool,
}

impl Endpoint {
    /// Understands an address.
    ///
    /// # Errors
    /// When it is no http(s) URL of a server, or holds a password.
    pub fn parse(text: &str) -> Result<Self, NoEndpoint> {
        let failed = |why| NoEndpoint { shown: harmless(&without_secrets(text), 100), why };
        let Some(scheme) = ["http", "https"].into_iter().find(|scheme| {
            let rest = text.get(..scheme.len()).zip(text.get(scheme.len()..));
            rest.is_some_and(|(own, rest)| {
                own.eq_ignore_ascii_case(scheme) && rest.starts_with("://")
            })
        }) else {
            return Err(failed("does not begin with http:// or https://"));
        };
        let no_url = || failed("is no URL like http://localhost:1234/v1");
        if !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err(no_url());
        }
        let uri: Uri = text.parse().map_err(|_| no_url())?;
        let authority = uri.authority().ok_or_else(|| failed("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(failed("holds a user or a password; a key is named by api_key_env"));
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(failed("has a part after '?' or '#', which an endpoint has not"));
        }
        let host = authority.host().to_ascii_lowercase();
        let port_is_sound = match authority.as_str().len() > authority.host().len() {
            true => authority.port_u16().is_some_and(|port| port != 0),
            false => true,
        };
        if host.is_empty() || !port_is_sound {
            return Err(failed("has no host, or a port that cannot be"));
        }
        let path = uri.path().trim_end_matches('/');
        let path = path.strip_suffix(CHAT).unwrap_or(path);
        // Host and port alone are what most people type.
        let path = if path.is_empty() { "/v1" } else { path };
        let is_local = is_loopback(&host);
        Ok(Self { base: format!("{scheme}://{authority}{path}"), host, is_local })
    }

    /// Where to ask for completions.
    pub fn chat_url(&self) -> String {
        format!("{}{CHAT}", self.base)
    }

    /// Where to ask for the models there are.
    pub fn models_url(&self) -> String {
        format!("{}/models", self.base)
    }

    /// The base of the API.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The host, in lower case.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether it is asked through TLS.
    pub fn is_https(&self) -> bool {
        self.base.starts_with("https:")
    }

    /// Whether it is this machine.
    pub fn is_local(&self) -> bool {
        self.is_local
    }
}

/// Whether a host is this machine, by its name alone: nothing is looked up.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
        }
        Ok(IpAddr::V4(ip)) => ip.is_loopback(),
        Err(_) => bare == "localhost" || bare.ends_with(".localhost"),
    }
}

/// The text without what stands before `@` and after `?`, where secrets are put, so
/// that no message repeats them.
fn without_secrets(text: &str) -> String {
    let text = match text.split_once(['?', '#']) {
        Some((before, _)) => format!("{before}?..."),
        None => text.to_owned(),
    };
    match text.rsplit_once('@') {
        Some((before, after)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}://...@{after}")
        }
        None => text,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_to_write_a_server_mean_it() {
        for text in [
            "http://localhost:1234",
            "http://localhost:1234/",
            "http://localhost:1234/v1",
            "http://localhost:1234/v1/",
            "http://localhost:1234/v1/chat/completions",
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!(endpoint.chat_url(), "http://localhost:1234/v1/chat/completions", "{text}");
            assert_eq!(endpoint.models_url(), "http://localhost:1234/v1/models", "{text}");
            assert!(endpoint.is_local(), "{text}");
        }
        let endpoint = Endpoint::parse("https://API.example/openai/v1").unwrap();
        assert_eq!((endpoint.host(), endpoint.is_local()), ("api.example", false));
        assert_eq!(endpoint.chat_url(), "https://API.example/openai/v1/chat/completions");
    }

    #[test]
    fn only_this_machine_is_this_machine() {
        for text in
            ["http://127.0.0.1", "http://127.8.9.1:80", "http://[::1]:9", "http://a.localhost"]
        {
            assert!(Endpoint::parse(text).unwrap().is_local(), "{text}");
        }
        for text in ["http://127.0.0.1.example", "http://localhost.example", "http://10.0.0.1"] {
            assert!(!Endpoint::parse(text).unwrap().is_local(), "{text}");
        }
    }

    #[test]
    fn what_is_no_server_is_refused_and_no_password_repeated() {
        for text in [
            "",
            "localhost:1234",
            "ftp://x",
            "file:///etc/passwd",
            "http://",
            "http://x:99999",
            "http://x:0/",
            "http://x/?key=1",
            "http://x/#y",
            "http://a b",
            "http://x\n",
            "//x",
        ] {
            assert!(Endpoint::parse(text).is_err(), "{text:?}");
        }
        let error = Endpoint::parse("https://me:geheim@x/v1").unwrap_err().to_string();
        assert!(error.contains("password") && !error.contains("geheim"), "{error}");
        let error = Endpoint::parse("https://x/v1?key=geheim").unwrap_err().to_string();
        assert!(error.contains("'?'") && !error.contains("geheim"), "{error}");
    }
}
