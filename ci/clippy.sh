#!/usr/bin/env bash
# No lint of rustc's or clippy's fires: in all packages with all features, and in the library with few.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

echo "== all packages, all features"
cargo clippy --quiet --workspace --all-targets --all-features -- -D warnings
for features in "" os-poll net log os-ext os-poll,net; do
    echo "== the library with: ${features:-no features}"
    cargo clippy --quiet --package wakeful --lib --no-default-features --features "$features" -- -D warnings
done
