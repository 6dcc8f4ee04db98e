#!/usr/bin/env bash
# The whole test suite, with each backend that Linux has as the one of `Poll::new`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for backend in epoll poll; do
    echo "== $backend"
    WAKEFUL_BACKEND=$backend cargo test --quiet
done
