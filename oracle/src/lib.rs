//! The oracle: mio says what wakeful has to do.
//!
//! proptest makes up [scripts](Script): connect, accept, write, read, half-close, reset, register, wake,
//! poll, over TCP, Unix streams and pipes. [`check`] runs a script three times, on mio, on wakeful with
//! epoll(7) and on wakeful with poll(2), and compares.
//!
//! # What is compared
//!
//! A run is a list of steps. The outcome of every operation but a poll (the number of bytes, the kind of
//! error) must be mio's, on both backends.
//!
//! Of a poll step, in which the library is polled until it has no more to report:
//!
//! | | mio, and wakeful on epoll | wakeful on poll(2) |
//! |---|---|---|
//! | every flag that is *owed* is reported | yes | yes |
//! | every flag that is reported is so, and asked for or about closing | yes | yes |
//! | events are mio's, flag for flag | yes | |
//! | each event has a flag that was due | | yes |
//! | a wake is one event, and there is none without a wake | yes | yes |
//! | no event for a source that is deregistered or closed | yes | yes |
//!
//! What is owed is the business of a reference model, see `promise.rs`: whatever was not reported since
//! the registration, and directions that have blocked or moved less than they were asked to since they were
//! reported. epoll reports more than that: when anything happens it reports everything that is so, and it
//! reports new data though the old was not read. mio asks its users not to rely on it, and poll(2)
//! does not have it. So on epoll wakeful is held to mio's events, on poll(2) to mio's promises;
//! and mio is held to its own promises too, which shows that the model asks for nothing that mio does not do.
//!
//! Events may come late on poll(2), but must come, where wakeful cannot know what was drained: after an operation in `try_io` that
//! would block, and when a source's descriptor was handed out. There they may also be spurious, but not
//! untrue.
//!
//! After a run, the descriptors that are open are those that were open before.
//!
//! # Why it is the same every time
//!
//! TCP takes its time to deliver, also on the loopback. After every operation the runner waits until the kernel
//! shows the effect (`TCP_INFO`), so that each library finds the same readiness at the
//! same step. Delayed acknowledgements are sent at once, and no more is written than there is room for.
//! The cases are the same in every run; `PROPTEST_RNG_SEED` asks for others, `PROPTEST_CASES` for more.
//!
//! # One engine, compiled twice
//!
//! The part that touches a library, `engine.rs`, is included by two modules, each of which has its own
//! idea of what `library` is. The rest is generic by a trait object, `Subject`. A trait over the types
//! of both libraries would say every signature three times, and a macro would hide the code from
//! rustfmt; so the paths are identical because there is one.

mod backpressure;
mod kernel;
// `engine.rs` is meant to be there twice.
#[allow(clippy::duplicate_mod)]
mod mio_side;
mod promise;
mod script;
mod subject;
mod trace;
#[allow(clippy::duplicate_mod)]
mod wakeful_side;
mod world;

use std::io;

use proptest::test_runner::{Config, RngSeed};
use wakeful::Backend;

use crate::promise::Edges;
pub use crate::script::{scripts, wakes, Script, Transport};
use crate::subject::Subject;
use crate::trace::Trace;

/// 256 cases, the same in every run, unless the environment says otherwise.
pub fn config() -> Config {
    let mut config = Config {
        failure_persistence: None,
        // Milliseconds: scripts that fail by waiting in vain take their time.
        max_shrink_time: 60_000,
        ..Config::default()
    };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(0);
    }
    config
}

/// Runs a script on every library.
///
/// # Errors
///
/// What is wrong, with everything that was done and how it came out.
pub fn check(script: &Script) -> Result<(), String> {
    let _guard = kernel::exclusive();
    let mio = run("mio", script, Edges::Native, || {
        mio_side::new(script.capacity)
    })?;
    check_against(&mio, script, "wakeful/epoll", Edges::Native, || {
        wakeful_side::new(Backend::Epoll, script.capacity)
    })?;
    check_against(&mio, script, "wakeful/poll", Edges::Emulated, || {
        wakeful_side::new(Backend::Poll, script.capacity)
    })
}

/// Fills a TCP connection on every library, and checks that the writer is told when there is room again.
///
/// # Errors
///
/// The library on which it was not told, or an operation failed.
pub fn check_backpressure(rounds: usize) -> Result<(), String> {
    let _guard = kernel::exclusive();
    let check = |name: &str, subject: io::Result<Box<dyn Subject>>| {
        let mut subject = subject.map_err(|err| format!("{name}: {err}"))?;
        backpressure::run(&mut *subject, rounds).map_err(|reason| format!("{name}: {reason}"))
    };
    check("mio", mio_side::new(8))?;
    for &backend in Backend::available() {
        check(&format!("wakeful/{backend}"), wakeful_side::new(backend, 8))?;
    }
    Ok(())
}

fn check_against(
    mio: &Trace,
    script: &Script,
    name: &str,
    edges: Edges,
    subject: impl FnOnce() -> io::Result<Box<dyn Subject>>,
) -> Result<(), String> {
    let other = run_alone(name, script, edges, subject)?;
    let broken = match &other.broken {
        Some(broken) => Err(broken.clone()),
        None => Ok(()),
    };
    broken
        .and_then(|()| trace::compare(mio, &other, edges))
        .map_err(|reason| format!("{name} {reason}\n{}", trace::table(mio, name, &other)))
}

/// Runs a script on mio alone, or on what shall be like it.
fn run(
    name: &str,
    script: &Script,
    edges: Edges,
    subject: impl FnOnce() -> io::Result<Box<dyn Subject>>,
) -> Result<Trace, String> {
    let trace = run_alone(name, script, edges, subject)?;
    match &trace.broken {
        Some(broken) => Err(format!(
            "{name} {broken}\n{}",
            trace::table(&trace, name, &trace)
        )),
        None => Ok(trace),
    }
}

fn run_alone(
    name: &str,
    script: &Script,
    edges: Edges,
    subject: impl FnOnce() -> io::Result<Box<dyn Subject>>,
) -> Result<Trace, String> {
    let explain = |err: io::Error| format!("{name}: {err}");
    let before = kernel::descriptors().map_err(explain)?;
    let mut subject = subject().map_err(explain)?;
    let trace = world::run(script, &mut *subject, edges);
    drop(subject);
    let after = kernel::descriptors().map_err(explain)?;
    if before != after {
        let name_them = trace::table(&trace, name, &trace);
        return Err(format!(
            "{name} had the descriptors {before:?} before and {after:?} after\n{name_them}"
        ));
    }
    Ok(trace)
}
