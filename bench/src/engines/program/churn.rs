//! The server of short connections.

use std::io::{ErrorKind, Read, Write};

use anyhow::{bail, ensure, Result};

use super::api::net::{TcpListener, TcpStream};
use super::api::{Events, Interest, Poll, Registry, Token};

use crate::process::announce;
use crate::workloads::churn::Churn;
use crate::workloads::Values;

const LISTENER: Token = Token(usize::MAX - 1);

pub fn serve(job: &Churn) -> Result<Values> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut listener = TcpListener::bind("127.0.0.1:0".parse()?)?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    announce(listener.local_addr()?)?;

    let mut connections = Connections::default();
    let mut window = job.window();
    let mut to_come = job.total();
    while to_come > 0 {
        super::poll(&mut poll, &mut events, None)?;
        for event in events.iter() {
            match event.token() {
                LISTENER => accept_all(&listener, poll.registry(), &mut connections)?,
                Token(key) => {
                    // An event may be spurious: for a connection that is no more it is.
                    let Some(Some(connection)) = connections.list.get_mut(key) else {
                        continue;
                    };
                    if connection.answer()? {
                        poll.registry().deregister(&mut connection.stream)?;
                        connections.list[key] = None;
                        connections.free.push(key);
                        to_come -= 1;
                        window.count(1);
                    }
                }
            }
        }
    }
    window.close(job.connections)
}

fn accept_all(
    listener: &TcpListener,
    registry: &Registry,
    connections: &mut Connections,
) -> Result<()> {
    loop {
        match listener.accept() {
            Ok((mut stream, _)) => {
                stream.set_nodelay(true)?;
                let key = connections.free.pop().unwrap_or(connections.list.len());
                registry.register(&mut stream, Token(key), Interest::READABLE)?;
                let connection = Some(Connection {
                    stream,
                    message: [0; Churn::MESSAGE],
                    received: 0,
                });
                match connections.list.get_mut(key) {
                    Some(place) => *place = connection,
                    None => connections.list.push(connection),
                }
            }
            Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            Err(err) => return Err(err.into()),
        }
    }
}

#[derive(Default)]
struct Connections {
    list: Vec<Option<Connection>>,
    free: Vec<usize>,
}

struct Connection {
    stream: TcpStream,
    message: [u8; Churn::MESSAGE],
    received: usize,
}

impl Connection {
    /// Sends the message back if it has come; whether it has.
    fn answer(&mut self) -> Result<bool> {
        while self.received < Churn::MESSAGE {
            match self.stream.read(&mut self.message[self.received..]) {
                Ok(0) => bail!("closed, a message is lost"),
                Ok(length) => self.received += length,
                Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(err) if err.kind() == ErrorKind::Interrupted => {}
                Err(err) => return Err(err.into()),
            }
        }
        let written = self.stream.write(&self.message)?;
        ensure!(written == Churn::MESSAGE, "no room to send a message");
        Ok(true)
    }
}
