//! A bare loop over io_uring(7), the other floor: one thread, completions handled one after the other, everything that follows from them submitted
//! with the next wait. So a wait is the only system call.
//!
//! Connections are accepted by one request that stays (`IORING_ACCEPT_MULTISHOT`, Linux 5.19); each has a buffer that a receive waits with.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{bail, ensure, Context, Result};
use io_uring::squeue::{Entry, Flags};
use io_uring::{opcode, types, IoUring};

use super::trips::{self, Trips};
use crate::process::announce;
use crate::system::set_nodelay;
use crate::workloads::churn::Churn;
use crate::workloads::echo::Echo;
use crate::workloads::rtt::Rtt;
use crate::workloads::{Job, Values};

pub fn run(job: &Job) -> Result<Values> {
    match job {
        Job::Echo(job) => echo(job),
        Job::Churn(job) => churn(job),
        Job::Rtt(job) => rtt(job),
        Job::RttClient(job, server) => rtt_client(job, *server),
        other => bail!("there is no bare io_uring program for {other:?}"),
    }
}

/// Why io_uring cannot be used here, if so.
pub fn is_forbidden() -> Option<io::Error> {
    IoUring::new(8).err()
}

/// A ring, and the completions that were there when the last wait ended.
struct Ring {
    ring: IoUring,
    done: Vec<(u64, i32, u32)>,
}

impl Ring {
    fn new(entries: u32) -> io::Result<Self> {
        // One thread submits, and completions are worked on when it waits: what the manual advises (Linux 6.1).
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .build(entries)
            .or_else(|_| IoUring::new(entries))?;
        Ok(Self {
            ring,
            done: Vec::with_capacity(2 * entries as usize),
        })
    }

    /// # Safety
    ///
    /// What the entry points to must live, unused, until its completion has come.
    unsafe fn push(&mut self, entry: &Entry) -> io::Result<()> {
        loop {
            // SAFETY: the caller sees to it.
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                return Ok(());
            }
            // Full: hand over what there is.
            self.ring.submit()?;
        }
    }

    /// Hands over what was pushed and waits for a completion at least; they are in `done` then.
    fn wait(&mut self) -> io::Result<()> {
        self.done.clear();
        loop {
            match self.ring.submit_and_wait(1) {
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                // More completions than there is room for: take some, then go on.
                Err(err) if err.raw_os_error() == Some(libc::EBUSY) => {}
                outcome => {
                    outcome?;
                }
            }
            let done = self.ring.completion();
            self.done
                .extend(done.map(|entry| (entry.user_data(), entry.result(), entry.flags())));
            if !self.done.is_empty() {
                return Ok(());
            }
        }
    }
}

const ENTRIES: u32 = 1024;

// What a completion is of: the key of a connection, and one of these.
const ACCEPT: u64 = 0;
const RECEIVE: u64 = 1;
const SEND: u64 = 2;
const CLOSE: u64 = 3;

fn tag(key: usize, kind: u64) -> u64 {
    (key as u64) << 2 | kind
}

struct Connection {
    socket: OwnedFd,
    buffer: Box<[u8]>,
    /// What is being sent.
    start: usize,
    end: usize,
}

impl Connection {
    fn new(fd: i32, size: usize) -> io::Result<Self> {
        // SAFETY: the descriptor is new, so nobody else owns it.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        set_nodelay(&socket)?;
        Ok(Self {
            socket,
            buffer: vec![0; size].into(),
            start: 0,
            end: 0,
        })
    }

    fn fd(&self) -> types::Fd {
        types::Fd(self.socket.as_raw_fd())
    }

    fn receive(&mut self, key: usize, flags: i32) -> Entry {
        let length = self.buffer.len() as u32;
        opcode::Recv::new(self.fd(), self.buffer.as_mut_ptr(), length)
            .flags(flags)
            .build()
            .user_data(tag(key, RECEIVE))
    }

    fn send(&mut self, key: usize) -> Entry {
        let rest = &self.buffer[self.start..self.end];
        opcode::Send::new(self.fd(), rest.as_ptr(), rest.len() as u32)
            .build()
            .user_data(tag(key, SEND))
    }
}

fn listen(ring: &mut Ring) -> Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    accept(ring, &listener)?;
    announce(listener.local_addr()?)?;
    Ok(listener)
}

fn accept(ring: &mut Ring, listener: &TcpListener) -> io::Result<()> {
    let entry = opcode::AcceptMulti::new(types::Fd(listener.as_raw_fd()))
        .build()
        .user_data(tag(0, ACCEPT));
    // SAFETY: it points to nothing.
    unsafe { ring.push(&entry) }
}

fn check(outcome: i32) -> io::Result<usize> {
    match outcome {
        error if error < 0 => Err(io::Error::from_raw_os_error(-error)),
        number => Ok(number as usize),
    }
}

fn echo(job: &Echo) -> Result<Values> {
    let mut ring = Ring::new(ENTRIES)?;
    let listener = listen(&mut ring)?;
    let mut connections: Vec<Option<Connection>> = Vec::with_capacity(job.connections);
    let mut open = 0;
    let mut window = job.window();
    while open > 0 || connections.len() < job.connections {
        ring.wait()?;
        let done = std::mem::take(&mut ring.done);
        for &(tagged, outcome, flags) in &done {
            let key = (tagged >> 2) as usize;
            let kind = tagged & 3;
            let number = check(outcome)?;
            let next = if kind == ACCEPT {
                if !io_uring::cqueue::more(flags) {
                    accept(&mut ring, &listener)?;
                }
                let key = connections.len();
                connections.push(Some(Connection::new(number as i32, job.buffer())?));
                open += 1;
                connections[key].as_mut().map(|c| c.receive(key, 0))
            } else {
                let connection = connections[key].as_mut().context("gone")?;
                match kind {
                    RECEIVE if number == 0 => {
                        connections[key] = None;
                        open -= 1;
                        None
                    }
                    RECEIVE => {
                        (connection.start, connection.end) = (0, number);
                        Some(connection.send(key))
                    }
                    _ => {
                        window.count(number as u64);
                        connection.start += number;
                        Some(if connection.start < connection.end {
                            connection.send(key)
                        } else {
                            connection.receive(key, 0)
                        })
                    }
                }
            };
            if let Some(entry) = next {
                // SAFETY: the buffer lives as long as the connection, which is not used or dropped before.
                unsafe { ring.push(&entry) }?;
            }
        }
        ring.done = done;
    }
    window.close(job.requests)
}

fn churn(job: &Churn) -> Result<Values> {
    let mut ring = Ring::new(ENTRIES)?;
    let listener = listen(&mut ring)?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut window = job.window();
    let mut to_come = job.total();
    while to_come > 0 {
        ring.wait()?;
        let done = std::mem::take(&mut ring.done);
        for &(tagged, outcome, flags) in &done {
            let key = (tagged >> 2) as usize;
            let number = check(outcome)?;
            match tagged & 3 {
                ACCEPT => {
                    if !io_uring::cqueue::more(flags) {
                        accept(&mut ring, &listener)?;
                    }
                    let mut connection = Connection::new(number as i32, Churn::MESSAGE)?;
                    let key = free.pop().unwrap_or(connections.len());
                    let entry = connection.receive(key, libc::MSG_WAITALL);
                    match connections.get_mut(key) {
                        Some(place) => *place = Some(connection),
                        None => connections.push(Some(connection)),
                    }
                    // SAFETY: the buffer lives as long as the connection, which is not used or dropped before.
                    unsafe { ring.push(&entry) }?;
                }
                RECEIVE => {
                    ensure!(number == Churn::MESSAGE, "closed, a message is lost");
                    let connection = connections[key].as_mut().context("gone")?;
                    (connection.start, connection.end) = (0, number);
                    // The close follows when the send has succeeded.
                    let entry = connection.send(key).flags(Flags::IO_LINK);
                    let fd = connection.fd();
                    // SAFETY: as above.
                    unsafe { ring.push(&entry) }?;
                    let close = opcode::Close::new(fd).build();
                    // SAFETY: it points to nothing; the socket is forgotten below.
                    unsafe { ring.push(&close.user_data(tag(key, CLOSE))) }?;
                }
                SEND => ensure!(number == Churn::MESSAGE, "no room to send a message"),
                _ => {
                    let connection = connections[key].take().context("gone")?;
                    // The ring has closed it.
                    std::mem::forget(connection.socket);
                    free.push(key);
                    to_come -= 1;
                    window.count(1);
                }
            }
        }
        ring.done = done;
    }
    window.close(job.connections)
}

fn rtt(job: &Rtt) -> Result<Values> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    announce(listener.local_addr()?)?;
    let mut end = End::new(listener.accept()?.0)?;
    let mut window = job.window();
    let mut message = end.exchange(None)?;
    // A message is served when the next one has come: the send and the wait for it are one call.
    for _ in 1..job.total() {
        message = end.exchange(Some(message))?;
        window.count(1);
    }
    end.send_last(message)?;
    window.count(1);
    window.close(job.trips)
}

fn rtt_client(job: &Rtt, server: SocketAddr) -> Result<Values> {
    let mut end = End::new(TcpStream::connect(server)?)?;
    let mut trips = Trips::new(job)?;
    while let Some(message) = trips.next() {
        let answer = end.exchange(Some(message))?;
        trips.came(&answer)?;
    }
    trips.close()
}

/// One end of the connection, with a ring of its own.
struct End {
    ring: Ring,
    stream: TcpStream,
    outgoing: Box<[u8; trips::MESSAGE]>,
    incoming: Box<[u8; trips::MESSAGE]>,
}

impl End {
    fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            ring: Ring::new(8)?,
            stream,
            outgoing: Box::new([0; trips::MESSAGE]),
            incoming: Box::new([0; trips::MESSAGE]),
        })
    }

    /// Sends, and waits for what comes then: both with one system call.
    fn exchange(&mut self, message: Option<[u8; trips::MESSAGE]>) -> Result<[u8; trips::MESSAGE]> {
        let fd = types::Fd(self.stream.as_raw_fd());
        let mut under_way = 1;
        if let Some(message) = message {
            *self.outgoing = message;
            self.push_send()?;
            under_way += 1;
        }
        let receive = opcode::Recv::new(fd, self.incoming.as_mut_ptr(), trips::MESSAGE as u32)
            .flags(libc::MSG_WAITALL)
            .build()
            .user_data(RECEIVE);
        // SAFETY: the buffer lives with the ring, and is not used before the completion has come.
        unsafe { self.ring.push(&receive) }?;
        while under_way > 0 {
            self.ring.wait()?;
            for &(_, outcome, _) in &self.ring.done {
                let length = check(outcome)?;
                ensure!(length == trips::MESSAGE, "{length} bytes went through");
                under_way -= 1;
            }
        }
        Ok(*self.incoming)
    }

    fn push_send(&mut self) -> Result<()> {
        let fd = types::Fd(self.stream.as_raw_fd());
        let send = opcode::Send::new(fd, self.outgoing.as_ptr(), trips::MESSAGE as u32)
            .build()
            .user_data(SEND);
        // SAFETY: the buffer lives with the ring, and is not written to before the completion has come.
        unsafe { self.ring.push(&send) }?;
        Ok(())
    }

    fn send_last(&mut self, message: [u8; trips::MESSAGE]) -> Result<()> {
        *self.outgoing = message;
        self.push_send()?;
        self.ring.wait()?;
        let (_, outcome, _) = self.ring.done[0];
        ensure!(check(outcome)? == trips::MESSAGE, "no room for a message");
        Ok(())
    }
}
