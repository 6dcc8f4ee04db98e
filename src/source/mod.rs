//! What you register: each file is a kind of source.

pub(crate) mod channel;
#[cfg(any(feature = "net", feature = "os-ext"))]
pub(crate) mod forward;
#[cfg(all(handle = "windows", feature = "os-ext"))]
pub(crate) mod named_pipe;
#[cfg(feature = "net")]
pub(crate) mod net;
#[cfg(all(capability = "pipes", feature = "os-ext"))]
pub(crate) mod pipe;
#[cfg(all(handle = "fd", feature = "os-ext"))]
pub(crate) mod source_fd;
#[cfg(all(handle = "windows", feature = "os-ext"))]
pub(crate) mod source_handle;
#[cfg(all(handle = "windows", feature = "os-ext"))]
pub(crate) mod source_socket;
pub(crate) mod timer;
#[cfg(feature = "os-ext")]
pub(crate) mod unseen;
pub(crate) mod user;
pub(crate) mod waker;
