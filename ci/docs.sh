#!/usr/bin/env bash
# The documentation builds without a warning: no link leads nowhere, and nothing public is undocumented.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

RUSTDOCFLAGS="-D warnings" cargo doc --quiet --package wakeful --no-deps --all-features
# The items behind `pub(crate)` too, whose comments link to each other.
RUSTDOCFLAGS="-D warnings" cargo doc --quiet --package wakeful --no-deps --all-features --document-private-items
