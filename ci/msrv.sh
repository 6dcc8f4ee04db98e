#!/usr/bin/env bash
# The library and compat/mio build with the oldest compiler that we promise, with dependencies that it can build.
#
# Needs rustup. The versions of the dependencies are chosen by today's cargo, which knows what each of them needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

msrv=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
target=${CARGO_TARGET_DIR:-$PWD/target}
copy=$target/ci-msrv/copy
ci/without-dev-dependencies.sh "$copy"
ci/install.sh toolchain "$msrv"

cd "$copy"
export CARGO_TARGET_DIR=$target/ci-msrv
CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS=fallback cargo generate-lockfile
for features in "" os-poll net log os-poll,net os-ext os-ext,net os-ext,net,log; do
    echo "== Rust $msrv: ${features:-no features}"
    for package in wakeful mio; do
        cargo "+$msrv" check --quiet --locked --package "$package" --lib --no-default-features --features "$features"
    done
done
