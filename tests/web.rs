//! The page's server in raw HTTP: who may ask, what is refused, what is streamed.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "support/model_server.rs"]
mod model_server;
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use model_server::ModelServer;
use serde_json::{Value, json};
use support::{PXFS, mkfs, pxfs, temp_dir, wait_for};

/// A shell that is running; it is killed when the test ends.
struct Shell {
    child: Child,
    port: u16,
    token: String,
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Reply {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{}{}", self.head, self.text()))
    }

    /// The lines of a stream.
    fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[track_caller]
    fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}{}", self.head, self.text());
        self
    }
}

impl Shell {
    fn start(target: &Path) -> Self {
        Self::start_with(target, &[])
    }

    fn start_with(target: &Path, more: &[&std::ffi::OsStr]) -> Self {
        let mut command = Command::new(PXFS);
        command.args(["shell", "--web"]).arg(target).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let (address, token) = url.trim().split_once("/#token=").expect("no address with a token");
        let port = address.strip_prefix("http://127.0.0.1:").unwrap().parse().unwrap();
        assert_eq!(token.len(), 64);
        Self { child, port, token: token.to_owned() }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// Sends a request as it stands and reads all of the answer.
    fn raw(&self, head: &str, body: &[u8]) -> Reply {
        let mut stream = self.connect();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        read_reply(stream)
    }

    fn head(&self, method: &str, path: &str, more: &str) -> String {
        let (port, token) = (self.port, &self.token);
        format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\
             Connection: close\r\n{more}\r\n"
        )
    }

    fn get(&self, path: &str) -> Reply {
        self.raw(&self.head("GET", path, ""), b"")
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Reply {
        let body = body.to_string();
        let more = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        self.raw(&self.head(method, path, &more), body.as_bytes())
    }

    fn ask(&self, tile: &str, text: &str, revision: u64) -> Reply {
        let body = json!({"text": text, "revision": revision});
        self.send("POST", &format!("/api/tiles/{tile}/messages"), &body)
    }

    /// Asks it to end; gives back its status.
    fn end(&mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

fn read_reply(mut stream: TcpStream) -> Reply {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let split = bytes.windows(4).position(|part| part == b"\r\n\r\n").expect("no whole head");
    let head = String::from_utf8(bytes[..split + 2].to_vec()).unwrap().to_ascii_lowercase();
    let mut body = bytes[split + 4..].to_vec();
    if head.contains("transfer-encoding: chunked") {
        body = unchunk(&body);
    }
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, head, body }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = bytes.windows(2).position(|part| part == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        out.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 4 + size..];
    }
    out
}

/// A directory with cartridges that lead to the server.
fn directory(server: &ModelServer) -> tempfile::TempDir {
    let dir = temp_dir();
    server.enter(dir.path());
    dir
}

fn contents(reply: &Value) -> Vec<String> {
    let messages = reply["messages"].as_array().unwrap();
    messages.iter().map(|message| message["content"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn nobody_without_the_token_and_no_other_site_is_answered() {
    let server = ModelServer::start();
    let dir = directory(&server);
    let shell = Shell::start(dir.path());
    let (port, token) = (shell.port, &shell.token);
    let host = format!("Host: 127.0.0.1:{port}\r\n");
    let auth = format!("Authorization: Bearer {token}\r\n");
    let origin = |text: &str| format!("Origin: {text}\r\n");
    let own = origin(&format!("http://127.0.0.1:{port}"));
    let cases: [(&str, String, u16); 13] = [
        ("/api/map", format!("{host}{auth}"), 200),
        ("/api/map", format!("{host}{auth}{own}"), 200),
        ("/api/map", host.clone(), 401),
        ("/api/map?token=x", format!("{host}Cookie: token={token}\r\n"), 401),
        ("/api/map", format!("{host}Authorization: Bearer {}\r\n", "0".repeat(64)), 401),
        ("/api/map", auth.clone(), 400),
        ("/api/map", format!("Host: attacker.example:{port}\r\n{auth}"), 403),
        ("/", format!("Host: attacker.example:{port}\r\n"), 403),
        ("/api/map", format!("Host: 127.0.0.1:{}\r\n{auth}", port ^ 1), 403),
        ("/api/map", format!("{host}{auth}{}", origin("http://attacker.example")), 403),
        ("/api/events", format!("{host}{auth}{}", origin("null")), 403),
        (
            "/api/events",
            format!("{host}{auth}{}", origin(&format!("http://localhost:{port}"))),
            403,
        ),
        ("/api/map", format!("{host}{auth}Sec-Fetch-Site: cross-site\r\n"), 403),
    ];
    for (path, headers, status) in cases {
        let reply =
            shell.raw(&format!("GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"), b"");
        // hyper itself refuses a request without Host in one way, we in the other.
        let is_right = reply.status == status || (status == 400 && reply.status == 403);
        assert!(is_right, "{path} {headers}: {} {}", reply.status, reply.text());
        assert!(!reply.head.contains("access-control-"), "{}", reply.head);
        assert!(!reply.text().contains(token.as_str()));
    }
    // A form of another site, also one of this site's own address.
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n";
    let reply = shell.raw(&shell.head("POST", "/api/tiles/0,0/messages", form), b"text=hi");
    assert_eq!(reply.status, 415);
    let plain = "Content-Type: text/plain\r\nContent-Length: 28\r\n";
    let body = br#"{"text": "hi", "revision":0}"#;
    let reply = shell.raw(&shell.head("POST", "/api/tiles/0,0/messages", plain), body);
    assert_eq!(reply.status, 415);
    let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    let reply = shell.raw(&shell.head("GET", "/api/nothing", upgrade), b"");
    assert_eq!(reply.status, 404);
    assert_eq!(server.count(), 0);
}

#[test]
fn the_page_comes_whole_and_forbids_itself_everything_else() {
    let server = ModelServer::start();
    let dir = directory(&server);
    let shell = Shell::start(dir.path());
    let port = shell.port;
    let page = |path: &str| {
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
        shell.raw(&head, b"")
    };
    let index = page("/").expect(200);
    for header in [
        "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self';",
        "frame-ancestors 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "x-content-type-options: nosniff",
        "x-frame-options: deny",
        "referrer-policy: no-referrer",
        "cross-origin-resource-policy: same-origin",
        "cache-control: no-store",
        "content-type: text/html; charset=utf-8",
    ] {
        assert!(index.head.contains(header), "no {header} in {}", index.head);
    }
    assert!(!index.head.contains("unsafe-"));
    let html = index.text();
    assert!(!html.contains("style=") && !html.contains("onclick") && !html.contains("<script>"));
    // Every file that any file of the page names is there, and none is elsewhere.
    let mut todo =
        vec!["/page/style.css".to_owned(), "/page/icon.svg".into(), "/page/main.js".into()];
    let mut seen = Vec::new();
    while let Some(path) = todo.pop() {
        if seen.contains(&path) {
            continue;
        }
        let reply = page(&path).expect(200);
        let kind = match path.rsplit_once('.').unwrap().1 {
            "js" => "text/javascript",
            "css" => "text/css",
            _ => "image/svg+xml",
        };
        assert!(reply.head.contains(&format!("content-type: {kind}")), "{path}: {}", reply.head);
        let text = reply.text();
        let foreign = text.replace("http://www.w3.org/2000/svg", "");
        assert!(
            !foreign.contains("http:") && !foreign.contains("https:") && !foreign.contains("url("),
            "{path}"
        );
        for markup in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "srcdoc"]
        {
            assert!(!text.contains(markup), "{path} has {markup}");
        }
        for (_, name) in
            text.match_indices("from \"./").map(|(at, part)| (at, &text[at + part.len()..]))
        {
            todo.push(format!("/page/{}", name.split('"').next().unwrap()));
        }
        seen.push(path);
    }
    assert!(seen.len() >= 12, "{seen:?}");
    page("/page/../../../etc/passwd").expect(404);
    page("/page/%2e%2e%2fmod.rs").expect(404);
    page("/api").expect(404);
    let post = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    shell.raw(&post, b"").expect(405);
}

#[test]
fn an_answer_comes_as_it_is_made_and_stays() {
    let server = ModelServer::start();
    let dir = directory(&server);
    let mut shell = Shell::start(dir.path());
    let start = Instant::now();
    let mut stream = shell.connect();
    let body = json!({"text": "slow one", "revision": 0}).to_string();
    let more = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    stream.write_all(shell.head("POST", "/api/tiles/-3,4/messages", &more).as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let (mut first_text, mut parts, mut done) = (None, Vec::new(), Value::Null);
    for line in reader.by_ref().lines() {
        let Ok(line) = line else { break };
        let Ok(value) = serde_json::from_str::<Value>(&line) else { continue };
        match value["type"].as_str() {
            Some("asked") => assert_eq!(contents(&value["tile"]), ["slow one"]),
            Some("text") => {
                first_text.get_or_insert(start.elapsed());
                parts.push(value["text"].as_str().unwrap().to_owned());
            }
            Some("done") => done = value,
            _ => {}
        }
    }
    let answer = "I heard slow one and know 1 messages.";
    assert_eq!(parts.concat(), answer);
    assert!(parts.len() > 3, "it came in {} parts", parts.len());
    assert!(first_text.unwrap() + Duration::from_millis(150) < start.elapsed(), "it was held back");
    assert_eq!(contents(&done["tile"]), ["slow one", answer]);
    assert_eq!((done["model"].as_str(), done["finish"].as_str()), (Some("echo-1"), Some("stop")));
    let tile = shell.get("/api/tiles/-3,4").expect(200).json();
    assert_eq!(contents(&tile), ["slow one", answer]);
    let map = shell.get("/api/map").expect(200).json();
    assert_eq!(map["tiles"][0]["title"], "slow one");
    assert_eq!(
        (map["tiles"][0]["x"].as_i64(), map["tiles"][0]["count"].as_u64()),
        (Some(-3), Some(2))
    );
    assert_eq!(shell.end(), Some(0));
    let state = fs::read_to_string(dir.path().join("worlds/map/infinite_map_state.json")).unwrap();
    assert!(state.contains(answer));
}

#[test]
fn two_windows_on_one_tile_lose_nothing() {
    let server = ModelServer::start();
    let dir = directory(&server);
    let shell = Shell::start(dir.path());
    shell.ask("0,0", "first", 0).expect(200);
    // The other window still shows the empty tile.
    let refused = shell.ask("0,0", "second", 0).expect(409).json();
    assert!(refused["error"].as_str().unwrap().contains("changed by somebody else"), "{refused}");
    assert_eq!(
        (contents(&refused["tile"]).len(), &refused["tile"]["answering"]),
        (2, &false.into())
    );
    let revision = refused["tile"]["revision"].as_u64().unwrap();
    shell.ask("0,0", "second", revision).expect(200);
    let tile = shell.get("/api/tiles/0,0").expect(200).json();
    assert_eq!(contents(&tile).len(), 4);
    let model = json!({"model": 7, "revision": 1});
    shell.send("PUT", "/api/tiles/0,0/model", &model).expect(409);
    let model = json!({"model": 7, "revision": tile["revision"]});
    assert_eq!(shell.send("PUT", "/api/tiles/0,0/model", &model).expect(200).json()["model"], 7);
    // A program beside the page writes as well, and the page sees it.
    pxfs(["chat".as_ref(), dir.path().as_os_str(), "0,0".as_ref(), "third".as_ref()]).expect(0);
    wait_for("the other program's message", || {
        contents(&shell.get("/api/tiles/0,0").json()).len() == 6
    });
    assert_eq!(server.asked.lock().unwrap().last().unwrap()["model"], "second");
}

#[test]
fn an_answer_goes_on_without_its_window_and_can_be_stopped() {
    let server = ModelServer::start();
    let dir = directory(&server);
    let shell = Shell::start(dir.path());
    let begin = |tile: &str, text: &str| {
        let body = json!({"text": text, "revision": 0}).to_string();
        let more = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        let mut stream = shell.connect();
        let path = format!("/api/tiles/{tile}/messages");
        stream.write_all(shell.head("POST", &path, &more).as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
    };
    // The window is closed at once; another one watches.
    begin("1,1", "slow question");
    let busy = shell.ask("1,1", "meanwhile", 1).expect(409).json();
    assert_eq!(busy["busy"], true);
    let lines = shell.get("/api/tiles/1,1/answer").expect(200).lines();
    assert_eq!(lines.last().unwrap()["type"], "done");
    assert_eq!(contents(&shell.get("/api/tiles/1,1").json()).len(), 2);
    // One that never ends is stopped; the question stays and waits.
    begin("2,2", "never");
    let cancel = shell.send("POST", "/api/tiles/2,2/cancel", &json!({})).expect(200).json();
    assert_eq!(cancel["cancelled"], true);
    wait_for("the end of the answer", || shell.get("/api/tiles/2,2").json()["answering"] == false);
    let tile = shell.get("/api/tiles/2,2").json();
    assert_eq!((contents(&tile), tile["open"].as_u64()), (vec!["never".into()], Some(0)));
    // What fails is an error, and no answer.
    let lines = shell.ask("3,3", "fail", 0).expect(200).lines();
    let end = lines.last().unwrap();
    assert_eq!(end["type"], "error");
    assert!(end["error"].as_str().unwrap().contains("broken on purpose"), "{end}");
    assert_eq!(contents(&end["tile"]), ["fail"]);
    let retry = json!({"revision": end["tile"]["revision"]});
    let lines = shell.send("POST", "/api/tiles/3,3/messages", &retry).expect(200).lines();
    assert_eq!(lines.last().unwrap()["type"], "error");
    assert_eq!(
        contents(&shell.get("/api/tiles/3,3").json()),
        ["fail"],
        "it is not asked twice in the map"
    );
}

#[test]
fn what_is_too_much_is_refused() {
    let server = ModelServer::start();
    let dir = directory(&server);
    let shell = Shell::start(dir.path());
    // A prompt of 10 MB.
    let reply = shell.ask("0,0", &"x".repeat(10_000_000), 0).expect(413);
    assert!(reply.json()["error"].as_str().unwrap().contains("too large"));
    // One that fits the request and not the map.
    let reply = shell.ask("0,0", &"x".repeat((1 << 20) + 1), 0).expect(422);
    assert!(reply.json()["error"].as_str().unwrap().contains("a message has at most"));
    shell.ask("0,0", "  \n ", 0).expect(422);
    for (path, status) in [
        ("/api/tiles/2147483648,0", 400),
        ("/api/tiles/x", 400),
        ("/api/files/read?path=%2F", 400),
        ("/api/files/read?path=%2Fnone", 404),
        ("/api/files/stat?path=%00", 400),
        ("/api/files/list?path=%2F&from=x", 400),
        ("/api/machine/frames/1", 404),
    ] {
        shell.get(path).expect(status);
    }
    for body in ["", "{", "[]", "{\"text\": 5, \"revision\": 0}", "{\"text\": \"hi\"}"] {
        let more = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        shell
            .raw(&shell.head("POST", "/api/tiles/0,0/messages", &more), body.as_bytes())
            .expect(400);
    }
    let long = "x".repeat(100_000);
    let mut stream = shell.connect();
    let _ = stream.write_all(format!("GET /{long} HTTP/1.1\r\n").as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    assert_eq!(server.count(), 0);
    let tile = shell.get("/api/tiles/0,0").json();
    assert_eq!(tile["revision"], 0);
}

#[test]
fn many_connections_that_say_nothing_keep_nobody_out() {
    let server = ModelServer::start();
    let dir = directory(&server);
    let shell = Shell::start(dir.path());
    let silent: Vec<TcpStream> = (0..200).map(|_| shell.connect()).collect();
    let half: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = shell.connect();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: 127").unwrap();
            stream
        })
        .collect();
    let start = Instant::now();
    shell.get("/api/map").expect(200);
    assert!(start.elapsed() < Duration::from_secs(5));
    drop((silent, half));
}

#[test]
fn files_are_seen_as_they_are() {
    use std::os::unix::ffi::OsStrExt as _;
    let server = ModelServer::start();
    let dir = directory(&server);
    let hostile = b"<img src=x onerror=alert(1)>\x1b[2J\xff".to_vec();
    fs::write(dir.path().join(std::ffi::OsStr::from_bytes(&hostile)), "<script>alert(1)</script>")
        .unwrap();
    fs::create_dir(dir.path().join("many")).unwrap();
    for number in 0..600 {
        fs::write(dir.path().join(format!("many/{number:04}")), format!("{number}")).unwrap();
    }
    // Only root can make one.
    let device = dir.path().join("null");
    let made = Command::new("mknod").arg(&device).args(["c", "1", "3"]).status();
    let has_device = made.is_ok_and(|status| status.success());
    let image = dir.path().with_extension("png");
    mkfs(&image, dir.path());
    for target in [dir.path(), &image] {
        let shell = Shell::start(target);
        if has_device {
            let stat = shell.get("/api/files/stat?path=%2Fnull").expect(200).json();
            assert_eq!(stat["kind"], "char_device");
        }
        let list = shell.get("/api/files/list?path=%2F").expect(200).json();
        let entries = list["entries"].as_array().unwrap();
        let odd = entries.iter().find(|entry| entry["name"].as_str().unwrap().starts_with("<img"));
        let odd = odd.unwrap()["path"].as_str().unwrap().to_owned();
        assert!(odd.ends_with("%1B%5B2J%FF"), "{odd}");
        let reply = shell.get(&format!("/api/files/read?path=%2F{odd}")).expect(200);
        assert_eq!(reply.text(), "<script>alert(1)</script>");
        assert!(reply.head.contains("content-type: application/octet-stream"));
        assert!(reply.head.contains("x-content-type-options: nosniff"));
        let part =
            shell.get(&format!("/api/files/read?path=%2F{odd}&offset=8&length=5")).expect(200);
        assert_eq!(part.text(), "alert");
        let stat = shell.get(&format!("/api/files/stat?path=%2F{odd}")).expect(200).json();
        assert_eq!((stat["kind"].as_str(), stat["size"].as_u64()), (Some("file"), Some(25)));
        assert_eq!(stat["id"], "0x5C140D35");
        assert_eq!(stat["rgba"].as_array().unwrap().len(), 4);
        let xattr = |name: &str| stat["xattrs"][name]["text"].as_str().unwrap_or_default();
        assert_eq!(xattr("user.pxfs.id"), "0x5C140D35", "{stat}");
        assert_eq!(xattr("user.pxfs.sha256"), stat["sha256"].as_str().unwrap());
        assert_eq!(xattr("user.pxfs.rgba"), "92,20,13,53");
        assert_eq!(xattr("user.pxfs.type"), stat["type"].as_str().unwrap());
        let stat = shell.get("/api/files/stat?path=%2Fmany").expect(200).json();
        assert_eq!(stat["xattrs"], json!({}), "a directory is no pixel");
        let first = shell.get("/api/files/list?path=%2Fmany").expect(200).json();
        let next = first["next"].as_u64().unwrap();
        let second = shell.get(&format!("/api/files/list?path=%2Fmany&from={next}")).json();
        let count = |list: &Value| list["entries"].as_array().unwrap().len();
        assert_eq!((count(&first), count(&second), &second["next"]), (500, 100, &Value::Null));
        shell.get("/api/files/read?path=%2F..%2F..%2F..%2Fetc%2Fpasswd").expect(404);
    }
    fs::remove_file(image).unwrap();
}

#[test]
fn a_boot_is_told_line_by_line_and_a_module_shows_its_frame() {
    let server = ModelServer::start();
    let dir = directory(&server);
    fs::create_dir(dir.path().join("boot")).unwrap();
    for source in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/boot")).unwrap().flatten() {
        let module = dir.path().join("boot").join(source.path().file_stem().unwrap());
        let args = ["pxi".into(), "compile".into(), source.path().into_os_string(), "-o".into()];
        pxfs(args.into_iter().chain([module.into_os_string()])).expect(0);
    }
    let source = dir.path().join("draw.pxs");
    fs::write(
        &source,
        "LOAD R0, 1\nLOAD R1, 2\nLOAD R2, 200\nDRAW R0, R1, R2\nLOAD R3, 65\nPRINT R3\nHALT\n",
    )
    .unwrap();
    let module = dir.path().join("draw.png");
    pxfs(["pxi".as_ref(), "asm".as_ref(), source.as_os_str(), "-o".as_ref(), module.as_os_str()])
        .expect(0);
    let shell = Shell::start(dir.path());
    let lines = shell.send("POST", "/api/boot", &json!({"dry_run": true})).expect(200).lines();
    assert!(lines.len() > 3, "{lines:?}");
    assert_eq!(lines[0]["entry"]["event"], "start");
    assert_eq!(lines.last().unwrap()["type"], "end");
    assert_eq!(lines.last().unwrap()["complete"], true, "{lines:#?}");
    let lines = shell.send("POST", "/api/boot", &json!({"dry_run": false})).expect(200).lines();
    assert_eq!(lines.last().unwrap()["complete"], true, "{lines:#?}");
    assert!(
        lines.iter().any(|line| line["entry"]["name"] == "BIOS" || line["entry"]["ms"].is_f64())
    );
    let done = shell.send("POST", "/api/machine", &json!({"path": "/draw.png"})).expect(200).json();
    assert_eq!(
        (done["screen"].as_str(), done["halted"].as_bool()),
        (Some("A"), Some(true)),
        "{done}"
    );
    let number = &done["frame"]["number"];
    let frame = shell.get(&format!("/api/machine/frames/{number}")).expect(200);
    assert!(frame.head.contains("content-type: image/png"));
    let raster = pxfs::pxi::Raster::from_png(&frame.body).unwrap();
    let at = (2 * raster.width() + 1) as usize;
    assert_eq!(raster.to_bytes()[4 * at..4 * at + 4], [200, 200, 200, 255]);
    let pixels = shell.get("/api/files/pixels?path=%2Fdraw.png").expect(200);
    let raster = pxfs::pxi::Raster::from_png(&fs::read(&module).unwrap()).unwrap();
    assert_eq!(pixels.body, raster.to_bytes());
    assert!(pixels.head.contains(&format!("x-width: {}\r\n", raster.width())), "{}", pixels.head);
    shell.get("/api/files/pixels?path=%2Fdraw.pxs").expect(422);
    // One that does not end is ended; what is no module is said.
    fs::write(&source, "again:\nJMP again\n").unwrap();
    pxfs(["pxi".as_ref(), "asm".as_ref(), source.as_os_str(), "-o".as_ref(), module.as_os_str()])
        .expect(0);
    let endless = json!({"path": "/draw.png", "fuel": 1000});
    assert_eq!(shell.send("POST", "/api/machine", &endless).expect(200).json()["steps"], 1000);
    shell.send("POST", "/api/machine", &json!({"path": "/draw.pxs"})).expect(422);
    shell.send("POST", "/api/machine", &json!({"path": "/none"})).expect(404);
}

/// Compiles a Python module to `to`.
fn compile(source: &Path, to: &Path) {
    let args = ["pxi".as_ref(), "compile".as_ref(), source.as_os_str(), "-o".as_ref()];
    pxfs(args.into_iter().chain([to.as_os_str()])).expect(0);
}

/// A module that asks the model of an id something, and prints the error and the answer.
fn compile_asking(dir: &Path, (prompt, id): (&str, u32), to: &Path) {
    let source = dir.join("asks.py");
    let text = format!(
        "from pxi import *\n\nbuffer = bytearray(64)\ngot = llm({prompt:?}, buffer, {id})\n\
         print(err())\nwrite(view(buffer, 0, got))\n"
    );
    fs::write(&source, text).unwrap();
    compile(&source, to);
    fs::remove_file(source).unwrap();
}

fn lines_of(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_boot_of_a_root_is_that_of_pxboot_and_what_it_asks_is_recorded() {
    let server = ModelServer::start();
    let keep = temp_dir();
    let (root, audit) = (keep.path().join("root"), keep.path().join("audit.jsonl"));
    fs::create_dir(&root).unwrap();
    let target = format!("--root={}", root.display());
    pxfs(["init", &target]).expect(0);
    let module = keep.path().join("module");
    let names = ["00_bios", "01_kernel", "02_policy", "03_llm_plane", "05_asks"];
    for name in names {
        match name {
            "05_asks" => compile_asking(keep.path(), ("2+2?", 7), &module),
            _ => {
                let boot = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/boot"));
                compile(&boot.join(format!("{name}.py")), &module);
            }
        }
        pxfs(["add", &target, &format!("/boot/{name}"), module.to_str().unwrap()]).expect(0);
    }
    let stages = (0..).zip(names).map(
        |(n, name)| json!({"stage": n, "name": name, "path": format!("/boot/{name}"), "required": true}),
    );
    let sequence = json!({"sequence": stages.collect::<Vec<_>>()}).to_string();
    fs::write(&module, sequence).unwrap();
    pxfs(["add", &target, "/boot_sequence.json", module.to_str().unwrap()]).expect(0);
    fs::write(root.join("llm_pixel_registry.json"), server.registry()).unwrap();

    let wanted = json!({"dry_run": false, "llm": true});
    let unrecorded = Shell::start(&root);
    assert_eq!(unrecorded.get("/api/hello").expect(200).json()["recorded"], false);
    let refused = unrecorded.send("POST", "/api/boot", &wanted).expect(403).json();
    assert!(refused["error"].as_str().unwrap().contains("--audit"), "{refused}");
    drop(unrecorded);

    let shell = Shell::start_with(&root, &["--audit".as_ref(), audit.as_os_str()]);
    let boot = |body: &Value| -> Vec<Value> {
        let lines = shell.send("POST", "/api/boot", body).expect(200).lines();
        assert_eq!(lines.last().unwrap()["complete"], true, "{lines:#?}");
        lines.iter().map(|line| line["entry"].clone()).collect()
    };
    let of = |log: &[Value], event: &str| -> Vec<String> {
        let found = log.iter().filter(|entry| entry["event"] == event);
        found.map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    };
    // The registry beside the root is found, also where nobody may be asked.
    let log = boot(&json!({"dry_run": false}));
    assert_eq!(of(&log, "route").len(), 2, "{log:#?}");
    assert_eq!((server.count(), of(&log, "llm").len()), (0, 0));
    assert_eq!(lines_of(&audit).len(), 0);
    let log = boot(&wanted);
    assert_eq!(of(&log, "llm"), ["LLM 0x00000007: 4 bytes asked, 33 answered"], "{log:#?}");
    assert_eq!(server.asked.lock().unwrap()[0]["model"], "second");
    let line = &lines_of(&audit)[0];
    assert_eq!(
        (&line["who"], &line["result"]),
        (&json!("SYS_LLM /boot/05_asks"), &json!("answered"))
    );
    assert_eq!((&line["cartridge"], &line["prompt_bytes"]), (&json!("Second"), &json!(4)));

    // Line by line what pxboot logs, but for times.
    let by_hand = keep.path().join("audit2.jsonl");
    let args = ["boot", "--log-format=json", "--llm", "--audit", by_hand.to_str().unwrap()];
    let outcome = pxfs(args.into_iter().chain([root.to_str().unwrap()])).expect(0);
    let hosted: Vec<Value> =
        outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kept = |log: &[Value]| -> Vec<Value> {
        let mut entries: Vec<Value> =
            log.iter().filter(|entry| entry.is_object()).cloned().collect();
        for entry in &mut entries {
            let entry = entry.as_object_mut().unwrap();
            entry.retain(|field, value| {
                let is_timed = value.as_str().is_some_and(|text| text.ends_with(" ms"));
                !is_timed && !["time", "ms", "duration_ms", "seed"].contains(&field.as_str())
            });
        }
        entries
    };
    assert_eq!(kept(&log), kept(&hosted));
    assert_eq!(lines_of(&by_hand)[0]["prompt_sha256"], line["prompt_sha256"]);

    // What a tile is asked is recorded in the same file.
    shell.ask("4,-2", "hello", 0).expect(200);
    pxfs([
        "chat".as_ref(),
        root.as_os_str(),
        "0,0".as_ref(),
        "hi".as_ref(),
        "--audit".as_ref(),
        audit.as_os_str(),
    ])
    .expect(0);
    let who: Vec<Value> = lines_of(&audit).iter().map(|line| line["who"].clone()).collect();
    assert_eq!(who, ["SYS_LLM /boot/05_asks", "tile 4,-2", "tile 0,0"]);
}

#[test]
fn a_module_asks_only_if_a_person_says_so_and_within_the_policy() {
    let server = ModelServer::start();
    let dir = directory(&server);
    let keep = temp_dir();
    let audit = keep.path().join("audit.jsonl");
    compile_asking(dir.path(), ("2+2?", 7), &dir.path().join("asks"));
    let shell = Shell::start_with(dir.path(), &["--audit".as_ref(), audit.as_os_str()]);
    let run = |more: Value| {
        let mut body = json!({"path": "/asks"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        shell.send("POST", "/api/machine", &body).expect(200).json()
    };
    assert_eq!(run(json!({}))["screen"], "11\n");
    assert_eq!(run(json!({"llm": false}))["screen"], "11\n");
    assert_eq!((server.count(), lines_of(&audit).len()), (0, 0));
    let done = run(json!({"llm": true}));
    assert_eq!(done["screen"], "0\nI heard 2+2? and know 1 messages.", "{done}");
    assert_eq!(done["log"], json!(["llm: 0x00000007: 4 bytes asked, 33 answered"]));
    fs::create_dir(dir.path().join("boot")).unwrap();
    let policy = |text: &str| fs::write(dir.path().join("boot/policy.json"), text).unwrap();
    policy(r#"{"llm_models": ["Second"]}"#);
    assert_eq!(run(json!({"llm": true}))["log"], done["log"]);
    policy(r#"{"llm_models": ["Echo"]}"#);
    assert_eq!(run(json!({"llm": true}))["log"], json!(["denied: LLM: the policy forbids it"]));
    // One that is not understood allows nothing.
    policy("{");
    let body = json!({"path": "/asks", "llm": true});
    let refused = shell.send("POST", "/api/machine", &body).expect(422).json();
    assert!(refused["error"].as_str().unwrap().contains("/boot/policy.json"), "{refused}");
    assert_eq!(server.count(), 2);
    let told: Vec<[Value; 3]> = lines_of(&audit)
        .iter()
        .map(|line| ["who", "cartridge", "result"].map(|field| line[field].clone()))
        .collect();
    let line = |result: &str| [json!("SYS_LLM /asks"), json!("Second"), json!(result)];
    assert_eq!(told, [line("answered"), line("answered"), line("denied")]);
    let unrecorded = Shell::start(dir.path());
    unrecorded.send("POST", "/api/machine", &body).expect(403);
}

#[test]
fn what_a_program_asks_ends_with_its_window_and_with_the_shell_and_is_recorded() {
    let server = ModelServer::start();
    let dir = directory(&server);
    let keep = temp_dir();
    let audit = keep.path().join("audit.jsonl");
    compile_asking(dir.path(), ("never", 7), &dir.path().join("asks"));
    let mut shell = Shell::start_with(dir.path(), &["--audit".as_ref(), audit.as_os_str()]);
    let begin = || {
        let before = server.count();
        let body = json!({"path": "/asks", "llm": true}).to_string();
        let more = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        let mut stream = shell.connect();
        stream.write_all(shell.head("POST", "/api/machine", &more).as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        wait_for("the question", || server.count() > before);
        stream
    };
    drop(begin());
    wait_for("the end of the question", || lines_of(&audit).len() == 1);
    let free = json!({"path": "/asks"});
    wait_for("the machine", || shell.send("POST", "/api/machine", &free).status == 200);
    let waiting = begin();
    assert_eq!(shell.end(), Some(0));
    drop(waiting);
    let results: Vec<Value> = lines_of(&audit).iter().map(|line| line["result"].clone()).collect();
    assert_eq!(results, ["cancelled", "cancelled"]);
}

#[test]
fn what_the_page_wrote_into_a_picture_is_there_after_kill_9() {
    let server = ModelServer::start();
    let dir = directory(&server);
    let keep = temp_dir();
    let image = keep.path().join("world.png");
    mkfs(&image, dir.path());
    let before = fs::read(&image).unwrap();
    let mut shell = Shell::start(&image);
    shell.ask("5,5", "one", 0).expect(200);
    shell.child.kill().unwrap();
    shell.child.wait().unwrap();
    assert_eq!(fs::read(&image).unwrap(), before);
    let mut shell = Shell::start(&image);
    let tile = shell.get("/api/tiles/5,5").json();
    assert_eq!(contents(&tile), ["one", "I heard one and know 1 messages."]);
    shell.ask("5,5", "two", 2).expect(200);
    assert_eq!(shell.end(), Some(0));
    assert!(!keep.path().join("world.png.map-journal").exists());
    let args = ["cat".as_ref(), image.as_os_str(), "worlds/map/infinite_map_state.json".as_ref()];
    let state: Value = serde_json::from_str(&pxfs(args).expect(0).stdout).unwrap();
    assert_eq!(state["tiles"]["5,5"]["history"].as_array().unwrap().len(), 4);
}

#[test]
fn a_target_that_cannot_be_changed_says_so() {
    let server = ModelServer::start();
    let dir = directory(&server);
    let keep = temp_dir();
    let (image, webp) = (keep.path().join("world.png"), keep.path().join("world.webp"));
    mkfs(&image, dir.path());
    // Lossless, as this crate writes it.
    image::open(&image).unwrap().to_rgba8().save(&webp).unwrap();
    let shell = Shell::start(&webp);
    let hello = shell.get("/api/hello").expect(200).json();
    assert!(hello["read_only"].as_str().unwrap().contains("PNG"), "{hello}");
    let refused = shell.ask("0,0", "hi", 0).expect(403).json();
    assert!(refused["error"].as_str().unwrap().contains("cannot be changed"), "{refused}");
    assert_eq!(server.count(), 0);
}

#[test]
fn the_command_line_is_checked() {
    pxfs(["shell", "/"]).expect(2).says("--web");
    pxfs(["shell", "--web"]).expect(2);
    pxfs(["shell", "--web", "--port", "70000", "/"]).expect(2);
    pxfs(["shell", "--web", "/does/not/exist"]).expect(1);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let dir = temp_dir();
    pxfs([
        "shell".as_ref(),
        "--web".as_ref(),
        "--port".as_ref(),
        port.as_ref(),
        dir.path().as_os_str(),
    ])
    .expect(1)
    .says("port");
}
