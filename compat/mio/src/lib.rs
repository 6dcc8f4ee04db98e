//! wakeful under the name of mio: every path of mio 1.2.5 leads to the item of the same name in wakeful.
//!
//! For `[patch.crates-io]`: a dependency tree that uses mio 1.2, tokio's for example, then runs
//! on wakeful without a changed line. There is nothing else in here; `tests/api.rs` is the proof
//! that no public item of mio is missing.

pub use wakeful::*;
