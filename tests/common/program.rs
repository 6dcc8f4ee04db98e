//! How tests start programs that were built as they were: other tests, and examples.

use std::env;
use std::ffi::OsStr;
use std::process::Command;

/// What runs programs of the tests' system where the machine cannot, with its arguments: an emulator,
/// see `ci/cross.sh`.
const RUNNER: &str = "WAKEFUL_TEST_RUNNER";

/// A program of the tests' system, run as the tests are.
pub(crate) fn program(path: impl AsRef<OsStr>) -> Command {
    let runner = env::var(RUNNER).unwrap_or_default();
    let mut words = runner.split_whitespace();
    match words.next() {
        Some(emulator) => {
            let mut command = Command::new(emulator);
            command.args(words).arg(path);
            command
        }
        None => Command::new(path),
    }
}
