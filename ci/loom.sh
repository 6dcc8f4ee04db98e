#!/usr/bin/env bash
# Model-checks the protocol of waking (src/reactor/ready_list.rs) with loom: every interleaving of a few threads, and every
# value that the memory model allows a load to return.
#
# LOOM_MAX_PREEMPTIONS bounds how often a thread is interrupted where it would not have to be.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/ci-loom"
export LOOM_MAX_PREEMPTIONS="${LOOM_MAX_PREEMPTIONS:-3}"
export RUSTFLAGS="--cfg wakeful_loom"
models() {
    cargo test --package wakeful --release --lib loom "$@"
}

# A filter that matches nothing would pass.
if [ "$(models -- --list | grep -c ': test$')" -eq 0 ]; then
    echo "there are no models" >&2
    exit 1
fi
models
