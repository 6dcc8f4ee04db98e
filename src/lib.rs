#![doc = include_str!("../docs/lib.md")]
// Links to what the other systems have.
#![cfg_attr(handle = "windows", doc = "", doc = "[`unix`]: crate::features")]
#![cfg_attr(
    not(handle = "windows"),
    doc = "",
    doc = "[`windows`]: crate::features"
)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// The shell uses little of what stands below the door; and without sockets and pipes no source does
// its I/O through the common wrapper.
#![cfg_attr(
    any(
        not(feature = "os-poll"),
        doorbell = "none",
        not(capability = "sockets"),
        not(capability = "unix_streams"),
        all(handle = "windows", not(feature = "net")),
    ),
    allow(dead_code, unused_imports, unused_macros)
)]

mod base;
mod diagnostics;
mod reactor;
mod source;
mod sys;

pub mod features;
pub mod guide;

pub use crate::base::backend::{Backend, UnknownBackend};
pub use crate::base::interest::Interest;
pub use crate::base::token::Token;
pub use crate::reactor::events::Events;
pub use crate::reactor::metrics::Metrics;
pub use crate::reactor::poll::{Builder, Poll};
pub use crate::reactor::registry::Registry;
pub use crate::source::waker::Waker;

/// Events, and what they come from.
pub mod event {
    pub use crate::base::event::Event;
    pub use crate::base::readiness::Readiness;
    pub use crate::reactor::events::{Events, Iter};
    pub use crate::reactor::registry::Source;
}

/// Channels whose receiver is a source.
pub mod channel {
    pub use crate::source::channel::{
        channel, sync_channel, Receiver, SendError, Sender, SyncSender, TryIter, TryRecvError,
        TrySendError,
    };
}

/// Timers.
pub mod time {
    pub use crate::source::timer::Timer;
}

/// Sources whose readiness the program sets itself.
pub mod user {
    pub use crate::source::user::{source, SetReadiness, Source};
}

/// Sockets: TCP, UDP and Unix domain.
#[cfg(feature = "net")]
pub mod net {
    pub use crate::source::net::tcp_listener::TcpListener;
    pub use crate::source::net::tcp_listener_builder::TcpListenerBuilder;
    pub use crate::source::net::tcp_stream::{ConnectStatus, TcpStream};
    pub use crate::source::net::tcp_stream_builder::TcpStreamBuilder;
    pub use crate::source::net::udp::UdpSocket;
    pub use crate::source::net::udp_builder::UdpSocketBuilder;
    #[cfg(capability = "unix_datagrams")]
    pub use crate::source::net::unix_datagram::UnixDatagram;
    #[cfg(capability = "unix_streams")]
    pub use crate::source::net::{unix_listener::UnixListener, unix_stream::UnixStream};
    #[cfg(all(handle = "windows", capability = "unix_streams"))]
    pub use crate::sys::unix_net::UnixSocketAddr;
}

/// What only Unix systems have: raw descriptors as sources, and pipes.
#[cfg(all(handle = "fd", feature = "os-ext"))]
pub mod unix {
    pub use crate::source::source_fd::SourceFd;

    /// Unidirectional streams of bytes between processes or threads.
    #[cfg(capability = "pipes")]
    pub mod pipe {
        pub use crate::source::pipe::{new, Receiver, Sender};
    }
}

/// What only Windows has: named pipes, objects to wait for, and raw sockets as sources.
#[cfg(all(handle = "windows", feature = "os-ext"))]
pub mod windows {
    pub use crate::source::named_pipe::NamedPipe;
    pub use crate::source::source_handle::SourceHandle;
    pub use crate::source::source_socket::SourceSocket;
}

/// The examples of the readme compile.
#[cfg(all(doctest, feature = "os-poll", feature = "net"))]
#[doc = include_str!("../README.md")]
struct Readme;
