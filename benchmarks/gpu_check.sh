#!/usr/bin/env bash
# What only a machine with a GPU can show of the walker's engine `cuda`, in minutes, on a machine that has CUDA, Python
# with torch and cuda-core, CMake and a C++ compiler, and no network and nothing of ours installed:
#
#   benchmarks/gpu_check.sh --collect WHEELS     first, where there is a network: download what such a machine may lack
#   benchmarks/gpu_check.sh --wheels WHEELS      there
#
# Without a card it is a rehearsal: the same program, with the native engine in the place of `cuda`. Results are a few
# files in one folder. docs/gpu.md has more.
set -uo pipefail

usage() {
    cat <<'USAGE'
usage: benchmarks/gpu_check.sh [--wheels DIR] [--out DIR] [--seconds N] [--paper-seconds N] [--only "PART ..."]
                               [--python PROGRAM] [--work DIR]
       benchmarks/gpu_check.sh --collect DIR [--python-version 3.12] [--machine x86_64|aarch64]

  --wheels DIR         wheels of what this machine lacks, as --collect downloaded them
  --out DIR            where results are written; $OUT, else gpu_check_results
  --seconds N          for everything but the paper's run, setting up included; 470
  --paper-seconds N    for the paper's run after that; 0 for none
  --only "PART ..."    some parts alone
  --python PROGRAM     python3
  --work DIR           where the core is built; a folder that is deleted afterwards
USAGE
}

began=$(date +%s)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
python=python3 wheels='' out=${OUT:-gpu_check_results} seconds=470 paper=0 only='' work='' collect=''
collecting=()
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --collect | --wheels | --out | --seconds | --paper-seconds | --only | --python | --work | --python-version | --machine)
            [ $# -gt 1 ] || { echo "$1 needs a value" >&2; usage >&2; exit 2; } ;;
        *) echo "$1 is no option of this program" >&2; usage >&2; exit 2 ;;
    esac
    case $1 in
        --collect) collect=$2 ;;
        --wheels) wheels=$2 ;;
        --out) out=$2 ;;
        --seconds) seconds=$2 ;;
        --paper-seconds) paper=$2 ;;
        --only) only=$2 ;;
        --python) python=$2 ;;
        --work) work=$2 ;;
        *) collecting+=("$1" "$2") ;;
    esac
    shift 2
done
for number in "$seconds" "$paper"; do
    [[ $number =~ ^[0-9]+$ ]] || { echo "seconds are $number; they must be a whole number" >&2; exit 2; }
done
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    { echo "$python is not Python 3.11 or newer; name one by --python" >&2; exit 2; }

if [ -n "$collect" ]; then
    exec "$python" "$here/benchmarks/gpu_check/bare.py" collect "$collect" ${collecting[@]+"${collecting[@]}"}
fi

mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 1
if [ -z "$work" ]; then
    work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
fi
python=$(command -v "$python")
echo "setting up in $work"
"$python" "$here/benchmarks/gpu_check/bare.py" prepare "$work/tree" ${wheels:+--wheels "$wheels"} 2>&1 | tee "$out/setting_up.txt"
if [ "${PIPESTATUS[0]}" -ne 0 ]; then
    echo "it could not be set up, so nothing was checked" >&2
    exit 1
fi
spent=$(($(date +%s) - began))
echo "set up in $spent s"
cd "$work/tree" || exit 1
export PYTHONPATH=$work/tree${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1 PIP_NO_INDEX=1
export XDG_CACHE_HOME=$work/cache # kernels are compiled here and now, and nothing is left behind
# shellcheck disable=SC2086 # the names of parts are words of their own
"$python" -m benchmarks.gpu_check --out "$out" --seconds $((seconds - spent)) --paper-seconds "$paper" ${only:+--only $only}
status=$?
echo "all in $(($(date +%s) - began)) s"
exit $status
