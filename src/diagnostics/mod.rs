//! What helps to see what is going on: the log facade, the names of flags, and the observer that
//! tells of programs about to hang.

pub(crate) mod descriptor;
pub(crate) mod flags;
pub(crate) mod log;
// Sources with a descriptor are built with these features only.
#[cfg_attr(not(all(feature = "net", feature = "os-ext")), allow(dead_code))]
pub(crate) mod observer;
#[cfg_attr(not(any(feature = "net", feature = "os-ext")), allow(dead_code))]
pub(crate) mod place;
#[cfg_attr(not(any(feature = "net", feature = "os-ext")), allow(dead_code))]
pub(crate) mod record;
#[cfg_attr(not(all(feature = "net", feature = "os-ext")), allow(dead_code))]
mod words;
