//! What helps to see what is going on: the log facade, and the names of flags.

pub(crate) mod flags;
pub(crate) mod log;
