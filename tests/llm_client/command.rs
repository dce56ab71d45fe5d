//! `pxfs llm test` and its like, against servers that misbehave.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::server::{EVENTS, Server, end, good, piece, response};
use super::support::{Outcome, PXFS, run, temp_dir};

/// A directory with one cartridge for `endpoint`.
fn place(endpoint: &str, more: &[&str]) -> tempfile::TempDir {
    let dir = temp_dir();
    let mut command = Command::new(PXFS);
    command.args(["llm", "create"]).arg(dir.path());
    command.args(["Tester", "--backend", "custom", "--endpoint", endpoint]).args(more);
    run(&mut command).expect(0);
    dir
}

fn test(dir: &tempfile::TempDir, more: &[&str], vars: &[(&str, &str)]) -> Outcome {
    let mut command = Command::new(PXFS);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "no_proxy"]
    {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command.envs(vars.iter().copied());
    run(command.args(["llm", "test"]).arg(dir.path()).args(more))
}

#[test]
fn the_answer_is_shown_and_how_long_it_took() {
    let server = Server::saying(good("four"));
    let dir = place(&server.base, &["--model", "m1", "--system-prompt", "be brief"]);
    let audit = dir.path().join("audit.jsonl");
    let audit = audit.to_str().unwrap();
    let said = test(&dir, &["tester", "--prompt", "2+2?", "--audit", audit], &[]).expect(0);
    assert_eq!(said.stdout, "four\n");
    assert!(said.stderr.starts_with("Tester (test-model): 2 tokens, "), "{}", said.stderr);
    let body: serde_json::Value = serde_json::from_str(&server.requests()[0].body).unwrap();
    let expected = serde_json::json!([
        {"role": "system", "content": "be brief"}, {"role": "user", "content": "2+2?"}]);
    assert_eq!((&body["messages"], &body["model"]), (&expected, &"m1".into()));
    let said = test(&dir, &["--json"], &[]).expect(0);
    let value: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((&value["answer"], &value["name"]), (&"four".into(), &"Tester".into()));
    assert_eq!((&value["answer_tokens"], &value["finish"]), (&2.into(), &"stop".into()));
    let line = std::fs::read_to_string(audit).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["who"], &line["result"]), (&"llm test".into(), &"answered".into()));
    assert!(!line.to_string().contains("2+2"), "{line}");
}

#[test]
fn nothing_that_a_server_says_steers_the_terminal() {
    let evil = "\u{1b}]0;title\u{7}a\u{9b}2J\nb\u{202e}c\r";
    let server = Server::saying([EVENTS, &piece(evil), &end()].concat());
    let said = test(&place(&server.base, &[]), &[], &[]).expect(0);
    assert_eq!(said.stdout, "\\u{1b}]0;title\\u{7}a\\u{9b}2J\nb\\u{202e}c\\r\n");
    let said = test(&place(&server.base, &[]), &["--json"], &[]).expect(0).stdout;
    assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{said:?}");
    let value: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(value["answer"], evil);
    let model = r#"{"choices":[{"message":{"content":"x"}}],"model":"m\u001b[2J"}"#;
    let server = Server::saying(response("200 OK", "content-type: application/json\r\n", model));
    let said = test(&place(&server.base, &[]), &[], &[]).expect(0);
    assert!(said.stderr.contains("(m\\u{1b}[2J)"), "{}", said.stderr);
    let server = Server::saying(response("400 Bad", "", "\x1b[2J\nforged: line"));
    let said = test(&place(&server.base, &[]), &[], &[]).expect(1);
    assert!(!said.stderr.contains('\x1b') && said.stderr.lines().count() == 1, "{}", said.stderr);
}

#[test]
fn a_half_answer_is_a_failure() {
    let server = Server::saying([EVENTS, &piece("half")].concat());
    let said = test(&place(&server.base, &[]), &[], &[]).expect(1);
    assert_eq!(said.stdout, "half\n");
    assert!(said.stderr.contains("the answer broke off"), "{}", said.stderr);
    let said = test(&place(&server.base, &[]), &["--json"], &[]).expect(1);
    assert_eq!(said.stdout, "");
}

#[test]
fn a_proxy_is_for_other_machines() {
    let server = Server::saying(good("direct"));
    let nowhere = "http://127.0.0.1:1";
    let vars = [("http_proxy", nowhere), ("https_proxy", nowhere), ("ALL_PROXY", nowhere)];
    let said = test(&place(&server.base, &[]), &[], &vars).expect(0);
    assert_eq!(said.stdout, "direct\n");

    // Another host is reached through it: the proxy is told which.
    let proxy = Server::start(|_, came, stream| {
        if came.line.starts_with("CONNECT") {
            stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
            let mut seen = Vec::new();
            let mut byte = [0];
            while !seen.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                seen.push(byte[0]);
            }
        }
        stream.write_all(&good("by proxy")).unwrap();
    });
    let vars = format!("http://{}", proxy.authority());
    let dir = place("http://model.example:8000/v1", &[]);
    let said = test(&dir, &[], &[("http_proxy", vars.as_str())]).expect(0);
    assert_eq!(said.stdout, "by proxy\n");
    let line = &proxy.requests()[0].line;
    assert!(line.contains("model.example:8000"), "{line}");
}

#[test]
fn a_key_goes_where_it_belongs_and_is_shown_nowhere() {
    const KEY: &str = "geheim-0123456789";
    let server = Server::saying(good("hello"));
    let dir = place(&server.base, &["--api-key-env", "PXFS_TEST_KEY"]);
    test(&dir, &[], &[]).expect(1).says("there is no key: $PXFS_TEST_KEY is not set");
    assert_eq!(server.count(), 0);
    let vars = [("PXFS_TEST_KEY", KEY), ("PXFS_LOG", "trace")];
    let said = test(&dir, &["--json"], &vars).expect(0);
    let came = &server.requests()[0];
    assert_eq!(came.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert!(!said.stdout.contains(KEY) && !said.stderr.contains(KEY), "{}", said.stderr);
    let registry = dir.path().join("models/llm_pixel_registry.json");
    assert!(!std::fs::read_to_string(registry).unwrap().contains(KEY));

    // A picture from somewhere must not be able to send for a key.
    let dir = place("http://evil.example/v1", &["--api-key-env", "PXFS_TEST_KEY"]);
    let said = test(&dir, &[], &vars).expect(1).says("PXFS_LLM_KEY_HOSTS=evil.example");
    assert!(!said.stderr.contains(KEY));

    let keys = temp_dir();
    let file = keys.path().join("key");
    std::fs::write(&file, format!("{KEY}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let dir = place(&server.base, &["--api-key-file", file.to_str().unwrap()]);
    test(&dir, &[], &[]).expect(0);
    assert!(server.requests()[1].header("authorization").unwrap().ends_with(KEY));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    test(&dir, &[], &[]).expect(1).says("others can read it (mode 640)");
}

/// A server with a certificate of its own making: Python's, which is another
/// implementation than ours.
#[test]
fn https_needs_a_certificate_that_is_trusted() {
    let dir = temp_dir();
    let path = dir.path().display();
    let made = format!(
        "cd {path}; printf '[req]\\ndistinguished_name=dn\\n[dn]\\n' >openssl.cnf
         openssl req -x509 -config openssl.cnf -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
         -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem 2>/dev/null"
    );
    super::support::sh(&made);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/llm_client/tls_server.py");
    let mut child = Command::new("/usr/bin/python3")
        .arg(script)
        .arg(dir.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut port = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut port).unwrap();
    let place = place(&format!("https://localhost:{}/v1", port.trim()), &[]);
    let refused = test(&place, &[], &[]);
    let cert = dir.path().join("cert.pem");
    let trusted = test(&place, &[], &[("SSL_CERT_FILE", cert.to_str().unwrap())]);
    let plain = place_plain(&Server::saying("no TLS here, but plain text\r\n"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(trusted.expect(0).stdout, "over TLS\n");
    let said = refused.expect(1).stderr.to_lowercase();
    assert!(said.contains("certificate") && said.lines().count() == 1, "{said}");
    assert_eq!(plain.expect(1).stderr.lines().count(), 1);
}

/// Asks a server without TLS by https.
fn place_plain(server: &Server) -> Outcome {
    test(&place(&server.base.replace("http:", "https:"), &[]), &[], &[])
}
