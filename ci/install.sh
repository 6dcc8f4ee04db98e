#!/usr/bin/env bash
# Installs, by name, what a script needs and the machine lacks; one at a time, however many scripts run.
#
# Usage: ci/install.sh debian PACKAGE..       with apt-get; on other systems says what is missing, and fails
#        ci/install.sh target TARGET..        standard libraries of the default toolchain
#        ci/install.sh toolchain VERSION      a toolchain, minimal
#        ci/install.sh nightly COMPONENT..    the nightly toolchain, with components
set -euo pipefail

exec 9>"${TMPDIR:-/tmp}/wakeful-install.lock"
flock 9

what=$1
shift
case "$what" in
    debian)
        missing=()
        for package in "$@"; do
            dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
        done
        [ "${#missing[@]}" -eq 0 ] && exit
        echo "== installing ${missing[*]}"
        if ! command -v apt-get >/dev/null; then
            echo "apt-get is not there; install what these packages of Debian have: ${missing[*]}" >&2
            exit 1
        fi
        sudo=
        [ "$(id -u)" -eq 0 ] || sudo=sudo
        export DEBIAN_FRONTEND=noninteractive
        # The lists of a fresh machine are empty or old.
        $sudo apt-get update -qq
        $sudo apt-get install --yes --no-install-recommends -qq "${missing[@]}" >/dev/null
        ;;
    target)
        rustup --quiet target add "$@"
        ;;
    toolchain)
        rustup toolchain list | grep -q "^$1-" || rustup --quiet toolchain install "$1" --profile minimal --no-self-update
        ;;
    nightly)
        rustup toolchain list | grep -q '^nightly-' || rustup --quiet toolchain install nightly --profile minimal --no-self-update
        [ "$#" -eq 0 ] || rustup --quiet +nightly component add "$@"
        ;;
    *)
        echo "what is $what? See the head of this script." >&2
        exit 2
        ;;
esac
