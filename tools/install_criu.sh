#!/usr/bin/env bash
# Usage: install_criu.sh [--prefix DIR] [--suite NAME] [--no-stock] [--force]
#
# Installs a working CRIU as DIR/bin/criu and proves it with a dump and a restore. Needs root.
#
#   --prefix DIR   where to install (default /opt/aetherless/criu)
#   --suite NAME   Debian release to take a newer CRIU from (default trixie)
#   --no-stock     do not try the distribution's own package first
#   --force        install again even if DIR/bin/criu already works
#   --help         this text

# Put a CRIU that works on this kernel under a private prefix.
#
# The distribution's own CRIU is taken where it passes a real dump and restore. Releases before 4.1 stop
# at the vDSO of kernels from 6.13 on; there the newer release's package is fetched, through apt and with
# apt's own signature checks, but with a private configuration: the system's sources, package lists, dpkg
# status and C library stay as they are. The packages are unpacked under the prefix and CRIU is run
# through the C library's loader that came with it.

set -euo pipefail

PREFIX=/opt/aetherless/criu
SUITE=trixie
FORCE=0
SKIP_STOCK=0
ME=install_criu.sh

die() {
    printf '%s: %s\n' "$ME" "$*" >&2
    exit 1
}

say() { printf '%s: %s\n' "$ME" "$*"; }

while (($#)); do
    case $1 in
        --prefix) (($# > 1)) || die "--prefix needs a directory; see --help"; PREFIX=$2; shift 2 ;;
        --prefix=*) PREFIX=${1#*=}; shift ;;
        --suite) (($# > 1)) || die "--suite needs a name; see --help"; SUITE=$2; shift 2 ;;
        --suite=*) SUITE=${1#*=}; shift ;;
        --no-stock) SKIP_STOCK=1; shift ;;
        --force) FORCE=1; shift ;;
        -h | --help) sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) die "unknown argument '$1'; see --help" ;;
    esac
done

[[ $PREFIX == /* ]] || PREFIX=$PWD/$PREFIX
[[ $PREFIX =~ ^[A-Za-z0-9._/+-]+$ ]] || die "the prefix may hold only letters, digits and ._/+-: $PREFIX"
[[ $(uname -s) == Linux ]] || die "CRIU is for Linux only; run this on a Linux machine"

case $(uname -m) in
    x86_64) TRIPLET=x86_64-linux-gnu; LOADER=ld-linux-x86-64.so.2 ;;
    aarch64) TRIPLET=aarch64-linux-gnu; LOADER=ld-linux-aarch64.so.1 ;;
    *) die "no CRIU package is known for $(uname -m); use an x86_64 or aarch64 machine" ;;
esac

((EUID == 0)) || die "must run as root (CRIU needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE); run it with sudo"

WORK=$(mktemp -d "${TMPDIR:-/tmp}/install-criu.XXXXXX")
STAGE=""
trap 'rm -rf "$WORK" "${STAGE:-$WORK}"' EXIT

# Why a CRIU does not do what it must: start, find the kernel fit, dump and restore a real process.
why_not() {
    local criu=$1 out images pid
    out=$("$criu" --version 2>&1) || { echo "'$criu --version' failed: ${out##*$'\n'}"; return; }
    out=$("$criu" check 2>&1) || { echo "'criu check' failed: $(first_error <<<"$out")"; return; }
    images=$(mktemp -d "$WORK/images.XXXXXX")
    # A session of its own and /dev/null as its files: no terminal to restore.
    # shellcheck disable=SC2016
    setsid bash -c 'echo $$ >"$1"; exec sleep 300' _ "$images/pid" </dev/null >/dev/null 2>&1 &
    disown "$!" # no word from this shell when the dump ends it
    for _ in {1..100}; do
        [[ -s $images/pid && $(cat "/proc/$(cat "$images/pid")/comm" 2>/dev/null) == sleep ]] && break
        sleep 0.02
    done
    pid=$(cat "$images/pid")
    if ! "$criu" dump -t "$pid" -D "$images" --manage-cgroups=ignore -v4 -o criu.log >"$images/out" 2>&1; then
        kill -9 "$pid" 2>/dev/null || true
        echo "dump: $(cat "$images/criu.log" "$images/out" 2>/dev/null | first_error)"
        return
    fi
    # The dumped process must be gone before its pid can be taken again.
    for _ in {1..100}; do
        [[ -e /proc/$pid ]] || break
        sleep 0.02
    done
    if ! "$criu" restore -d -D "$images" --manage-cgroups=ignore -v4 -o criu.log >"$images/out" 2>&1; then
        echo "restore: $(cat "$images/criu.log" "$images/out" 2>/dev/null | first_error)"
    elif [[ $(cat "/proc/$pid/comm" 2>/dev/null) != sleep ]]; then
        echo "restore: the process is not there"
    else
        kill -9 "$pid"
    fi
}

first_error() {
    local all line
    all=$(cat)
    # Not the causes: without CAP_SYS_RESOURCE CRIU cannot raise its own limit, says so and goes on; and
    # that a child of its own ended says nothing of why.
    line=$(grep 'Error' <<<"$all" | grep -v -e RLIMIT_NOFILE -e 'exited, status' | head -n 1 || true)
    line=${line:-${all##*$'\n'}}
    printf '%s' "${line:-no message}"
}

# Sets WHY when it does not.
works() {
    WHY=$(why_not "$1")
    [[ -z $WHY ]]
}

version_of() { "$1" --version | awk '/^Version/ { print $2 }'; }

if ((FORCE == 0)) && [[ -x $PREFIX/bin/criu ]]; then
    if works "$PREFIX/bin/criu"; then
        say "CRIU $(version_of "$PREFIX/bin/criu") at $PREFIX/bin/criu already works"
        exit 0
    fi
    say "$PREFIX/bin/criu does not work ($WHY); installing anew"
fi

command -v apt-get >/dev/null || die "no apt-get here; install CRIU >= 4.1 with this system's package manager and link it as $PREFIX/bin/criu"
command -v dpkg-deb >/dev/null || die "no dpkg-deb here; install the dpkg package"

[[ ! -e $PREFIX || -e $PREFIX/.made-by-install-criu || (-d $PREFIX && -z $(ls -A "$PREFIX")) ]] ||
    die "$PREFIX holds something that this script did not put there; give another --prefix"

# With that text as its bin/criu the stage is moved into place whole: a prefix that a user sees is either
# the old one or the new one.
put_in_place() { # put_in_place TEXT
    local old=""
    mkdir -p "$STAGE/bin"
    printf '%s\n' "$1" >"$STAGE/bin/criu"
    chmod 755 "$STAGE/bin/criu"
    if [[ -e $PREFIX ]]; then
        old=$(mktemp -d "$PREFIX.old.XXXXXX")
        mv -T "$PREFIX" "$old"
    fi
    mv -T "$STAGE" "$PREFIX"
    STAGE=""
    if [[ -n $old ]]; then rm -rf "$old"; fi
}

new_stage() {
    mkdir -p "$(dirname "$PREFIX")" || die "cannot make $(dirname "$PREFIX"); give another --prefix"
    STAGE=$(mktemp -d "$PREFIX.new.XXXXXX")
    chmod 755 "$STAGE"
    touch "$STAGE/.made-by-install-criu"
}

kernel_at_least() { [[ $(printf '%s\n%s\n' "$1" "$(uname -r | cut -d- -f1)" | sort -V | head -n 1) == "$1" ]]; }

# --- The distribution's own package -----------------------------------------------------------------

if ((SKIP_STOCK == 0)); then
    candidate=$(apt-cache policy criu 2>/dev/null | awk '/Candidate:/ { print $2 }')
    stock=$(command -v criu || true)
    if [[ -z $stock && -n $candidate && $candidate != "(none)" ]]; then
        if kernel_at_least 6.13 && dpkg --compare-versions "$candidate" lt 4.1; then
            say "the distribution's CRIU $candidate stops at the vDSO of kernel $(uname -r); a newer one is needed"
        else
            DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends criu >"$WORK/apt.log" 2>&1 ||
                say "'apt-get install criu' failed ($(grep '^E:' "$WORK/apt.log" | head -n 1 || true)); trying the newer release's package"
            stock=$(command -v criu || true)
        fi
    fi
    if [[ -n $stock && $(readlink -f "$stock") != "$PREFIX"/* ]]; then
        if works "$stock"; then
            new_stage
            put_in_place "#!/bin/sh
exec $stock \"\$@\""
            say "CRIU $(version_of "$PREFIX/bin/criu"), the distribution's own, at $PREFIX/bin/criu: check, dump and restore pass"
            exit 0
        fi
        say "the distribution's CRIU does not work here ($WHY); trying the newer release's package"
    fi
fi

# --- The newer release's package, beside the system -------------------------------------------------

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
[[ -r $KEYRING ]] || die "no $KEYRING to check Debian's signatures with; apt-get install debian-archive-keyring"

# The mirror is whatever the system's own apt is configured for: the first source that serves Debian's
# main archive. 'apt-get indextargets' reads both the one-line and the deb822 form.
# shellcheck disable=SC2016
mirror=$(apt-get indextargets --format '$(SITE) $(ORIGIN) $(LABEL) $(CREATED_BY)' 2>/dev/null |
    awk '$2 == "Debian" && $3 == "Debian" && $4 == "Packages" { print $1; exit }' || true)
if [[ -z $mirror ]]; then
    # Nothing fetched yet, so apt does not know the origins: take the URI of the first main source.
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(SITE)|$(COMPONENT)|$(CREATED_BY)' 2>/dev/null |
        awk -F'|' '$2 == "main" && $3 == "Packages" && $1 ~ /\/debian\/?$/ { print $1; exit }' || true)
fi
[[ -n $mirror ]] || die "no Debian archive among apt's sources; add one (with suite main), or install CRIU >= 4.1 by hand and link it as $PREFIX/bin/criu"

mkdir -p "$WORK/apt/lists/partial" "$WORK/apt/cache/archives/partial" "$WORK/root"
: >"$WORK/apt/status" # nothing counts as installed: the whole closure comes along, the C library too
printf 'deb [signed-by=%s] %s %s main\n' "$KEYRING" "$mirror" "$SUITE" >"$WORK/apt/sources.list"
# The system's apt.conf.d still applies (proxies, certificates); only what follows differs.
cat >"$WORK/apt/apt.conf" <<CONF
Dir::Etc::sourcelist "$WORK/apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "$WORK/apt/lists";
Dir::State::status "$WORK/apt/status";
Dir::State::extended_states "$WORK/apt/extended_states";
Dir::Cache "$WORK/apt/cache";
Dir::Log "$WORK/apt";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
APT::Install-Recommends "false";
APT::Update::Post-Invoke-Success "";
CONF
# apt gives up root to fetch: its user must reach the directories.
chmod 755 "$WORK"
if id _apt >/dev/null 2>&1; then chown -R _apt "$WORK/apt/lists/partial" "$WORK/apt/cache/archives/partial"; fi

private_apt() { APT_CONFIG="$WORK/apt/apt.conf" DEBIAN_FRONTEND=noninteractive apt-get "$@"; }

say "fetching CRIU from Debian $SUITE through apt"
private_apt update -o APT::Update::Error-Mode=any >"$WORK/update.log" 2>&1 ||
    die "'apt-get update' for $SUITE failed: $(grep -E '^(E|W|Err)' "$WORK/update.log" | head -n 1 || true); check that the configured mirror serves $SUITE (--suite) and that $KEYRING knows its key"
private_apt install -y --download-only criu >"$WORK/download.log" 2>&1 ||
    die "downloading criu from $SUITE failed: $(grep '^E:' "$WORK/download.log" | head -n 1 || true); check the mirror and the space in ${TMPDIR:-/tmp}"

shopt -s nullglob
debs=("$WORK"/apt/cache/archives/*.deb)
((${#debs[@]})) || die "apt downloaded no package; see what 'apt-get install --download-only criu' says on $SUITE"
for deb in "${debs[@]}"; do
    dpkg-deb -x "$deb" "$WORK/root" || die "cannot unpack $(basename "$deb"); check the space in ${TMPDIR:-/tmp}"
done

new_stage
mkdir -p "$STAGE/lib" "$STAGE/sbin"
binary=$WORK/root/usr/sbin/criu
[[ -x $binary ]] || die "the package of $SUITE holds no usr/sbin/criu; try another --suite"
cp -p "$binary" "$STAGE/sbin/criu"
# The libraries of the closure and no more: no documents, no locales, no character sets.
while IFS= read -r -d '' lib; do
    cp -Pp "$lib" "$STAGE/lib/"
done < <(find "$WORK/root/usr/lib/$TRIPLET" "$WORK/root/lib/$TRIPLET" -maxdepth 1 \( -type f -o -type l \) -name '*.so*' -print0 2>/dev/null)
if [[ ! -e $STAGE/lib/$LOADER ]]; then
    loader=$(find "$WORK/root" -name "$LOADER" -type f | head -n 1)
    [[ -n $loader ]] || die "no $LOADER in the packages of $SUITE; try another --suite"
    cp -p "$loader" "$STAGE/lib/"
fi
printf '%s\n' "${debs[@]##*/}" >"$STAGE/packages.txt"
# A caller that counts milliseconds can run this line itself and spare the shell.
put_in_place "#!/bin/sh
exec $PREFIX/lib/$LOADER --library-path $PREFIX/lib $PREFIX/sbin/criu \"\$@\""

if ! works "$PREFIX/bin/criu"; then
    case $WHY in
        *[Pp]ermitted* | *CAP_*) die "CRIU $SUITE is installed but may not do its work: $WHY; run as real root, outside of a container without CAP_SYS_ADMIN, CAP_SYS_PTRACE" ;;
        *CONFIG_* | *check*) die "this kernel lacks what CRIU needs: $WHY; use a kernel with CONFIG_CHECKPOINT_RESTORE" ;;
        *vdso* | *vDSO* | *VDSO*) die "this CRIU does not know the vDSO of kernel $(uname -r): $WHY; name a newer release with --suite" ;;
        *) die "CRIU is installed but does not work: $WHY; see 'criu check' and try a newer release with --suite" ;;
    esac
fi
say "CRIU $(version_of "$PREFIX/bin/criu") at $PREFIX/bin/criu: check, dump and restore pass"
