//! A web server that says hello, until Ctrl-C: HTTP/1.1 with keep-alive and pipelining.
//!
//! Shows a protocol on top of edges, at full speed: whatever one read brings is answered with one
//! write, and no request allocates. The input is bounded (431), nothing is read while an answer
//! is left to write, and a refused request ends its connection without tearing the answer away.
//!
//! What a server for the wide world needs besides: time limits, a `Date`, TLS.
//!
//! ```text
//! cargo run --release --example http_hello [ADDRESS]    # 127.0.0.1:8080 if not given
//! wrk -t1 -c64 http://127.0.0.1:8080/
//! ```

use std::io::{self, ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use slab::Slab;
use wakeful::net::{TcpListener, TcpStream};
use wakeful::{Events, Interest, Poll, Registry, Token, Waker};

// The tokens of connections are their indices in a slab, which never gets this far.
const LISTENER: Token = Token(usize::MAX);
const CTRL_C: Token = Token(usize::MAX - 1);

/// How long to wait before we try again to accept after a lack of descriptors or memory.
const RETRY: Duration = Duration::from_millis(100);

fn main() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    wake_on_ctrl_c(poll.registry())?;

    let mut listener = TcpListener::bind(address()?)?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("listening on {} (Ctrl-C to stop)", listener.local_addr()?);

    let mut connections: Slab<Connection> = Slab::new();
    let (mut accepted, mut requests) = (0u64, 0u64);
    // What has become ready and did not say `WouldBlock` since.
    let mut backlog = false;
    let mut ready: Vec<usize> = Vec::new();

    'serving: loop {
        let timeout = match (ready.is_empty(), backlog) {
            (false, _) => Some(Duration::ZERO),
            (true, true) => Some(RETRY),
            (true, false) => None,
        };
        match poll.poll(&mut events, timeout) {
            // A signal came. If it was Ctrl-C, the next call tells.
            Err(err) if err.kind() == ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        for event in &events {
            match event.token() {
                CTRL_C => break 'serving,
                LISTENER => backlog = true,
                Token(key) => ready.push(key),
            }
        }
        ready.sort_unstable();
        ready.dedup();
        ready.retain(|&key| {
            // Events may be spurious: one for a connection that is no more is passed over.
            let Some(connection) = connections.get_mut(key) else {
                return false;
            };
            match connection.serve(&mut requests) {
                Ok(Next::Continue) => return true,
                Ok(Next::Wait) => return false,
                // An error is mostly a reset, and the end of this connection only.
                Ok(Next::Close) | Err(_) => drop(connections.remove(key)),
            }
            false
        });
        // After the connections: those that ended have freed their descriptors.
        if backlog {
            backlog = !accept_all(&listener, poll.registry(), &mut connections, &mut accepted);
        }
    }

    println!("{accepted} connections, {requests} requests");
    Ok(())
}

/// Accepts until it would block; `false` if connections may still be waiting.
fn accept_all(
    listener: &TcpListener,
    registry: &Registry,
    connections: &mut Slab<Connection>,
    accepted: &mut u64,
) -> bool {
    loop {
        match listener.accept() {
            Ok((mut stream, peer)) => {
                let entry = connections.vacant_entry();
                let both = Interest::READABLE | Interest::WRITABLE;
                // We write whole batches; there is nothing to wait for before they are sent.
                let nodelay = stream.set_nodelay(true);
                let token = Token(entry.key());
                match nodelay.and_then(|()| registry.register(&mut stream, token, both)) {
                    Ok(()) => {
                        *accepted += 1;
                        entry.insert(Connection::new(stream));
                    }
                    Err(err) => eprintln!("cannot serve {peer}: {err}"),
                }
            }
            Err(err) if err.kind() == ErrorKind::WouldBlock => return true,
            // That client has given up while it waited (ECONNABORTED). Another may be behind it.
            Err(err) if err.kind() == ErrorKind::ConnectionAborted => {}
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            // Mostly no descriptor is free (EMFILE, ENFILE). The clients keep their place in the
            // backlog, but no new edge will tell of them: we have to come back by ourselves. Not
            // at once, which would spin, but when something else happens or after a while.
            Err(err) => {
                eprintln!("cannot accept, will try again: {err}");
                return false;
            }
        }
    }
}

/// What a connection needs next.
enum Next {
    /// An event: some call would have blocked.
    Wait,
    /// Another turn: it had its share of this one.
    Continue,
    /// Nothing: it has ended.
    Close,
}

/// What we do with what a connection sends.
enum Phase {
    /// Read requests.
    Open,
    /// Nothing more will be answered: write what is left and close our side.
    Closing,
    /// Throw away that many bytes at most. To close with unread input would reset the connection,
    /// and the client might lose our last answer.
    Lingering(usize),
}

struct Connection {
    stream: TcpStream,
    phase: Phase,
    /// Holds what was read and not yet understood: `input[start..end]`.
    input: Box<[u8]>,
    start: usize,
    end: usize,
    /// How much of a request's body is still to be skipped.
    body: u64,
    /// Answers, of which `written` bytes are sent.
    output: Vec<u8>,
    written: usize,
}

impl Connection {
    /// Room for the head of a request; a longer one is refused.
    const HEAD: usize = 16 * 1024;
    /// How much we throw away for the sake of our last answer.
    const LINGER: usize = 256 * 1024;
    /// Reads in a row before the others have their turn: a fast client must not starve them.
    const SHARE: usize = 16;

    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            phase: Phase::Open,
            input: vec![0; Self::HEAD].into(),
            start: 0,
            end: 0,
            body: 0,
            output: Vec::with_capacity(4096),
            written: 0,
        }
    }

    /// Writes, then reads and answers, until one of them would block.
    fn serve(&mut self, requests: &mut u64) -> io::Result<Next> {
        for _ in 0..Self::SHARE {
            while self.written < self.output.len() {
                match self.stream.write(&self.output[self.written..]) {
                    Ok(n) => self.written += n,
                    Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(Next::Wait),
                    Err(err) if err.kind() == ErrorKind::Interrupted => {}
                    Err(err) => return Err(err),
                }
            }
            self.output.clear();
            self.written = 0;

            if let Phase::Closing = self.phase {
                self.stream.shutdown(Shutdown::Write)?;
                self.phase = Phase::Lingering(Self::LINGER);
            }
            let n = match self.stream.read(&mut self.input[self.end..]) {
                Ok(0) => return Ok(Next::Close),
                Ok(n) => n,
                Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(Next::Wait),
                Err(err) if err.kind() == ErrorKind::Interrupted => continue,
                Err(err) => return Err(err),
            };
            match &mut self.phase {
                Phase::Lingering(left) if n > *left => return Ok(Next::Close),
                Phase::Lingering(left) => *left -= n,
                _ => {
                    self.end += n;
                    *requests += self.answer();
                }
            }
        }
        Ok(Next::Continue)
    }

    /// Answers every whole request of the input; tells how many.
    fn answer(&mut self) -> u64 {
        let mut answered = 0;
        while self.start < self.end {
            if self.body > 0 {
                let skipped = self.body.min((self.end - self.start) as u64);
                self.body -= skipped;
                self.start += skipped as usize;
                continue;
            }
            match Request::parse(&self.input[self.start..self.end]) {
                Ok(Some(request)) => {
                    answered += 1;
                    self.start += request.head;
                    self.body = request.body;
                    request.say_hello(&mut self.output);
                    if !request.keep_alive {
                        return self.close(answered);
                    }
                }
                Ok(None) => break,
                Err(status) => {
                    refuse(status, &mut self.output);
                    return self.close(answered);
                }
            }
        }
        // Room for the rest of a request that has begun.
        self.input.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.input.len() {
            refuse(TOO_LARGE, &mut self.output);
            return self.close(answered);
        }
        answered
    }

    /// Forgets the input: whatever follows will not be answered.
    fn close(&mut self, answered: u64) -> u64 {
        self.phase = Phase::Closing;
        (self.start, self.end) = (0, 0);
        answered
    }
}

/// What matters to us of a request.
struct Request {
    /// Bytes of the request line and the header fields.
    head: usize,
    /// Bytes of the body that follows.
    body: u64,
    /// The client wants no body in the answer.
    head_only: bool,
    http_1_0: bool,
    keep_alive: bool,
}

/// Header fields in one request.
const FIELDS: usize = 64;
/// The longest body that we are willing to skip.
const BODY: u64 = 1024 * 1024;

const TOO_LARGE: &str = "431 Request Header Fields Too Large";
const BAD: &str = "400 Bad Request";

impl Request {
    /// `None` if the input ends before the head does; the status to refuse it with as an error.
    ///
    /// Rules: RFC 9112, sections 3.2 (`Host`), 6 (length of the body) and 9.3 (persistence).
    fn parse(input: &[u8]) -> Result<Option<Self>, &'static str> {
        let mut fields = [MaybeUninit::uninit(); FIELDS];
        let mut request = httparse::Request::new(&mut []);
        let head = match request.parse_with_uninit_headers(input, &mut fields) {
            Ok(httparse::Status::Complete(head)) => head,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(TOO_LARGE),
            Err(httparse::Error::Version) => return Err("505 HTTP Version Not Supported"),
            Err(_) => return Err(BAD),
        };

        let http_1_0 = request.version == Some(0);
        let (mut asks_close, mut asks_keep_alive) = (false, false);
        let mut hosts = 0;
        let mut body = None;
        for field in request.headers.iter() {
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            if is("host") {
                hosts += 1;
            } else if is("connection") {
                for option in field.value.split(|byte| b", \t".contains(byte)) {
                    asks_close |= option.eq_ignore_ascii_case(b"close");
                    asks_keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            } else if is("content-length") {
                let length = length(field.value)?;
                // Who reads the one and who the other would disagree where the request ends.
                if body.is_some_and(|other| other != length) {
                    return Err(BAD);
                }
                body = Some(length);
            } else if is("transfer-encoding") {
                return Err("501 Not Implemented");
            } else if is("expect") {
                return Err("417 Expectation Failed");
            }
        }
        if hosts > 1 || (hosts == 0 && !http_1_0) {
            return Err(BAD);
        }

        Ok(Some(Self {
            head,
            body: body.unwrap_or(0),
            head_only: request.method == Some("HEAD"),
            http_1_0,
            keep_alive: !asks_close && (asks_keep_alive || !http_1_0),
        }))
    }

    fn say_hello(&self, output: &mut Vec<u8>) {
        output.extend_from_slice(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n",
        );
        // Each version names only what is not its habit.
        match (self.keep_alive, self.http_1_0) {
            (true, false) => output.extend_from_slice(b"\r\n"),
            (true, true) => output.extend_from_slice(b"Connection: keep-alive\r\n\r\n"),
            (false, _) => output.extend_from_slice(b"Connection: close\r\n\r\n"),
        }
        if !self.head_only {
            output.extend_from_slice(b"Hello, world!\n");
        }
    }
}

/// Answers with an error, the last answer on its connection.
fn refuse(status: &str, output: &mut Vec<u8>) {
    for part in [
        "HTTP/1.1 ",
        status,
        "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    ] {
        output.extend_from_slice(part.as_bytes());
    }
}

/// The value of a `Content-Length`: digits and nothing else.
fn length(value: &[u8]) -> Result<u64, &'static str> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(BAD);
    }
    match std::str::from_utf8(value).map(str::parse) {
        Ok(Ok(length)) if length <= BODY => Ok(length),
        _ => Err("413 Content Too Large"),
    }
}

/// From now on Ctrl-C does not end the process: it makes an event with the token [`CTRL_C`].
#[allow(unsafe_code)] // To register a signal handler is a promise that only we can make.
fn wake_on_ctrl_c(registry: &Registry) -> io::Result<()> {
    let waker = Waker::new(registry, CTRL_C)?;
    let handler = move || {
        // The only error is that the `Poll` is gone, and we with it.
        let _ = waker.wake();
    };
    // SAFETY: a handler may only do what signal-safety(7) allows. `Waker::wake` keeps to that:
    // atomic operations and at most one write(2), no lock, no allocation.
    unsafe { signal_hook::low_level::register(signal_hook::consts::SIGINT, handler) }?;
    Ok(())
}

fn address() -> io::Result<SocketAddr> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8080");
    let wrong = |err| io::Error::new(ErrorKind::InvalidInput, format!("{address}: {err}"));
    address.parse().map_err(wrong)
}
