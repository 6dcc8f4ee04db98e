//! What the operating system is asked besides I/O: cores, limits, CPU time, and what machine this is.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::mem::{self, MaybeUninit};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engines;

/// What a process has used so far.
///
/// Taking one is also the mark by which [`trace`](crate::trace) finds the measured part of a program: getrusage(2)
/// is called for nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    cpu: Duration,
}

impl Usage {
    /// User and system time of all threads. Linux knows the sum to the nanosecond and reports microseconds.
    pub fn now() -> Self {
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: `usage` is writable and large enough.
        let outcome = unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) };
        assert_eq!(outcome, 0, "getrusage: {}", io::Error::last_os_error());
        // SAFETY: zeroed is a valid value, and the kernel has filled it.
        let usage = unsafe { usage.assume_init() };
        Self {
            cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
        }
    }

    /// CPU time since `earlier`, in nanoseconds.
    pub fn nanos_since(self, earlier: Self) -> f64 {
        self.cpu.saturating_sub(earlier.cpu).as_nanos() as f64
    }
}

/// CPU time of the calling thread so far, to the nanosecond.
pub fn thread_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is writable.
    let outcome = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(outcome, 0, "clock_gettime: {}", io::Error::last_os_error());
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn duration(time: libc::timeval) -> Duration {
    Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
}

/// The sides of a measurement, each on a core of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    /// What is measured.
    Server,
    /// What keeps it busy.
    Client,
}

/// Keeps the calling thread, and those it starts, on the core of that side. Where there is only one core, it stays free.
pub fn pin(side: Side) -> io::Result<()> {
    let cores = cores()?;
    let ([first, .., last], side) = (&cores[..], side) else {
        return Ok(());
    };
    let core = match side {
        Side::Server => *last,
        Side::Client => *first,
    };
    // SAFETY: an all-zero set is the empty one.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: `core` came out of such a set, so it is in range.
    unsafe { libc::CPU_SET(core, &mut set) };
    // SAFETY: `set` is readable and has the size that is given.
    check(unsafe { libc::sched_setaffinity(0, mem::size_of_val(&set), &set) })
}

/// The cores that the process may use, as it was started.
pub fn cores() -> io::Result<Vec<usize>> {
    static CORES: std::sync::OnceLock<Vec<usize>> = std::sync::OnceLock::new();
    if let Some(cores) = CORES.get() {
        return Ok(cores.clone());
    }
    // SAFETY: an all-zero set is the empty one.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: `set` is writable and has the size that is given.
    check(unsafe { libc::sched_getaffinity(0, mem::size_of_val(&set), &mut set) })?;
    let all = 0..libc::CPU_SETSIZE as usize;
    let allowed = all
        // SAFETY: the index is less than the set's size.
        .filter(|&core| unsafe { libc::CPU_ISSET(core, &set) })
        .collect();
    Ok(CORES.get_or_init(|| allowed).clone())
}

/// Allows as many descriptors as the system lets us have: as many as it allows anybody, if we may raise our own limit.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let most = fs::read_to_string("/proc/sys/fs/nr_open")?;
    if let Ok(most) = most.trim().parse() {
        let limit = libc::rlimit {
            rlim_cur: most,
            rlim_max: most,
        };
        // SAFETY: `limit` is readable.
        if check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }).is_ok() {
            return Ok(());
        }
    }
    raise_to_hard_limit()
}

/// How many descriptors a process may have, once it has raised its limit.
pub fn descriptor_limit() -> io::Result<u64> {
    raise_descriptor_limit()?;
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is writable.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    Ok(limit.rlim_cur)
}

fn raise_to_hard_limit() -> io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is writable.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is readable.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })
}

/// Sends at once what is written, on a TCP socket whose library has no method for it.
#[cfg(feature = "peers")]
pub fn set_nodelay(socket: &impl std::os::fd::AsRawFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: `on` is readable and has the size that is given.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NODELAY,
            (&raw const on).cast(),
            mem::size_of_val(&on) as libc::socklen_t,
        )
    })
}

/// Ends the process by SIGALRM if it lives longer than that: a lost event would make it wait for ever.
pub fn end_after(seconds: u32) {
    // SAFETY: takes a number only.
    unsafe { libc::alarm(seconds) };
}

/// Lets SIGINT end the process, also below a shell that has it ignored, as it does for what runs in the background.
pub fn end_by_interrupt() {
    // SAFETY: the default action is no function, so there is nothing that could be unsafe to call.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
}

/// Ends the process when the one that started it ends, however that happens.
pub fn end_with_parent() -> io::Result<()> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })
}

fn check(outcome: libc::c_int) -> io::Result<()> {
    match outcome {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Where and with what a result was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    pub date: String,
    /// Of the checkout that this was built from, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Whether something in it was not committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dirty: Option<bool>,
    pub kernel: String,
    pub cpu: String,
    pub cores: usize,
    pub rustc: &'static str,
    pub wakeful: String,
    pub mio: String,
    /// Of the other peers that were built in, and of C libraries.
    pub versions: BTreeMap<&'static str, String>,
}

impl Machine {
    pub fn here() -> Self {
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpus.lines().find(|line| line.starts_with("model name"));
        let model = model.and_then(|line| line.split_once(':'));
        Self {
            date: jiff::Timestamp::now()
                .strftime("%Y-%m-%dT%H:%M:%SZ")
                .to_string(),
            revision: git(&["rev-parse", "HEAD"]),
            dirty: git(&["status", "--porcelain"]).map(|changes| !changes.is_empty()),
            kernel: kernel.trim().to_owned(),
            cpu: model.map_or("unknown", |(_, name)| name.trim()).to_owned(),
            cores: cores().map_or(0, |cores| cores.len()),
            rustc: env!("BENCH_RUSTC"),
            wakeful: locked_version("wakeful", false),
            mio: locked_version("mio", true),
            versions: engines::versions(),
        }
    }
}

/// What git says of the checkout; `None` where there is no git, or no checkout.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

/// The version that the lock file had when this was built, of a package from a registry or of one from here.
pub fn locked_version(name: &str, from_registry: bool) -> String {
    include_str!("../../Cargo.lock")
        .split("[[package]]")
        .filter(|package| package.contains("source = \"registry") == from_registry)
        .filter(|package| value_of(package, "name") == Some(name))
        // The newest of them, which is the one that is asked for here: they are in order.
        .last()
        .and_then(|package| value_of(package, "version"))
        .unwrap_or("unknown")
        .to_owned()
}

fn value_of<'a>(package: &'a str, key: &str) -> Option<&'a str> {
    let mut values = package.lines().filter_map(|line| line.split_once(" = "));
    let (_, value) = values.find(|(name, _)| *name == key)?;
    Some(value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_of_git_is_whole_or_absent() {
        let machine = Machine::here();
        let is_hash = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(machine.revision.as_deref().is_none_or(is_hash));
        assert_eq!(machine.revision.is_some(), machine.dirty.is_some());
    }

    #[test]
    fn the_compiler_is_a_version_only() {
        assert!(!env!("BENCH_RUSTC").contains("rustc"));
    }
}
