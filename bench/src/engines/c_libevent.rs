//! libevent: `bench/c/libevent.c`, and the shared programs over plain events.

use anyhow::Result;

use super::c;
use crate::workloads::{Job, Values};

extern "C" {
    static bench_libevent: c::Functions;
}

pub struct Library;

impl c::Library for Library {
    fn functions() -> &'static c::Functions {
        // SAFETY: a constant.
        unsafe { &bench_libevent }
    }
}

mod api {
    pub use super::super::bare::{net, unix, Interest, Token};
    pub use super::super::c::Events;

    pub type Poll = super::super::c::Poll<super::Library>;
    pub type Registry = super::super::c::Registry<super::Library>;
    pub type Waker = super::super::c::Waker<super::Library>;
}

// Compiled once for each engine, that is the point: see engines/mod.rs.
#[allow(clippy::duplicate_mod)]
#[path = "program/mod.rs"]
mod program;

pub fn run(job: &Job) -> Result<Values> {
    c::prepare(job);
    match job {
        // The shared program knows other ways to serve.
        Job::Echo(job) if !job.stop_short => c::echo::<Library>(job),
        Job::Rtt(job) => c::rtt::<Library>(job),
        Job::RttClient(job, server) => c::rtt_client::<Library>(job, *server),
        _ => program::run(job),
    }
}
