#!/usr/bin/env bash
# Every subset of the features builds without a warning, also in compat/mio, and the tests of the smallest pass.
# The library is type-checked for other systems, and says readably where it does not build.
#
# Needs rustup, for the standard libraries of the other systems.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Apart from the rest: other RUSTFLAGS are another build of every crate.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/ci-features"
export RUSTFLAGS="-D warnings"

features=(os-poll net os-ext log)
targets=(
    aarch64-apple-darwin
    aarch64-linux-android
    i686-unknown-linux-gnu
    x86_64-unknown-freebsd
    x86_64-unknown-illumos
    x86_64-unknown-linux-musl
    x86_64-unknown-netbsd
)
unsupported=(wasm32-wasip2 x86_64-pc-windows-gnu)

# All subsets: each number from 0 to 15 has four bits, one for each feature.
subsets=()
for ((number = 0; number < 1 << ${#features[@]}; number++)); do
    subset=
    for bit in "${!features[@]}"; do
        ((number >> bit & 1)) && subset+="${subset:+,}${features[bit]}"
    done
    subsets+=("$subset")
done

for subset in "${subsets[@]}"; do
    echo "== ${subset:-no features}"
    cargo check --quiet --package wakeful --all-targets --no-default-features --features "$subset"
    # By path: there is a second package called mio, that of crates.io.
    cargo check --quiet --manifest-path compat/mio/Cargo.toml --all-targets --no-default-features --features "$subset"
done

echo "== tests without features"
cargo test --quiet --package wakeful --no-default-features

rustup target add "${targets[@]}" "${unsupported[@]}"
for target in "${targets[@]}"; do
    for subset in "" net os-poll os-ext,net,log; do
        echo "== $target: ${subset:-no features}"
        cargo check --quiet --package wakeful --lib --target "$target" --no-default-features --features "$subset"
    done
done

for target in "${unsupported[@]}"; do
    echo "== $target: a shell only, and an error that names the page about porting"
    cargo check --quiet --package wakeful --lib --target "$target" --no-default-features --features log
    if said=$(cargo check --quiet --package wakeful --lib --target "$target" 2>&1); then
        echo "it builds: move it to the list of targets" >&2
        exit 1
    fi
    grep -q "docs/porting.md" <<<"$said" || { echo "$said" >&2; exit 1; }
done
