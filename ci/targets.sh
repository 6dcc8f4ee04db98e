#!/usr/bin/env bash
# The library is type-checked and linted for every family of systems that has a row in build.rs, and for processors of both
# byte orders and widths; the tests and examples too for the families that cannot be run here. Warnings are errors. One line
# for each target and set of features.
#
# Needs rustup: standard libraries by `rustup target add` where there are some; elsewhere the standard library is checked from
# its source with nightly, which takes half a minute for each target.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/ci-targets"

shipped=(
    aarch64-apple-darwin x86_64-apple-darwin aarch64-apple-ios
    aarch64-linux-android armv7-linux-androideabi
    aarch64-pc-windows-msvc i686-pc-windows-gnu x86_64-pc-windows-gnu x86_64-pc-windows-msvc
    aarch64-unknown-linux-gnu armv7-unknown-linux-gnueabihf i686-unknown-linux-gnu
    powerpc64-unknown-linux-gnu riscv64gc-unknown-linux-gnu s390x-unknown-linux-gnu x86_64-unknown-linux-musl
    x86_64-unknown-freebsd x86_64-unknown-netbsd
    x86_64-unknown-illumos
    x86_64-unknown-fuchsia x86_64-unknown-redox
    wasm32-unknown-emscripten wasm32-wasip1 wasm32-wasip1-threads wasm32-wasip2
)
# By the sources of the standard library.
from_source=(
    aarch64-apple-tvos aarch64-apple-visionos aarch64-apple-watchos
    i686-unknown-freebsd x86_64-unknown-dragonfly x86_64-unknown-openbsd x86_64-pc-solaris
    i686-unknown-hurd-gnu x86_64-pc-cygwin x86_64-pc-nto-qnx710 x86_64-unknown-haiku x86_64-unknown-hermit
    armv6k-nintendo-3ds armv7-sony-vita-newlibeabihf riscv32imc-esp-espidf
    loongarch64-unknown-linux-gnu
)
# One of each family is checked with fewer features too.
thorough=(
    x86_64-apple-darwin x86_64-pc-windows-gnu i686-unknown-linux-gnu x86_64-unknown-freebsd x86_64-unknown-netbsd
    x86_64-unknown-illumos x86_64-unknown-redox wasm32-wasip1 wasm32-wasip2
)
few=("" os-poll net os-poll,net os-ext)
# So are the tests and the examples, for one of each family that runs neither anywhere.
suites=(
    x86_64-apple-darwin x86_64-unknown-freebsd x86_64-unknown-netbsd x86_64-unknown-illumos
    aarch64-linux-android x86_64-pc-windows-msvc
)

# clippy, which type-checks like `cargo check` and lints besides.
inspect() {
    local target=$1 features=$2
    shift 2
    echo "== $target: ${features:-no features}"
    # Allowed: a constant that a macro of the standard library hides, on systems without storage for threads.
    cargo "$@" --quiet --package wakeful --lib --target "$target" --no-default-features --features "$features" -- \
        -D warnings -A clippy::missing-const-for-thread-local
}

ci/install.sh target "${shipped[@]}"
for target in "${shipped[@]}"; do
    inspect "$target" os-ext,net,log clippy
done
for target in "${thorough[@]}"; do
    for features in "${few[@]}"; do
        inspect "$target" "$features" clippy
    done
done

for target in "${suites[@]}"; do
    echo "== $target: tests and examples"
    cargo clippy --quiet --package wakeful --tests --examples --all-features --target "$target" -- -D warnings
done

ci/install.sh nightly rust-src clippy
for target in "${from_source[@]}"; do
    inspect "$target" os-ext,net,log +nightly clippy -Zbuild-std=std,panic_abort
done

cat <<'END'
== SKIPPED: powerpc64-ibm-aix and the targets of NuttX. The standard library itself does not build for them: for AIX without the
   vendor's tools, for NuttX with the `libc` that it is locked to (0.2.185 lacks `SO_KEEPALIVE`). So the row of AIX is unchecked; that of
   NuttX was checked once by hand, with `libc` 0.2.191 in the standard library's own lock file (riscv64gc-unknown-nuttx-elf).
END
