//! Several threads accept from one listener, and a connection wakes one of them, not all.
//!
//! Each worker has its own [`Poll`], and each poll watches the listener. Under edges alone every
//! connection wakes all of them, one gets it, and the others find nothing: the thundering herd.
//! [`exclusive`](Interest::exclusive) has the kernel wake one, or a few.
//!
//! A source belongs to one poll, so each worker has a duplicate of the listener's descriptor; they
//! all lead to the same queue of connections.
//!
//! Both ways are run, to compare. A backend that cannot do it says `Unsupported`; then the herd is
//! all there is.
//!
//! ```text
//! cargo run --release --example exclusive_accept
//! ```

use std::io::{self, ErrorKind, Read, Write};
use std::net::{self, SocketAddr};
use std::thread;

use wakeful::net::TcpListener;
use wakeful::{Events, Interest, Poll, Token, Waker};

const LISTENER: Token = Token(0);
const STOP: Token = Token(1);

const WORKERS: usize = 4;
const CLIENTS: usize = 400;

fn main() -> io::Result<()> {
    run("edge", Interest::READABLE)?;
    match run("edge, exclusive", Interest::READABLE.exclusive()) {
        Err(err) if err.kind() == ErrorKind::Unsupported => {
            println!("exclusive: {err}");
            Ok(())
        }
        outcome => outcome,
    }
}

/// Serves all clients with all workers, and tells how often each one woke.
fn run(title: &str, interest: Interest) -> io::Result<()> {
    let listener = net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;

    let workers = (0..WORKERS)
        .map(|_| Worker::new(TcpListener::try_from(listener.try_clone()?)?, interest))
        .collect::<io::Result<Vec<_>>>()?;
    let mut stops = Vec::new();
    let mut threads = Vec::new();
    for worker in workers {
        stops.push(Waker::new(worker.poll.registry(), STOP)?);
        threads.push(thread::spawn(move || worker.run()));
    }

    (0..CLIENTS).try_for_each(|_| visit(address))?;
    stops.iter().try_for_each(Waker::wake)?;

    println!("{title}\n  worker  woken  accepted");
    let (mut woken, mut accepted) = (0, 0);
    for (number, thread) in threads.into_iter().enumerate() {
        let worker = thread.join().expect("the workers do not panic")?;
        println!("  {number:6}  {:5}  {:8}", worker.woken, worker.accepted);
        woken += worker.woken;
        accepted += worker.accepted;
    }
    println!("  {accepted} clients, {woken} events\n");
    Ok(())
}

struct Worker {
    poll: Poll,
    listener: TcpListener,
    woken: usize,
    accepted: usize,
}

impl Worker {
    fn new(mut listener: TcpListener, interest: Interest) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut listener, LISTENER, interest)?;
        Ok(Self {
            poll,
            listener,
            woken: 0,
            accepted: 0,
        })
    }

    /// Greets clients until it is stopped.
    fn run(mut self) -> io::Result<Self> {
        let mut events = Events::with_capacity(8);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(err) if err.kind() == ErrorKind::Interrupted => continue,
                outcome => outcome?,
            }
            for event in &events {
                match event.token() {
                    STOP => return Ok(self),
                    _ => self.accept_all()?,
                }
            }
        }
    }

    /// Until it would block: even an exclusive wake may reach two workers, and one wake may stand
    /// for two connections.
    fn accept_all(&mut self) -> io::Result<()> {
        self.woken += 1;
        loop {
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    self.accepted += 1;
                    // The send buffer of a new connection has room for a byte.
                    stream.write_all(b"!")?;
                }
                Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(err) if err.kind() == ErrorKind::ConnectionAborted => {}
                Err(err) => return Err(err),
            }
        }
    }
}

/// One client after the other, so that each connection finds the workers asleep.
fn visit(server: SocketAddr) -> io::Result<()> {
    net::TcpStream::connect(server)?.read_exact(&mut [0])
}
