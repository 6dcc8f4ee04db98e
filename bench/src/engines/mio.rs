//! mio, from crates.io.

use mio_peer as api;

// Compiled once for each engine, that is the point: see engines/mod.rs.
#[allow(clippy::duplicate_mod)]
#[path = "program/mod.rs"]
mod program;

pub use program::run;
