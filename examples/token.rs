//! Many sources on one `Poll`, told apart by their tokens.
//!
//! A listener and its connections share one [`Poll`]. The connections live in a slab, and their
//! index there is their token; the listener has a token that no index reaches. Every source is
//! drained until it would block, because readiness is reported as an edge: once, when it begins.
//!
//! The 32 clients come from a second thread, eight at a time. Every third sends a greeting; all
//! of them close.
//!
//! ```text
//! cargo run --release --example token
//! WAKEFUL_BACKEND=poll cargo run --release --example token
//! ```

use std::fmt::Display;
use std::io::{self, IsTerminal, Read, StdoutLock, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use std::{env, thread};

use slab::Slab;
use wakeful::net::{TcpListener, TcpStream};
use wakeful::{Events, Interest, Poll, Registry, Token};

const CLIENTS: usize = 32;
const WAVE: usize = 8;

/// No slab index gets there.
const LISTENER: Token = Token(usize::MAX);

/// Only reached if a client was lost.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(128);
    let mut connections = Slab::with_capacity(WAVE);

    let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into())?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;

    let address = listener.local_addr()?;
    let mut report = Report::begin(address, &poll.backend())?;
    let clients = thread::spawn(move || visit(address));

    while report.closed < CLIENTS {
        match poll.poll(&mut events, Some(PATIENCE)) {
            // A signal came, for example because the terminal was resized.
            Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        if events.is_empty() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "a client is lost"));
        }

        report.polls += 1;
        for event in &events {
            match event.token() {
                LISTENER => {
                    let tokens = accept_all(&listener, poll.registry(), &mut connections)?;
                    report.accepted(&tokens, connections.len())?;
                }
                Token(key) => {
                    let (text, closed) = read_all(&mut connections[key])?;
                    if closed {
                        // Dropping a source ends its registration. The slab may now give the
                        // key, and so the token, to another connection.
                        drop(connections.remove(key));
                    }
                    report.read(key, &text, closed)?;
                }
            }
        }
    }

    clients.join().expect("the clients do not panic")?;
    report.end()
}

/// Accepts until it would block: one event may stand for many connections.
fn accept_all(
    listener: &TcpListener,
    registry: &Registry,
    connections: &mut Slab<TcpStream>,
) -> io::Result<Vec<usize>> {
    let mut tokens = Vec::new();
    loop {
        match listener.accept() {
            Ok((mut connection, _)) => {
                let entry = connections.vacant_entry();
                registry.register(&mut connection, Token(entry.key()), Interest::READABLE)?;
                tokens.push(entry.key());
                entry.insert(connection);
            }
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => return Ok(tokens),
            Err(err) => return Err(err),
        }
    }
}

/// Reads until it would block, or until the peer has closed. Tells what came, and whether it was
/// the last.
fn read_all(connection: &mut TcpStream) -> io::Result<(Vec<u8>, bool)> {
    let mut text = Vec::new();
    let mut buffer = [0; 512];
    loop {
        match connection.read(&mut buffer) {
            Ok(0) => return Ok((text, true)),
            Ok(n) => text.extend_from_slice(&buffer[..n]),
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => return Ok((text, false)),
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
}

/// The clients, with the blocking sockets of the standard library.
fn visit(server: SocketAddr) -> io::Result<()> {
    for first in (0..CLIENTS).step_by(WAVE) {
        let mut wave = Vec::with_capacity(WAVE);
        for client in first..first + WAVE {
            wave.push((client, std::net::TcpStream::connect(server)?));
        }
        for (client, connection) in &mut wave {
            if *client % 3 == 0 {
                connection.write_all(format!("hello from client {client}").as_bytes())?;
            }
        }
        // Dropping the wave closes its connections.
    }
    Ok(())
}

/// What we tell the reader of the terminal; nothing below is about readiness.
struct Report {
    out: StdoutLock<'static>,
    colour: bool,
    start: Instant,
    polls: usize,
    events: usize,
    accepted: usize,
    closed: usize,
    bytes: usize,
    most_open: usize,
}

impl Report {
    fn begin(address: SocketAddr, backend: &dyn Display) -> io::Result<Self> {
        let out = io::stdout().lock();
        let mut report = Self {
            colour: out.is_terminal() && env::var_os("NO_COLOR").map_or(true, |no| no.is_empty()),
            out,
            start: Instant::now(),
            polls: 0,
            events: 0,
            accepted: 0,
            closed: 0,
            bytes: 0,
            most_open: 0,
        };
        writeln!(report.out, "listening on {address}, backend {backend}\n")?;
        let titles = report.paint(BOLD, "poll  source    what happened");
        writeln!(report.out, "{titles}")?;
        Ok(report)
    }

    fn accepted(&mut self, tokens: &[usize], open: usize) -> io::Result<()> {
        self.accepted += tokens.len();
        self.most_open = self.most_open.max(open);
        let list: Vec<_> = tokens.iter().take(WAVE).map(usize::to_string).collect();
        let list = list.join(", ");
        let what = match tokens.len() {
            0 => "nobody there any more".to_owned(),
            1 => format!("accepted token {list}"),
            2..=WAVE => format!("accepted tokens {list}"),
            n => format!("accepted tokens {list} and {} more", n - WAVE),
        };
        self.event(GREEN, "listener", &what)
    }

    fn read(&mut self, key: usize, text: &[u8], closed: bool) -> io::Result<()> {
        self.closed += usize::from(closed);
        self.bytes += text.len();
        let text = String::from_utf8_lossy(text);
        let what = match (text.is_empty(), closed) {
            (true, true) => "closed".to_owned(),
            (true, false) => "nothing there yet".to_owned(),
            (false, true) => format!("said {text:?} and closed"),
            (false, false) => format!("said {text:?}"),
        };
        self.event(CYAN, &format!("token {key}"), &what)
    }

    fn event(&mut self, colour: &str, source: &str, what: &str) -> io::Result<()> {
        self.events += 1;
        let poll = self.paint(DIM, format_args!("{:4}", self.polls));
        let source = self.paint(colour, format_args!("{source:8}"));
        writeln!(self.out, "{poll}  {source}  {what}")
    }

    fn end(mut self) -> io::Result<()> {
        let rows = [
            (
                "clients",
                format!("{} accepted, {} closed", self.accepted, self.closed),
            ),
            (
                "events",
                format!("{} in {} calls of poll", self.events, self.polls),
            ),
            ("bytes", format!("{} read", self.bytes)),
            ("slab", format!("{} tokens were enough", self.most_open)),
            ("time", format!("{:.2?}", self.start.elapsed())),
        ];
        writeln!(self.out)?;
        for (name, value) in rows {
            let name = self.paint(BOLD, format_args!("{name:8}"));
            writeln!(self.out, "{name}  {value}")?;
        }
        self.out.flush()
    }

    fn paint(&self, colour: &str, text: impl Display) -> String {
        if self.colour {
            format!("\x1b[{colour}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }
}

const BOLD: &str = "1";
const DIM: &str = "2";
const GREEN: &str = "32";
const CYAN: &str = "36";
