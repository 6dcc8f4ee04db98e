#!/usr/bin/env bash
# Usage: ci/miri.sh [--long]
#
# The library under Miri, the interpreter that finds undefined behaviour: all unit tests, and those integration tests that
# it can execute in reasonable time; what races with several schedules, each of which also shows other stale values to
# relaxed loads. With --long more schedules.
#
# Miri knows epoll, eventfd, pipes and sockets. It does not know poll(2), so it runs the epoll backend and the parts of the other
# that make no system call; nor signals, nor processes. The sanitizers run all of that, see ci/sanitizers.sh.
#
# Needs rustup, and a nightly toolchain with Miri, which it installs if they are missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seeds=0..3
[ "${1:-}" != --long ] || seeds=0..16

rustup run nightly cargo --version >/dev/null 2>&1 || rustup toolchain install nightly --profile minimal --no-self-update
rustup component add miri rust-src --toolchain nightly

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/ci-miri"
# Some cases of each property: Miri is a thousand times slower.
export PROPTEST_CASES=4
options="-Zmiri-disable-isolation -Zmiri-strict-provenance"

# Fails also where Miri does not know a system call.
miri() {
    cargo +nightly miri test --quiet --package wakeful "$@"
}

# Usage: tests FILE TEST..; fails if one of them does not exist.
tests() {
    local file=$1
    shift
    local known test
    known=$(miri --test "$file" -- --list)
    for test in "$@"; do
        grep -qx "$test: test" <<<"$known" || { echo "tests/$file.rs has no test $test" >&2; exit 1; }
    done
    echo "== tests/$file.rs: $# tests${MIRIFLAGS##*provenance}"
    miri --test "$file" -- --exact "$@"
}

export MIRIFLAGS="$options"
echo "== unit tests"
# The skipped one is thousands of steps of safe code.
miri --lib -- --skip it_agrees_with_a_map

tests wakers \
    wake_before_poll_is_not_lost \
    wake_is_a_readable_event_and_nothing_else \
    wake_of_a_dropped_waker_is_delivered \
    waker_of_a_registry_that_is_gone_still_wakes \
    wakers_that_share_a_token_all_wake
tests user_sources \
    what_is_set_is_reported_once \
    each_flag_is_reported_as_it_was_set \
    what_is_cleared_before_the_poll_is_called_back \
    what_is_called_back_spends_no_one_shot \
    level_reports_what_is_set_until_it_is_cleared \
    reregistration_reports_what_is_set_under_the_new_token \
    a_source_that_is_deregistered_or_dropped_reports_nothing_that_was_queued \
    a_source_moves_to_another_poll_with_what_is_set \
    a_source_outlives_its_poll_and_can_be_registered_with_another \
    a_handle_outlives_its_source
tests channels \
    a_message_is_a_readable_event_and_can_be_received \
    a_channel_that_was_drained_before_its_poll_is_not_reported \
    the_last_sender_that_goes_closes_the_channel \
    a_receiver_moves_to_another_poll_with_its_messages \
    messages_that_nobody_received_are_dropped
tests timers \
    a_timer_that_has_passed_expires_at_once \
    a_cancelled_timer_does_not_expire \
    a_timer_that_is_dropped_or_deregistered_reports_nothing \
    a_timer_outlives_its_poll \
    the_next_deadline_is_told

# What other threads do at the same time.
export MIRIFLAGS="$options -Zmiri-many-seeds=$seeds"
tests wakers waker_outlives_its_poll
tests user_sources a_registration_of_what_is_set_ends_a_wait
tests channels a_message_ends_a_wait
tests timers an_earlier_deadline_from_another_thread_wakes_the_poll a_timer_registered_from_another_thread_wakes_the_poll
