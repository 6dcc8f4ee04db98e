//! `active`: many connections of which few are active, libev's classic measure of an event loop.
//!
//! Pairs of Unix sockets, one end of each registered. So many writes are under way as there are active
//! pairs; whoever gets a byte sends one to a pair far off, until a number of events has come. A byte that is lost or comes twice
//! fails the run. What an event costs should not grow with the number of pairs that are idle.

use serde::{Deserialize, Serialize};

use super::{Case, Goal, Job, Metric, Workload, SYSCALLS};
use crate::engines::Engine;
use crate::report::thousands;
use crate::system;

pub const WORKLOAD: Workload = Workload {
    name: "active",
    about: "pairs of sockets, few of them active: what an event costs among many that are idle",
    cases,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Active {
    /// The numbers of pairs to compare; the last one is what is reported.
    pub pairs: Vec<usize>,
    pub active: usize,
    pub events: u64,
}

const PEERS: &[Engine] = &[Engine::Mio, Engine::Libuv, Engine::Libevent, Engine::Libev];

const METRICS: &[Metric] = &[
    Metric {
        key: "cpu",
        unit: "ns of CPU/event",
        goal: Some(Goal::TimesBest(1.0, PEERS)),
    },
    Metric {
        key: "time",
        unit: "ns/event",
        goal: None,
    },
    Metric {
        key: SYSCALLS,
        unit: "system calls/event",
        goal: None,
    },
];

const GROWTH: &[Metric] = &[Metric {
    key: "growth",
    unit: "x the CPU per event among the fewest",
    // The kernel's own memory gets colder too: the bare calls stand beside it.
    goal: Some(Goal::Flat(&[
        Engine::Mio,
        Engine::Libuv,
        Engine::Libevent,
        Engine::Libev,
        Engine::Epoll,
    ])),
}];

fn cases(quick: bool) -> Vec<Case> {
    let limit = system::descriptor_limit().unwrap_or(1_024) as usize;
    // Two for each pair, and some for everything else.
    let most = 10_000.min(limit.saturating_sub(100) / 2 / 1_000 * 1_000);
    if most < 10_000 {
        eprintln!("WARNING: a process may have {limit} descriptors here: ACTIVE HAS {most} PAIRS INSTEAD OF 10000");
    }
    let few = if quick { 4_000 } else { 200_000 };
    let case = |name: String, about, pairs: &[usize], active, metrics| {
        let job = |pairs: &[usize], events| {
            Job::Active(Active {
                pairs: pairs.to_vec(),
                active,
                events,
            })
        };
        // Tracing how thousands are made takes longer than anything else, and the calls are the same.
        let fewer: Vec<usize> = pairs.iter().map(|&pairs| pairs.min(200)).collect();
        Case {
            name,
            about,
            job: job(pairs, few),
            traced: job(&fewer, 1_000),
            metrics,
            fits: if pairs.len() == 1 && pairs[0] <= 1_000 {
                Engine::watches
            } else {
                |engine| engine.watches() && !engine.scans()
            },
        }
    };
    let mut cases = Vec::new();
    for pairs in [100, 1_000, most] {
        for active in [1, 100] {
            if quick && (pairs == 100) != (active == 1) {
                continue;
            }
            let name = format!("{active} of {} pairs", thousands(pairs as i64));
            cases.push(case(name, "", &[pairs], active, METRICS));
        }
    }
    cases.push(case(
        format!("growth from 100 to {} pairs", thousands(most as i64)),
        "how much longer an event takes, 100 active",
        &[100, most],
        100,
        GROWTH,
    ));
    cases
}
