#!/usr/bin/env bash
# Every subset of the features builds without a warning, also in compat/mio, and the tests of the smallest pass.
# A system that nobody has ported it to gets a shell, and a readable error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Apart from the rest: other RUSTFLAGS are another build of every crate.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/ci-features"
export RUSTFLAGS="-D warnings"

features=(os-poll net os-ext log)
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

# A system without a row in build.rs.
target=wasm32-unknown-unknown
ci/install.sh target "$target"
echo "== $target: a shell only, and an error that names the page about porting"
cargo check --quiet --package wakeful --lib --target "$target" --no-default-features --features log
if said=$(cargo check --quiet --package wakeful --lib --target "$target" 2>&1); then
    echo "it builds: take a system that does not" >&2
    exit 1
fi
grep -q "docs/porting.md" <<<"$said" || { echo "$said" >&2; exit 1; }
