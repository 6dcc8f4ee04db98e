//! Values that know no operating system: tokens, interests, readiness, waits.

pub(crate) mod backend;
pub(crate) mod blocked;
#[cfg_attr(not(selector = "epoll"), allow(dead_code))]
pub(crate) mod busy_poll;
pub(crate) mod deadlines;
pub(crate) mod event;
pub(crate) mod inbox;
pub(crate) mod interest;
#[cfg(any(handle = "windows", test))]
#[cfg_attr(not(feature = "os-ext"), allow(dead_code))]
pub(crate) mod outcome;
pub(crate) mod poll_id;
pub(crate) mod readiness;
pub(crate) mod sync;
pub(crate) mod token;
#[cfg_attr(not(selector = "epoll"), allow(dead_code))]
pub(crate) mod unclaimed;
// Each interface counts in a way of its own.
#[allow(dead_code)]
pub(crate) mod wait;
