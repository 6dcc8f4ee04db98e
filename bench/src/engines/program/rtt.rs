//! One message there and back, again and again: both ends, each a process with a poll of its own.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use anyhow::{bail, ensure, Result};

use super::api::net::{TcpListener, TcpStream};
use super::api::{Events, Interest, Poll, Token};

use crate::engines::trips::{Trips, MESSAGE};
use crate::process::announce;
use crate::workloads::rtt::Rtt;
use crate::workloads::Values;

type Message = [u8; MESSAGE];

/// Sends back what comes.
pub fn serve(job: &Rtt) -> Result<Values> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(8);
    let mut listener = TcpListener::bind("127.0.0.1:0".parse()?)?;
    poll.registry()
        .register(&mut listener, Token(0), Interest::READABLE)?;
    announce(listener.local_addr()?)?;
    super::poll(&mut poll, &mut events, None)?;
    let (stream, _) = listener.accept()?;

    let mut end = End::new(stream)?;
    let mut window = job.window();
    for _ in 0..job.total() {
        let message = end.receive()?;
        end.send(&message)?;
        window.count(1);
    }
    end.expect_end()?;
    window.close(job.trips)
}

/// Sends, and waits for what comes back.
pub fn client(job: &Rtt, server: SocketAddr) -> Result<Values> {
    let stream = std::net::TcpStream::connect(server)?;
    stream.set_nonblocking(true)?;
    let mut end = End::new(TcpStream::from(OwnedFd::from(stream)))?;
    let mut trips = Trips::new(job)?;
    while let Some(message) = trips.next() {
        end.send(&message)?;
        let answer = end.receive()?;
        trips.came(&answer)?;
    }
    trips.close()
}

/// One end of the connection, with a poll of its own.
struct End {
    poll: Poll,
    events: Events,
    stream: TcpStream,
}

impl End {
    fn new(mut stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut stream, Token(1), Interest::READABLE)?;
        Ok(Self {
            poll,
            events: Events::with_capacity(8),
            stream,
        })
    }

    fn send(&mut self, message: &Message) -> Result<()> {
        let length = self.stream.write(message)?;
        ensure!(length == message.len(), "no room to send a message");
        Ok(())
    }

    /// Waits for an event, then reads until there is nothing more.
    fn receive(&mut self) -> Result<Message> {
        // One byte more than is expected, to see what should not be there.
        let mut buffer = [0; MESSAGE + 1];
        let mut received = 0;
        while received == 0 {
            super::poll(&mut self.poll, &mut self.events, None)?;
            while received < buffer.len() {
                match self.stream.read(&mut buffer[received..]) {
                    Ok(0) => bail!("closed, a message is lost"),
                    Ok(length) => received += length,
                    Err(err) if err.kind() == ErrorKind::WouldBlock => break,
                    Err(err) if err.kind() == ErrorKind::Interrupted => {}
                    Err(err) => return Err(err.into()),
                }
            }
        }
        ensure!(received == MESSAGE, "{received} bytes came");
        let [message @ .., _] = buffer;
        Ok(message)
    }

    /// Waits until the other side has closed.
    fn expect_end(&mut self) -> Result<()> {
        loop {
            match self.stream.read(&mut [0]) {
                Ok(length) => {
                    ensure!(length == 0, "bytes too many");
                    return Ok(());
                }
                Err(err) if err.kind() == ErrorKind::WouldBlock => {
                    super::poll(&mut self.poll, &mut self.events, None)?;
                }
                Err(err) if err.kind() == ErrorKind::Interrupted => {}
                Err(err) => return Err(err.into()),
            }
        }
    }
}
