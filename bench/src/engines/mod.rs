//! What is measured: the engines, all behind one interface.
//!
//! # One program, several libraries
//!
//! `program/` holds the measured programs, written once for the API that mio and wakeful share. Each engine's file
//! says which crate is called `api`, and compiles the whole folder over it by `#[path]`:
//!
//! ```text
//! mio.rs       api = mio from crates.io        program/
//! wakeful.rs   api = wakeful                   program/, again
//! wakeful_spin.rs    api = wakeful, spinning   program/, again (on epoll and on poll)
//! epoll.rs     api = bare.rs, bare epoll(7)    program/, again
//! ```
//!
//! So the engines cannot differ in anything but the library, and the compiler optimises each by itself. Traits
//! could do the same, at the price of a wrapper for every type of the API.
//!
//! `c.rs` and its neighbours are event loops in C: echo and round trips are written in C, in `bench/c/`; the other
//! programs run over as much of the API as these libraries have.
//!
//! `tokio.rs`, `monoio.rs`, `compio.rs`, `glommio.rs` and `io_uring.rs` have another shape, and programs of their own for
//! what a server does. tokio over wakeful is `tokio.rs` once more, in a program that is built apart
//! (`bench/tokio-on-wakeful`), as there may be one `mio` in a workspace only.
//!
//! What is beyond that API, and what other libraries have, is in `timers/` and `channel/`: a program for each, and
//! for each engine what the program needs of it.

pub mod bare;
#[cfg(any(has_libuv, has_libevent, has_libev))]
mod c;
#[cfg(has_libev)]
mod c_libev;
#[cfg(has_libevent)]
mod c_libevent;
#[cfg(has_libuv)]
mod c_libuv;
mod channel;
#[cfg(feature = "peers")]
mod compio;
mod epoll;
#[cfg(feature = "peers")]
mod glommio;
mod http;
#[cfg(feature = "peers")]
mod io_uring;
mod mio;
#[cfg(feature = "peers")]
mod monoio;
#[cfg(feature = "peers")]
mod polling;
pub mod timers;
mod tokio;
mod trips;
mod wakeful;
mod wakeful_spin;
pub mod window;

use std::collections::BTreeMap;

use anyhow::{bail, ensure, Result};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::system::locked_version;
use crate::workloads::{Job, Values};

/// A library, and how it is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    Wakeful,
    WakefulPoll,
    WakefulSpin,
    WakefulPollSpin,
    Mio,
    Polling,
    Epoll,
    IoUring,
    Tokio,
    TokioOnWakeful,
    Monoio,
    Compio,
    Glommio,
    Libuv,
    Libevent,
    Libev,
    Btree,
    Wheel,
}

impl Engine {
    /// In the order in which they take turns.
    pub const ALL: &'static [Engine] = &[
        Self::Wakeful,
        Self::WakefulPoll,
        Self::WakefulSpin,
        Self::WakefulPollSpin,
        Self::Mio,
        Self::Polling,
        Self::Epoll,
        Self::IoUring,
        Self::Tokio,
        Self::TokioOnWakeful,
        Self::Monoio,
        Self::Compio,
        Self::Glommio,
        Self::Libuv,
        Self::Libevent,
        Self::Libev,
        Self::Btree,
        Self::Wheel,
    ];
    pub fn name(self) -> &'static str {
        match self {
            Self::Wakeful => "wakeful",
            Self::WakefulPoll => "wakeful-poll",
            Self::WakefulSpin => "wakeful-spin",
            Self::WakefulPollSpin => "wakeful-poll-spin",
            Self::Mio => "mio",
            Self::Polling => "polling",
            Self::Epoll => "epoll",
            Self::IoUring => "io-uring",
            Self::Tokio => "tokio",
            Self::TokioOnWakeful => "tokio-on-wakeful",
            Self::Monoio => "monoio",
            Self::Compio => "compio",
            Self::Glommio => "glommio",
            Self::Libuv => "libuv",
            Self::Libevent => "libevent",
            Self::Libev => "libev",
            Self::Btree => "btree",
            Self::Wheel => "wheel",
        }
    }

    pub fn about(self) -> &'static str {
        match self {
            Self::Wakeful => "wakeful on epoll",
            Self::WakefulPoll => "wakeful on poll(2), with up to 1,000 sources: it looks at all of them for every event",
            Self::WakefulSpin => "wakeful on epoll, spinning for 50 us before it sleeps",
            Self::WakefulPollSpin => "wakeful on poll(2), spinning so too",
            Self::Mio => "mio from crates.io",
            Self::Polling => "the polling crate, edge-triggered",
            Self::Epoll => "bare system calls: the floor",
            Self::IoUring => "a bare loop over io_uring: the other floor",
            Self::Tokio => "tokio's current-thread runtime, on mio",
            Self::TokioOnWakeful => {
                "the same on wakeful, through compat/mio; built when it is needed"
            }
            Self::Monoio => "monoio on io_uring",
            Self::Compio => "compio on io_uring",
            Self::Glommio => "glommio, on io_uring",
            Self::Libuv => "libuv, in C; if it was there when this was built",
            Self::Libevent => "libevent, in C; if it was there when this was built",
            Self::Libev => "libev, in C; if it was there when this was built",
            Self::Btree => "the standard library's BTreeMap as a list of timers",
            Self::Wheel => "tokio-util's DelayQueue, a hierarchical wheel without a lock",
        }
    }

    /// What the environment variable `WAKEFUL_BACKEND` says.
    pub fn backend(self) -> &'static str {
        match self {
            Self::WakefulPoll | Self::WakefulPollSpin => "poll",
            _ => "epoll",
        }
    }

    /// Why it cannot be measured here, if it cannot.
    pub fn absence(self) -> Option<String> {
        let was_built = match self {
            Self::Libuv => cfg!(has_libuv),
            Self::Libevent => cfg!(has_libevent),
            Self::Libev => cfg!(has_libev),
            Self::Polling => cfg!(feature = "peers"),
            Self::IoUring | Self::Monoio | Self::Compio | Self::Glommio => {
                return no_io_uring().map(|reason| format!("io_uring cannot be used: {reason}"));
            }
            _ => true,
        };
        (!was_built).then(|| match self.package() {
            Some(package) => format!(
                "it was not there when this was built; install it (Debian: {package}), \
                 then `cargo clean --release -p bench`"
            ),
            None => "it was not built in".to_owned(),
        })
    }

    /// What has to be installed to measure it, if it was not there: Debian's name.
    pub fn package(self) -> Option<&'static str> {
        match self {
            Self::Libuv => Some("libuv1-dev"),
            Self::Libevent => Some("libevent-dev"),
            Self::Libev => Some("libev-dev"),
            _ => None,
        }
    }

    /// An event loop in C.
    pub fn is_in_c(self) -> bool {
        matches!(self, Self::Libuv | Self::Libevent | Self::Libev)
    }

    /// Has the API for which the shared programs are written.
    pub fn has_programs(self) -> bool {
        matches!(
            self,
            Self::Wakeful | Self::WakefulPoll | Self::Mio | Self::Polling | Self::Epoll
        )
    }

    /// The shared programs, in polls that spin before they sleep: measured where something is waited for.
    pub fn spins(self) -> bool {
        matches!(self, Self::WakefulSpin | Self::WakefulPollSpin)
    }

    /// Looks at every source for every event: not measured among many.
    pub fn scans(self) -> bool {
        matches!(self, Self::WakefulPoll | Self::WakefulPollSpin)
    }

    /// Has an echo server, and one of short connections.
    pub fn serves(self) -> bool {
        self.has_programs() || self.is_in_c() || self.has_tasks() || self == Self::IoUring
    }

    /// Has an echo server; also the difference that spinning makes.
    pub fn echoes(self) -> bool {
        self.serves() || self.spins()
    }

    /// Tells when the other side has closed, so that a short read may be taken for the last; or does that by itself.
    pub fn stops_short(self) -> bool {
        match self {
            Self::Polling => false,
            Self::IoUring | Self::Libuv => true,
            _ => self.has_programs() || self.has_tasks(),
        }
    }

    /// A runtime with tasks.
    pub fn has_tasks(self) -> bool {
        matches!(
            self,
            Self::Tokio | Self::TokioOnWakeful | Self::Monoio | Self::Compio | Self::Glommio
        )
    }

    /// Watches whatever is registered.
    pub fn watches(self) -> bool {
        self.has_programs() || self.is_in_c()
    }

    /// mio allows one waker per poll, and so does polling.
    pub fn has_many_wakers(self) -> bool {
        self.wakes() && !matches!(self, Self::Mio | Self::Polling)
    }

    /// Has wakers, and sockets.
    pub fn wakes(self) -> bool {
        self.has_programs() || self.is_in_c()
    }

    /// Has wakers, and may have to sleep until they are used.
    pub fn sleeps_until_woken(self) -> bool {
        self.wakes() || self.spins()
    }

    /// Can hold many timers; the backend does not matter to them.
    pub fn has_timers(self) -> bool {
        matches!(
            self,
            Self::Wakeful
                | Self::Tokio
                | Self::Libuv
                | Self::Libevent
                | Self::Libev
                | Self::Btree
                | Self::Wheel
        )
    }

    /// Can wait for one timer.
    pub fn waits_for_timers(self) -> bool {
        self.has_programs() || self.is_in_c() || self == Self::Tokio
    }

    /// mio stands for a channel of the standard library with its waker.
    pub fn has_channels(self) -> bool {
        matches!(
            self,
            Self::Wakeful | Self::WakefulPoll | Self::Mio | Self::Tokio
        )
    }

    /// Has a web server.
    pub fn serves_http(self) -> bool {
        self.has_programs() || matches!(self, Self::Tokio | Self::TokioOnWakeful)
    }

    /// tokio: whoever is asked to be on wakeful has to be the program that is.
    fn is_this_program(self) -> bool {
        cfg!(on_wakeful) == (self == Self::TokioOnWakeful)
    }

    /// Does the job in this process.
    pub fn run(self, job: &Job) -> Result<Values> {
        match (self, job) {
            (_, Job::Timers(job)) => timers::run(self, job),
            (_, Job::Channel(job)) => channel::run(self, job),
            (_, Job::Http(job)) => crate::workloads::http::run(self, job),
            (_, Job::HttpServer) => http::serve(self),
            (_, Job::Startup(job)) => crate::workloads::startup::run(self, job),
            (
                Self::Wakeful
                | Self::WakefulPoll
                | Self::Tokio
                | Self::Libuv
                | Self::Libevent
                | Self::Libev,
                Job::Overshoot(job),
            ) => timers::overshoot(self, job),
            (Self::Wakeful | Self::WakefulPoll, _) => wakeful::run(job),
            (Self::WakefulSpin | Self::WakefulPollSpin, _) => wakeful_spin::run(job),
            (Self::Mio, _) => mio::run(job),
            (Self::Epoll, _) => epoll::run(job),
            (Self::Tokio | Self::TokioOnWakeful, _) => {
                ensure!(self.is_this_program(), "the wrong program");
                tokio::run(job)
            }
            #[cfg(feature = "peers")]
            (Self::Polling, _) => polling::run(job),
            #[cfg(feature = "peers")]
            (Self::IoUring, _) => io_uring::run(job),
            #[cfg(feature = "peers")]
            (Self::Monoio, _) => monoio::run(job),
            #[cfg(feature = "peers")]
            (Self::Compio, _) => compio::run(job),
            #[cfg(feature = "peers")]
            (Self::Glommio, _) => glommio::run(job),
            #[cfg(has_libuv)]
            (Self::Libuv, _) => c_libuv::run(job),
            #[cfg(has_libevent)]
            (Self::Libevent, _) => c_libevent::run(job),
            #[cfg(has_libev)]
            (Self::Libev, _) => c_libev::run(job),
            _ => bail!("{} cannot do that", self.name()),
        }
    }
}

/// What io_uring says when it is asked for, if it is not a ring.
fn no_io_uring() -> Option<String> {
    #[cfg(feature = "peers")]
    return io_uring::is_forbidden().map(|err| err.to_string());
    #[cfg(not(feature = "peers"))]
    return Some("not built in".to_owned());
}

/// The versions of the peers, as results are recorded with them.
pub fn versions() -> BTreeMap<&'static str, String> {
    let crates = [
        "polling",
        "io-uring",
        "tokio",
        "tokio-util",
        "monoio",
        "compio",
        "glommio",
    ];
    #[allow(unused_mut)]
    let mut versions: BTreeMap<_, _> = crates.map(|name| (name, locked_version(name, true))).into();
    #[cfg(has_libuv)]
    versions.insert("libuv", c::version::<c_libuv::Library>());
    #[cfg(has_libevent)]
    versions.insert("libevent", c::version::<c_libevent::Library>());
    #[cfg(has_libev)]
    versions.insert("libev", c::version::<c_libev::Library>());
    versions
}

/// The package `mio` is wakeful here, which mio itself would not compile with.
#[cfg(on_wakeful)]
const _: fn(&mio_peer::Poll) -> mio_peer::Backend = mio_peer::Poll::backend;
