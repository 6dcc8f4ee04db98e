//! Readiness through kqueue(2): Apple's systems and the BSDs.
//!
//! Edges are the kernel's own (`EV_CLEAR`), so an operation costs nothing here. Level mode is what a
//! knote does without that flag; one-shot is `EV_DISPATCH`. What belongs to a whole registration and
//! not to one of its knotes (one event, one shot, one owner) is kept in a [`table`]; what is asked of
//! the kernel is decided in [`registrations`] and [`plan`], and what it says translated in [`filter`].
//! Those make no system call and know no constants of a system, and are tested on any.
//!
//! The doorbell is `EVFILT_USER`, added once with `EV_CLEAR`, and then only triggered; where Rust
//! supports versions of a system without that filter (NetBSD before 10, OpenBSD), a pipe. It is known by
//! its filter or its descriptor: tokens do not reach the kernel, and all are the users'.
//!
//! Asynchronous requests (`EVFILT_AIO`, `EVFILT_LIO`) are not registered: the `sigevent` of a request names
//! the queue's descriptor, and the token as its value. The address of a request is not looked at.
//!
//! Timeouts are exact to the nanosecond.
//!
//! Manual: see `sys/unix/os/kqueue.rs`.

// Without the system calls nobody asks for everything.
#![cfg_attr(not(selector = "kqueue"), allow(dead_code))]

mod filter;
#[cfg(test)]
mod model;
mod plan;
mod registrations;
#[cfg(selector = "kqueue")]
mod selector;
mod table;

#[cfg(selector = "kqueue")]
pub(crate) use self::selector::{Buffer, Registration, Selector};
