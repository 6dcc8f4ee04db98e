//! Counts the system calls of a measured program, in a run apart: tracing takes many times what a call does.
//!
//! A program calls getrusage(2) where its measured part begins and where it ends, and nowhere else. So strace(1)
//! records every call in order, and what stands between the two marks is counted.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{ensure, Context, Result};

/// The mark, as strace calls it.
const MARK: &str = "getrusage";

/// Whether strace is installed, and may trace.
pub fn is_possible() -> bool {
    let outcome = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "true"])
        .stderr(Stdio::null())
        .status();
    outcome.is_ok_and(|status| status.success())
}

/// The command to which the program to trace is appended.
pub fn command(file: &Path) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-s", "0", "-o"]).arg(file);
    command
}

/// How often each system call was made between the marks, by all threads.
pub fn count(file: &Path) -> Result<BTreeMap<String, u64>> {
    let lines = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    count_lines(&lines)
}

fn count_lines(lines: &str) -> Result<BTreeMap<String, u64>> {
    let mut marks = 0;
    let mut counts = BTreeMap::new();
    for name in lines.lines().filter_map(name_of_call) {
        if name == MARK {
            marks += 1;
        } else if marks == 1 {
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    }
    ensure!(marks == 2, "{marks} marks in the trace instead of 2");
    Ok(counts)
}

/// `123 write(1, ""..., 8) = 8` begins a call; `123 <... write resumed>) = 8` only ends one, and signals have no name.
fn name_of_call(line: &str) -> Option<&str> {
    let (_process, call) = line.split_once(' ')?;
    let (name, _) = call.trim_start().split_once('(')?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(is_name).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_between_the_marks_are_counted_once() {
        let lines = "\
7  write(1, \"\"..., 8) = 8
7  getrusage(RUSAGE_SELF, {ru_utime={tv_sec=0, tv_usec=5}, ...}) = 0
7  epoll_wait(3,  <unfinished ...>
8  write(4, \"\"..., 8) = 8
7  <... epoll_wait resumed>[], 8, 0) = 0
8  --- SIGALRM {si_signo=SIGALRM, si_code=SI_KERNEL} ---
7  write(4, \"\"..., 8) = 8
7  getrusage(RUSAGE_SELF, {ru_utime={tv_sec=0, tv_usec=9}, ...}) = 0
7  close(3) = 0
";
        let counts = count_lines(lines).unwrap();
        let expected = [("epoll_wait".to_owned(), 1), ("write".to_owned(), 2)];
        assert_eq!(counts, expected.into());
    }

    #[test]
    fn a_trace_without_marks_is_an_error() {
        assert!(count_lines("7  close(3) = 0\n").is_err());
    }
}
