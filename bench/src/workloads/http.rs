//! `http`: wrk(1) against the example `http_hello`, compiled over wakeful, mio, polling and bare epoll, and against an equal
//! server on tokio.
//!
//! Server and wrk are two processes on two cores. CPU per request is what the system has accounted to the server's process
//! from its start to its end, by the requests that wrk has counted. A failed request, or an answer that is not 200, fails
//! the run.

use std::io::{self, BufRead, BufReader};
use std::mem::MaybeUninit;
use std::process::{Child, Command, Stdio};

use anyhow::{bail, ensure, Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{values, Case, Goal, Job, Metric, Values, Workload};
use crate::engines::Engine;
use crate::system::{pin, Side};

pub const WORKLOAD: Workload = Workload {
    name: "http",
    about: "wrk against the example http_hello",
    cases,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Http {
    pub connections: usize,
    pub seconds: u64,
}

const fn latency(key: &'static str, unit: &'static str) -> Metric {
    Metric {
        key,
        unit,
        goal: None,
    }
}

const METRICS: &[Metric] = &[
    Metric {
        key: "cpu",
        unit: "ns of server CPU/request",
        goal: Some(Goal::TimesMio(1.0)),
    },
    latency("p50", "us/request, median"),
    latency("p90", "us/request, 90th percentile"),
    latency("p99", "us/request, 99th percentile"),
    latency("rate", "requests/s (more is better)"),
];

fn cases(quick: bool) -> Vec<Case> {
    if Command::new("wrk").arg("--version").output().is_err() {
        eprintln!("WARNING: wrk is not installed (Debian: wrk): HTTP IS NOT MEASURED");
        return Vec::new();
    }
    let numbers = if quick { &[64][..] } else { &[1, 64, 512] };
    let job = |connections| {
        Job::Http(Http {
            connections,
            seconds: if quick { 1 } else { 4 },
        })
    };
    numbers
        .iter()
        .map(|&connections| Case {
            name: format!("{connections} conn"),
            about: "",
            job: job(connections),
            traced: job(connections),
            metrics: METRICS,
            fits: Engine::serves_http,
        })
        .collect()
}

/// Starts the server, lets wrk loose on it, and ends it.
pub fn run(engine: Engine, job: &Http) -> Result<Values> {
    // A child stays on the core of the thread that starts it: so far that is the server's.
    let order = json!({ "Run": [engine, Job::HttpServer] });
    let mut server = Command::new(std::env::current_exe()?)
        .arg("measure")
        .arg(order.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting the server")?;
    let mut line = String::new();
    let out = server.stdout.take().context("no output")?;
    let mut out = BufReader::new(out);
    out.read_line(&mut line)?;
    // `listening on ADDRESS (Ctrl-C to stop)`.
    let address = line.split_whitespace().nth(2);
    let address = address.with_context(|| format!("where the server listens: {line:?}"))?;

    pin(Side::Client)?;
    let wrk = Command::new("wrk")
        .args(["-t1", "--latency"])
        .arg(format!("-c{}", job.connections))
        .arg(format!("-d{}s", job.seconds))
        .arg(format!("http://{address}/"))
        .output()
        .context("starting wrk")?;
    let cpu = end(server)?;
    let text = String::from_utf8_lossy(&wrk.stdout);
    ensure!(wrk.status.success(), "wrk: {text}");
    let report = Report::parse(&text)?;
    Ok(values([
        ("cpu", cpu / report.requests),
        ("p50", report.micros[0]),
        ("p90", report.micros[1]),
        ("p99", report.micros[2]),
        ("rate", report.rate),
        ("operations", report.requests),
    ]))
}

/// Ends the server as Ctrl-C does; how much CPU time it has used, in nanoseconds.
pub fn end(server: Child) -> Result<f64> {
    let process = server.id() as libc::pid_t;
    // SAFETY: takes numbers only; the process has not been waited for, so it is still ours.
    let outcome = unsafe { libc::kill(process, libc::SIGINT) };
    ensure!(outcome == 0, "kill: {}", io::Error::last_os_error());
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let mut status = 0;
    // SAFETY: both are writable.
    let ended = unsafe { libc::wait4(process, &mut status, 0, usage.as_mut_ptr()) };
    ensure!(ended == process, "wait4: {}", io::Error::last_os_error());
    let was_right = match libc::WIFSIGNALED(status) {
        true => libc::WTERMSIG(status) == libc::SIGINT,
        false => libc::WEXITSTATUS(status) == 0,
    };
    ensure!(was_right, "the server ended with status {status}");
    // SAFETY: zeroed is a valid value, and the kernel has filled it.
    let usage = unsafe { usage.assume_init() };
    let nanos = |time: libc::timeval| time.tv_sec as f64 * 1e9 + time.tv_usec as f64 * 1e3;
    Ok(nanos(usage.ru_utime) + nanos(usage.ru_stime))
}

/// What wrk says.
struct Report {
    requests: f64,
    rate: f64,
    /// 50, 90 and 99 %.
    micros: [f64; 3],
}

impl Report {
    fn parse(text: &str) -> Result<Self> {
        if text.contains("Socket errors") || text.contains("Non-2xx") {
            bail!("requests failed:\n{text}");
        }
        let after = |name: &str| {
            let lines = text.lines().map(str::trim);
            let mut rest = lines.filter_map(|line| line.strip_prefix(name));
            let rest = rest.next().map(|rest| rest.trim().to_owned());
            rest.with_context(|| format!("no `{name}` in:\n{text}"))
        };
        let requests = text.lines().find(|line| line.contains(" requests in "));
        let requests = requests.and_then(|line| line.split_whitespace().next());
        Ok(Self {
            requests: requests.context("no number of requests")?.parse()?,
            rate: after("Requests/sec:")?.parse()?,
            micros: [
                micros(&after("50%")?)?,
                micros(&after("90%")?)?,
                micros(&after("99%")?)?,
            ],
        })
    }
}

/// `1.50ms`
fn micros(time: &str) -> Result<f64> {
    let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6)];
    for (unit, times) in units {
        if let Some(number) = time.strip_suffix(unit) {
            return Ok(number.parse::<f64>()? * times);
        }
    }
    bail!("{time} is no time")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
Running 1s test @ http://127.0.0.1:8080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   562.05us  102.92us   2.34ms   83.12%
    Req/Sec   113.72k     3.16k  118.46k    70.00%
  Latency Distribution
     50%  550.00us
     75%  590.00us
     90%  650.00us
     99%    1.50ms
  113150 requests in 1.00s, 9.60MB read
Requests/sec: 113091.23
Transfer/sec:      9.60MB
";

    #[test]
    fn what_wrk_says_is_understood() {
        let report = Report::parse(TEXT).unwrap();
        assert_eq!(report.requests, 113_150.0);
        assert_eq!(report.rate, 113_091.23);
        assert_eq!(report.micros, [550.0, 650.0, 1_500.0]);
    }

    #[test]
    fn failed_requests_are_an_error() {
        let text = format!("{TEXT}  Socket errors: connect 0, read 3, write 0, timeout 0\n");
        assert!(Report::parse(&text).is_err());
    }
}
