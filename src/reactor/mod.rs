//! The loop's machinery: what a user polls, registers with and gets events from.

pub(crate) mod events;
#[cfg(all(handle = "fd", not(doorbell = "none")))]
mod fd;
pub(crate) mod gather;
#[cfg(any(feature = "net", feature = "os-ext"))]
pub(crate) mod io_source;
pub(crate) mod membership;
pub(crate) mod metrics;
pub(crate) mod poll;
pub(crate) mod ready;
pub(crate) mod ready_list;
pub(crate) mod registry;
pub(crate) mod report;
mod spin;
pub(crate) mod timers;
