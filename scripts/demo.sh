#!/usr/bin/env bash
# Builds the demo and trains a digit recogniser on all GPUs, or on CPU threads:
# scripts/demo.sh [OPTION]...; --help lists the options.
source "$(dirname "$0")/support.sh"

program=build/demo/examples/train_digits
need_build_tools
need_libraries /usr/include/CLI=libcli11-dev /usr/include/zlib.h=zlib1g-dev
find_cuda
# The build is of interest only where there is something to build, or something wrong.
if [[ -x $program ]]; then
  log=$(cmake --workflow --preset demo 2>&1) || { printf '%s\n' "$log" >&2 && exit 1; }
else
  cmake --workflow --preset demo
fi
exec "$program" "$@"
