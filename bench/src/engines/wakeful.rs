//! wakeful, on the backend that `WAKEFUL_BACKEND` names.

use ::wakeful as api;

// Compiled once for each engine, that is the point: see engines/mod.rs.
#[allow(clippy::duplicate_mod)]
#[path = "program/mod.rs"]
mod program;

pub use program::run;
