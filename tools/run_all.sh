#!/usr/bin/env bash
# Everything at once: every category and every baseline script, each by itself, into one folder.
# A part that fails costs nothing of the others; one summary at the end.
set -uo pipefail

usage() {
    cat <<'TEXT'
Usage: tools/run_all.sh [--quick] [--output DIR]

Runs every category of the benchmarks and both baseline scripts into DIR, a file of the standard
JSON each, and prints one table of them all.

  --quick        a representative part, in minutes
  --output DIR   where to write (default data/<date>)
  --help         this text

Exit status: 0 all parts were measured; 1 a part failed; 2 the arguments are wrong.
TEXT
}

die() {
    printf 'run_all.sh: %s; see --help\n' "$*" >&2
    exit 2
}

root=$(cd "$(dirname "$0")/.." && pwd)
quick=()
output=
while (($#)); do
    case $1 in
        --quick) quick=(--quick); shift ;;
        --output) (($# > 1)) || die "--output needs a folder"; output=$2; shift 2 ;;
        --output=*) output=${1#*=}; shift ;;
        -h | --help) usage; exit 0 ;;
        *) die "unknown argument '$1'" ;;
    esac
done
[[ -n $output ]] || output=$root/data/$(date -u +%Y-%m-%dT%H%M%SZ)
mkdir -p "$output" 2>/dev/null || die "--output $output: cannot be made"
output=$(cd "$output" && pwd)
python=$root/.venv/bin/python
[[ -x $python ]] || { echo "run_all.sh: there is no .venv; run make build first" >&2; exit 2; }
cd "$root" || exit 2

failed=()
# Ctrl-C ends all of it, not one part.
trap 'echo "run_all.sh: interrupted; what was measured is in $output" >&2; exit 130' INT

part() {
    local name=$1
    shift
    printf '== %s\n' "$name"
    # Not our input: the list of categories would be read by whoever reads.
    "$python" -m "$@" --output "$output" </dev/null || failed+=("$name")
}

iterations() { if ((${#quick[@]})); then echo "$1"; else echo "$2"; fi; }

categories=$("$python" -m tools.run_benchmarks --list) && [[ -n $categories ]] ||
    failed+=("the list of categories")
while read -r category _; do
    [[ -z $category ]] ||
        part "$category" tools.run_benchmarks "${quick[@]}" --category "$category"
done <<<"$categories"
part "HTTP, Unix socket and TCP" tools.http_ipc_baseline --iterations "$(iterations 20 100)"
part "cold starts by script" tools.cold_start_baseline --iterations "$(iterations 3 20)"

printf '== summary: %s\n' "$output"
shopt -s nullglob
files=("$output"/*.json)
if ((${#files[@]})); then "$python" -m tools.table "${files[@]}"; fi
if ((${#failed[@]})); then
    printf 'run_all.sh: failed: %s\n' "$(IFS=,; echo "${failed[*]}")" >&2
    exit 1
fi
