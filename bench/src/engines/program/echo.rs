//! The echo server: edge-triggered, reads until `WouldBlock`.

use std::io::{ErrorKind, Read, Write};

use anyhow::{ensure, Context, Result};

use super::api::net::{TcpListener, TcpStream};
use super::api::{Events, Interest, Poll, Registry, Token};

use crate::process::announce;
use crate::system::Usage;
use crate::workloads::echo::Echo;
use crate::workloads::{values, Values};

const LISTENER: Token = Token(usize::MAX - 1);

/// Serves until every client has come and gone.
pub fn serve(job: &Echo) -> Result<Values> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut listener = TcpListener::bind("127.0.0.1:0".parse()?)?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    announce(listener.local_addr()?)?;

    let mut connections = Vec::with_capacity(job.connections);
    let mut open = 0;
    let mut buffer = vec![0; 4096];
    let mut window = Window::new(job);
    while open > 0 || connections.len() < job.connections {
        super::poll(&mut poll, &mut events, None)?;
        for event in events.iter() {
            match event.token() {
                LISTENER => open += accept_all(&listener, poll.registry(), &mut connections)?,
                Token(key) => {
                    // An event may be spurious: for a connection that is no more it is.
                    let Some(Some(stream)) = connections.get_mut(key) else {
                        continue;
                    };
                    if echo(stream, &mut buffer, &mut window)? {
                        connections[key] = None;
                        open -= 1;
                    }
                }
            }
        }
    }
    window.close(job)
}

fn accept_all(
    listener: &TcpListener,
    registry: &Registry,
    connections: &mut Vec<Option<TcpStream>>,
) -> Result<usize> {
    let before = connections.len();
    loop {
        match listener.accept() {
            Ok((mut stream, _)) => {
                stream.set_nodelay(true)?;
                let token = Token(connections.len());
                registry.register(&mut stream, token, Interest::READABLE)?;
                connections.push(Some(stream));
            }
            Err(err) if err.kind() == ErrorKind::WouldBlock => break,
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            Err(err) => return Err(err.into()),
        }
    }
    Ok(connections.len() - before)
}

/// Sends back what has come; whether that was the end.
fn echo(stream: &mut TcpStream, buffer: &mut [u8], window: &mut Window) -> Result<bool> {
    loop {
        match stream.read(buffer) {
            Ok(0) => return Ok(true),
            Ok(length) => {
                // One message is under way at a time, for which the kernel always has room.
                let written = stream.write(&buffer[..length])?;
                ensure!(written == length, "no room to send back {length} bytes");
                window.count(length as u64);
            }
            Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            Err(err) => return Err(err.into()),
        }
    }
}

/// From the last byte of the warm-up to the last that is measured.
struct Window {
    bytes: u64,
    /// How many bytes make the next mark.
    next: u64,
    end: u64,
    marks: Vec<Usage>,
}

impl Window {
    fn new(job: &Echo) -> Self {
        Self {
            bytes: 0,
            next: job.warm_up * Echo::MESSAGE as u64,
            end: (job.warm_up + job.requests) * Echo::MESSAGE as u64,
            marks: Vec::with_capacity(2),
        }
    }

    fn count(&mut self, bytes: u64) {
        self.bytes += bytes;
        if self.bytes >= self.next {
            self.mark();
        }
    }

    #[cold]
    fn mark(&mut self) {
        self.marks.push(Usage::now());
        self.next = if self.marks.len() == 1 {
            self.end
        } else {
            u64::MAX
        };
    }

    fn close(self, job: &Echo) -> Result<Values> {
        let expected = job.total() * Echo::MESSAGE as u64;
        ensure!(
            self.bytes == expected,
            "echoed {} bytes, not {expected}",
            self.bytes
        );
        let [start, end] = self.marks[..] else {
            return None.context("the measured part was not reached");
        };
        let cpu = end.nanos_since(start) / job.requests as f64;
        Ok(values([("cpu", cpu), ("operations", job.requests as f64)]))
    }
}
