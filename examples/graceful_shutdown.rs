//! A TCP server that stops well: Ctrl-C begins the end, and nobody loses what was sent.
//!
//! 1. A signal handler wakes the poll; see `wake_on_ctrl_c` for why it may.
//! 2. The listener is dropped, so new clients go elsewhere.
//! 3. Each connection sends what it still owes, then `bye`, and closes its writing half. To close
//!    both halves at once would reset a connection whose client is still sending, and it might lose
//!    our last words.
//! 4. The server ends when the last client has closed, or at a deadline, which is a [`Timer`], or at
//!    a second Ctrl-C.
//!
//! Until then it sends back what it receives.
//!
//! ```text
//! cargo run --release --example graceful_shutdown [ADDRESS]     # 127.0.0.1:7777 if not given
//! nc 127.0.0.1 7777
//! ```

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use slab::Slab;
use wakeful::net::{TcpListener, TcpStream};
use wakeful::time::Timer;
use wakeful::{Events, Interest, Poll, Registry, Token, Waker};

// No key of the slab leads there.
const LISTENER: Token = Token(usize::MAX);
const CTRL_C: Token = Token(usize::MAX - 1);
const DEADLINE: Token = Token(usize::MAX - 2);

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// How long clients have to close after our `bye`.
const GRACE: Duration = Duration::from_secs(5);

fn main() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    wake_on_ctrl_c(poll.registry())?;

    let mut listener = TcpListener::bind(address()?)?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("listening on {} (Ctrl-C to stop)", listener.local_addr()?);

    // `None` when the end has begun.
    let mut listener = Some(listener);
    let mut deadline = Timer::new();
    poll.registry()
        .register(&mut deadline, DEADLINE, Interest::READABLE)?;
    let mut connections: Slab<Connection> = Slab::new();

    while listener.is_some() || !connections.is_empty() {
        match poll.poll(&mut events, None) {
            // A signal came. If it was Ctrl-C, the next call tells.
            Err(err) if err.kind() == ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        for event in &events {
            let key = match event.token() {
                CTRL_C if listener.is_none() => return cut_off(&connections),
                CTRL_C => {
                    // Dropping it closes it. Who waits there and was not accepted is refused.
                    listener = None;
                    deadline.set_after(GRACE);
                    println!("stopping, {} still connected", connections.len());
                    connections.retain(|key, connection| {
                        connection.is_last = true;
                        connection.serve(poll.registry(), key).unwrap_or(false)
                    });
                    continue;
                }
                DEADLINE => return cut_off(&connections),
                LISTENER => {
                    if let Some(listener) = &listener {
                        accept_all(listener, poll.registry(), &mut connections)?;
                    }
                    continue;
                }
                Token(key) => key,
            };
            // It may have ended by an earlier event of this batch. One that broke has ended, too.
            if let Some(connection) = connections.get_mut(key) {
                if !connection.serve(poll.registry(), key).unwrap_or(false) {
                    connections.remove(key);
                }
            }
        }
    }
    println!("stopped, nobody was cut off");
    Ok(())
}

fn cut_off(connections: &Slab<Connection>) -> io::Result<()> {
    println!("stopped, {} cut off", connections.len());
    Ok(())
}

struct Connection {
    stream: TcpStream,
    /// Not sent yet.
    owed: Vec<u8>,
    /// What it is owed now is the last; what it sends is thrown away.
    is_last: bool,
    said_bye: bool,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            owed: Vec::new(),
            is_last: false,
            said_bye: false,
        }
    }

    /// Reads in a row: a client that never stops sending must not keep us from the deadline.
    const SHARE: usize = 16;

    /// Writes and reads until it would block, or has had its share; `false` at the end.
    fn serve(&mut self, registry: &Registry, key: usize) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        for _ in 0..Self::SHARE {
            if self.is_last && !self.said_bye {
                self.owed.extend_from_slice(b"bye\n");
                self.said_bye = true;
            }
            // Nothing is read before the client takes what it is owed.
            while !self.owed.is_empty() {
                match self.stream.write(&self.owed) {
                    Ok(n) => drop(self.owed.drain(..n)),
                    Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(true),
                    Err(err) if err.kind() == ErrorKind::Interrupted => {}
                    Err(err) => return Err(err),
                }
                if self.owed.is_empty() && self.said_bye {
                    self.stream.shutdown(Shutdown::Write)?;
                }
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(false),
                Ok(n) if !self.is_last => self.owed.extend_from_slice(&buffer[..n]),
                Ok(_) => {}
                Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(err) if err.kind() == ErrorKind::Interrupted => {}
                Err(err) => return Err(err),
            }
        }
        // Not drained, so no edge need come. This reports anew what is ready.
        registry.reregister(&mut self.stream, Token(key), BOTH)?;
        Ok(true)
    }
}

fn accept_all(
    listener: &TcpListener,
    registry: &Registry,
    connections: &mut Slab<Connection>,
) -> io::Result<()> {
    loop {
        match listener.accept() {
            Ok((mut stream, _)) => {
                let entry = connections.vacant_entry();
                registry.register(&mut stream, Token(entry.key()), BOTH)?;
                entry.insert(Connection::new(stream));
            }
            Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(err) if err.kind() == ErrorKind::ConnectionAborted => {}
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            // The examples `tcp_echo` and `http_hello` show how to live with EMFILE.
            Err(err) => return Err(err),
        }
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
