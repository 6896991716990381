#!/usr/bin/env bash
# Usage: install_runtimes.sh [oci] [node] [wrk]
#
# Installs what is missing of: oci (crun and runc, one at least), node (nodejs) and wrk; all without an
# argument. Needs root only where something is missing.
#
#   --help   this text

# Install what the project runs beside itself: OCI runtimes (crun and runc) and Node.js, which the
# cold-start comparison starts, and wrk, which puts the gateway under load.
#
# What is there already is left alone; the rest comes from the distribution's own packages. Both OCI
# runtimes, since one may refuse what the other takes: crun 1.8 has no hybrid cgroups, for example.

set -euo pipefail

ME=install_runtimes.sh

die() {
    printf '%s: %s\n' "$ME" "$*" >&2
    exit 1
}

say() { printf '%s: %s\n' "$ME" "$*"; }

WANT=()
for arg in "$@"; do
    case $arg in
        oci | node | wrk) WANT+=("$arg") ;;
        -h | --help) sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; exit 0 ;;
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

# Tells of the first of some commands that says its version, which wrk does with status 1; where there is
# none, of that which the package brings.
provide() { # provide PACKAGE COMMAND...
    local package=$1 round each version
    shift
    for round in before after; do
        for each in "$@"; do
            version=$("$each" --version 2>/dev/null || true)
            [[ -n $version ]] || continue
            say "$each: ${version%%$'\n'*} ($(command -v "$each"))"
            return 0
        done
        [[ $round == before ]] && apt_install "$package" || return 1
    done
    return 1
}

for want in "${WANT[@]}"; do
    case $want in
        oci)
            found=0
            for each in crun runc; do if provide "$each" "$each"; then found=1; fi; done
            ((found)) || die "no OCI runtime could be installed; install crun or runc by hand"
            ;;
        node) provide nodejs node nodejs || die "Node.js could not be installed; install nodejs by hand" ;;
        wrk) provide wrk wrk || die "wrk could not be installed; install wrk by hand" ;;
    esac
done
