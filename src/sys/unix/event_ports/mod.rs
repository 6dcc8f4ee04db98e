//! Readiness through event ports: Solaris and illumos.
//!
//! A port is told which events of a descriptor to report, and forgets that when it has reported one.
//! That is a level, asked for once; [`Arm`](crate::sys::rearm::Arm) makes edges of it. After an event the
//! descriptor is associated again with what is still armed: what was reported is asked for when an operation
//! has found it not ready, and not before, so a wait never returns at once for what is known.
//!
//! An event tells what was so when it was queued. What holds when it is retrieved is asked of poll(2), once for
//! all events of a wait: so nothing is reported that was drained in between.
//!
//! Whether a source was drained whose I/O does not pass through us is found out by poll(2), without
//! waiting, before the next wait: a port tells when something becomes ready, and never that it is not.
//!
//! What is registered, and what to ask for next, is kept in a [`table`], which makes no system call and is
//! tested on any system. Events carry a *stamp* that changes with each registration, and are
//! compared by that and their descriptor; tokens do not reach the kernel.
//!
//! The doorbell is `port_send`: an event of a source of its own. An alert, which keeps the events of others out,
//! is set only if the port has no room for that.
//!
//! Timeouts are exact to the nanosecond, as far as the system's clock is.
//!
//! Manual: see `sys/unix/os/event_ports.rs`.

// Without the system calls nobody asks for everything.
#![cfg_attr(not(selector = "event_ports"), allow(dead_code))]

#[cfg(test)]
mod model;
#[cfg(selector = "event_ports")]
mod selector;
mod table;
#[cfg(test)]
mod tests;

#[cfg(selector = "event_ports")]
pub(crate) use self::selector::{Buffer, Registration, Selector};
