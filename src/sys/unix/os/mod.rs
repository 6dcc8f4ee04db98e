//! System calls, one function each: borrowed descriptors in, owned ones out, errors as `io::Error`.
//!
//! `unsafe` and the names of operating systems live here and nowhere above.

#[cfg(any(feature = "net", feature = "os-ext"))]
pub(crate) mod conversions;
#[cfg(all(feature = "os-poll", selector = "epoll"))]
pub(crate) mod epoll;
#[cfg(all(feature = "os-poll", doorbell = "eventfd"))]
pub(crate) mod eventfd;
#[cfg(any(feature = "os-ext", feature = "net", feature = "os-poll"))]
pub(crate) mod fd;
#[cfg(any(all(capability = "pipes", feature = "os-ext"), all(feature = "os-poll", doorbell = "pipe")))]
pub(crate) mod pipe;
#[cfg(feature = "os-poll")]
pub(crate) mod poll;
#[cfg(feature = "net")]
pub(crate) mod socket;
#[cfg(any(feature = "net", feature = "os-ext"))]
pub(crate) mod status;

use std::io;

/// How a source is named to the system.
#[allow(unused_imports)] // by backends, of which there may be none
pub(crate) use std::os::fd::RawFd as Raw;

/// What a system call returned, or why it failed.
#[allow(dead_code)] // every feature and system uses some of these files
pub(crate) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
