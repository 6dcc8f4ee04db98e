//! What is measured: the engines, all behind one interface.
//!
//! # One program, several libraries
//!
//! `program/` holds the measured programs, written once for the API that mio and wakeful share. Each engine's file
//! says which crate is called `api`, and compiles the whole folder over it by `#[path]`:
//!
//! ```text
//! mio.rs       api = mio from crates.io        program/
//! wakeful.rs   api = wakeful                   program/, again
//! wakeful_spin.rs    api = wakeful, spinning   program/, again
//! epoll.rs     api = bare.rs, bare epoll(7)    program/, again
//! ```
//!
//! So the engines cannot differ in anything but the library, and the compiler optimises each by itself. Traits
//! could do the same, at the price of a wrapper for every type of the API.
//!
//! What is beyond that API, and what other libraries have, is in `timers/` and `channel/`: a program for each, and
//! for each engine what the program needs of it.

pub mod bare;
mod channel;
mod epoll;
mod mio;
pub mod timers;
mod wakeful;
mod wakeful_spin;

use anyhow::{bail, Result};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::workloads::{Job, Values};

/// A library, and how it is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    Wakeful,
    WakefulPoll,
    WakefulSpin,
    Mio,
    Epoll,
    Tokio,
    Libuv,
    Btree,
    Wheel,
}

impl Engine {
    pub const ALL: &'static [Engine] = &[
        Self::Wakeful,
        Self::WakefulPoll,
        Self::WakefulSpin,
        Self::Mio,
        Self::Epoll,
        Self::Tokio,
        Self::Libuv,
        Self::Btree,
        Self::Wheel,
    ];
    /// What runs if none is named, in the order in which they take turns.
    pub const DEFAULT: &'static [Engine] = &[
        Self::Wakeful,
        Self::WakefulSpin,
        Self::Mio,
        Self::Epoll,
        Self::Tokio,
        Self::Libuv,
        Self::Btree,
        Self::Wheel,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Wakeful => "wakeful",
            Self::WakefulPoll => "wakeful-poll",
            Self::WakefulSpin => "wakeful-spin",
            Self::Mio => "mio",
            Self::Epoll => "epoll",
            Self::Tokio => "tokio",
            Self::Libuv => "libuv",
            Self::Btree => "btree",
            Self::Wheel => "wheel",
        }
    }

    pub fn about(self) -> &'static str {
        match self {
            Self::Wakeful => "wakeful on epoll",
            Self::WakefulPoll => "wakeful on poll(2); only if named",
            Self::WakefulSpin => "wakeful on epoll, spinning for 50 us before it sleeps",
            Self::Mio => "mio from crates.io",
            Self::Epoll => "bare system calls: the floor",
            Self::Tokio => "tokio's current-thread runtime, without its I/O",
            Self::Libuv => "libuv, if it was there when this was built",
            Self::Btree => "the standard library's BTreeMap as a list of timers",
            Self::Wheel => "tokio-util's DelayQueue, a hierarchical wheel without a lock",
        }
    }

    /// What the environment variable `WAKEFUL_BACKEND` says.
    pub fn backend(self) -> &'static str {
        match self {
            Self::WakefulPoll => "poll",
            _ => "epoll",
        }
    }

    /// Whether it can be measured by what was built.
    pub fn is_here(self) -> bool {
        self != Self::Libuv || cfg!(has_libuv)
    }

    /// Has the API for which the shared programs are written.
    pub fn has_programs(self) -> bool {
        matches!(
            self,
            Self::Wakeful | Self::WakefulPoll | Self::Mio | Self::Epoll
        )
    }

    /// mio allows one waker per poll.
    pub fn has_many_wakers(self) -> bool {
        self.has_programs() && self != Self::Mio
    }

    /// The shared programs, and the difference that spinning makes.
    pub fn has_sockets(self) -> bool {
        self.has_programs() || self == Self::WakefulSpin
    }

    /// Can hold many timers; the backend does not matter to them.
    pub fn has_timers(self) -> bool {
        matches!(
            self,
            Self::Wakeful | Self::Tokio | Self::Libuv | Self::Btree | Self::Wheel
        )
    }

    /// Can wait for one timer.
    pub fn waits_for_timers(self) -> bool {
        self.has_programs() || matches!(self, Self::Tokio | Self::Libuv)
    }

    /// mio stands for a channel of the standard library with its waker.
    pub fn has_channels(self) -> bool {
        matches!(
            self,
            Self::Wakeful | Self::WakefulPoll | Self::Mio | Self::Tokio
        )
    }

    /// Does the job in this process.
    pub fn run(self, job: &Job) -> Result<Values> {
        match (self, job) {
            (_, Job::Timers(job)) => timers::run(self, job),
            (_, Job::Channel(job)) => channel::run(self, job),
            (
                Self::Wakeful | Self::WakefulPoll | Self::Tokio | Self::Libuv,
                Job::Overshoot(job),
            ) => timers::overshoot(self, job),
            (Self::Wakeful | Self::WakefulPoll, _) => wakeful::run(job),
            (Self::WakefulSpin, _) => wakeful_spin::run(job),
            (Self::Mio, _) => mio::run(job),
            (Self::Epoll, _) => epoll::run(job),
            _ => bail!("{} cannot do that", self.name()),
        }
    }
}
