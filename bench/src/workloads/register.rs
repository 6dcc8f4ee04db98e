//! `register`: what it costs to register, reregister and deregister, in time and in allocations.

use serde::{Deserialize, Serialize};

use super::{all, Case, Goal, Job, Metric, Workload, SYSCALLS};
use crate::engines::Engine;

pub const WORKLOAD: Workload = Workload {
    name: "register",
    about: "1,000 idle Unix sockets, registered, reregistered and deregistered",
    cases,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Register {
    pub sources: usize,
    pub rounds: usize,
}

const fn time(key: &'static str) -> Metric {
    Metric {
        key,
        unit: "ns/source",
        goal: Some(Goal::TimesBest(1.05, &[Engine::Epoll])),
    }
}

const METRICS: &[Metric] = &[
    time("register"),
    time("reregister"),
    time("deregister"),
    Metric {
        key: "allocations",
        unit: "allocations/source",
        goal: Some(Goal::AtMost(0.0)),
    },
    Metric {
        key: SYSCALLS,
        unit: "system calls/source, all three",
        goal: Some(Goal::TimesMio(1.0)),
    },
];

fn cases(quick: bool) -> Vec<Case> {
    let job = |rounds| {
        Job::Register(Register {
            sources: 1_000,
            rounds,
        })
    };
    vec![Case {
        name: "1,000 sources".to_owned(),
        about: "",
        job: job(if quick { 21 } else { 101 }),
        traced: job(2),
        metrics: METRICS,
        fits: all,
    }]
}
