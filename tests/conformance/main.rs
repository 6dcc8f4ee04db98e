//! The conformance suite: every promise of `docs/contract.md`, shown on each backend of the system.
//!
//! A test is named after the number of its promise: `r3_..` shows R3. A promise has at least one test, and
//! a test a promise; `the_contract` checks that. Promises about threads, signals, processes and descriptors run
//! where there are such; all others run everywhere.

#![cfg(all(feature = "os-poll", feature = "net", feature = "os-ext"))]
#![cfg_attr(not(capability = "sockets"), allow(dead_code, unused_imports))]

#[path = "../common/beat.rs"]
mod beat;
#[path = "../common/brief_thread.rs"]
mod brief_thread;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/channels.rs"]
mod of_channels;
#[path = "../common/timers.rs"]
mod of_timers;
#[path = "../common/pipe.rs"]
mod pipe;
#[path = "../common/poller.rs"]
mod poller;
#[path = "../common/stress.rs"]
mod stress;

mod subjects;

mod channels;
mod drop;
mod errors;
mod events;
mod exclusive;
mod metrics;
mod modes;
mod readiness;
mod the_contract;
mod threads;
mod timeouts;
mod timers;
mod user_sources;
mod wakes;

use wakeful::Token;

const FIRST: Token = Token(11);
const SECOND: Token = Token(22);
