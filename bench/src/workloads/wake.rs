//! `wake`: what it costs to wake a poller that is awake, or asleep, from one thread or several.

use serde::{Deserialize, Serialize};

use super::{Case, Goal, Job, Metric, Workload, SYSCALLS};
use crate::engines::Engine;

pub const WORKLOAD: Workload = Workload {
    name: "wake",
    about: "Waker::wake, of a poller that is awake and of one that sleeps",
    cases,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wakes {
    pub wakes: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Many {
    pub wakers: usize,
    pub rounds: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Producers {
    pub producers: usize,
    /// Of each producer.
    pub wakes: u64,
}

const fn time(unit: &'static str, goal: Option<Goal>) -> Metric {
    Metric {
        key: "time",
        unit,
        goal,
    }
}

const fn syscalls(unit: &'static str, goal: Option<Goal>) -> Metric {
    Metric {
        key: SYSCALLS,
        unit,
        goal,
    }
}

const fn cpu(unit: &'static str) -> Metric {
    Metric {
        key: "cpu",
        unit,
        goal: None,
    }
}

const AWAKE: &[Metric] = &[
    time(
        "ns/wake",
        Some(Goal::TimesEach(&[
            (0.05, Engine::Mio),
            (1.0, Engine::Polling),
        ])),
    ),
    syscalls("system calls/wake", Some(Goal::AtMost(0.0))),
];
const HARVEST: &[Metric] = &[
    time("ns/wake and poll", Some(Goal::TimesMio(1.0))),
    syscalls("system calls/wake and poll", Some(Goal::TimesMio(1.0))),
];
const MANY: &[Metric] = &[time("ns/wake", Some(Goal::AtMost(15.0)))];
const PRODUCERS: &[Metric] = &[
    time("ns/wake", None),
    cpu("ns of CPU/wake"),
    syscalls("system calls/wake", None),
    Metric {
        key: "polls",
        unit: "polls/wake",
        goal: None,
    },
];
const PING_PONG: &[Metric] = &[
    time("ns/round trip", Some(Goal::TimesMio(1.0))),
    Metric {
        goal: Some(Goal::TimesMio(1.0)),
        ..cpu("ns of CPU/round trip")
    },
    // Not judged: a wake that comes before the other side sleeps spares calls, a matter of timing.
    syscalls("system calls/round trip", None),
];

fn cases(quick: bool) -> Vec<Case> {
    let less = |number: u64| if quick { number / 10 } else { number };
    let case = |name: &str, about, job: fn(u64) -> Job, number, metrics| Case {
        name: name.to_owned(),
        about,
        job: job(less(number)),
        traced: job(2_100),
        metrics,
        fits: Engine::wakes,
    };
    vec![
        case(
            "awake",
            "the poller is awake; all wakes but the first find one pending",
            |wakes| Job::Awake(Wakes { wakes }),
            1_000_000,
            AWAKE,
        ),
        case(
            "harvest",
            "wake, then poll without waiting, in turn: no wake finds one pending",
            |wakes| Job::Harvest(Wakes { wakes }),
            500_000,
            HARVEST,
        ),
        Case {
            fits: Engine::has_many_wakers,
            ..case(
                "many",
                "1,000 wakers of one awake poller, each woken once; no wake finds its own pending",
                |wakes| {
                    Job::Many(Many {
                        wakers: 1_000,
                        rounds: wakes.div_ceil(1_000) as usize,
                    })
                },
                200_000,
                MANY,
            )
        },
        case(
            "1 producer",
            "a thread wakes another as fast as it can",
            |wakes| {
                Job::Producers(Producers {
                    producers: 1,
                    wakes,
                })
            },
            500_000,
            PRODUCERS,
        ),
        case(
            "2 producers",
            "two threads wake a third as fast as they can",
            |wakes| {
                Job::Producers(Producers {
                    producers: 2,
                    wakes: wakes / 2,
                })
            },
            500_000,
            PRODUCERS,
        ),
        case(
            "8 producers",
            "eight threads do",
            |wakes| {
                Job::Producers(Producers {
                    producers: 8,
                    wakes: wakes / 8,
                })
            },
            500_000,
            PRODUCERS,
        ),
        Case {
            fits: Engine::sleeps_until_woken,
            ..case(
                "ping-pong",
                "two threads, each asleep until the other wakes it; or spinning",
                |wakes| Job::PingPong(Wakes { wakes }),
                5_000,
                PING_PONG,
            )
        },
    ]
}
