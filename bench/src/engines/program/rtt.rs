//! One message there and back, again and again.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Instant;

use anyhow::{anyhow, bail, ensure, Context, Result};
use hdrhistogram::Histogram;

use super::api::net::{TcpListener, TcpStream};
use super::api::{Events, Interest, Poll, Token};

use crate::system::{pin, Side, Usage};
use crate::workloads::rtt::{summary, Rtt};
use crate::workloads::Values;

type Message = [u8; 64];

pub fn rtt(job: &Rtt) -> Result<Values> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(8);
    let mut listener = TcpListener::bind("127.0.0.1:0".parse()?)?;
    let address = listener.local_addr()?;
    poll.registry()
        .register(&mut listener, Token(0), Interest::READABLE)?;

    let trips = job.warm_up + job.trips;
    let echo = thread::spawn(move || -> Result<TcpStream> {
        pin(Side::Client)?;
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nonblocking(true)?;
        let mut end = End::new(TcpStream::from(OwnedFd::from(stream)))?;
        for _ in 0..trips {
            let message = end.receive()?;
            end.send(&message)?;
        }
        // Not closed before the last answer is read.
        Ok(end.stream)
    });

    super::poll(&mut poll, &mut events, None)?;
    let (stream, _) = listener.accept()?;
    let mut end = End::new(stream)?;

    let mut histogram = Histogram::<u64>::new(3)?;
    let mut before = None;
    for number in 0..trips {
        if number == job.warm_up {
            before = Some(Usage::now());
        }
        let mut message: Message = [0; 64];
        for (place, word) in message.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&(number * 8 + place as u64).to_le_bytes());
        }
        let start = Instant::now();
        end.send(&message)?;
        let answer = end.receive()?;
        let elapsed = start.elapsed();
        ensure!(answer == message, "wrong bytes came back");
        if number >= job.warm_up {
            histogram.record(elapsed.as_nanos() as u64)?;
        }
    }
    let before = before.context("nothing was measured")?;
    let cpu = Usage::now().nanos_since(before);
    echo.join()
        .map_err(|_| anyhow!("the other side panicked"))??;

    Ok(summary(&histogram, cpu, job))
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
        let mut buffer = [0; 65];
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
        ensure!(received == 64, "{received} bytes came");
        let [message @ .., _] = buffer;
        Ok(message)
    }
}
