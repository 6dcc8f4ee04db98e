//! One thread polls, several work: a connection is one-shot, so that one of them has it at a time.
//!
//! Under edges alone, a second event can come while a worker still deals with the first, and a
//! second worker takes up the same connection. With [`oneshot`](Interest::oneshot) a connection
//! reports once and is then silent, until the worker *reregisters* it when it is done. What
//! has come meanwhile is reported at once, so nothing needs to be drained: one read, one write,
//! back to the poll. Thus no client keeps a worker for itself.
//!
//! Workers tell of connections that have ended through a channel, since the slab belongs to the
//! polling thread.
//!
//! Eight clients send 25 words each, and get them back in capitals.
//!
//! ```text
//! cargo run --release --example oneshot_worker_threads
//! ```

use std::io::{self, ErrorKind, Read, Write};
use std::net::{self, SocketAddr};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use slab::Slab;
use wakeful::channel::{self, Sender};
use wakeful::net::{TcpListener, TcpStream};
use wakeful::{Events, Interest, Poll, Registry, Token};

const WORKERS: usize = 4;
const CLIENTS: usize = 8;
const WORDS: usize = 25;

// No key of the slab leads there.
const LISTENER: Token = Token(usize::MAX);
const ENDED: Token = Token(usize::MAX - 1);

type Shared = Arc<Mutex<Connection>>;

fn main() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(128);
    let registry = poll.registry();
    let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
    registry.register(&mut listener, LISTENER, Interest::READABLE)?;
    let (sender, mut ended) = channel::channel();
    registry.register(&mut ended, ENDED, Interest::READABLE)?;

    let (turns, queue) = mpsc::channel();
    let queue = Arc::new(Mutex::new(queue));
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        let (queue, sender, registry) = (Arc::clone(&queue), sender.clone(), registry.try_clone()?);
        workers.push(thread::spawn(move || work(&queue, &sender, &registry)));
    }

    let address = listener.local_addr()?;
    let clients = [(); CLIENTS].map(|()| thread::spawn(move || visit(address)));

    let mut connections: Slab<Shared> = Slab::new();
    let mut gone = 0;
    while gone < CLIENTS {
        match poll.poll(&mut events, None) {
            Err(err) if err.kind() == ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        for event in &events {
            match event.token() {
                LISTENER => accept_all(&listener, poll.registry(), &mut connections)?,
                ENDED => {
                    for key in ended.try_iter() {
                        connections.remove(key);
                        gone += 1;
                    }
                }
                Token(key) => {
                    let Some(connection) = connections.get(key) else {
                        continue;
                    };
                    let turn = (key, Arc::clone(connection));
                    turns.send(turn).expect("the workers wait for turns");
                }
            }
        }
    }

    for client in clients {
        client.join().expect("the clients do not panic")?;
    }
    // The workers end when no more turns can come.
    drop(turns);
    println!("worker  turns");
    let mut total = 0;
    for (worker, thread) in workers.into_iter().enumerate() {
        let turns = thread.join().expect("the workers do not panic");
        println!("{worker:6}  {turns:5}");
        total += turns;
    }
    println!(
        "\n{CLIENTS} clients, {} words, {total} turns",
        CLIENTS * WORDS
    );
    Ok(())
}

/// Runs in its own thread; returns how many turns it took.
fn work(
    queue: &Mutex<Receiver<(usize, Shared)>>,
    ended: &Sender<usize>,
    registry: &Registry,
) -> usize {
    let mut turns = 0;
    loop {
        let turn = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((key, connection)) = turn else {
            return turns;
        };
        turns += 1;
        // Hardly ever waits: who had it before has reregistered it, and is about to let go.
        let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = connection.take_turn().and_then(|next| match next {
            // From here on it can be another worker's turn.
            Some(interest) => {
                registry.reregister(&mut connection.stream, Token(key), interest)?;
                Ok(true)
            }
            None => Ok(false),
        });
        // A connection that broke concerns nobody but itself.
        let goes_on = outcome.unwrap_or(false);
        if !goes_on && ended.send(key).is_err() {
            return turns;
        }
    }
}

struct Connection {
    stream: TcpStream,
    /// Read, but not sent back yet.
    owed: Vec<u8>,
}

impl Connection {
    /// One read and one write; returns what to wait for next, `None` at the end.
    fn take_turn(&mut self) -> io::Result<Option<Interest>> {
        if self.owed.is_empty() {
            let mut buffer = [0; 512];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(n) => self.owed.extend(buffer[..n].to_ascii_uppercase()),
                Err(err) if is_for_later(&err) => return Ok(Some(Interest::READABLE.oneshot())),
                Err(err) => return Err(err),
            }
        }
        match self.stream.write(&self.owed) {
            Ok(n) => drop(self.owed.drain(..n)),
            Err(err) if is_for_later(&err) => {}
            Err(err) => return Err(err),
        }
        let next = if self.owed.is_empty() {
            Interest::READABLE
        } else {
            Interest::WRITABLE
        };
        Ok(Some(next.oneshot()))
    }
}

/// The reregistration reports what is ready, so there is no need to try again here.
fn is_for_later(err: &io::Error) -> bool {
    matches!(err.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn accept_all(
    listener: &TcpListener,
    registry: &Registry,
    connections: &mut Slab<Shared>,
) -> io::Result<()> {
    loop {
        match listener.accept() {
            Ok((mut stream, _)) => {
                let entry = connections.vacant_entry();
                let once = Interest::READABLE.oneshot();
                registry.register(&mut stream, Token(entry.key()), once)?;
                let owed = Vec::new();
                entry.insert(Arc::new(Mutex::new(Connection { stream, owed })));
            }
            Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(err) => return Err(err),
        }
    }
}

/// A client, with the blocking sockets of the standard library.
fn visit(server: SocketAddr) -> io::Result<()> {
    let mut stream = net::TcpStream::connect(server)?;
    let mut answer = [0; 4];
    for _ in 0..WORDS {
        stream.write_all(b"word")?;
        stream.read_exact(&mut answer)?;
        assert_eq!(&answer, b"WORD");
    }
    Ok(())
}
