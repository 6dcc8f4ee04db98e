//! `timers`: arming, moving, cancelling and expiring many timers, and how late a single one is.
//!
//! Every deadline is random. Timers are armed in the order of their numbers, from none to all; moved, and cancelled
//! until none is left, in another random order: who cancels a timer has rarely armed the one beside it just before. What a
//! library allocates for a timer is allocated before. Nothing may expire meanwhile: the deadlines are a minute to
//! an hour off.
//!
//! Times are CPU time of the thread, as nothing of this waits. For the expiry all timers are armed anew, with deadlines close to each other; the program sleeps until the last has
//! passed, and then takes them all. A timer too few or too many fails the run; so does a wrong order, where the
//! library promises one.

use serde::{Deserialize, Serialize};

use super::{Case, Goal, Job, Metric, Workload, SYSCALLS};
use crate::engines::Engine;
use crate::report::thousands;

pub const WORKLOAD: Workload = Workload {
    name: "timers",
    about: "many timers with random deadlines, and how late a single one is",
    cases,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timers {
    pub timers: usize,
    /// How often all of it is repeated, to take the median.
    pub cycles: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Overshoot {
    pub timers: usize,
}

const fn metric(key: &'static str, unit: &'static str, goal: Option<Goal>) -> Metric {
    Metric { key, unit, goal }
}

const FEW: &[Metric] = &[
    metric("insert", "ns/insert", None),
    metric("move", "ns/move", None),
    metric("cancel", "ns/cancel", None),
    metric("insert and cancel", "ns/insert and cancel", None),
    metric("expire", "ns/expiry", None),
    metric(
        SYSCALLS,
        "system calls/insert, move or cancel",
        Some(Goal::AtMost(0.0)),
    ),
];

const MILLION: &[Metric] = &[
    metric("insert", "ns/insert", Some(Goal::AtMost(150.0))),
    metric("move", "ns/move", None),
    metric("cancel", "ns/cancel", Some(Goal::AtMost(150.0))),
    metric(
        "insert and cancel",
        "ns/insert and cancel",
        Some(Goal::TimesEach(&[
            (0.7, Engine::Tokio),
            (0.7, Engine::Libuv),
        ])),
    ),
    metric("expire", "ns/expiry", None),
];

const OVERSHOOT: &[Metric] = &[
    metric("p50", "us late, median", Some(Goal::AtMost(100.0))),
    metric(
        "p99",
        "us late, 99th percentile",
        Some(Goal::TimesEach(&[(0.2, Engine::Mio), (0.2, Engine::Tokio)])),
    ),
    metric("early", "% early", Some(Goal::AtMost(0.0))),
];

fn cases(quick: bool) -> Vec<Case> {
    let mut cases: Vec<Case> = [
        (1_000, 50, FEW),
        (10_000, 10, FEW),
        (100_000, 3, FEW),
        (1_000_000, 1, MILLION),
    ]
    .into_iter()
    // More take seconds.
    .filter(|&(timers, ..)| !quick || timers == 1_000)
    .map(|(timers, cycles, metrics)| Case {
        name: format!("{} armed", thousands(timers as i64)),
        about: "ns for each timer, when so many are armed",
        job: Job::Timers(Timers {
            timers,
            cycles: if quick { cycles.min(5) } else { cycles },
        }),
        traced: Job::Timers(Timers {
            timers: 1_000,
            cycles: 1,
        }),
        metrics,
        fits: Engine::has_timers,
    })
    .collect();
    cases.push(Case {
        name: "overshoot".to_owned(),
        about:
            "one timer after the other, of random 50 us to 5 ms, on a loop that is idle otherwise",
        job: Job::Overshoot(Overshoot {
            timers: if quick { 40 } else { 300 },
        }),
        traced: Job::Overshoot(Overshoot { timers: 20 }),
        metrics: OVERSHOOT,
        fits: Engine::waits_for_timers,
    });
    cases
}
