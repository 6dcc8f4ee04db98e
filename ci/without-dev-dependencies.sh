#!/usr/bin/env bash
# Usage: ci/without-dev-dependencies.sh FOLDER
#
# Copies the library and compat/mio to FOLDER, as a workspace without dev-dependencies: what users build. Tests and
# benchmarks may need newer compilers and newer crates than the library does.
set -euo pipefail
folder=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rm -rf "$folder/src" "$folder/docs" "$folder/compat" "$folder/Cargo.lock"
mkdir -p "$folder/compat/mio"
cp -R build.rs README.md src docs "$folder"
cp -R compat/mio/src "$folder/compat/mio"
for manifest in Cargo.toml compat/mio/Cargo.toml; do
    awk '/^\[/ { skip = /dev-dependencies\]$/ || /^\[\[(example|test|bench)\]\]$/ } !skip' "$manifest" |
        sed -e 's|^members = .*|members = [".", "compat/mio"]|' -e '/^default-members = /d' >"$folder/$manifest"
done
