//! `idle`: many registrations of which nothing is heard: what each takes of the program's own memory, and what one event
//! costs among them.
//!
//! The sources are eventfds, which the kernel has most room for. Events come from 16 of them, spread evenly. First a thousand are registered, and an event
//! among them is timed; then all are. Beyond ten thousand, those of which nothing will be heard are kept open by other threads, as a process may have fewer
//! descriptors than that (see `parked`). Memory is what the allocator has given for the registrations, and what a
//! registered socket holds in itself. So libraries in C, which have allocators of their own, are not among them.

use serde::{Deserialize, Serialize};

use super::{Case, Goal, Job, Metric, Workload, SYSCALLS};
use crate::engines::Engine;
use crate::report::thousands;
use crate::system;

pub const WORKLOAD: Workload = Workload {
    name: "idle",
    about: "many idle registrations: their memory, and an event among them",
    cases,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Idle {
    pub sources: usize,
    pub events: u64,
}

impl Idle {
    /// With how many it is compared.
    pub const FEW: usize = 1_000;
    /// How many are added at a time, and parked before the next.
    pub const BLOCK: usize = 9_000;
}

const METRICS: &[Metric] = &[
    Metric {
        key: "heap",
        unit: "bytes allocated/source",
        goal: None,
    },
    Metric {
        key: "bytes",
        unit: "bytes/source, with the socket's own",
        goal: Some(Goal::TimesMio(1.0)),
    },
    Metric {
        key: "time",
        unit: "ns of CPU/event",
        goal: None,
    },
    Metric {
        key: "growth",
        unit: "x the CPU of an event among 1,000",
        goal: Some(Goal::AtMost(1.05)),
    },
    Metric {
        key: SYSCALLS,
        unit: "system calls/event",
        goal: None,
    },
];

fn cases(quick: bool) -> Vec<Case> {
    let limit = system::descriptor_limit().unwrap_or(1_024);
    let numbers = [1_000, 10_000, 100_000, 1_000_000];
    let wanted = if quick { &numbers[..2] } else { &numbers[..] };
    let mut cases = Vec::new();
    for &sources in wanted {
        // Some more for everything else.
        let open = sources.min(Idle::FEW + Idle::BLOCK) + 64;
        if open as u64 > limit {
            eprintln!(
                "WARNING: a process may have {limit} descriptors here: IDLE WITH {sources} IS NOT MEASURED"
            );
            continue;
        }
        let job = |sources, events| Job::Idle(Idle { sources, events });
        cases.push(Case {
            name: format!("{} sources", thousands(sources as i64)),
            about: "",
            job: job(sources, if quick { 2_000 } else { 20_000 }),
            traced: job(sources.min(1_000), 1_000),
            metrics: METRICS,
            // What C allocates is not counted.
            fits: if sources <= 1_000 {
                Engine::has_programs
            } else {
                |engine| engine.has_programs() && !engine.scans()
            },
        });
    }
    cases
}
