#!/bin/sh
# Set-up on a fresh machine.
#   setup.sh python             uv, .venv from uv.lock, compiled kernels
#   setup.sh packages NAME...   Debian packages, where they are missing
#   setup.sh aimock             a server for tests that refuses to order, from npm
set -eu

say() { printf '%s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        say "Cannot install: this needs root, and there is no sudo. As root, run:"
        say "    $*"
        exit 1
    fi
}

packages() {
    missing=
    for name in "$@"; do
        dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing="$missing $name"
    done
    [ -n "$missing" ] || return 0
    if ! command -v apt-get >/dev/null 2>&1; then
        say "Missing:$missing. Install them with this system's package manager; tests that need them fail until then."
        return 0
    fi
    say "Installing Debian packages:$missing"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    # shellcheck disable=SC2086 -- a list of names
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

# Say every ten seconds that something still goes on, until the script ends.
sign_of_life() {
    seconds=0
    while sleep 10 >/dev/null 2>&1; do
        seconds=$((seconds + 10))
        say "    still at it, $seconds s"
    done
}

find_uv() {
    if command -v uv >/dev/null 2>&1; then
        command -v uv
        return
    fi
    tools=.seqloom/tools
    if [ ! -x "$tools/bin/uv" ]; then
        say "Installing uv into $tools"
        if ! python3 -m venv "$tools" >/dev/null 2>&1; then
            rm -rf "$tools"
            packages python3-venv
            python3 -m venv "$tools"
        fi
        "$tools/bin/python" -m pip install --quiet uv
    fi
    printf '%s\n' "$tools/bin/uv"
}

case "${1:-}" in
python)
    sign_of_life &
    life=$!
    trap 'kill "$life" 2>/dev/null || :' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    uv=$(find_uv)
    count=$(grep -c '^\[\[package\]\]' uv.lock)
    say "Installing Python packages into .venv: at most $count, of uv.lock; minutes where the network is slow"
    # Bytecode now, since an environment may forbid Python to keep it: each start would compile
    # 2,000 modules again, which takes longer than what they do.
    "$uv" sync --locked --all-extras --quiet --compile-bytecode
    .venv/bin/python -m compileall -q flows tasks blocks deployments
    say "Compiling what reads are processed with, once: some 20 s"
    .venv/bin/seqloom reads warmup >/dev/null
    ;;
packages)
    shift
    packages "$@"
    ;;
aimock)
    tools=.seqloom/tools/aimock
    [ ! -e "$tools/node_modules/@copilotkit/aimock/dist/cli.js" ] || exit 0
    command -v npm >/dev/null 2>&1 || packages nodejs npm
    say "Installing aimock into $tools"
    npm install --silent --no-audit --no-fund --cache .seqloom/tools/npm --prefix "$tools" \
        @copilotkit/aimock@1.43.0 >&2 ||
        say "aimock cannot be had; the tests that ask it are skipped."
    ;;
*)
    say "usage: setup.sh python | packages NAME... | aimock"
    exit 2
    ;;
esac
