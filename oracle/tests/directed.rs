//! Scripts written by hand, for what random ones do not reach.

use oracle::{check, check_backpressure, Script};

#[test]
fn urgent_data_is_as_with_mio() {
    if let Err(failure) = check(&Script::urgent_data()) {
        panic!("{failure}");
    }
}

#[test]
fn a_writer_that_blocked_is_told_of_room() {
    if let Err(failure) = check_backpressure(20) {
        panic!("{failure}");
    }
}

#[test]
fn an_error_after_a_hangup_is_as_with_mio() {
    if let Err(failure) = check(&Script::error_after_a_hangup()) {
        panic!("{failure}");
    }
}
