//! The options that sockets of several kinds share, set between opening a socket and using it.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::sys::socket::{self, Domain, Protocol, Socket, Type};

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
            named("SO_REUSEADDR", socket::reuse_address(&socket, kind))?;
        }
        if self.reuse_port {
            named("SO_REUSEPORT", socket::reuse_port(&socket))?;
        }
        if let Some(only_v6) = self.only_v6 {
            require_v6(domain)?;
            named("IPV6_V6ONLY", socket.set_only_v6(only_v6))?;
        }
        if let Some(size) = self.receive_buffer {
            named("SO_RCVBUF", socket.set_recv_buffer_size(buffer(size)))?;
        }
        if let Some(size) = self.send_buffer {
            named("SO_SNDBUF", socket.set_send_buffer_size(buffer(size)))?;
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

impl Keepalive {
    pub(crate) fn set(&self, stream: &Socket) -> io::Result<()> {
        if let Some(time) = self.time {
            let time = whole_seconds(time);
            named("TCP_KEEPIDLE", socket::keepalive_time(stream, time))?;
        }
        if let Some(interval) = self.interval {
            let interval = whole_seconds(interval);
            named(
                "TCP_KEEPINTVL",
                socket::keepalive_interval(stream, interval),
            )?;
        }
        if let Some(retries) = self.retries {
            named("TCP_KEEPCNT", socket::keepalive_retries(stream, retries))?;
        }
        Ok(())
    }
}

/// Rounds up, so that what is short does not become zero, which has another meaning. The systems
/// count in an `int`.
pub(crate) fn whole_seconds(time: Duration) -> Duration {
    let begun = u64::from(time.subsec_nanos() > 0);
    let seconds = time.as_secs().saturating_add(begun);
    Duration::from_secs(seconds.min(i32::MAX as u64))
}

/// The systems count in an `int`, and cut what is too much for them.
fn buffer(size: usize) -> usize {
    size.min(i32::MAX as usize)
}

/// Says which option failed. The kind of the error stays; the error is the source of the new one.
pub(crate) fn named<T>(option: &'static str, outcome: io::Result<T>) -> io::Result<T> {
    outcome.map_err(|source| io::Error::new(source.kind(), Refused { option, source }))
}

/// An option was not set.
#[derive(Debug)]
struct Refused {
    option: &'static str,
    source: io::Error,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot set {}: {}", self.option, self.source)
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up_and_saturate() {
        let whole = |time| whole_seconds(time).as_secs();
        assert_eq!(whole(Duration::ZERO), 0);
        assert_eq!(whole(Duration::from_nanos(1)), 1);
        assert_eq!(whole(Duration::from_secs(7)), 7);
        assert_eq!(whole(Duration::from_millis(7_001)), 8);
        assert_eq!(whole(Duration::MAX), 2_147_483_647);
    }

    #[test]
    fn the_error_of_an_option_names_it_and_keeps_kind_and_code() {
        let cause = || io::Error::from(io::ErrorKind::PermissionDenied);
        let err = named::<()>("SO_EXAMPLE", Err(cause())).unwrap_err();
        assert_eq!(err.kind(), cause().kind());
        assert!(err.to_string().contains("SO_EXAMPLE"));
        let source = Error::source(&err).unwrap();
        assert_eq!(source.to_string(), cause().to_string());
    }
}
