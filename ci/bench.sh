#!/usr/bin/env bash
# The bench from end to end, in short: it builds, its own tests pass, every workload runs on every engine and gives the right
# answers. Not how fast: on a shared machine that says nothing, so no timing fails here.
#
# Some minutes with the build. Counts system calls if strace is installed, and says so if it is not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

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

echo "== run --quick on the second backend"
bench run --quick --rounds 1 --no-trace --engine wakeful-poll --engine mio --out "$out"

# Both runs left their results behind.
results=("$out"/*.json)
[ "${#results[@]}" -eq 2 ] || { echo "expected two files of results, found: ${results[*]}" >&2; exit 1; }

echo "== report"
bench report "${results[@]}" --out "$out/report"
[ -s "$out/report/report.html" ] || { echo "there is no report" >&2; exit 1; }
