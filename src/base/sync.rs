//! The atomics and counted pointers of the lock-free parts: the standard library's, or loom's when
//! the model checker runs (`RUSTFLAGS="--cfg wakeful_loom"`, see `ci/loom.sh`).
//!
//! The word is our own, not `loom`: other crates' model tests must not drag ours along.

#[cfg(all(test, wakeful_loom))]
pub(crate) use loom::sync::{
    atomic::{AtomicPtr, AtomicU8, AtomicUsize},
    Arc,
};

#[cfg(not(all(test, wakeful_loom)))]
pub(crate) use std::sync::{
    atomic::{AtomicPtr, AtomicU8, AtomicUsize},
    Arc,
};
