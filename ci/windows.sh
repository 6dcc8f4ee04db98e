#!/usr/bin/env bash
# Windows under Wine: lints, then the whole test suite for x86_64-pc-windows-gnu, in debug and in release: unit tests,
# integration tests, examples (built), and the tests of the documentation (in debug); and that compat/mio has every item
# that mio 1.2.5 has on Windows only.
#
# Tests that only Wine breaks stand in ci/wine-expected.txt by name, with the reason. They are compiled and run like
# the others; the script fails if one of them passes (under the Wine that the table is for; a later one may have learned
# it, and that is only told), if one does not exist, and if any other fails.
#
# Needs rustup, and Wine and a linker, which ci/install.sh gets. Everything else it makes below the target directory: a
# prefix for Wine, and a stub of the one system library that Wine 8 lacks.
#
# `ci/windows.sh --test tcp ..` hands its arguments to `cargo test`, and judges the tests that ran.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=x86_64-pc-windows-gnu
expected=ci/wine-expected.txt
mio=compat/mio/Cargo.toml
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/ci-windows"
home=$CARGO_TARGET_DIR/wine

ci/install.sh debian gcc-mingw-w64-x86-64 wine64
ci/install.sh target "$target" i686-pc-windows-gnu x86_64-pc-windows-msvc
# Debian does not put it into the path.
wine=$(command -v wine64 || echo /usr/lib/wine/wine64)

export WINEPREFIX=$home/prefix WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml=" RUST_BACKTRACE=0
# Wine's files belong to one version of it.
version=$("$wine" --version | tr -dc '[:alnum:].-')
stamp=$home/made-by-$version
if [ ! -e "$stamp" ]; then
    echo "== makes a prefix"
    rm -rf "$home"
    mkdir -p "$home"
    "$wine" wineboot -i >"$home/wineboot.log" 2>&1 || { cat "$home/wineboot.log"; exit 1; }
    # The standard library takes random numbers from here; Wine 8 has them under an older name.
    cat >"$home/bcryptprimitives.c" <<'STUB'
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)
{
    return SystemFunction036(data, (ULONG)length);
}
STUB
    system32=$WINEPREFIX/drive_c/windows/system32
    if [ ! -e "$system32/bcryptprimitives.dll" ] || ! grep -q ProcessPrng "$system32/bcryptprimitives.dll"; then
        x86_64-w64-mingw32-gcc -O2 -shared -o "$system32/bcryptprimitives.dll" "$home/bcryptprimitives.c" -ladvapi32
    fi
    touch "$stamp"
fi

# Wine's server and services start with the first program and end with the last. This one waits for the end of the
# script, so that they start once, and not for every test of the documentation. The server complains in its log.
start_server() {
    [ -z "${WAITS_PID:-}" ] || kill -KILL "$WAITS_PID" || true
    coproc WAITS { exec "$wine" cmd >"$home/waits.log" 2>&1; }
}
start_server

is_listed_wine=0
case $version in wine-8.*) is_listed_wine=1 ;; esac

# A test that hangs ends its binary, and is then a binary without a result.
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER="timeout --kill-after=5 ${WINE_TEST_SECONDS:-300} $wine"

if [ "$#" -eq 0 ]; then
    echo "== lints"
    cargo clippy --quiet --package wakeful --target "$target" --all-targets --all-features -- -D warnings
    # By path, as in ci/downstream.sh: two packages of the workspace have this name.
    cargo clippy --quiet --manifest-path "$mio" --target "$target" --all-features --lib --test api_windows -- -D warnings
    # One word of a pointer, and the other linker: type-checked only.
    for other in i686-pc-windows-gnu x86_64-pc-windows-msvc; do
        cargo check --quiet --package wakeful --target "$other" --all-features --lib
    done
fi

mkdir -p "$home/logs"
failed=0

# `judge NAME ARGUMENTS..`: runs `cargo test` with these arguments, and compares with the table what it says.
#
# On a busy machine the server of Wine 8 may fail an assertion of its own (`set_fd_events`), and all programs that run at
# that moment hang; and one program in some thousands ends as it starts, without a word. That says nothing of the tests: they are
# run again, up to twice.
judge() {
    local name=$1 log=$home/logs/$1.log verdict=$home/logs/$1.verdict start=$SECONDS status attempt complaint
    shift
    for attempt in 1 2 3; do
        echo "== $name: cargo test $*"
        status=0
        cargo test --target "$target" --no-fail-fast "$@" >"$log" 2>&1 || status=$?
        if compare "$name" "$status" "$log" >"$verdict"; then
            break
        fi
        complaint=$(grep -ahs '^.*wineserver.*Assertion' "$log" "$home/waits.log" || silent_deaths "$log" "$verdict")
        if [ -z "$complaint" ] || [ "$attempt" -eq 3 ]; then
            failed=1
            cat "$log"
            last_words "$log" "$verdict"
            break
        fi
        cat "$verdict"
        echo "  Wine has crashed: this result is skipped, and the tests are run again: ${complaint##*>}"
        start_server
    done
    cat "$verdict"
    echo "  $((SECONDS - start)) s"
}

# `silent_deaths LOG VERDICT`: the tests of the documentation that failed though their programs have neither panicked nor
# returned an error; nothing unless that is all that is wrong.
silent_deaths() {
    # What the verdict is besides such failures and the count.
    ! grep -v '^  FAILED: doc::\|^  doc: ' "$2" | grep -q . || return 0
    local words
    words=$(last_words "$1" "$2")
    if [ -n "$words" ] && ! grep -q 'panicked at\|^Error: \|error\[' <<<"$words"; then
        grep -o 'exit.*: [0-9a-fx]*' <<<"$words" | head -1
    fi
}

# `last_words LOG VERDICT`: once more what the tests have said that failed and are not in the table, where a log that is
# cut still shows it. Of one that says nothing the program has died.
last_words() {
    awk -v verdict="$2" -f /dev/stdin "$1" <<'AWK'
BEGIN {
    while ((getline line < verdict) > 0) {
        if (sub(/^  FAILED: [^:]*::/, "", line)) failed[line] = 1
    }
}
/^---- .* stdout ----/ {
    name = $0
    sub(/^---- /, "", name); sub(/ stdout ----.*$/, "", name)
    # Of a doc test as in the table.
    if (name ~ / \(line [0-9]+\)/) { sub(/ \(line [0-9]+\).*$/, "", name); gsub(/\\/, "/", name); gsub(/ - /, ":", name); gsub(/ /, "", name) }
    says = name in failed
}
/^failures:/ { says = 0 }
says { print }
AWK
}

# `compare NAME STATUS LOG`: what is wrong in the log of a run; fails if something is.
compare() {
    awk -v table="$expected" -v name="$1" -v status="$2" -v strict="$is_listed_wine" -f /dev/stdin "$3" <<'AWK'
# Lines of the table: `name::of::a_test  why it fails under Wine`.
BEGIN {
    while ((getline line < table) > 0) {
        if (line ~ /^(#|[ \t]*$)/) continue
        split(line, words, /[ \t]+/)
        listed[words[1]] = 1
    }
}
# `Running tests/tcp.rs (target/...)`, `Running unittests src/lib.rs (...)`, `Doc-tests wakeful`
$1 == "Running" || $1 == "Doc-tests" {
    if (binary != "" && !has_result) silent[binary] = 1
    binary = $1 == "Doc-tests" ? "doc" : $2 == "unittests" ? "unit" : $2
    sub(/^tests[\/\\]/, "", binary); sub(/[\/\\]main\.rs$/, "", binary); sub(/\.rs$/, "", binary)
    has_result = 0; binaries++
    next
}
/^test result:/ { has_result = 1; next }
# Also when another thread's output is in between: `test NAME ... ok`
/^test .* \.\.\. / {
    full = $0
    sub(/^test /, "", full); sub(/ \.\.\. .*$/, "", full); sub(/ - should panic$/, "", full)
    # Of a doc test: the file and the item, without the line.
    if (binary == "doc") { sub(/ \(line [0-9]+\).*$/, "", full); gsub(/\\/, "/", full); gsub(/ - /, ":", full); gsub(/ /, "", full) }
    full = binary "::" full
    if ($0 ~ /FAILED/) { bad[full] = 1; fails++ }
    else if ($0 ~ / ok$/ || $0 ~ / ok /) { good[full] = 1; passes++ }
    next
}
END {
    if (binary != "" && !has_result) silent[binary] = 1
    for (test in bad) if (!(test in listed)) { print "  FAILED: " test; wrong = 1 }
    for (test in good) if ((test in listed) && !(test in bad)) { print "  passes, but is listed in " table ": " test; wrong = wrong || strict }
    for (binary in silent) { print "  ended without a result: " binary; wrong = 1 }
    if (binaries == 0) { print "  nothing was run"; wrong = 1 }
    if (status != 0 && fails == 0 && !wrong) { print "  cargo test failed (" status ")"; wrong = 1 }
    print "  " name ": " binaries " binaries, " passes + 0 " passed, " fails + 0 " failed"
    exit wrong
}
AWK
}

if [ "$#" -gt 0 ]; then
    judge chosen --package wakeful "$@"
    exit "$failed"
fi

# `cargo test` builds the examples that tests/examples.rs runs only if it is not told what to build.
cargo build --quiet --package wakeful --target "$target" --all-features --examples
judge debug --package wakeful --all-features --lib --bins --tests
cargo build --quiet --package wakeful --target "$target" --all-features --examples --release
judge release --release --package wakeful --all-features --lib --bins --tests
judge doc --package wakeful --all-features --doc
judge mio --manifest-path "$mio" --all-features --test api_windows

# Every test of the table exists.
for log in debug doc; do
    sed -n 's/^test \(.*\) \.\.\. .*/\1/p' "$home/logs/$log.log"
done | sed 's/ - should panic$//; s/ (line [0-9]*).*$//; s/\\/\//g; s/ - /:/g; s/ //g' | sort -u >"$home/logs/names"
while read -r test _; do
    case $test in "" | "#"*) continue ;; esac
    if ! grep -qxF -- "${test#*::}" "$home/logs/names"; then
        echo "$expected lists a test that does not exist: $test"
        failed=1
    fi
done <"$expected"

[ "$failed" -eq 0 ] && echo "== all passed, but those of $expected"
exit "$failed"
