//! What is asked of the engines. One file for each workload: its cases, what is read off them, and the goals.

pub mod active;
pub mod channel;
pub mod churn;
pub mod echo;
pub mod http;
pub mod idle;
pub mod register;
pub mod rtt;
pub mod startup;
pub mod timers;
pub mod wait;
pub mod wake;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{bail, Result};
use serde::{Deserialize, Serialize};

use crate::engines::Engine;

/// A group of cases, under the name by which it is asked for.
pub struct Workload {
    pub name: &'static str,
    pub about: &'static str,
    /// The cases; short ones if asked for `quick`.
    pub cases: fn(quick: bool) -> Vec<Case>,
}

pub const WORKLOADS: &[Workload] = &[
    echo::WORKLOAD,
    active::WORKLOAD,
    churn::WORKLOAD,
    idle::WORKLOAD,
    wake::WORKLOAD,
    wait::WORKLOAD,
    register::WORKLOAD,
    timers::WORKLOAD,
    channel::WORKLOAD,
    rtt::WORKLOAD,
    http::WORKLOAD,
    startup::WORKLOAD,
];

pub fn by_name(name: &str) -> Result<&'static Workload> {
    match WORKLOADS.iter().find(|workload| workload.name == name) {
        Some(workload) => Ok(workload),
        None => bail!("no workload is called `{name}`; see `list`"),
    }
}

/// One thing that every engine does in its turn.
pub struct Case {
    pub name: String,
    pub about: &'static str,
    pub job: Job,
    /// The same with fewer operations, for the run in which system calls are counted.
    pub traced: Job,
    pub metrics: &'static [Metric],
    /// Which engines can do it.
    pub fits: fn(Engine) -> bool,
}

/// What one process measures.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Job {
    Echo(echo::Echo),
    Active(active::Active),
    Churn(churn::Churn),
    Idle(idle::Idle),
    Awake(wake::Wakes),
    Harvest(wake::Wakes),
    Many(wake::Many),
    Producers(wake::Producers),
    PingPong(wake::Wakes),
    Wait(wait::Wait),
    Register(register::Register),
    Timers(timers::Timers),
    Overshoot(timers::Overshoot),
    Channel(channel::Channel),
    Rtt(rtt::Rtt),
    /// The client of the one above, which is of the same engine: where the server listens.
    RttClient(rtt::Rtt, SocketAddr),
    Http(http::Http),
    /// The server of the one above: until it is ended.
    HttpServer,
    Startup(startup::Startup),
}

impl Job {
    /// In how many rounds it is measured, whatever is asked for: some take long, and differ little.
    pub fn most_rounds(&self) -> usize {
        match self {
            Self::Startup(job) if job.builds => 3,
            Self::Startup(_) | Self::Http(_) => 7,
            _ => usize::MAX,
        }
    }

    /// Whether it is a server, which a client keeps busy.
    pub fn has_client(&self) -> bool {
        matches!(self, Self::Echo(_) | Self::Churn(_) | Self::Rtt(_))
    }
}

/// One number that is read off a measurement; less is better, always.
pub struct Metric {
    /// What the program calls it, or [`SYSCALLS`].
    pub key: &'static str,
    pub unit: &'static str,
    /// What wakeful is to reach.
    pub goal: Option<Goal>,
}

/// The metric that comes out of the traced run.
pub const SYSCALLS: &str = "syscalls";
/// What a program calls the points of a distribution: this, and the share of operations that took no longer.
pub const CURVE: &str = "@";
/// What a program calls the number of its operations, between its two marks.
pub const OPERATIONS: &str = "operations";

/// Without any tolerance: see [`verdict`](crate::verdict).
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// At most that many times what mio takes.
    TimesMio(f64),
    /// At most that much.
    AtMost(f64),
    /// At most that many times what the best of those takes.
    TimesBest(f64, &'static [Engine]),
    /// At most that many times what each of those takes.
    TimesEach(&'static [(f64, Engine)]),
    /// What wakeful that spins is to reach: at most that many times what mio takes.
    SpinTimesMio(f64),
    /// A ratio that should not be more than 1; what those have stands beside it.
    Flat(&'static [Engine]),
}

/// What a program has measured, by name.
pub type Values = BTreeMap<String, f64>;

pub fn values<const N: usize>(named: [(&str, f64); N]) -> Values {
    named.map(|(name, value)| (name.to_owned(), value)).into()
}

/// For cases that all engines can do which the shared programs run on.
fn all(engine: Engine) -> bool {
    engine.has_programs()
}
