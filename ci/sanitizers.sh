#!/usr/bin/env bash
# Usage: ci/sanitizers.sh [--long] [address|thread ..]
#
# The whole test suite, on each backend of Linux, under LLVM's sanitizers. Any report fails, and there are no suppressions.
#
#   address   reads and writes outside of what is allocated, use after free, and (leak sanitizer) what is never freed
#   thread    data races
#
# Not the memory sanitizer: it does not know that epoll_pwait2(2) writes events, and reports each as never written. Miri looks
# for such reads, see ci/miri.sh.
#
# Most tests run on each backend by themselves. With --long everything runs once more with poll(2) as the backend of
# `Poll::new`, and the tests that take minutes under a sanitizer run too.
# Needs rustup, and a nightly toolchain with the sources of the standard library, which it installs if they are missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

backends=(epoll)
sanitizers=(address thread)
# Slow by their size: one thread and safe code only.
skips=(--skip a_million_timers_are_armed_moved_and_cancelled)
if [ "${1:-}" = --long ]; then
    shift
    backends=(epoll poll)
    skips=()
fi
[ $# -eq 0 ] || sanitizers=("$@")

# Named, so that build scripts and macros are built without.
target=x86_64-unknown-linux-gnu
ci/install.sh nightly rust-src

folder=${CARGO_TARGET_DIR:-$PWD/target}/ci-sanitizers
export CARGO_PROFILE_DEV_DEBUG=line-tables-only
# Exit with failure at the first report: also in the programs that tests start.
export ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=1"
export TSAN_OPTIONS="halt_on_error=1"

for sanitizer in "${sanitizers[@]}"; do
    # Another build of every crate, apart from the others.
    export CARGO_TARGET_DIR=$folder/$sanitizer
    export RUSTFLAGS="-Zsanitizer=$sanitizer"
    options=(--quiet --package wakeful --target "$target")
    case $sanitizer in
        # The standard library's own memory needs no check; its accesses of ours are seen at the allocator.
        address) ;;
        # It must be watched too, or what it synchronizes looks like a race.
        thread) options+=(-Z build-std) ;;
        *) echo "unknown sanitizer: $sanitizer" >&2; exit 1 ;;
    esac
    echo "== $sanitizer: build"
    cargo +nightly test "${options[@]}" --lib --tests --no-run
    cargo +nightly build "${options[@]}" --examples
    for backend in "${backends[@]}"; do
        echo "== $sanitizer: $backend"
        WAKEFUL_BACKEND=$backend cargo +nightly test "${options[@]}" --lib --tests -- "${skips[@]}"
    done
done
