# shellcheck shell=bash disable=SC2034
# Shared by the scripts of this folder: where things are cached, how steps are timed. Sourced, not run.
set -euo pipefail

LIVE_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$LIVE_DIR/../.." && pwd)
CACHE=${SPACETIMEDB_CI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/spacetimedb-client-ci}
MODULE_DIR=$ROOT/tests/live/module
# Of server and module where nothing else is said.
SERVER_VERSION=${SPACETIMEDB_CI_SERVER:-2.14.0}
JOBS=${SPACETIMEDB_CI_JOBS:-2}
mkdir -p "$CACHE"

# Results go to stdout (one path), everything a person reads to stderr.
say() { printf '%s\n' "$*" >&2; }

# step NAME COMMAND...: runs the command with its output in a log, prints how long it took, shows the log's end on failure.
step() {
    local name=$1 log start code=0
    shift
    mkdir -p "$CACHE/logs"
    log=$CACHE/logs/${name//[^a-z0-9.-]/-}.log
    start=$(date +%s)
    # `("$@") || code=$?` would switch `set -e` off inside the command.
    set +e
    (set -e; "$@") >"$log" 2>&1
    code=$?
    set -e
    say "$(printf '[%5ds] %s%s' $(($(date +%s) - start)) "$name" "$([ $code = 0 ] || printf ': FAILED')")"
    if [ $code != 0 ]; then
        say "the end of $log:"
        tail -n 40 "$log" >&2
    fi
    return $code
}

# locked NAME: holds a lock until the script ends, so that two runs on one machine build a thing once.
locked() {
    exec 9>"$CACHE/$1.lock"
    flock --nonblock 9 && return
    say "waiting for $1, which is being built"
    flock 9
}

# known_version VERSION: whether there is a recipe for this server.
known_version() {
    case $1 in 2.14.0 | 1.3.0) ;; *) return 1 ;; esac
}

# flavour_for VERSION: which module of build-module that server runs.
flavour_for() {
    case $1 in 1.*) echo one ;; *) echo two ;; esac
}

# choose_cargo MINIMUM NAME: sets CARGO, a command: rustup's stable toolchain if it is new enough, else Debian's.
# RUSTUP_TOOLCHAIN=stable keeps rust-toolchain files of the current folder from asking for another one.
choose_cargo() {
    local found
    found=$(RUSTUP_TOOLCHAIN=stable cargo --version 2>/dev/null | cut -d' ' -f2 || true)
    if [ -n "$found" ] && version_at_least "$1" "$found"; then
        export RUSTUP_TOOLCHAIN=stable
        CARGO=(cargo)
        return
    fi
    [ -x /usr/bin/cargo ] && [ -x /usr/bin/rustc ] || step "$2-toolchain" apt_install cargo-web rustc-web
    found=$(/usr/bin/cargo --version | cut -d' ' -f2)
    if ! version_at_least "$1" "$found"; then
        say "$2 needs Rust $1 or newer: rustup's stable toolchain, or Debian's; found $found"
        return 1
    fi
    CARGO=(/usr/bin/cargo)
    export RUSTC=/usr/bin/rustc
    unset RUSTUP_TOOLCHAIN
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# apt_install PACKAGE ...: one at a time, for several builds may run.
apt_install() {
    (
        flock 8
        as_root apt-get update
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
    ) 8>"$CACHE/apt.lock"
}

# version_at_least WANTED FOUND
version_at_least() {
    [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

# rust_version FOLDER: prints the oldest Rust that FOLDER/Cargo.toml allows.
rust_version() {
    sed -n 's/^rust-version = "\(.*\)"/\1/p' "$1/Cargo.toml"
}

# use_cargo MINIMUM: CARGO is rustup's if that is new enough, else Debian's.
use_cargo() {
    local found
    # RUSTUP_TOOLCHAIN=stable keeps rust-toolchain files of the current folder from asking for another toolchain.
    found=$(RUSTUP_TOOLCHAIN=stable cargo --version 2>/dev/null | cut -d' ' -f2 || true)
    if [ -n "$found" ] && version_at_least "$1" "$found"; then
        export CARGO=cargo RUSTUP_TOOLCHAIN=stable
    else
        [ -x /usr/bin/cargo ] && [ -x /usr/bin/rustc ] || step rust-toolchain apt_install cargo-web rustc-web
        export CARGO=/usr/bin/cargo RUSTC=/usr/bin/rustc
        unset RUSTUP_TOOLCHAIN
    fi
    command -v cc >/dev/null || step rust-packages apt_install build-essential
    unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
}

# use_node: node and npm are there afterwards.
use_node() {
    local tool
    for tool in node npm; do
        command -v $tool >/dev/null || { step node apt_install nodejs npm; break; }
    done
}
