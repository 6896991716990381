#!/usr/bin/env bash
# Usage: tools/run_all.sh [--quick] [--output DIR]
#
# Runs every category of the benchmarks and both baseline scripts into DIR, a file of the standard
# JSON each, and prints one table of them all. A part that fails costs nothing of the others. Takes an
# hour and a quarter; each part says how long.
#
#   --quick        a representative part, in five minutes
#   --output DIR   where to write (default data/<date>); without results of an earlier run
#   --help         this text
#
# Exit status: 0 all parts were measured; 1 a part or the summary failed; 2 the arguments are wrong;
# 128 and its number if a signal has stopped it.

set -uo pipefail

die() {
    printf 'run_all.sh: %s; see --help\n' "$*" >&2
    exit 2
}

root=$(cd "$(dirname "$0")/.." && pwd)
selection=--study iterations=()
output=
while (($#)); do
    case $1 in
        --quick) selection=--quick iterations=(--iterations 3); shift ;;
        --output) (($# > 1)) || die "--output needs a folder"; output=$2; shift 2 ;;
        --output=*) output=${1#*=}; shift ;;
        -h | --help) sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) die "unknown argument '$1'" ;;
    esac
done
[[ -n $output ]] || output=$root/data/$(date -u +%Y-%m-%dT%H%M%SZ)
python=$root/.venv/bin/python
[[ -x $python ]] || { echo "run_all.sh: there is no .venv; run make build first" >&2; exit 2; }
mkdir -p "$output" 2>/dev/null || die "--output $output: cannot be made"
output=$(cd "$output" && pwd)
shopt -s nullglob
files=("$output"/*.json)
((!${#files[@]})) || die "--output $output: holds results already; name another folder"
cd "$root" || exit 2

failed=()
# Ends all of it, not one part; that one may put away what it has begun.
stop() {
    trap '' INT TERM HUP # once is enough
    kill -TERM $(jobs -p) 2>/dev/null
    wait
    echo "run_all.sh: interrupted; what was measured is in $output" >&2
    exit $((128 + $1))
}
trap 'stop 2' INT
trap 'stop 15' TERM
trap 'stop 1' HUP

part() {
    local name=$1
    shift
    printf '== %s\n' "$name"
    # In the background: a trap runs while this waits, but not before a command in front has ended.
    "$python" -m "$@" --output "$output" &
    wait $! || failed+=("$name")
}

# What is not set in is a category.
categories=$("$python" -m tools.run_benchmarks --list | grep '^[^ ]') ||
    failed+=("the list of categories")
for category in $categories; do
    part "$category" tools.run_benchmarks $selection --category "$category"
done
part "HTTP, Unix socket and TCP" tools.http_ipc_baseline "${iterations[@]}"
part "cold starts by script" tools.cold_start_baseline "${iterations[@]}"

printf '== summary: %s\n' "$output"
files=("$output"/*.json)
if ((${#files[@]})); then "$python" -m tools.table "${files[@]}" || failed+=("the summary"); fi
if ((${#failed[@]})); then
    printf 'run_all.sh: failed: %s\n' "$(IFS=,; echo "${failed[*]}")" >&2
    exit 1
fi
