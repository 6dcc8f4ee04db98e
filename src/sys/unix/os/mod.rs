//! System calls, one function each: borrowed descriptors in, owned ones out, errors as `io::Error`.
//!
//! `unsafe` and the names of operating systems live here and nowhere above.

#[cfg(any(feature = "net", feature = "os-ext"))]
pub(crate) mod conversions;
#[cfg(all(feature = "os-poll", selector = "epoll"))]
pub(crate) mod epoll;
#[cfg(all(feature = "os-poll", selector = "event_ports"))]
#[cfg_attr(wakeful_model = "event_ports", path = "event_ports_model.rs")]
pub(crate) mod event_ports;
#[cfg(all(
    feature = "os-poll",
    any(
        doorbell = "eventfd",
        wakeful_model = "kqueue",
        wakeful_model = "event_ports"
    )
))]
pub(crate) mod eventfd;
#[cfg(any(feature = "os-ext", feature = "net", feature = "os-poll"))]
pub(crate) mod fd;
#[cfg(all(feature = "os-poll", selector = "kqueue"))]
#[cfg_attr(wakeful_model = "kqueue", path = "kqueue_model.rs")]
pub(crate) mod kqueue;
#[cfg(any(
    all(capability = "pipes", feature = "os-ext"),
    all(
        feature = "os-poll",
        any(doorbell = "pipe", doorbell = "kqueue", doorbell = "event_ports")
    )
))]
pub(crate) mod pipe;
#[cfg(feature = "os-poll")]
pub(crate) mod poll;
#[cfg(feature = "net")]
#[cfg_attr(not(capability = "sockets"), path = "plain_socket.rs")]
pub(crate) mod socket;
#[cfg(any(feature = "net", feature = "os-ext"))]
#[cfg_attr(not(unix), path = "no_status.rs")]
pub(crate) mod status;
#[cfg(feature = "os-poll")]
#[cfg_attr(any(miri, not(capability = "timer_slack")), path = "no_timer_slack.rs")]
pub(crate) mod timer_slack;
#[cfg(all(capability = "unix_streams", feature = "net"))]
pub(crate) mod unix_domain;

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
