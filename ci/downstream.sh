#!/usr/bin/env bash
# mio's users at work over wakeful: compat/mio has every public item of mio 1.2.5, and tokio, hyper, notify, crossterm,
# signal-hook and a plain mio program do their work over it, on both backends.
#
# Needs Rust 1.88 or later and a Linux with /proc. One line of summary per program and backend; fails if one fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/ci-downstream"
programs=(plain signals notify crossterm hyper tokio)
backends=(epoll poll)

echo "== compat/mio: every public item of mio 1.2.5"
# By path: the workspace has a second package of this name, the one of crates.io that the oracle compares with.
cargo test --quiet --manifest-path compat/mio/Cargo.toml --all-features --test api

echo "== build"
manifest=compat/downstream/Cargo.toml
cargo build --quiet --locked --manifest-path "$manifest" --bins
# All of them use one mio, and it is ours.
tree=$(cargo tree --locked --manifest-path "$manifest" --invert mio --depth 0)
case "$tree" in
    *"compat/mio)") echo "$tree" ;;
    *) echo "another mio than ours: $tree" >&2; exit 1 ;;
esac

failed=0
summary=()
for backend in "${backends[@]}"; do
    for program in "${programs[@]}"; do
        echo "== $program on $backend"
        # The programs watch their own steps; the timeout is for one that cannot.
        status=0
        WAKEFUL_BACKEND=$backend timeout --kill-after=5 120 "$CARGO_TARGET_DIR/debug/$program" || status=$?
        if [ "$status" -eq 0 ]; then
            summary+=("ok      $program on $backend")
        else
            summary+=("FAILED  $program on $backend (exit status $status)")
            failed=1
        fi
    done
done

echo "== summary"
printf '%s\n' "${summary[@]}"
exit "$failed"
