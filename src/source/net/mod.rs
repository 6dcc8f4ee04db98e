//! Sockets: each type wraps its namesake of `std`, opens it non-blocking, and can be registered.
//!
//! What `std` can do with an open socket is left to `std`. Here are the ways to open one, the
//! reads and writes (an emulating backend learns from them what blocked), and the conversions.

pub(crate) mod options;
pub(crate) mod tcp_listener;
pub(crate) mod tcp_listener_builder;
pub(crate) mod tcp_stream;
pub(crate) mod tcp_stream_builder;
pub(crate) mod udp;
pub(crate) mod udp_builder;
#[cfg(capability = "unix_datagrams")]
pub(crate) mod unix_datagram;
#[cfg(capability = "unix_streams")]
pub(crate) mod unix_listener;
#[cfg(capability = "unix_streams")]
pub(crate) mod unix_stream;

use crate::sys::socket::{self, SockRef};

/// Stops a debug build at a mistake that hangs a release build: a socket that blocks.
#[track_caller]
fn expect_nonblocking<'a>(socket: impl Into<SockRef<'a>>) {
    debug_assert!(
        socket::is_nonblocking(socket.into()),
        "`from_std` was given a socket that blocks: call `set_nonblocking(true)` on it first, or \
         convert it with `try_from`, which does"
    );
}

/// `as_sockref!(Source)`: a socket's way to the options that have no method here.
#[cfg(capability = "sockets")]
macro_rules! as_sockref {
    ($source:ty) => {
        impl $source {
            /// The socket as [`socket2`](https://docs.rs/socket2) sees it, for every option that
            /// has no method here.
            ///
            /// `socket2` is part of this crate's interface by this method, in version 0.6.
            ///
            /// # Platforms
            ///
            /// On backends that emulate edges (poll(2), event ports), events may be spurious after this: it
            /// hands the descriptor out, and what is done with that is not seen.
            #[must_use]
            #[doc(alias = "setsockopt")]
            #[doc(alias = "getsockopt")]
            pub fn as_sockref(&self) -> ::socket2::SockRef<'_> {
                ::socket2::SockRef::from(self)
            }
        }
    };
}

#[cfg(not(capability = "sockets"))]
macro_rules! as_sockref {
    ($source:ty) => {};
}

use as_sockref;

/// `std_conversions!(Source, Object)`: how a socket comes from `std` and goes back.
///
/// Needs `Source { inner: IoSource<Object> }` and a function `Source::wrap(Object)`. A third argument is a
/// function that changes more of a socket that comes from `std`.
macro_rules! std_conversions {
    ($source:ty, $object:ty $(, $prepare:path)?) => {
        impl ::std::convert::TryFrom<$object> for $source {
            type Error = ::std::io::Error;

            /// Makes the socket non-blocking, and wraps it.
            ///
            /// # Errors
            ///
            /// Those of the system call that sets the flag, `EBADF` for example.
            fn try_from(socket: $object) -> ::std::io::Result<Self> {
                socket.set_nonblocking(true)?;
                $($prepare(&socket);)?
                ::std::result::Result::Ok(Self::wrap(socket))
            }
        }

        impl ::std::convert::From<$source> for $object {
            /// The socket stays non-blocking.
            fn from(source: $source) -> Self {
                source.inner.into_inner()
            }
        }
    };
}

use std_conversions;
