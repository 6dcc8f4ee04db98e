//! Wakes and tokens, on every library.

use oracle::{check, config, wakes, Script};
use proptest::test_runner::{TestCaseError, TestRunner};

#[test]
fn wakes_coalesce_under_any_token() {
    let check = |script: Script| check(&script).map_err(TestCaseError::fail);
    if let Err(failure) = TestRunner::new(config()).run(&wakes(), check) {
        panic!("{failure}");
    }
}

#[test]
fn the_first_and_the_last_token_are_tokens() {
    for token in [0, 1, usize::MAX - 1, usize::MAX] {
        if let Err(failure) = check(&Script::woken_beside_a_source(token)) {
            panic!("{failure}");
        }
    }
}
