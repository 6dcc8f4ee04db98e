//! A UDP server that sends back each datagram to its sender, until Ctrl-C.
//!
//! Shows a single socket that is drained in both directions: a datagram that cannot be sent now is
//! kept, and nothing more is received before it is gone. Shows also which errors of a datagram
//! socket concern one peer only, and a `Waker` that is woken by a signal handler.
//!
//! Keep it on loopback: a sender's address can be forged, and two echo servers that were
//! introduced to each other never stop talking.
//!
//! ```text
//! cargo run --release --example udp_echo [ADDRESS]      # 127.0.0.1:7777 if not given
//! nc -u 127.0.0.1 7777
//! ```

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use wakeful::net::UdpSocket;
use wakeful::{Events, Interest, Poll, Registry, Token, Waker};

const SOCKET: Token = Token(0);
const CTRL_C: Token = Token(1);

fn main() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(16);
    wake_on_ctrl_c(poll.registry())?;

    let mut socket = UdpSocket::bind(address()?)?;
    let both = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(&mut socket, SOCKET, both)?;
    println!("listening on {} (Ctrl-C to stop)", socket.local_addr()?);

    let mut echo = Echo::new(socket);
    // The socket has become ready, and did not say `WouldBlock` since.
    let mut ready = false;

    'serving: loop {
        match poll.poll(&mut events, ready.then_some(Duration::ZERO)) {
            // A signal came. If it was Ctrl-C, the next call tells.
            Err(err) if err.kind() == ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        for event in &events {
            match event.token() {
                CTRL_C => break 'serving,
                _ => ready = true,
            }
        }
        if ready {
            ready = echo.serve()?;
        }
    }

    println!("{} datagrams echoed, {} lost", echo.echoed, echo.lost);
    Ok(())
}

struct Echo {
    socket: UdpSocket,
    /// Room for the largest datagram there is.
    buffer: Box<[u8]>,
    /// A datagram in `buffer` that is not sent back yet: its length and its sender.
    pending: Option<(usize, SocketAddr)>,
    echoed: u64,
    lost: u64,
}

impl Echo {
    /// Datagrams in a row before we look at the other sources, here at Ctrl-C.
    const SHARE: usize = 256;

    fn new(socket: UdpSocket) -> Self {
        Self {
            socket,
            buffer: vec![0; 65_535].into(),
            pending: None,
            echoed: 0,
            lost: 0,
        }
    }

    /// Sends, then receives, until one of them would block; `true` if neither did.
    fn serve(&mut self) -> io::Result<bool> {
        for _ in 0..Self::SHARE {
            if let Some((len, peer)) = self.pending {
                match self.socket.send_to(&self.buffer[..len], peer) {
                    Ok(_) => self.echoed += 1,
                    Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(false),
                    Err(err) if err.kind() == ErrorKind::Interrupted => continue,
                    // No route, a firewall, port 0: a matter of this peer alone. Datagrams may
                    // get lost.
                    Err(_) => self.lost += 1,
                }
                self.pending = None;
            }
            match self.socket.recv_from(&mut self.buffer) {
                Ok(datagram) => self.pending = Some(datagram),
                Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(err) if err.kind() == ErrorKind::Interrupted => {}
                // Some systems report here that an earlier datagram found nobody.
                Err(err) if err.kind() == ErrorKind::ConnectionRefused => {}
                Err(err) if err.kind() == ErrorKind::ConnectionReset => {}
                Err(err) => return Err(err),
            }
        }
        Ok(true)
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
