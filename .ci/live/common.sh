# shellcheck shell=bash disable=SC2034
# Shared by the scripts of this folder: where things are cached, how steps are timed. Sourced, not run.
set -euo pipefail

LIVE_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$LIVE_DIR/../.." && pwd)
CACHE=${SPACETIMEDB_CI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/spacetimedb-client-ci}
MODULE_DIR=$ROOT/tests/live/module
SERVER_VERSION=1.3.0
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
    flock 9
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

apt_install() {
    as_root apt-get update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
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
