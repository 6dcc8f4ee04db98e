#!/usr/bin/env bash
# Usage: ci/cross.sh [--long] [TARGET..]
#
# The whole test suite on other processors and another C library: aarch64, i686 (tokens of 32 bits), s390x (big endian),
# and musl. i686 and musl programs run here as they are, the others under qemu's user mode.
#
# Most tests run on each backend of Linux by themselves; the others run with epoll, and where nothing is emulated with poll(2)
# too. With --long both on every target, and the examples of the documentation, otherwise only on i686.
# Needs rustup, and Debian's packages, which it installs if they are missing and may be installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

long=
[ "${1:-}" != --long ] || { long=yes; shift; }
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(
    i686-unknown-linux-gnu
    x86_64-unknown-linux-musl
    aarch64-unknown-linux-gnu
    s390x-unknown-linux-gnu
)

# Apart from the rest: other RUSTFLAGS are another build of every crate.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/ci-cross"
# Tests need line numbers and no more: linking is most of the work.
export CARGO_PROFILE_DEV_DEBUG=line-tables-only

# Tests that only qemu breaks, each with the reason.
only_qemu_breaks=(
    # They install a seccomp filter, to fake kernels without `epoll_pwait2`; qemu refuses filters (prctl: EINVAL). qemu 7 itself
    # is such a kernel: the whole suite runs on the fallback there.
    a_kernel_without_epoll_pwait2_waits_in_milliseconds
    a_sandbox_that_forbids_epoll_pwait2_waits_in_milliseconds
)

# Tells cargo how to link and run for a target, and which packages that takes.
tools_of() {
    local target=$1 linker packages runner='' flags=''
    case $target in
        i686-unknown-linux-gnu)
            linker=i686-linux-gnu-gcc
            packages=(gcc-i686-linux-gnu libc6-dev-i386-cross)
            # The loader is not where a system of 32 bits has it. Named in the program, rather than used as a runner,
            # programs can start themselves.
            local root=/usr/i686-linux-gnu/lib
            flags="-Clink-arg=-Wl,--dynamic-linker=$root/ld-linux.so.2 -Clink-arg=-Wl,-rpath,$root"
            ;;
        x86_64-unknown-linux-musl)
            # Rust brings what it takes.
            linker=cc
            packages=(gcc libc6-dev)
            ;;
        aarch64-unknown-linux-gnu)
            linker=aarch64-linux-gnu-gcc
            packages=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)
            runner="qemu-aarch64 -L /usr/aarch64-linux-gnu"
            ;;
        s390x-unknown-linux-gnu)
            linker=s390x-linux-gnu-gcc
            packages=(gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user)
            runner="qemu-s390x -L /usr/s390x-linux-gnu"
            ;;
        *)
            echo "unknown target: $target" >&2
            exit 1
            ;;
    esac
    ci/install.sh debian "${packages[@]}"
    local name=${target^^}
    name=CARGO_TARGET_${name//-/_}
    export "${name}_LINKER=$linker" "${name}_RUSTFLAGS=$flags" "${name}_RUSTDOCFLAGS=$flags"
    [ -z "$runner" ] || export "${name}_RUNNER=$runner"
    # For tests that start programs themselves, see tests/common/program.rs.
    export WAKEFUL_TEST_RUNNER=$runner
}

ci/install.sh target "${targets[@]}"
for target in "${targets[@]}"; do
    tools_of "$target"
    skips=()
    unset RUST_TEST_THREADS
    backends=(epoll poll)
    if [ -n "$WAKEFUL_TEST_RUNNER" ]; then
        # A process that forks while its other threads run may hang in the child: qemu's locks are copied as they are.
        export RUST_TEST_THREADS=1
        [ -n "$long" ] || backends=(epoll)
        for test in "${only_qemu_breaks[@]}"; do
            echo "SKIPPED on $target, qemu cannot: $test"
            skips+=(--skip "$test")
        done
    fi
    echo "== $target: build"
    cargo test --quiet --package wakeful --target "$target" --lib --tests --examples --no-run
    cargo build --quiet --package wakeful --target "$target" --examples
    for backend in "${backends[@]}"; do
        echo "== $target: $backend"
        WAKEFUL_BACKEND=$backend cargo test --quiet --package wakeful --target "$target" --lib --tests -- "${skips[@]}"
    done
    if [ -n "$long" ] || [ "$target" = i686-unknown-linux-gnu ]; then
        echo "== $target: documentation"
        cargo test --quiet --package wakeful --target "$target" --doc
    fi
done
