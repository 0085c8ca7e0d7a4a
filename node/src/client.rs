//! The command line's side of the API: HTTP/1.1 over the daemon's Unix socket, one connection per question.
//!
//! It knows routes and JSON, not words. Failures of the daemon come back as the daemon sent them; a daemon that cannot be reached is
//! [`crate::failure::Kind::Unreachable`].

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::failure::{Failure, Problem};

/// Longest wait for a whole answer, seconds. `partner test` and logins (argon2) take a few.
const ANSWER_S_MAX: u64 = 120;
/// Largest answer, bytes: a list of every document stays far below.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of a file sent at a time.
const UPLOAD_PIECE: u64 = 256 * 1024;

/// A way to the daemon of one data folder.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    query: Vec<(&'static str, String)>,
    runtime: tokio::runtime::Runtime,
}

impl Client {
    /// A client of the daemon that listens on `socket`; nothing is opened yet.
    ///
    /// # Errors
    /// `no_runtime` if the system refuses even one event loop.
    pub fn new(socket: impl Into<PathBuf>) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::fault("no_runtime").because(error))?;
        Ok(Self { socket: socket.into(), query: Vec::new(), runtime })
    }

    /// Every question is asked as `person` (`PERSON` or `PERSON/SEAT`).
    #[must_use]
    pub fn acting_as(mut self, person: Option<&str>) -> Self {
        self.query.extend(person.map(|person| ("as", person.to_owned())));
        self
    }

    /// The socket this client talks to.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Asks for `path`, for instance `/v1/status`.
    ///
    /// # Errors
    /// What the daemon answered, or that it could not be reached.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Method::GET, path, None, false)
    }

    /// Sends `body` to `path`. With `dry_run` the daemon only says what would happen.
    ///
    /// # Errors
    /// What the daemon answered, or that it could not be reached.
    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &Value, dry_run: bool) -> Result<T, Failure> {
        self.ask(Method::POST, path, Some(body), dry_run)
    }

    /// Follows a stream of server-sent events; `each` gets the data of every event and ends the stream by returning `false`.
    ///
    /// # Errors
    /// What the daemon answered, or that it could not be reached or went away.
    pub fn stream(&self, path: &str, mut each: impl FnMut(&str) -> Result<bool, Failure>) -> Result<(), Failure> {
        self.runtime.block_on(async {
            let answer = self.send(Method::GET, path, None, false).await?;
            if !answer.status().is_success() {
                return Err(self.problem(answer).await);
            }
            let mut body = answer.into_body();
            let mut held = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| self.silent(error))?;
                let Ok(bytes) = frame.into_data() else { continue };
                held.extend_from_slice(&bytes);
                if held.len() > ANSWER_BYTES_MAX {
                    return Err(Failure::fault("daemon_answer").with("path", path));
                }
                while let Some(end) = held.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = held.drain(..=end).collect();
                    let line =
                        std::str::from_utf8(&line).map_err(|error| Failure::fault("daemon_answer").with("path", path).because(error))?;
                    if let Some(data) = line.trim_end().strip_prefix("data:")
                        && !each(data.trim_start())?
                    {
                        return Ok(());
                    }
                }
            }
            Err(Failure::unreachable("daemon_silent").with("socket", self.socket.display()))
        })
    }

    /// Asks for `path` and hands each line of a plain-text answer to `each`.
    ///
    /// # Errors
    /// What the daemon answered, or that it could not be reached or went away.
    pub fn lines(&self, path: &str, mut each: impl FnMut(&str)) -> Result<(), Failure> {
        self.runtime.block_on(async {
            let answer = self.send(Method::GET, path, None, false).await?;
            if !answer.status().is_success() {
                return Err(self.problem(answer).await);
            }
            let mut body = answer.into_body();
            let mut held = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| self.silent(error))?;
                let Ok(bytes) = frame.into_data() else { continue };
                held.extend_from_slice(&bytes);
                while let Some(end) = held.iter().position(|byte| *byte == b'\n') {
                    each(&String::from_utf8_lossy(&held[..end]));
                    held.drain(..=end);
                }
            }
            Ok(())
        })
    }

    /// Asks `path` for a file and hands its bytes to `each` as they come. There is no bound on the time: a medium may be slow.
    ///
    /// # Errors
    /// What the daemon answered, that it could not be reached or went away, and what `each` answers.
    pub fn fetch(&self, path: &str, mut each: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        self.runtime.block_on(async {
            let answer = self.send(Method::POST, path, None, false).await?;
            self.hand_on(answer, &mut each).await
        })
    }

    /// Sends `body` and hands the bytes of a long answer to `each` as they come, without a bound on the time.
    ///
    /// # Errors
    /// As [`Client::fetch`].
    pub fn follow(
        &self,
        path: &str,
        body: &Value,
        dry_run: bool,
        mut each: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.runtime.block_on(async {
            let answer = self.send(Method::POST, path, Some(body), dry_run).await?;
            self.hand_on(answer, &mut each).await
        })
    }

    /// Sends a file of so many bytes, piece by piece, and hands the bytes of the answer to `each` as they come.
    ///
    /// # Errors
    /// As [`Client::fetch`].
    pub fn upload(
        &self,
        path: &str,
        file: std::fs::File,
        length: u64,
        dry_run: bool,
        mut each: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.runtime.block_on(async {
            let stream = UnixStream::connect(&self.socket).await.map_err(|error| self.not_reached(error))?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.silent(error))?;
            tokio::spawn(connection);
            // A file that grows meanwhile is sent as far as it was long; one that shrinks breaks the request off.
            let pieces = futures::stream::unfold((file, length), |(mut file, left)| async move {
                let some = usize::try_from(left.min(UPLOAD_PIECE)).unwrap_or(0);
                if some == 0 {
                    return None;
                }
                let mut piece = vec![0; some];
                let read = file.read_exact(&mut piece).map(|()| Frame::data(Bytes::from(piece)));
                Some((read, (file, left - some as u64)))
            });
            let request = Request::builder()
                .method(Method::POST)
                .uri(self.target(path, dry_run))
                .header("host", "accord")
                .header("content-type", "application/octet-stream")
                .header("content-length", length)
                .body(StreamBody::new(Box::pin(pieces)))
                .map_err(|error| Failure::misuse("bad_name").with("path", path).because(error))?;
            let answer = sender.send_request(request).await.map_err(|error| self.silent(error))?;
            self.hand_on(answer, &mut each).await
        })
    }

    async fn hand_on(&self, answer: Response<Incoming>, each: &mut impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        if !answer.status().is_success() {
            return Err(self.problem(answer).await);
        }
        let mut body = answer.into_body();
        while let Some(frame) = body.frame().await {
            if let Ok(bytes) = frame.map_err(|error| self.silent(error))?.into_data() {
                each(&bytes)?;
            }
        }
        Ok(())
    }

    /// Path and query of a request.
    fn target(&self, path: &str, dry_run: bool) -> String {
        let mut target = path.to_owned();
        let dry = dry_run.then(|| ("dry_run", "true".to_owned()));
        for (name, value) in self.query.iter().chain(&dry) {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.push_str(&format!("{name}={}", escape(value)));
        }
        target
    }

    fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<&Value>, dry_run: bool) -> Result<T, Failure> {
        let work = async {
            let answer = self.send(method, path, body, dry_run).await?;
            if !answer.status().is_success() {
                return Err(self.problem(answer).await);
            }
            let bytes = self.whole(answer.into_body()).await?;
            serde_json::from_slice(&bytes).map_err(|error| Failure::fault("daemon_answer").with("path", path).because(error))
        };
        self.runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(ANSWER_S_MAX), work)
                .await
                .unwrap_or_else(|_| Err(Failure::unreachable("daemon_silent").with("socket", self.socket.display())))
        })
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>, dry_run: bool) -> Result<Response<Incoming>, Failure> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| self.not_reached(error))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.silent(error))?;
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(self.target(path, dry_run)).header("host", "accord");
        let bytes = match body {
            Some(value) => {
                request = request.header("content-type", "application/json");
                Bytes::from(value.to_string())
            }
            None => Bytes::new(),
        };
        let request = request.body(Full::new(bytes)).map_err(|error| Failure::misuse("bad_name").with("path", path).because(error))?;
        sender.send_request(request).await.map_err(|error| self.silent(error))
    }

    async fn whole(&self, body: Incoming) -> Result<Bytes, Failure> {
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        body.map(|body| body.to_bytes()).map_err(|error| self.silent(error))
    }

    async fn problem(&self, answer: Response<Incoming>) -> Failure {
        let status = answer.status();
        match self.whole(answer.into_body()).await {
            Ok(bytes) => serde_json::from_slice::<Problem>(&bytes)
                .map_or_else(|error| Failure::fault("daemon_answer").with("path", status.as_u16()).because(error), Failure::from),
            Err(failure) => failure,
        }
    }

    fn not_reached(&self, error: std::io::Error) -> Failure {
        let socket = self.socket.display();
        match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
                Failure::unreachable("daemon_not_running").with("socket", socket)
            }
            std::io::ErrorKind::PermissionDenied => Failure::unreachable("socket_denied").with("socket", socket),
            _ => Failure::unreachable("daemon_silent").with("socket", socket).because(error),
        }
    }

    fn silent(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
        Failure::unreachable("daemon_silent").with("socket", self.socket.display()).because(error)
    }
}

/// One path segment or query value, percent-encoded (RFC 3986): everything but unreserved characters.
pub fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte as char),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::os::unix::net::UnixListener;
    use std::thread::JoinHandle;

    use accord_protocol::view::View;
    use serde_json::json;

    use super::*;
    use crate::failure::Kind;

    /// Answers one connection with `answer` and hands back the request: first line, then body.
    fn serve(answer: &'static str) -> (tempfile::TempDir, Client, JoinHandle<(String, String)>) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let socket = dir.path().join("api.sock");
        let listener = UnixListener::bind(&socket).expect("a free socket");
        let served = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("one connection");
            let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
            let mut first = String::new();
            reader.read_line(&mut first).expect("a request line");
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("a header");
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a number");
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body of the stated length");
            stream.write_all(answer.as_bytes()).expect("the client reads");
            (first.trim().to_owned(), String::from_utf8(body).expect("JSON is UTF-8"))
        });
        let client = Client::new(socket).expect("an event loop");
        (dir, client, served)
    }

    #[test]
    fn a_question_carries_person_and_dry_run_and_the_view_comes_back() {
        let (_dir, client, served) =
            serve("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{\"view\":\"done\",\"id\":\"7c1e\"}");
        let client = client.acting_as(Some("李/liaison"));
        let view: View = client.post("/v1/drafts", &json!({"title": "通报"}), true).expect("the server answers 200");
        assert_eq!(view, View::Done { id: Some("7c1e".into()) });
        let (first, body) = served.join().expect("the server ended well");
        assert_eq!(first, "POST /v1/drafts?as=%E6%9D%8E%2Fliaison&dry_run=true HTTP/1.1");
        assert_eq!(body, r#"{"title":"通报"}"#);
    }

    #[test]
    fn a_problem_of_the_daemon_becomes_the_same_failure_here() {
        let (_dir, client, _served) = serve(
            "HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n{\"type\":\"accord:problem/no_partner\",\"title\":\"x\",\"status\":404,\"code\":\"no_partner\",\"kind\":\"not_found\",\"params\":{\"name\":\"lake\"}}",
        );
        let failure = client.get::<View>("/v1/partners/lake").expect_err("the server answers 404");
        assert_eq!((failure.kind, failure.code.as_str(), failure.param("name")), (Kind::NotFound, "no_partner", Some("lake")));
    }

    #[test]
    fn a_daemon_that_is_not_there_or_breaks_off_is_unreachable() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let failure = Client::new(dir.path().join("none.sock")).expect("an event loop").get::<View>("/v1/status").expect_err("no socket");
        assert_eq!((failure.kind.exit_code(), failure.code.as_str()), (3, "daemon_not_running"));
        let (_dir, client, _served) = serve("HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n{\"view\"");
        assert_eq!(client.get::<View>("/v1/status").expect_err("cut off").kind, Kind::Unreachable);
    }

    #[test]
    fn an_answer_that_is_not_ours_is_a_fault() {
        let (_dir, client, _served) = serve("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<html>");
        assert_eq!(client.get::<View>("/v1/status").expect_err("not JSON").kind, Kind::Fault);
        let (_dir, client, _served) = serve("HTTP/1.1 502 Bad\r\nconnection: close\r\n\r\n<html>");
        assert_eq!(client.get::<View>("/v1/status").expect_err("not a problem").kind, Kind::Fault);
    }

    #[test]
    fn a_stream_hands_over_each_event_and_ends_when_told() {
        let (_dir, client, _served) = serve(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\nid: 1\ndata: {\"a\":1}\n\nid: 2\ndata: {\"a\":2}\n\nid: 3\ndata: {\"a\":3}\n\n",
        );
        let mut seen = Vec::new();
        client
            .stream("/v1/events/stream?after=0", |data| {
                seen.push(data.to_owned());
                Ok(seen.len() < 2)
            })
            .expect("the stream runs");
        assert_eq!(seen, [r#"{"a":1}"#, r#"{"a":2}"#]);
    }
}
