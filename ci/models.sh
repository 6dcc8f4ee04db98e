#!/bin/sh
# Runs the test suite over the backends that Linux lacks, with a model of the system calls.
#
# What it shows: that registering, waiting, waking and reporting of these backends keep the contract with real
# sockets, pipes and threads. What it does not show: that the real kernels do what their manuals say.
#
# Left out: the tests that count descriptors (a model has more of them than what it stands for), those that
# are about epoll, and the examples and documentation, which say nothing new here.
set -eu
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}/ci-models
suites='builder channels conformance connect_status diagnostics errors interrupts nested pipes socket_builders
    source_fd stress_edges tcp threads timeouts timers udp unix_sockets user_sources wakers'
# Those need epoll.
epoll='--skip exclusively --skip exclusive_is_refused --skip exclusive_reports --skip exclusive_wakes
    --skip to_exclusive --skip without_exclusive --skip on_epoll'

for model in kqueue event_ports; do
    echo "== a model of $model"
    arguments=
    for suite in $suites; do
        arguments="$arguments --test $suite"
    done
    # shellcheck disable=SC2086
    CARGO_TARGET_DIR=$target/$model RUSTFLAGS="--cfg wakeful_model=\"$model\"" \
        cargo test -q -p wakeful --lib $arguments -- $epoll
done
