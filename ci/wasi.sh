#!/usr/bin/env bash
# The suite on WASI, in wasmtime: preview 2 with sockets on loopback, preview 1 without, as it has no way to open one.
#
# A machine without wasmtime builds it first, once, into the target directory: a quarter of an hour on two cores,
# longer if they have other work.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
export CARGO_TARGET_DIR=$target/ci-wasi

ci/install.sh target wasm32-wasip1 wasm32-wasip2
wasmtime=$(command -v wasmtime || true)
if [ -z "$wasmtime" ]; then
    wasmtime=$target/ci-tools/bin/wasmtime
    if [ ! -x "$wasmtime" ]; then
        echo "== building wasmtime, which takes some minutes"
        CARGO_TARGET_DIR=$target/ci-tools/build cargo install wasmtime-cli --version 48.0.8 --locked --quiet \
            --no-default-features --features run,cranelift,component-model --root "$target/ci-tools"
        rm -rf "$target/ci-tools/build"
    fi
fi
"$wasmtime" --version

# What is about threads, processes, signals and descriptors of other systems says so itself and is not built, or ignored.
# Not captured: a panic ends the program there, and would take with it what was.
export CARGO_TARGET_WASM32_WASIP2_RUNNER="$wasmtime run -Sinherit-network --env RUST_TEST_NOCAPTURE=1"
export CARGO_TARGET_WASM32_WASIP1_RUNNER="$wasmtime run --env RUST_TEST_NOCAPTURE=1"
for features in os-ext,net,log os-poll; do
    echo "== preview 2: $features"
    cargo test --package wakeful --target wasm32-wasip2 --lib --tests --no-default-features --features "$features"
done
echo "== preview 1"
without_sockets=(--package wakeful --target wasm32-wasip1 --lib --tests --no-default-features --features os-ext,net,log)
needs=ci/wasi-preview1-needs-sockets.txt
known=$(cargo test --quiet "${without_sockets[@]}" -- --list | sed -n 's/: test$//p')
skips=()
while read -r test; do
    case $test in "" | "#"*) continue ;; esac
    grep -qxF -- "$test" <<<"$known" || { echo "$needs lists a test that does not exist: $test" >&2; exit 1; }
    skips+=(--skip "$test")
done <"$needs"
echo "SKIPPED, as preview 1 opens no sockets: the $((${#skips[@]} / 2)) tests of $needs"
cargo test "${without_sockets[@]}" -- --exact "${skips[@]}"

echo "== preview 2: an example that needs one thread and ends by itself"
cargo run --quiet --package wakeful --target wasm32-wasip2 --example lost_edge_detector
