//! The atomics, counted pointers, locks and conditions of what is model-checked: the standard library's, or loom's when
//! the model checker runs (`RUSTFLAGS="--cfg wakeful_loom"`, see `ci/loom.sh`).
//!
//! The word is our own, not `loom`: other crates' model tests must not drag ours along.

#[cfg(all(test, wakeful_loom))]
pub(crate) use loom::sync::{
    atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicUsize},
    Arc, Condvar, Mutex, MutexGuard,
};

#[cfg(not(all(test, wakeful_loom)))]
pub(crate) use std::sync::{
    atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicUsize},
    Arc, Condvar, Mutex, MutexGuard,
};
