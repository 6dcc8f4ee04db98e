//! A TCP server that closes connections on which nothing happens, with one timer for each.
//!
//! Many servers keep a timer wheel for this, because a timer of the system for each connection
//! costs too much. Here a [`Timer`] is an entry in the memory of the poll: every activity moves
//! it, without a system call, and the poll sleeps until the soonest deadline.
//!
//! A connection has two sources, so it has two tokens: an even one for its stream, the next odd one
//! for its timer. When bytes and the deadline come in the same batch, the bytes win: the timer was
//! moved when its event is looked at, so it says that it has not expired.
//!
//! The clients run in threads of their own. One says nothing, one talks for a while and then falls
//! silent, one closes by itself.
//!
//! ```text
//! cargo run --release --example timer_wheel_of_idle_connections
//! ```

use std::io::{self, ErrorKind, Read, Write};
use std::net::{self, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use slab::Slab;
use wakeful::net::{TcpListener, TcpStream};
use wakeful::time::Timer;
use wakeful::{Events, Interest, Poll, Registry, Token};

const IDLE: Duration = Duration::from_millis(300);

/// No key of the slab leads there.
const LISTENER: Token = Token(usize::MAX);

fn main() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(128);
    let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let address = listener.local_addr()?;
    println!("listening on {address}; whoever is idle for {IDLE:?} is closed\n");

    let clients = [says_nothing, falls_silent, closes_by_itself]
        .map(|client| thread::spawn(move || client(address)));

    let start = Instant::now();
    let tell = |key: usize, what: &str| {
        println!("{:4} ms  #{key}  {what}", start.elapsed().as_millis());
    };
    let mut connections: Slab<Connection> = Slab::new();
    let (mut closed, mut idle, mut moved) = (0, 0, 0);
    while closed < clients.len() {
        match poll.poll(&mut events, None) {
            Err(err) if err.kind() == ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        for event in &events {
            let Token(number) = event.token();
            if event.token() == LISTENER {
                while let Some(stream) = accept(&listener)? {
                    let entry = connections.vacant_entry();
                    tell(entry.key(), "connected");
                    let connection = Connection::register(stream, poll.registry(), entry.key())?;
                    entry.insert(connection);
                }
                continue;
            }
            let key = number / 2;
            let Some(connection) = connections.get_mut(key) else {
                continue; // closed by an earlier event of this batch
            };
            let is_closed = if number % 2 == 0 {
                match connection.read_all() {
                    Ok(true) => {
                        tell(key, "says something");
                        connection.timer.set_after(IDLE);
                        moved += 1;
                        false
                    }
                    Ok(false) => false, // spurious
                    Err(_) => {
                        tell(key, "has closed");
                        true
                    }
                }
            } else {
                // Zero: the timer was moved after its event had been found.
                let is_idle = connection.timer.expirations() > 0;
                if is_idle {
                    tell(key, "is idle: closed");
                    idle += 1;
                }
                is_idle
            };
            if is_closed {
                // Dropping both sources ends their registrations.
                connections.remove(key);
                closed += 1;
            }
        }
    }

    println!("\n{closed} connections, {idle} closed for being idle, {moved} timers moved");
    for client in clients {
        client.join().expect("the clients do not panic")?;
    }
    Ok(())
}

struct Connection {
    stream: TcpStream,
    timer: Timer,
}

impl Connection {
    fn register(mut stream: TcpStream, registry: &Registry, key: usize) -> io::Result<Self> {
        let mut timer = Timer::after(IDLE);
        registry.register(&mut stream, Token(2 * key), Interest::READABLE)?;
        registry.register(&mut timer, Token(2 * key + 1), Interest::READABLE)?;
        Ok(Self { stream, timer })
    }

    /// Reads until it would block, and tells whether anything came. The end of the stream is an
    /// error here.
    fn read_all(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 512];
        let mut came = false;
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => came = true,
                Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(came),
                Err(err) if err.kind() == ErrorKind::Interrupted => {}
                Err(err) => return Err(err),
            }
        }
    }
}

/// The next connection that waits.
fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    match listener.accept() {
        Ok((stream, _)) => Ok(Some(stream)),
        Err(err) if err.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(err) => Err(err),
    }
}

fn says_nothing(server: SocketAddr) -> io::Result<()> {
    wait_for_end(net::TcpStream::connect(server)?)
}

/// For longer than the server would wait, but never that long at a stretch.
fn falls_silent(server: SocketAddr) -> io::Result<()> {
    let mut stream = net::TcpStream::connect(server)?;
    for _ in 0..8 {
        thread::sleep(IDLE / 5);
        if stream.write_all(b"still here").is_err() {
            break; // A busy machine made us late.
        }
    }
    wait_for_end(stream)
}

fn closes_by_itself(server: SocketAddr) -> io::Result<()> {
    net::TcpStream::connect(server)?.write_all(b"bye")
}

/// Returns when the server has closed the connection.
fn wait_for_end(mut stream: net::TcpStream) -> io::Result<()> {
    match stream.read(&mut [0]) {
        Err(err) if err.kind() != ErrorKind::ConnectionReset => Err(err),
        _ => Ok(()),
    }
}
