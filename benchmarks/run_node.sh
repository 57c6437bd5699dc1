#!/usr/bin/env bash
# Tests and measures a node: benchmarks/run_node.sh BUILD RESULTS
#
# BUILD is a build folder, or any folder with the programs peerfold-bench, peerfold-topo,
# all_reduce.contract.gpu and collectives.contract.gpu (benchmarks/README.md says how to build them
# for a node). Into the folder RESULTS go, each step with a log of its own:
#
#   show, node             what joins the GPUs, as text and as JSON
#   all_reduce, collectives   the contract suite, its ranks divided over all GPUs
#   memcheck               a short run of it under compute-sanitizer, if there is one
#   float, bfloat16        every collective beside NCCL, 1 KiB to 1 GiB: DATE-NxGPU-TYPE.json
#   predicted, fitted      the cost model beside that, with its constants and with others fitted to it
#   measure                the tuner's file, DATE-NxGPU.tuning
#   verdict                where the targets are missed, and where NCCL is faster
#   tables                 what docs/performance.md takes, and plots
#
# Steps run one after the other; one that fails stops none of the others. Two H100 took 385 s. Exit
# status: 0, or 1 where a step failed or ran out of its time. PEERFOLD_NODE_GPUS says how many GPUs
# are used (all that CUDA_VISIBLE_DEVICES leaves, up to eight, otherwise); NCCL is found by
# LD_LIBRARY_PATH, and goes without multicast unless NCCL_NVLS_ENABLE is set.
set -uo pipefail
if [[ $# -ne 2 || ! -d $1 ]]; then
  sed -n '2,6p' "$0" >&2
  exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
build=$1
mkdir -p "$2" && results=$(cd "$2" && pwd) || exit 2

program() {
  local found
  found=$(find -L "$build" -type f -name "$1" -perm -u+x | head -n 1)
  if [[ -z $found ]]; then
    echo "run_node.sh: no program $1 under $build" >&2
    exit 2
  fi
  realpath "$found"
}
bench=$(program peerfold-bench) && topo=$(program peerfold-topo) || exit 2
all_reduce=$(program all_reduce.contract.gpu) || exit 2
collectives=$(program collectives.contract.gpu) || exit 2

seen=$("$bench" --list | grep ' multiprocessors$')
there=$(grep -c . <<< "$seen")
if ((there < 1)); then
  echo "run_node.sh: no GPU" >&2
  exit 77
fi
gpus=${PEERFOLD_NODE_GPUS:-$((there < 8 ? there : 8))}
if [[ ! $gpus =~ ^[1-8]$ ]] || ((gpus > there)); then
  echo "run_node.sh: PEERFOLD_NODE_GPUS: $gpus; there are $there GPUs, and at most 8 are used" >&2
  exit 2
fi
# The first of them, for all programs.
CUDA_VISIBLE_DEVICES=$(cut -d, -f "1-$gpus" <<< "${CUDA_VISIBLE_DEVICES:-0,1,2,3,4,5,6,7}")
export CUDA_VISIBLE_DEVICES
model=$(grep -oE '\b[A-Z]+[0-9]{2,}\b' <<< "$seen" | head -n 1)
name=$results/$(date -u +%F)-${gpus}x${model:-GPU}
export PEERFOLD_REQUIRED_GPUS=$gpus NCCL_NVLS_ENABLE="${NCCL_NVLS_ENABLE:-0}"

failed=0
# step NAME SECONDS COMMAND...: output to RESULTS/NAME.txt, progress and complaints to NAME.err.
step() {
  local name=$1 limit=$2 began=$SECONDS status
  shift 2
  timeout --kill-after=10 "$limit" "$@" > "$results/$name.txt" 2> "$results/$name.err"
  status=$?
  [[ -s $results/$name.err ]] || rm -f "$results/$name.err"
  local word=ok
  if ((status == 124 || status == 137)); then word="no end after $limit s"; fi
  if ((status != 0)); then
    failed=1
    [[ $word == ok ]] && word="failed with $status"
  fi
  printf '%-12s %4d s  %s\n' "$name" $((SECONDS - began)) "$word"
}
skip() { printf '%-12s    -    left out: %s\n' "$1" "$2"; }

echo "$gpus GPUs; results to $results"
rm -f "$name"{-float.json,-bfloat16.json,.tuning,.svg,-collectives.svg}
step show 30 "$topo" show
step node 30 "$topo" show --json
step all_reduce 100 "$all_reduce"
step collectives 200 "$collectives"
if sanitizer=$(command -v compute-sanitizer); then
  PEERFOLD_TEST_SHORT=1 step memcheck 200 "$sanitizer" --error-exitcode 9 "$collectives"
else
  skip memcheck "no compute-sanitizer"
fi
sizes=(--ranks "$gpus" --collective all --min-bytes 1K --max-bytes 1G --factor 2 --replays 11)
step float 240 "$bench" "${sizes[@]}" --policy all --rival off --json "$name-float.json"
step bfloat16 150 "$bench" "${sizes[@]}" --type bfloat16 --json "$name-bfloat16.json"
step predicted 30 "$topo" compare "$name-float.json"
if python3 -c 'import scipy' 2> /dev/null; then
  step fitted 30 python3 "$here/fit_cost_model.py" "$topo" here "$name-float.json"
else
  skip fitted "no SciPy"
fi
step measure 120 "$topo" measure --output "$name.tuning"
step verdict 10 python3 "$here/verdict.py" "$name-float.json" "$name-bfloat16.json"
plots=()
if python3 -c 'import matplotlib' 2> /dev/null; then
  plots=(--plot "$name.svg" --overview "$name-collectives.svg")
fi
step tables 60 python3 "$here/plot.py" "$name-float.json" "${plots[@]}"
echo "$SECONDS s"
exit "$failed"
