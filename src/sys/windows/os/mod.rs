//! System calls, one function each: borrowed handles in, owned ones out, errors as `io::Error`.
//!
//! `unsafe` lives here, and everything that the kernel writes to while no thread of ours looks.

#[cfg(feature = "os-poll")]
pub(crate) mod afd;
#[cfg(feature = "net")]
pub(crate) mod conversions;
#[cfg(feature = "os-ext")]
pub(crate) mod handle;
#[cfg(feature = "os-poll")]
pub(crate) mod iocp;
#[cfg(feature = "os-poll")]
mod library;
#[cfg(feature = "os-ext")]
pub(crate) mod named_pipe;
#[cfg(feature = "os-ext")]
pub(crate) mod overlapped;
#[cfg(feature = "net")]
pub(crate) mod socket;
#[cfg(feature = "os-poll")]
pub(crate) mod timer;
#[cfg(all(capability = "unix_streams", feature = "net"))]
pub(crate) mod unix;
#[cfg(feature = "os-ext")]
pub(crate) mod wait;

#[cfg(any(feature = "net", feature = "os-poll"))]
use std::io;

#[cfg(feature = "os-poll")]
use windows_sys::Win32::Foundation::{RtlNtStatusToDosError, NTSTATUS};

/// How a source is named to the system.
#[cfg(feature = "os-poll")]
pub(crate) use std::os::windows::io::RawSocket as Raw;

/// The error that an `NTSTATUS` stands for.
#[cfg(feature = "os-poll")]
#[allow(unsafe_code)]
fn error_of(status: NTSTATUS) -> io::Error {
    // SAFETY: takes a number only.
    let code = unsafe { RtlNtStatusToDosError(status) };
    io::Error::from_raw_os_error(code as i32)
}

/// Whether a request has failed at once: nothing was started, and nothing will be completed.
#[cfg(feature = "os-poll")]
fn has_failed(status: NTSTATUS) -> bool {
    // `NT_ERROR`: the severity, of four, is "error".
    (status as u32) >> 30 == 3
}

/// Why the last call of Winsock has failed.
#[cfg(any(feature = "net", feature = "os-poll"))]
#[allow(unsafe_code)]
fn last_socket_error() -> io::Error {
    // SAFETY: takes nothing; reads a variable of this thread.
    let code = unsafe { windows_sys::Win32::Networking::WinSock::WSAGetLastError() };
    io::Error::from_raw_os_error(code)
}

/// What a call returned that says `FALSE` when it fails.
#[cfg(feature = "os-poll")]
fn check(result: windows_sys::core::BOOL) -> io::Result<()> {
    if result == 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
