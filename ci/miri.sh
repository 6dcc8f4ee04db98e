#!/usr/bin/env bash
# Usage: ci/miri.sh [--long]
#
# The library under Miri, the interpreter that finds undefined behaviour: unit tests, and promises of the contract that it can
# check in reasonable time; those about wakes with several schedules, each of which also shows other stale values to relaxed
# loads. With --long more schedules.
#
# Miri knows epoll, eventfd and sockets. It does not know poll(2), signals and processes: the sanitizers run all of that, see
# ci/sanitizers.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seeds=0..3
[ "${1:-}" != --long ] || seeds=0..16

ci/install.sh nightly miri rust-src
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/ci-miri"
# Some cases of each property: Miri is a thousand times slower.
export PROPTEST_CASES=2
options="-Zmiri-disable-isolation -Zmiri-strict-provenance"

# Fails also where Miri does not know a system call.
miri() {
    cargo +nightly miri test --quiet --package wakeful "$@"
}

export MIRIFLAGS="$options"
echo "== unit tests"
# Left out: thousands of steps of safe code each.
miri --lib -- --skip it_agrees_with_a_map --skip whatever_happens --skip no_byte_is_lost --skip writes_end

# Usage: conformance FILTER..; the tests of these names, of which there has to be one at least.
conformance() {
    local known
    known=$(miri --test conformance -- --list "$@" | grep -c ': test$') || true
    [ "$known" -gt 0 ] || { echo "no test of the contract is called $*" >&2; exit 1; }
    echo "== $known tests of the contract"
    miri --test conformance -- "$@"
}

conformance w2_ w7_ u3_ u5_a c2_messages
export MIRIFLAGS="$options -Zmiri-many-seeds=$seeds"
conformance w7_waker_outlives
