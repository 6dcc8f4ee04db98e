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
//! epoll.rs     api = bare.rs, bare epoll(7)    program/, again
//! ```
//!
//! So the engines cannot differ in anything but the library, and the compiler optimises each by itself. Traits
//! could do the same, at the price of a wrapper for every type of the API.

pub mod bare;
mod epoll;
mod mio;
mod wakeful;

use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::workloads::{Job, Values};

/// A library, and how it is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    Wakeful,
    WakefulPoll,
    Mio,
    Epoll,
}

impl Engine {
    pub const ALL: &'static [Engine] = &[Self::Wakeful, Self::WakefulPoll, Self::Mio, Self::Epoll];
    /// What runs if none is named, in the order in which they take turns.
    pub const DEFAULT: &'static [Engine] = &[Self::Wakeful, Self::Mio, Self::Epoll];

    pub fn name(self) -> &'static str {
        match self {
            Self::Wakeful => "wakeful",
            Self::WakefulPoll => "wakeful-poll",
            Self::Mio => "mio",
            Self::Epoll => "epoll",
        }
    }

    pub fn about(self) -> &'static str {
        match self {
            Self::Wakeful => "wakeful on epoll",
            Self::WakefulPoll => "wakeful on poll(2); only if named",
            Self::Mio => "mio from crates.io",
            Self::Epoll => "bare system calls: the floor",
        }
    }

    /// What the environment variable `WAKEFUL_BACKEND` says.
    pub fn backend(self) -> &'static str {
        match self {
            Self::WakefulPoll => "poll",
            _ => "epoll",
        }
    }

    /// mio allows one waker per poll.
    pub fn has_many_wakers(self) -> bool {
        !matches!(self, Self::Mio)
    }

    /// Does the job in this process.
    pub fn run(self, job: &Job) -> Result<Values> {
        match self {
            Self::Wakeful | Self::WakefulPoll => wakeful::run(job),
            Self::Mio => mio::run(job),
            Self::Epoll => epoll::run(job),
        }
    }
}
