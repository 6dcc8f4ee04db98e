//! `wait`: how long a wait of 50 µs takes when nothing happens.

use serde::{Deserialize, Serialize};

use super::{all, Case, Goal, Job, Metric, Workload, SYSCALLS};

pub const WORKLOAD: Workload = Workload {
    name: "wait",
    about: "a wait of 50 us for nothing",
    cases,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wait {
    pub micros: u64,
    pub waits: u64,
}

const METRICS: &[Metric] = &[
    Metric {
        key: "time",
        unit: "us/wait",
        goal: Some(Goal::AtMost(150.0)),
    },
    Metric {
        key: "p99",
        unit: "us/wait, 99th percentile",
        goal: None,
    },
    Metric {
        key: SYSCALLS,
        unit: "system calls/wait",
        goal: None,
    },
];

fn cases(quick: bool) -> Vec<Case> {
    let job = |waits| Job::Wait(Wait { micros: 50, waits });
    vec![Case {
        name: "50 us".to_owned(),
        about: "",
        job: job(if quick { 200 } else { 400 }),
        traced: job(200),
        metrics: METRICS,
        fits: all,
    }]
}
