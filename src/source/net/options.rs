//! The options that sockets of several kinds share, set between opening a socket and using it.

use std::io;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::sys::unix::os::socket;

/// What was asked for; the system's default where nothing was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) reuse_address: bool,
    pub(crate) reuse_port: bool,
    pub(crate) only_v6: Option<bool>,
    pub(crate) receive_buffer: Option<usize>,
    pub(crate) send_buffer: Option<usize>,
}

impl Options {
    /// Opens a socket, and sets the options on it. It is closed if one of them fails.
    pub(crate) fn open(
        &self,
        domain: Domain,
        kind: Type,
        protocol: Protocol,
    ) -> io::Result<Socket> {
        let socket = socket::open(domain, kind, Some(protocol))?;
        if self.reuse_address {
            socket.set_reuse_address(true)?;
        }
        if self.reuse_port {
            socket::reuse_port(&socket)?;
        }
        if let Some(only_v6) = self.only_v6 {
            require_v6(domain)?;
            socket.set_only_v6(only_v6)?;
        }
        if let Some(size) = self.receive_buffer {
            socket.set_recv_buffer_size(size)?;
        }
        if let Some(size) = self.send_buffer {
            socket.set_send_buffer_size(size)?;
        }
        Ok(socket)
    }
}

fn require_v6(domain: Domain) -> io::Result<()> {
    if domain == Domain::IPV6 {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "`only_v6` was set, but the address is not one of IPv6",
    ))
}

/// When a connection that is silent is probed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keepalive {
    pub(crate) time: Option<Duration>,
    pub(crate) interval: Option<Duration>,
    pub(crate) retries: Option<u32>,
}
