//! Unix: the system's own interface, and poll(2) everywhere.

pub(crate) mod os;

#[cfg(all(feature = "os-poll", not(selector = "poll")))]
pub(crate) mod choice;
#[cfg(feature = "os-poll")]
pub(crate) mod doorbell;
#[cfg(all(feature = "os-poll", selector = "epoll"))]
mod epoll;
#[cfg(all(feature = "os-poll", any(selector = "event_ports", test)))]
mod event_ports;
#[cfg(all(feature = "os-poll", any(selector = "kqueue", test)))]
mod kqueue;
#[cfg(feature = "os-poll")]
pub(crate) mod poll;

#[cfg(not(feature = "os-poll"))]
mod shell;

#[cfg(any(feature = "net", feature = "os-ext"))]
pub(crate) use std::os::fd::AsRawFd as AsRaw;

#[cfg(any(feature = "net", feature = "os-ext"))]
pub(crate) use self::os::status::describe;

/// How a source is named to the system.
#[cfg(any(feature = "net", feature = "os-ext"))]
pub(crate) fn raw(source: &impl AsRaw) -> std::os::fd::RawFd {
    source.as_raw_fd()
}
