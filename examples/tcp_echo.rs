//! A TCP server that sends back what it receives, until Ctrl-C.
//!
//! Shows how to live with edges: an event adds its connection to a list of ready ones, and it
//! stays there until a call would block. Shows backpressure (what was read is written before more
//! is read), partial writes, half-close, resets, running out of descriptors, and a `Waker` that is
//! woken by a signal handler.
//!
//! ```text
//! cargo run --release --example tcp_echo [ADDRESS]      # 127.0.0.1:7777 if not given
//! nc 127.0.0.1 7777
//! ```

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
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
    let mut totals = Totals::default();
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
            match connection.echo(&mut totals.bytes) {
                Ok(Next::Continue) => return true,
                Ok(Next::Wait) => return false,
                Ok(Next::Close) => {}
                // Mostly a reset. It is the end of this connection only.
                Err(err) => {
                    println!("connection {key} failed: {err}");
                    totals.failed += 1;
                }
            }
            drop(connections.remove(key));
            false
        });
        // After the connections: those that ended have freed their descriptors.
        if backlog {
            backlog = !accept_all(&listener, poll.registry(), &mut connections, &mut totals);
        }
    }

    println!(
        "{} connections, {} bytes echoed, {} failed, {} still open",
        totals.connections,
        totals.bytes,
        totals.failed,
        connections.len()
    );
    Ok(())
}

#[derive(Default)]
struct Totals {
    connections: usize,
    bytes: u64,
    failed: usize,
}

/// Accepts until it would block; `false` if connections may still be waiting.
fn accept_all(
    listener: &TcpListener,
    registry: &Registry,
    connections: &mut Slab<Connection>,
    totals: &mut Totals,
) -> bool {
    loop {
        match listener.accept() {
            Ok((mut stream, peer)) => {
                let entry = connections.vacant_entry();
                let both = Interest::READABLE | Interest::WRITABLE;
                match registry.register(&mut stream, Token(entry.key()), both) {
                    Ok(()) => {
                        totals.connections += 1;
                        entry.insert(Connection::new(stream));
                    }
                    Err(err) => eprintln!("cannot watch {peer}: {err}"),
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
    /// Nothing: both sides have said everything.
    Close,
}

struct Connection {
    stream: TcpStream,
    /// Holds what was read and not yet written back: `buffer[start..end]`.
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Connection {
    /// Reads in a row before the others have their turn: a fast client must not starve them.
    const SHARE: usize = 16;

    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            buffer: vec![0; 16 * 1024].into(),
            start: 0,
            end: 0,
        }
    }

    /// Writes back, then reads, until one of them would block.
    ///
    /// Nothing is read while something is left to write. A client that sends without reading thus
    /// fills the buffers of the kernel, and has to wait. Both interests stay registered: an edge
    /// that comes at the wrong time is not lost, as we go on until `WouldBlock` later.
    fn echo(&mut self, bytes: &mut u64) -> io::Result<Next> {
        for _ in 0..Self::SHARE {
            while self.start < self.end {
                match self.stream.write(&self.buffer[self.start..self.end]) {
                    Ok(n) => {
                        self.start += n;
                        *bytes += n as u64;
                    }
                    Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(Next::Wait),
                    Err(err) if err.kind() == ErrorKind::Interrupted => {}
                    Err(err) => return Err(err),
                }
            }
            match self.stream.read(&mut self.buffer) {
                // The client has sent all; it may still be reading (half-close). Everything is
                // written back here, so closing ends the stream properly.
                Ok(0) => return Ok(Next::Close),
                Ok(n) => (self.start, self.end) = (0, n),
                Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(Next::Wait),
                Err(err) if err.kind() == ErrorKind::Interrupted => {}
                Err(err) => return Err(err),
            }
        }
        Ok(Next::Continue)
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
    let address = address.as_deref().unwrap_or("127.0.0.1:7777");
    let wrong = |err| io::Error::new(ErrorKind::InvalidInput, format!("{address}: {err}"));
    address.parse().map_err(wrong)
}
