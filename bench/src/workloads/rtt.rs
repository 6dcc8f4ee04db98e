//! `rtt`: how long a message takes there and back over one TCP connection.
//!
//! Two processes on two cores, of the same engine, as both ends wait: the client sends and waits, the server sends back.
//! Every byte is compared. Each round trip goes into the client's histogram of three digits; CPU time and system calls are
//! those of the server.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::{values, Case, Goal, Job, Metric, Values, Workload, CURVE, SYSCALLS};
use crate::engines::window::Window;
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

impl Rtt {
    /// All round trips.
    pub fn total(&self) -> u64 {
        self.warm_up + self.trips
    }

    /// For a server to count messages.
    pub fn window(&self) -> Window {
        Window::new(self.warm_up, self.trips, self.total())
    }
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
        unit: "ns of server CPU/round trip",
        goal: None,
    },
    Metric {
        key: SYSCALLS,
        unit: "system calls of the server/round trip",
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
        fits: Engine::echoes,
    }]
}

/// The shares of which the curve is made: about evenly apart where each further nine takes as much room.
const SHARES: &[f64] = &[
    0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.993,
    0.995, 0.997, 0.998, 0.999, 0.9995, 0.9999,
];

/// What a histogram of nanoseconds tells.
pub fn summary(histogram: &Histogram<u64>, job: &Rtt) -> Values {
    let micros = |share| histogram.value_at_quantile(share) as f64 / 1000.0;
    let mut named = values([
        ("p50", micros(0.5)),
        ("p90", micros(0.9)),
        ("p99", micros(0.99)),
        ("p99.9", micros(0.999)),
    ]);
    // A share that fewer than a handful exceed is luck.
    let reached = SHARES
        .iter()
        .filter(|&share| (1.0 - share) * job.trips as f64 >= 5.0);
    named.extend(reached.map(|&share| (format!("{CURVE}{share}"), micros(share))));
    named
}
