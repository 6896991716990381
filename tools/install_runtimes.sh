#!/usr/bin/env bash
# Install what the project runs beside itself: OCI runtimes (crun and runc) and Node.js, which the
# cold-start comparison starts, and wrk, which puts the gateway under load.
#
# What is there already is left alone; the rest comes from the distribution's own packages. Both OCI
# runtimes, since one may refuse what the other takes: crun 1.8 has no hybrid cgroups, for example.

set -euo pipefail

ME=install_runtimes.sh

usage() {
    cat <<'TEXT'
Usage: install_runtimes.sh [oci] [node] [wrk]

Installs what is missing of: oci (crun and runc, one at least), node (nodejs) and wrk; all without an
argument. Needs root only where something is missing.

  --help   this text
TEXT
}

die() {
    printf '%s: %s\n' "$ME" "$*" >&2
    exit 1
}

say() { printf '%s: %s\n' "$ME" "$*"; }

WANT=()
for arg in "$@"; do
    case $arg in
        oci | node | wrk) WANT+=("$arg") ;;
        -h | --help) usage; exit 0 ;;
        *) die "unknown argument '$arg'; see --help" ;;
    esac
done
((${#WANT[@]})) || WANT=(oci node wrk)

LOG=$(mktemp "${TMPDIR:-/tmp}/install-runtimes.XXXXXX")
trap 'rm -f "$LOG"' EXIT
UPDATED=0

has_candidate() { apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [0-9]'; }

# Try one package; say why not and go on, so that a caller can try the next.
apt_install() {
    command -v apt-get >/dev/null || die "no apt-get here; install $1 with this system's package manager"
    ((EUID == 0)) || die "$1 is missing and only root can install it; run this with sudo"
    if ! has_candidate "$1" && ((UPDATED == 0)); then
        UPDATED=1
        apt-get update >"$LOG" 2>&1 || say "'apt-get update' failed: $(grep -E '^(E|W)' "$LOG" | head -n 1 || true)"
    fi
    if ! DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$1" >"$LOG" 2>&1; then
        say "'apt-get install $1' failed: $(grep '^E:' "$LOG" | head -n 1 || true)"
        return 1
    fi
}

first_of() {
    local name
    for name in "$@"; do
        if command -v "$name" >/dev/null && "$name" --version >/dev/null 2>&1; then
            printf '%s' "$name"
            return 0
        fi
    done
    return 1
}

tell() {
    local version
    [[ -n $1 ]] && version=$("$1" --version) || return 1
    # The first line whole: 'head' would end the pipe early and its writer with it.
    say "$1: ${version%%$'\n'*} ($(command -v "$1"))"
}

for want in "${WANT[@]}"; do
    case $want in
        oci)
            found=0
            for each in crun runc; do
                first_of "$each" >/dev/null || apt_install "$each" || continue
                tell "$each"
                found=1
            done
            ((found)) || die "no OCI runtime could be installed; install crun or runc by hand"
            ;;
        node)
            tool=$(first_of node nodejs) || { apt_install nodejs || true; }
            tell "$(first_of node nodejs)" || die "Node.js could not be installed; install nodejs by hand"
            ;;
        wrk)
            # It says its version with status 1, so that it is there is all that is asked.
            command -v wrk >/dev/null || apt_install wrk || true
            version=$(wrk --version 2>/dev/null || true)
            [[ $version == wrk* ]] || die "wrk could not be installed; install wrk by hand"
            say "wrk: ${version%%$'\n'*} ($(command -v wrk))"
            ;;
    esac
done
