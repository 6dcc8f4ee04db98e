#!/usr/bin/env bash
# The bench from end to end, in short: it builds, its own tests pass, every workload runs on every engine and gives the right
# answers. Not how fast: on a shared machine that says nothing, so no timing fails here.
#
# Some minutes with the build. Installs the event loops in C, wrk and strace first, so that nothing is left out; what the
# machine cannot measure all the same is named by a line that begins with WARNING.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ci/install.sh debian libuv1-dev libevent-dev libev-dev wrk strace

echo "== build"
cargo build --quiet --release --locked -p bench

echo "== the bench's own tests"
cargo test --quiet --release --locked -p bench

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
bench() { cargo run --quiet --release --locked -p bench -- "$@"; }

echo "== list"
bench list

echo "== run --quick"
bench run --quick --out "$out"

echo "== run --quick of one workload on two engines"
bench run wait --quick --rounds 1,wait=2 --no-trace --engine wakeful-poll,mio --out "$out"

# Both runs left their results behind.
results=("$out"/*.json)
[ "${#results[@]}" -eq 2 ] || { echo "expected two files of results, found: ${results[*]}" >&2; exit 1; }

echo "== a run of nothing is an error"
if message=$(bench run idle --quick --engine tokio --out "$out" 2>&1) || [[ $message != *"nothing to measure"* ]]; then
    echo "expected an error that says so, found: $message" >&2
    exit 1
fi

echo "== report"
bench report "${results[@]}" --out "$out/report"
[ -s "$out/report/report.html" ] || { echo "there is no report" >&2; exit 1; }
