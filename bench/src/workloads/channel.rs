//! `channel`: messages from other threads into a poller, which sleeps whenever there is none.
//!
//! The poller has one core, the producers share another. Each message carries who sent it and its number: one that is
//! lost, repeated or out of order fails the run.

use serde::{Deserialize, Serialize};

use super::{Case, Goal, Job, Metric, Workload, SYSCALLS};
use crate::engines::Engine;
use crate::report::thousands;

pub const WORKLOAD: Workload = Workload {
    name: "channel",
    about: "messages from other threads into a poller",
    cases,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Channel {
    pub producers: u64,
    /// Of each producer.
    pub messages: u64,
    /// How many the channel holds; without a bound if that is `None`.
    pub bound: Option<usize>,
}

const METRICS: &[Metric] = &[
    Metric {
        key: "time",
        unit: "ns/message",
        // Half as many messages again.
        goal: Some(Goal::TimesBest(1.0 / 1.5, &[Engine::Tokio])),
    },
    Metric {
        key: "cpu",
        unit: "ns of CPU/message",
        goal: None,
    },
    Metric {
        key: SYSCALLS,
        unit: "system calls/message",
        goal: None,
    },
];

const BOUND: usize = 1_024;

fn cases(quick: bool) -> Vec<Case> {
    let messages = if quick { 20_000 } else { 300_000 };
    [(1, None), (4, None), (1, Some(BOUND)), (4, Some(BOUND))]
        .map(|(producers, bound)| {
            let job = |messages: u64| {
                Job::Channel(Channel {
                    producers,
                    messages: messages / producers,
                    bound,
                })
            };
            let plural = if producers == 1 { "" } else { "s" };
            let kind = bound.map_or("unbounded".to_owned(), |bound| {
                format!("bound {}", thousands(bound as i64))
            });
            Case {
                name: format!("{producers} producer{plural}, {kind}"),
                about: "",
                job: job(messages),
                traced: job(10_000),
                metrics: METRICS,
                fits: Engine::has_channels,
            }
        })
        .into()
}
