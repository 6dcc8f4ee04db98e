//! Tests that have a process to themselves.

// Every test is a crate of its own and uses a part of this.
#![allow(dead_code)]

use std::env;
use std::process::Output;

#[path = "program.rs"]
pub(crate) mod program;

use program::{nothing_starts, output, program, Undisturbed};

/// Set in the process of an isolated test, to what it has to do there.
const ROLE: &str = "WAKEFUL_TEST_ROLE";

/// The role of this process, if it is one of `isolated` or `run_again`.
pub(crate) fn role() -> Option<String> {
    env::var(ROLE).ok()
}

/// Runs `scenario` in a process that runs this test alone.
///
/// The tests of one file share a process otherwise, and with it its descriptors and limits: what
/// one opens, another would count.
///
/// `name` is the name of the test that calls.
#[track_caller]
pub(crate) fn isolated(name: &str, scenario: impl FnOnce()) {
    isolated_with(&[], name, scenario);
}

/// The same, with these variables in its environment.
#[track_caller]
pub(crate) fn isolated_with(variables: &[(&str, &str)], name: &str, scenario: impl FnOnce()) {
    if role().is_some() {
        scenario();
        return;
    }
    let output = run_with(variables, name, "alone");
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Held while a test runs that may depend on what it closes being closed. A process of `isolated` has one test only, which
/// may start others itself.
pub(crate) fn undisturbed() -> Option<Undisturbed> {
    role().is_none().then(nothing_starts)
}

/// Runs one test of this file as a process of its own.
pub(crate) fn run_again(name: &str, role: &str) -> Output {
    run_with(&[], name, role)
}

fn run_with(variables: &[(&str, &str)], name: &str, role: &str) -> Output {
    let mut again = program(env::current_exe().unwrap());
    again
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .envs(variables.iter().copied())
        .env(ROLE, role);
    let output = output(&mut again).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        !output.status.success() || said.contains("1 passed"),
        "there is no test `{name}`: {said}"
    );
    output
}
