//! How tests start programs that were built as they were: other tests, and examples.

// Every test is a crate of its own and uses a part of this.
#![allow(dead_code)]

use std::cell::Cell;
use std::env;
use std::ffi::OsStr;
use std::io;
use std::process::{Command, Output, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

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

/// Until it executes its program a new process has a copy of each descriptor of the tests that start it: for that
/// moment nothing is closed by who closes it here, no peer is gone and no port is free.
static STARTING: RwLock<()> = RwLock::new(());

thread_local! {
    static IS_UNDISTURBED: Cell<bool> = const { Cell::new(false) };
}

/// While a thread has this `output` starts nothing in the others.
pub(crate) struct Undisturbed(Option<RwLockReadGuard<'static, ()>>);

pub(crate) fn nothing_starts() -> Undisturbed {
    // Whoever has it must not wait for it: somebody may wait in between, to start something.
    let has_it = IS_UNDISTURBED.with(|it| it.replace(true));
    let lock = || STARTING.read().unwrap_or_else(PoisonError::into_inner);
    Undisturbed((!has_it).then(lock))
}

impl Drop for Undisturbed {
    fn drop(&mut self) {
        if self.0.is_some() {
            IS_UNDISTURBED.with(|it| it.set(false));
        }
    }
}

/// What a program says until it ends.
pub(crate) fn output(command: &mut Command) -> io::Result<Output> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let started = {
        let _alone = STARTING.write().unwrap_or_else(PoisonError::into_inner);
        // Comes back when the program is executed.
        command.spawn()
    };
    started?.wait_with_output()
}
