#!/usr/bin/env bash
# The lower bounds in Cargo.toml are true: the library builds with the oldest versions of its dependencies that they
# allow, with the oldest compiler too.
#
# Needs rustup and a nightly toolchain, whose cargo can choose oldest versions; the compilers are the stable ones.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

msrv=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
target=${CARGO_TARGET_DIR:-$PWD/target}
copy=$target/ci-minimal-versions/copy
ci/without-dev-dependencies.sh "$copy"
ci/install.sh nightly
ci/install.sh toolchain "$msrv"

cd "$copy"
export CARGO_TARGET_DIR=$target/ci-minimal-versions
cargo +nightly update --quiet -Z direct-minimal-versions
cargo tree --package wakeful --all-features --depth 1
cargo check --locked --package wakeful --all-features
cargo "+$msrv" check --locked --package wakeful --all-features
