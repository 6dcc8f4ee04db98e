//! `rtt`: how long a message takes there and back over one TCP connection.
//!
//! Two threads on two cores, each with a poll of its own, of the same engine: one sends and waits, the other sends back.
//! Every byte is compared. Each round trip goes into a histogram of three digits.

use serde::{Deserialize, Serialize};

use super::{Case, Goal, Job, Metric, Workload, SYSCALLS};
use crate::engines::Engine;

pub const WORKLOAD: Workload = Workload {
    name: "rtt",
    about: "one TCP connection: 64 bytes there and back",
    cases,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rtt {
    pub warm_up: u64,
    pub trips: u64,
}

const METRICS: &[Metric] = &[
    Metric {
        key: "p50",
        unit: "us/round trip, median",
        goal: Some(Goal::SpinTimesMio(0.5)),
    },
    Metric {
        key: "p90",
        unit: "us/round trip, 90th percentile",
        goal: None,
    },
    Metric {
        key: "p99",
        unit: "us/round trip, 99th percentile",
        goal: None,
    },
    Metric {
        key: "p99.9",
        unit: "us/round trip, 99.9th percentile",
        goal: None,
    },
    Metric {
        key: "cpu",
        unit: "us of CPU/round trip, both ends",
        goal: None,
    },
    Metric {
        key: SYSCALLS,
        unit: "system calls/round trip, both ends",
        goal: None,
    },
];

fn cases(quick: bool) -> Vec<Case> {
    let job = |trips| {
        Job::Rtt(Rtt {
            warm_up: trips / 10,
            trips,
        })
    };
    vec![Case {
        name: "1 conn".to_owned(),
        about: "",
        job: job(if quick { 2_000 } else { 20_000 }),
        traced: job(500),
        metrics: METRICS,
        fits: Engine::has_sockets,
    }]
}
