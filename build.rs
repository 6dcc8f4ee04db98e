//! One row per operating system; everything that depends on the system follows from it.
//!
//! The rows become words: `cfg(handle = "fd")`, `cfg(selector = "epoll")`, `cfg(doorbell = "eventfd")`,
//! `cfg(capability = "flags_at_open")`. The rest of the crate asks for words and never
//! for a system. A new system is one row here; see `docs/porting.md`.

use std::env;

/// What we need to know of an operating system.
struct System {
    /// As in `target_os`.
    name: &'static str,
    /// How programs name what they do I/O with: `fd` or `windows`.
    handle: &'static str,
    /// The best readiness interface; poll(2) comes with every Unix besides, but for [`NO_POLL`].
    selector: &'static str,
    /// What interrupts a sleeping poller.
    doorbell: &'static str,
    /// What the system can do beyond the common ground.
    capabilities: &'static [&'static str],
}

/// `SOCK_NONBLOCK`, `SOCK_CLOEXEC`, `accept4` and `pipe2`.
const FLAGS_AT_OPEN: &str = "flags_at_open";
/// Waits on epoll that count nanoseconds; asked for at run time, since kernels before 5.11 lack it.
/// Not on Android, where a filter ends processes that ask for an unknown system call.
const EPOLL_PWAIT2: &str = "epoll_pwait2";
/// Waits may end late by what `PR_GET_TIMERSLACK` says.
const TIMER_SLACK: &str = "timer_slack";
/// poll(2) with a timeout in nanoseconds.
const PPOLL: &str = "ppoll";
/// Sockets that a program can open, by `socket2`; `net` is there without it too.
const SOCKETS: &str = "sockets";
/// `TCP_KEEPINTVL` and `TCP_KEEPCNT`.
const TCP_KEEPALIVE: &str = "tcp_keepalive";
/// Unix domain sockets: streams, and datagrams.
const UNIX_STREAMS: &str = "unix_streams";
const UNIX_DATAGRAMS: &str = "unix_datagrams";
/// pipe(2).
const PIPES: &str = "pipes";
/// Unix socket addresses outside the file system.
const ABSTRACT_UNIX: &str = "abstract_unix";
/// `POLLRDHUP`: poll(2) tells when the peer has shut down its writing half. Older kernels of FreeBSD and illumos
/// ignore the bit, which is as if it were not there.
const RDHUP: &str = "rdhup";
/// poll(2) is no backend: on XNU it reports every end as `POLLHUP`, and then never `POLLOUT`, so a stream whose
/// peer has shut down its writing half would count as closed and could not be waited for to be written.
const NO_POLL: &str = "no_poll";
/// A program has one thread, so nobody ends a wait but the system.
const ONE_THREAD: &str = "one_thread";
/// `Interest::AIO`, `Interest::LIO` and `Interest::PRIORITY`.
const AIO: &str = "interest_aio";
const LIO: &str = "interest_lio";
const PRIORITY: &str = "interest_priority";

#[rustfmt::skip]
const SYSTEMS: &[System] = &[
    System { name: "linux",     handle: "fd", selector: "epoll",       doorbell: "eventfd", capabilities: &[SOCKETS, TCP_KEEPALIVE, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES, FLAGS_AT_OPEN, EPOLL_PWAIT2, PPOLL, TIMER_SLACK, ABSTRACT_UNIX, RDHUP, PRIORITY] },
    System { name: "android",   handle: "fd", selector: "epoll",       doorbell: "eventfd", capabilities: &[SOCKETS, TCP_KEEPALIVE, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES, FLAGS_AT_OPEN, PPOLL, TIMER_SLACK, ABSTRACT_UNIX, RDHUP, PRIORITY] },
    // Rust supports NetBSD 9, which lacks `EVFILT_USER`; OpenBSD got it late.
    System { name: "dragonfly", handle: "fd", selector: "kqueue",      doorbell: "kqueue",  capabilities: &[SOCKETS, TCP_KEEPALIVE, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES, FLAGS_AT_OPEN, PPOLL, AIO, PRIORITY] },
    System { name: "freebsd",   handle: "fd", selector: "kqueue",      doorbell: "kqueue",  capabilities: &[SOCKETS, TCP_KEEPALIVE, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES, FLAGS_AT_OPEN, PPOLL, RDHUP, AIO, LIO] },
    System { name: "illumos",   handle: "fd", selector: "event_ports", doorbell: "event_ports", capabilities: &[SOCKETS, TCP_KEEPALIVE, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES, FLAGS_AT_OPEN, RDHUP] },
    System { name: "ios",       handle: "fd", selector: "kqueue",      doorbell: "kqueue",  capabilities: &[SOCKETS, TCP_KEEPALIVE, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES, NO_POLL, AIO, PRIORITY] },
    System { name: "macos",     handle: "fd", selector: "kqueue",      doorbell: "kqueue",  capabilities: &[SOCKETS, TCP_KEEPALIVE, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES, NO_POLL, AIO, PRIORITY] },
    System { name: "netbsd",    handle: "fd", selector: "kqueue",      doorbell: "pipe",    capabilities: &[SOCKETS, TCP_KEEPALIVE, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES, FLAGS_AT_OPEN] },
    System { name: "openbsd",   handle: "fd", selector: "kqueue",      doorbell: "pipe",    capabilities: &[SOCKETS, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES, FLAGS_AT_OPEN, PPOLL, PRIORITY] },
    System { name: "solaris",   handle: "fd", selector: "event_ports", doorbell: "event_ports", capabilities: &[SOCKETS, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES] },
    System { name: "tvos",      handle: "fd", selector: "kqueue",      doorbell: "kqueue",  capabilities: &[SOCKETS, TCP_KEEPALIVE, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES, NO_POLL, AIO, PRIORITY] },
    System { name: "visionos",  handle: "fd", selector: "kqueue",      doorbell: "kqueue",  capabilities: &[SOCKETS, TCP_KEEPALIVE, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES, NO_POLL, AIO, PRIORITY] },
    System { name: "watchos",   handle: "fd", selector: "kqueue",      doorbell: "kqueue",  capabilities: &[SOCKETS, TCP_KEEPALIVE, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES, NO_POLL, AIO, PRIORITY] },
    // Tests of backends on Linux, over a model of what that lacks: `ci/models.sh`.
    System { name: "model of kqueue", handle: "fd", selector: "kqueue",      doorbell: "kqueue",  capabilities: &[SOCKETS, TCP_KEEPALIVE, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES, FLAGS_AT_OPEN, EPOLL_PWAIT2, PPOLL, TIMER_SLACK, ABSTRACT_UNIX, RDHUP, PRIORITY] },
    System { name: "model of event_ports", handle: "fd", selector: "event_ports", doorbell: "event_ports", capabilities: &[SOCKETS, TCP_KEEPALIVE, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES, FLAGS_AT_OPEN, EPOLL_PWAIT2, PPOLL, TIMER_SLACK, ABSTRACT_UNIX, RDHUP, PRIORITY] },
    // poll(2) is all there is, or all that Rust's `libc` knows.
    System { name: "aix",       handle: "fd", selector: "poll",        doorbell: "pipe",    capabilities: &[SOCKETS, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES] },
    System { name: "cygwin",    handle: "fd", selector: "poll",        doorbell: "pipe",    capabilities: &[SOCKETS, TCP_KEEPALIVE, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES, FLAGS_AT_OPEN, PPOLL] },
    // Its epoll is young, and poll(2) is there in older versions too.
    System { name: "emscripten", handle: "fd", selector: "poll",       doorbell: "pipe",    capabilities: &[SOCKETS, PIPES] },
    System { name: "espidf",    handle: "fd", selector: "poll",        doorbell: "eventfd", capabilities: &[SOCKETS] },
    System { name: "fuchsia",   handle: "fd", selector: "poll",        doorbell: "eventfd", capabilities: &[SOCKETS, TCP_KEEPALIVE, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES, FLAGS_AT_OPEN] },
    System { name: "haiku",     handle: "fd", selector: "poll",        doorbell: "pipe",    capabilities: &[SOCKETS, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES] },
    System { name: "hermit",    handle: "fd", selector: "poll",        doorbell: "eventfd", capabilities: &[] },
    // The Nintendo 3DS: sockets are all that it can wait for.
    System { name: "horizon",   handle: "fd", selector: "poll",        doorbell: "none",    capabilities: &[SOCKETS] },
    System { name: "hurd",      handle: "fd", selector: "poll",        doorbell: "pipe",    capabilities: &[SOCKETS, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES] },
    System { name: "nto",       handle: "fd", selector: "poll",        doorbell: "pipe",    capabilities: &[SOCKETS, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES] },
    System { name: "nuttx",     handle: "fd", selector: "poll",        doorbell: "eventfd", capabilities: &[SOCKETS, TCP_KEEPALIVE, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES] },
    System { name: "redox",     handle: "fd", selector: "epoll",       doorbell: "pipe",    capabilities: &[SOCKETS, UNIX_STREAMS, UNIX_DATAGRAMS, PIPES] },
    System { name: "vita",      handle: "fd", selector: "poll",        doorbell: "pipe",    capabilities: &[SOCKETS, PIPES] },
    // Preview 1 has no way to open a socket.
    System { name: "wasi",      handle: "fd", selector: "poll",        doorbell: "none",    capabilities: &[SOCKETS, TCP_KEEPALIVE, ONE_THREAD] },
    System { name: "wasi p1",   handle: "fd", selector: "poll",        doorbell: "none",    capabilities: &[ONE_THREAD] },
    System { name: "wasi p1 threads", handle: "fd", selector: "poll",  doorbell: "none",    capabilities: &[] },
    System { name: "windows",   handle: "windows", selector: "iocp",   doorbell: "iocp",    capabilities: &[SOCKETS, UNIX_STREAMS] },
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let mut os = env::var("CARGO_CFG_TARGET_OS").expect("cargo tells build scripts the target");
    if let Ok(model) = env::var("CARGO_CFG_WAKEFUL_MODEL") {
        os = format!("model of {model}");
    }
    if env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("p1") {
        os.push_str(" p1");
    }
    // It has no word in `cfg` that the stable compiler tells.
    if env::var("TARGET").is_ok_and(|target| target == "wasm32-wasip1-threads") {
        os.push_str(" threads");
    }

    let Some(system) = SYSTEMS.iter().find(|system| system.name == os) else {
        // The surface without a backend builds anywhere; what opens descriptors does not.
        let asked = |feature| env::var_os(feature).is_some();
        if asked("CARGO_FEATURE_OS_POLL") || asked("CARGO_FEATURE_NET") {
            eprintln!("error: wakeful has no row for the operating system `{os}` in build.rs.");
            eprintln!("       docs/porting.md tells how to add one; without the features");
            eprintln!("       `os-poll` and `net` the crate builds as a shell.");
            std::process::exit(1);
        }
        println!("cargo:rustc-cfg=selector=\"none\"");
        return;
    };

    println!("cargo:rustc-cfg=handle=\"{}\"", system.handle);
    println!("cargo:rustc-cfg=selector=\"{}\"", system.selector);
    println!("cargo:rustc-cfg=doorbell=\"{}\"", system.doorbell);
    for capability in system.capabilities {
        println!("cargo:rustc-cfg=capability=\"{capability}\"");
    }
}
