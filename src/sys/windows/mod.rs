//! Windows: an I/O completion port, and requests to the driver behind the sockets.

#[cfg(feature = "os-poll")]
mod conditions;
#[cfg(feature = "os-poll")]
pub(crate) mod doorbell;
#[cfg(feature = "os-poll")]
mod flight;
#[cfg(feature = "os-poll")]
#[cfg_attr(not(feature = "os-ext"), allow(dead_code))] // nobody begins any
pub(crate) mod operation;
pub(crate) mod os;
#[cfg(feature = "os-ext")]
pub(crate) mod pipe_state;
#[cfg(feature = "os-poll")]
pub(crate) mod selector;
#[cfg(feature = "os-poll")]
mod table;

#[cfg(any(feature = "net", feature = "os-ext"))]
pub(crate) use std::os::windows::io::AsRawSocket as AsRaw;
#[cfg(feature = "os-poll")]
use std::time::Duration;

#[cfg(any(feature = "net", feature = "os-ext"))]
use crate::diagnostics::descriptor::Descriptor;

/// How late the system may end a wait: it does not tell.
#[cfg(feature = "os-poll")]
pub(crate) fn timer_slack() -> Duration {
    Duration::ZERO
}

/// How a source is named to the system.
#[cfg(any(feature = "net", feature = "os-ext"))]
pub(crate) fn raw(source: &impl AsRaw) -> std::os::windows::io::RawSocket {
    source.as_raw_socket()
}

/// What is known of a socket that has just been registered. Windows does not tell whether one
/// blocks.
#[cfg(any(feature = "net", feature = "os-ext"))]
pub(crate) fn describe(_raw: std::os::windows::io::RawSocket) -> Descriptor {
    Descriptor {
        blocks: false,
        is_terminal: false,
        is_readable: true,
        is_writable: true,
    }
}
