//! `rtt`: how long a message takes there and back over one TCP connection.
//!
//! Two threads on two cores, each with a poll of its own, of the same engine: one sends and waits, the other sends back.
//! Every byte is compared. Each round trip goes into a histogram of three digits.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::{values, Case, Goal, Job, Metric, Values, Workload, CURVE, SYSCALLS};
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

/// The shares of which the curve is made: about evenly apart where each further nine takes as much room.
const SHARES: &[f64] = &[
    0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.993,
    0.995, 0.997, 0.998, 0.999, 0.9995, 0.9999,
];

/// What a histogram of nanoseconds tells; `cpu` is in nanoseconds, of all round trips.
pub fn summary(histogram: &Histogram<u64>, cpu: f64, job: &Rtt) -> Values {
    let micros = |share| histogram.value_at_quantile(share) as f64 / 1000.0;
    let mut named = values([
        ("p50", micros(0.5)),
        ("p90", micros(0.9)),
        ("p99", micros(0.99)),
        ("p99.9", micros(0.999)),
        ("cpu", cpu / 1000.0 / job.trips as f64),
        ("operations", job.trips as f64),
    ]);
    // A share that fewer than a handful exceed is luck.
    let reached = SHARES
        .iter()
        .filter(|&share| (1.0 - share) * job.trips as f64 >= 5.0);
    named.extend(reached.map(|&share| (format!("{CURVE}{share}"), micros(share))));
    named
}
