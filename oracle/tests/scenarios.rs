//! Scripts that proptest makes up, on every library.

use oracle::{check, config, scripts, Script, Transport};
use proptest::test_runner::{TestCaseError, TestRunner};

#[test]
fn tcp_is_as_with_mio() {
    check_scripts(Transport::Tcp);
}

#[test]
fn unix_streams_are_as_with_mio() {
    check_scripts(Transport::UnixStream);
}

#[test]
fn pipes_are_as_with_mio() {
    check_scripts(Transport::Pipe);
}

#[track_caller]
fn check_scripts(transport: Transport) {
    let check = |script: Script| check(&script).map_err(TestCaseError::fail);
    let outcome = TestRunner::new(config()).run(&scripts(transport), check);
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
