//! The echo server: edge-triggered, reads until `WouldBlock`, or until a read was short.

use std::io::{ErrorKind, Read, Write};

use anyhow::{ensure, Result};

use super::api::net::{TcpListener, TcpStream};
use super::api::{Events, Interest, Poll, Registry, Token};

use crate::engines::window::Window;
use crate::process::announce;
use crate::workloads::echo::Echo;
use crate::workloads::Values;

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
    let mut server = Server {
        buffer: vec![0; job.buffer()],
        stop_short: job.stop_short,
        window: job.window(),
    };
    while open > 0 || connections.len() < job.connections {
        super::poll(&mut poll, &mut events, None)?;
        for event in events.iter() {
            match event.token() {
                LISTENER => open += accept_all(&listener, poll.registry(), &mut connections)?,
                Token(key) => {
                    // An event may be spurious: for a connection that is no more it is.
                    let Some(Some(connection)) = connections.get_mut(key) else {
                        continue;
                    };
                    // What has been read short may have been the last before the end.
                    let is_last = job.stop_short && event.is_read_closed();
                    if server.serve(connection, Token(key), is_last, poll.registry())? {
                        poll.registry().deregister(&mut connection.stream)?;
                        connections[key] = None;
                        open -= 1;
                    }
                }
            }
        }
    }
    server.window.close(job.requests)
}

fn accept_all(
    listener: &TcpListener,
    registry: &Registry,
    connections: &mut Vec<Option<Connection>>,
) -> Result<usize> {
    let before = connections.len();
    loop {
        match listener.accept() {
            Ok((mut stream, _)) => {
                stream.set_nodelay(true)?;
                let token = Token(connections.len());
                registry.register(&mut stream, token, Interest::READABLE)?;
                connections.push(Some(Connection::new(stream)));
            }
            Err(err) if err.kind() == ErrorKind::WouldBlock => break,
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            Err(err) => return Err(err.into()),
        }
    }
    Ok(connections.len() - before)
}

struct Connection {
    stream: TcpStream,
    /// What could not be sent back yet. Nothing is read before it is.
    rest: Vec<u8>,
    hears_of_room: bool,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            rest: Vec::new(),
            hears_of_room: false,
        }
    }
}

struct Server {
    buffer: Vec<u8>,
    stop_short: bool,
    window: Window,
}

impl Server {
    /// Sends back what has come; whether that was the end.
    fn serve(
        &mut self,
        connection: &mut Connection,
        token: Token,
        is_last: bool,
        registry: &Registry,
    ) -> Result<bool> {
        if !connection.rest.is_empty() {
            let written = self.write(&mut connection.stream, &connection.rest)?;
            connection.rest.drain(..written);
            if !connection.rest.is_empty() {
                return Ok(false);
            }
        }
        loop {
            let length = match connection.stream.read(&mut self.buffer) {
                Ok(0) => return Ok(true),
                Ok(length) => length,
                Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(err) if err.kind() == ErrorKind::Interrupted => continue,
                Err(err) => return Err(err.into()),
            };
            let buffer = std::mem::take(&mut self.buffer);
            let written = self.write(&mut connection.stream, &buffer[..length]);
            self.buffer = buffer;
            let written = written?;
            if written < length {
                connection
                    .rest
                    .extend_from_slice(&self.buffer[written..length]);
                if !connection.hears_of_room {
                    connection.hears_of_room = true;
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    registry.reregister(&mut connection.stream, token, interest)?;
                }
                return Ok(false);
            }
            if self.stop_short && length < self.buffer.len() && !is_last {
                return Ok(false);
            }
        }
    }

    /// As much as there is room for.
    fn write(&mut self, stream: &mut TcpStream, bytes: &[u8]) -> Result<usize> {
        let mut written = 0;
        while written < bytes.len() {
            match stream.write(&bytes[written..]) {
                Ok(length) => {
                    ensure!(length > 0, "nothing is written");
                    written += length;
                    self.window.count(length as u64);
                }
                Err(err) if err.kind() == ErrorKind::WouldBlock => break,
                Err(err) if err.kind() == ErrorKind::Interrupted => {}
                Err(err) => return Err(err.into()),
            }
        }
        Ok(written)
    }
}
