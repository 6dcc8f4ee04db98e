#!/usr/bin/env bash
# Usage: ci/models.sh [MODEL..]
#
# Runs the test suite over the backends that Linux lacks, with a model of the system calls: kqueue and event_ports.
#
# What it shows: that registering, waiting, waking and reporting of these backends keep the contract with real
# sockets, pipes and threads. What it does not show: that the real kernels do what their manuals say.
#
# Left out: the tests that count descriptors (a model has more of them than what it stands for), those that
# are about epoll, and the examples and documentation, which say nothing new here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

models=("$@")
[ ${#models[@]} -gt 0 ] || models=(kqueue event_ports)

target=${CARGO_TARGET_DIR:-$PWD/target}/ci-models
suites=(
    builder channels conformance connect_status diagnostics errors interrupts nested pipes socket_builders
    source_fd stress_edges tcp threads timeouts timers udp unix_sockets user_sources wakers
)
# Tests that need epoll, by their full names.
only_epoll=(
    exclusive::on_epoll::m7_exclusive_wakes_one_or_a_few_and_not_all
    exclusive::on_epoll::m7_without_exclusive_all_are_woken
    exclusive::on_epoll::m8_a_poll_cannot_be_watched_exclusively
    exclusive::on_epoll::m8_exclusive_is_refused_with_one_shot_and_priority_and_changes_nothing
    exclusive::on_epoll::m8_exclusive_reports_as_the_mode_beside_it_says
    exclusive::on_epoll::m9_reregistration_goes_to_exclusive_and_back
)

tests=()
for suite in "${suites[@]}"; do
    tests+=(--test "$suite")
done
skips=()
for test in "${only_epoll[@]}"; do
    skips+=(--skip "$test")
done

for model in "${models[@]}"; do
    echo "== a model of $model"
    export CARGO_TARGET_DIR=$target/$model RUSTFLAGS="--cfg wakeful_model=\"$model\""
    known=$(cargo test --quiet --package wakeful --lib "${tests[@]}" -- --list | sed -n 's/: test$//p')
    for test in "${only_epoll[@]}"; do
        grep -qxF -- "$test" <<<"$known" || { echo "there is no test $test, which needs epoll" >&2; exit 1; }
    done
    echo "SKIPPED, as they need epoll: ${#only_epoll[@]} tests"
    cargo test --quiet --package wakeful --lib "${tests[@]}" -- --exact "${skips[@]}"
done
