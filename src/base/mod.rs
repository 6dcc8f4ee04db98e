//! Values that know no operating system: tokens, interests, readiness, waits.

pub(crate) mod backend;
pub(crate) mod event;
pub(crate) mod interest;
pub(crate) mod readiness;
pub(crate) mod sync;
pub(crate) mod token;
pub(crate) mod unclaimed;
pub(crate) mod wait;
