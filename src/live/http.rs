//! A minimal HTTP server for a few clients, with every resource bounded.
//!
//! It answers GET, one request per connection, HTTP/1.0 or 1.1 (RFC 9112). One thread serves all connections
//! without blocking. A head has at most [`MAX_HEAD`] bytes, a body is never read, and a connection that takes
//! longer than [`PATIENCE`] to send its head or to receive its response is closed. If [`MAX_CONNECTIONS`] are
//! open and another one arrives, the oldest is closed. Requests that have arrived are answered before that,
//! so idle connections cannot lock clients out. A failed accept, for example for lack of file descriptors, is
//! counted and retried.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Connections that are open at once.
pub const MAX_CONNECTIONS: usize = 16;
/// Bytes of a request line with its header fields.
pub const MAX_HEAD: usize = 8 * 1024;
/// How long a head may take to come, and an answer to be taken.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Header fields of a request.
const MAX_FIELDS: usize = 64;
/// After an accept that failed the next one is tried so much later: descriptors do not come back at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections that are accepted before those that are open are served again.
const MAX_ACCEPTS: usize = MAX_CONNECTIONS;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpRequest<'a> {
    /// The path, without a query.
    pub path: &'a str,
    /// The `Accept` field; empty where there is none.
    pub accept: &'a str,
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body's media type.
    pub content_type: &'static str,
    /// The body.
    pub body: Arc<[u8]>,
}

impl Response {
    /// A line of plain text.
    #[must_use]
    pub fn text(status: u16, line: &str) -> Self {
        let body = format!("{line}\n").into_bytes().into();
        Self { status, content_type: "text/plain; charset=utf-8", body }
    }

    /// Status line and header fields.
    fn head(&self) -> Vec<u8> {
        let Self { status, content_type, body } = self;
        let allow = if *status == 405 { "Allow: GET\r\n" } else { "" };
        format!(
            "HTTP/1.1 {status} {}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n{allow}Connection: close\r\n\r\n",
            reason(*status),
            body.len()
        )
        .into_bytes()
    }
}

/// The reason phrase of a status code (RFC 9110, section 15).
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}

/// How the server fares.
#[derive(Debug, Default)]
pub struct HttpCounts {
    /// Connections that could not be accepted.
    pub refused: AtomicU64,
    /// Connections that were closed unanswered: too slow, or pushed out by later ones.
    pub dropped: AtomicU64,
}

/// A connection under way.
struct HttpConnection {
    stream: TcpStream,
    since: Instant,
    deadline: Instant,
    state: HttpState,
}

enum HttpState {
    /// The head so far.
    Reading(Vec<u8>),
    Writing {
        head: Vec<u8>,
        body: Arc<[u8]>,
        done: usize,
    },
}

/// Whether a connection goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HttpStep {
    Waits,
    Ends,
}

/// Serves a listener until its thread ends; `answer` is called for each GET.
pub struct HttpServer<A> {
    listener: TcpListener,
    connections: Vec<HttpConnection>,
    counts: Arc<HttpCounts>,
    /// When accepting is tried again after it failed.
    accept_at: Option<Instant>,
    answer: A,
}

impl<A: FnMut(&HttpRequest<'_>) -> Response> HttpServer<A> {
    /// A server of a listener.
    ///
    /// # Errors
    /// The listener cannot be used without blocking.
    pub fn new(listener: TcpListener, counts: Arc<HttpCounts>, answer: A) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { listener, connections: Vec::new(), counts, accept_at: None, answer })
    }

    /// Serves for ever.
    ///
    /// # Errors
    /// The system does not say any more what there is to do.
    pub fn run(&mut self) -> io::Result<()> {
        loop {
            self.step(None)?;
        }
    }

    /// Waits, at most so long, until there is something to do, and does it.
    ///
    /// # Errors
    /// See [`Self::run`].
    pub fn step(&mut self, patience: Option<Duration>) -> io::Result<()> {
        let (may_accept, ready) = self.wait(patience)?;
        let now = Instant::now();
        let Self { connections, answer, counts, .. } = self;
        let mut index = 0;
        connections.retain_mut(|connection| {
            let is_ready = ready.get(index).copied().unwrap_or(false);
            index += 1;
            if is_ready && connection.serve(now, answer) == HttpStep::Ends {
                return false;
            }
            let is_late = now >= connection.deadline;
            counts.dropped.fetch_add(u64::from(is_late), Ordering::Relaxed);
            !is_late
        });
        if may_accept {
            self.accept(now);
        }
        Ok(())
    }

    /// Whether there may be someone to accept, and which connections can go on.
    fn wait(&mut self, patience: Option<Duration>) -> io::Result<(bool, Vec<bool>)> {
        let now = Instant::now();
        let may_accept = self.accept_at.is_none_or(|at| now >= at);
        let deadlines = self.connections.iter().map(|connection| connection.deadline);
        let next = deadlines.chain(self.accept_at.filter(|_| !may_accept)).min();
        let left = next.map(|next| next.saturating_duration_since(now));
        let timeout = left.into_iter().chain(patience).min().map_or(PollTimeout::NONE, |left| {
            // A millisecond more: poll rounds down, and would wake up too early again and again.
            let ms = u16::try_from(left.as_millis().saturating_add(1)).unwrap_or(u16::MAX);
            PollTimeout::from(ms)
        });
        let waited_for = |connection: &HttpConnection| match connection.state {
            HttpState::Reading(_) => PollFlags::POLLIN,
            HttpState::Writing { .. } => PollFlags::POLLOUT,
        };
        let listening = if may_accept { PollFlags::POLLIN } else { PollFlags::empty() };
        let mut fds = vec![PollFd::new(self.listener.as_fd(), listening)];
        fds.extend(self.connections.iter().map(|c| PollFd::new(c.stream.as_fd(), waited_for(c))));
        match poll(&mut fds, timeout) {
            Ok(_) => {}
            Err(nix::errno::Errno::EINTR) => return Ok((false, Vec::new())),
            Err(error) => return Err(error.into()),
        }
        let mut ready = fds.iter().map(|fd| fd.revents().is_some_and(|events| !events.is_empty()));
        let is_called = ready.next().unwrap_or(false);
        Ok((may_accept && is_called, ready.collect()))
    }

    /// Takes who waits, the oldest connections making way.
    fn accept(&mut self, now: Instant) {
        self.accept_at = None;
        for _ in 0..MAX_ACCEPTS {
            match self.listener.accept().and_then(|(stream, _)| HttpConnection::new(stream, now)) {
                Ok(mut connection) => {
                    // Most requests are there with their connection.
                    if connection.serve(now, &mut self.answer) == HttpStep::Ends {
                        continue;
                    }
                    self.make_room();
                    self.connections.push(connection);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if is_of_one(error.kind()) => {
                    self.counts.refused.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => {
                    self.counts.refused.fetch_add(1, Ordering::Relaxed);
                    self.accept_at = Some(now + ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    fn make_room(&mut self) {
        while self.connections.len() >= MAX_CONNECTIONS {
            let oldest = self.connections.iter().enumerate().min_by_key(|(_, connection)| connection.since);
            let Some(oldest) = oldest.map(|(index, _)| index) else { return };
            self.connections.swap_remove(oldest);
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Whether an accept failed for its own connection alone: the next one may succeed at once.
fn is_of_one(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

impl HttpConnection {
    fn new(stream: TcpStream, now: Instant) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, since: now, deadline: now + PATIENCE, state: HttpState::Reading(Vec::new()) })
    }

    /// Goes on as far as it goes without waiting.
    fn serve(&mut self, now: Instant, answer: &mut impl FnMut(&HttpRequest<'_>) -> Response) -> HttpStep {
        if let HttpState::Reading(head) = &mut self.state {
            let response = match read_head(&mut self.stream, head) {
                Ok(None) => return HttpStep::Waits,
                Ok(Some(Err(response))) => response,
                Ok(Some(Ok(()))) => match parse(head) {
                    Ok(request) => answer(&request),
                    Err(response) => response,
                },
                Err(_) => return HttpStep::Ends,
            };
            self.deadline = now + PATIENCE;
            self.state = HttpState::Writing { head: response.head(), body: response.body, done: 0 };
        }
        self.write().unwrap_or(HttpStep::Ends)
    }

    fn write(&mut self) -> io::Result<HttpStep> {
        let HttpState::Writing { head, body, done } = &mut self.state else { return Ok(HttpStep::Waits) };
        loop {
            let rest = match head.get(*done..) {
                Some(rest) if !rest.is_empty() => rest,
                _ => body.get(done.saturating_sub(head.len())..).unwrap_or_default(),
            };
            if rest.is_empty() {
                self.stream.shutdown(Shutdown::Write)?;
                return Ok(HttpStep::Ends);
            }
            match self.stream.write(rest) {
                Ok(0) => return Ok(HttpStep::Ends),
                Ok(written) => *done = done.saturating_add(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(HttpStep::Waits),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Reads on until the head is whole: `None` where more has to come, or the answer to one that is refused unread.
pub(crate) fn read_head(
    stream: &mut impl Read,
    head: &mut Vec<u8>,
) -> io::Result<Option<Result<(), Response>>> {
    let mut buffer = [0; 2_048];
    loop {
        let searched = head.len().saturating_sub(2);
        match stream.read(&mut buffer) {
            // Whoever stops sending before the head is whole asks for nothing.
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => head.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if let Some(end) = end_of_head(head.get(searched..).unwrap_or_default()) {
            let end = end.saturating_add(searched);
            head.truncate(end);
            return Ok(Some(if end <= MAX_HEAD { Ok(()) } else { Err(too_large()) }));
        }
        if head.len() >= MAX_HEAD {
            return Ok(Some(Err(too_large())));
        }
    }
}

/// Where the empty line ends that ends a head; a line may end with LF alone (RFC 9112, section 2.2).
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let after = |pattern: &[u8]| {
        bytes.windows(pattern.len()).position(|window| window == pattern).map(|at| at + pattern.len())
    };
    [after(b"\n\r\n"), after(b"\n\n")].into_iter().flatten().min()
}

fn too_large() -> Response {
    Response::text(431, "a request has 8 KiB of head at most")
}

/// What a whole head asks for, or the answer to one that makes no sense.
pub(crate) fn parse(head: &[u8]) -> Result<HttpRequest<'_>, Response> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(Response::text(400, "no HTTP request")),
        Err(httparse::Error::TooManyHeaders) => return Err(too_large()),
        Err(httparse::Error::Version) => return Err(Response::text(505, "HTTP/1.0 or HTTP/1.1 only")),
        Err(_) => return Err(Response::text(400, "no HTTP request")),
    }
    if request.method != Some("GET") {
        return Err(Response::text(405, "GET only"));
    }
    let path = request.path.unwrap_or_default().split('?').next().unwrap_or_default();
    let accept = request.headers.iter().find(|field| field.name.eq_ignore_ascii_case("accept"));
    let accept = accept.and_then(|field| std::str::from_utf8(field.value).ok()).unwrap_or_default();
    Ok(HttpRequest { path, accept })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;
    use std::net::SocketAddr;
    use std::thread;

    /// A server that echoes paths, and its address; it lives as long as the tests' process.
    fn server() -> (SocketAddr, Arc<HttpCounts>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(HttpCounts::default());
        let mut server = HttpServer::new(listener, Arc::clone(&counts), |request: &HttpRequest<'_>| {
            let line = if request.path == "/long" { "x".repeat(8 << 20) } else { request.path.to_owned() };
            Response::text(200, &line)
        })
        .unwrap();
        thread::spawn(move || server.run());
        (address, counts)
    }

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        // A reset behind the answer is no matter.
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    #[test]
    fn one_request_a_connection_is_answered() {
        let (address, _) = server();
        let answer = ask(address, "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("Connection: close\r\n\r\n/a\n"), "{answer}");
        assert!(ask(address, "GET /a HTTP/1.0\n\n").ends_with("/a\n"));
        assert!(ask(address, "POST /a HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
        assert!(ask(address, "GET /a HTTP/9.9\r\n\r\n").starts_with("HTTP/1.1 505 "));
        assert!(ask(address, "\x16\x03\x01 no HTTP\r\n\r\n").starts_with("HTTP/1.1 400 "));
    }

    #[test]
    fn a_body_is_never_waited_for() {
        let (address, _) = server();
        for length in ["18446744073709551615", "184467440737095516160", "-1", "10", "nonsense"] {
            let answer = ask(address, &format!("GET /a HTTP/1.1\r\nContent-Length: {length}\r\n\r\n"));
            assert!(answer.ends_with("/a\n"), "{length}: {answer}");
        }
        let answer =
            ask(address, "GET /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
        assert!(answer.ends_with("/a\n"), "{answer}");
    }

    #[test]
    fn a_head_is_bounded_in_bytes_and_in_fields() {
        let (address, _) = server();
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(MAX_HEAD));
        assert!(ask(address, &long).starts_with("HTTP/1.1 431 "));
        let fields = "a: b\r\n".repeat(MAX_FIELDS + 1);
        assert!(ask(address, &format!("GET /a HTTP/1.1\r\n{fields}\r\n")).starts_with("HTTP/1.1 431 "));
        // Without end, in portions: it is cut off, not stored.
        let mut stream = TcpStream::connect(address).unwrap();
        let portion = [b'a'; 4_096];
        let sent = (0..4_096).take_while(|_| stream.write_all(&portion).is_ok()).count();
        assert!(sent < 4_096, "16 MiB of head were taken");
    }

    #[test]
    fn idle_connections_keep_nobody_out() {
        let (address, counts) = server();
        let idle: Vec<_> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
        for stream in &idle {
            let _ = (&*stream).write_all(b"GET /a HTTP/1.1\r\nX: ");
        }
        for _ in 0..20 {
            assert!(ask(address, "GET /b HTTP/1.1\r\n\r\n").ends_with("/b\n"));
        }
        assert!(counts.dropped.load(Ordering::Relaxed) >= 100 - MAX_CONNECTIONS as u64);
    }

    #[test]
    fn a_reader_that_does_not_read_holds_up_nobody() {
        let (address, _) = server();
        let mut slow = TcpStream::connect(address).unwrap();
        slow.write_all(b"GET /long HTTP/1.1\r\n\r\n").unwrap();
        for _ in 0..20 {
            assert!(ask(address, "GET /b HTTP/1.1\r\n\r\n").ends_with("/b\n"));
        }
        drop(slow);
        assert!(ask(address, "GET /long HTTP/1.1\r\n\r\n").len() > 8 << 20);
    }

    #[test]
    fn connections_that_are_reset_at_once_are_survived() {
        let (address, _) = server();
        for _ in 0..400 {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"GET /long HTTP/1.1\r\n\r\nrest").unwrap();
        }
        assert!(ask(address, "GET /b HTTP/1.1\r\n\r\n").ends_with("/b\n"));
    }

    #[test]
    fn what_is_too_slow_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(HttpCounts::default());
        let mut server =
            HttpServer::new(listener, Arc::clone(&counts), |_: &HttpRequest<'_>| Response::text(200, ""))
                .unwrap();
        let _idle = TcpStream::connect(address).unwrap();
        server.step(Some(PATIENCE)).unwrap();
        assert_eq!(server.connections.len(), 1);
        // Time is not waited for: the deadline is moved.
        server.connections[0].deadline = Instant::now();
        server.step(Some(Duration::ZERO)).unwrap();
        assert_eq!((server.connections.len(), counts.dropped.load(Ordering::Relaxed)), (0, 1));
    }
}
