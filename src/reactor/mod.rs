//! The loop's machinery: what a user polls, registers with and gets events from.

pub(crate) mod events;
#[cfg(unix)]
mod fd;
#[cfg(any(feature = "net", feature = "os-ext"))]
pub(crate) mod io_source;
pub(crate) mod poll;
pub(crate) mod ready;
pub(crate) mod registry;
