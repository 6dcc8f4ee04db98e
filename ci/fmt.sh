#!/usr/bin/env bash
# Every file is formatted as rustfmt does it, in all packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo fmt --all --check
cargo fmt --manifest-path compat/downstream/Cargo.toml --check
