# What the scripts share; they source it.
# shellcheck shell=bash

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }

# need COMMAND=PACKAGE... /FILE=PACKAGE...: installs the Debian packages of those that are missing,
# where that may be done without asking; else says what to install and ends.
need() {
  local entry what missing=() root=()
  for entry in "$@"; do
    what=${entry%%=*}
    [[ $what == /* && -e $what ]] || command -v "$what" >/dev/null || missing+=("${entry#*=}")
  done
  ((${#missing[@]})) || return 0

  if command -v apt-get >/dev/null; then
    if ((EUID == 0)); then
      root=(env)
    elif sudo -n true 2>/dev/null; then
      root=(sudo -n)
    fi
  fi
  if ((${#root[@]})); then
    say "installing ${missing[*]}"
    if "${root[@]}" apt-get update -qq &&
      "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; then
      return 0
    fi
  fi
  say "please install: ${missing[*]}"
  say "on Debian: apt-get install ${missing[*]}"
  exit 1
}

# A C++ compiler, CMake, Ninja and git.
need_build_tools() {
  local compiler=g++=g++
  if command -v clang++ >/dev/null && ! command -v g++ >/dev/null; then
    compiler=clang++=clang
    export CXX=${CXX:-clang++}
  fi
  need "$compiler" cmake=cmake ninja=ninja-build git=git
}

# Puts the CUDA toolkit on PATH, where there is one.
find_cuda() {
  local folder
  command -v nvcc >/dev/null && return
  for folder in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda /opt/cuda; do
    if [[ -n $folder && -x $folder/bin/nvcc ]]; then
      export PATH=$folder/bin:$PATH
      return
    fi
  done
  say "no CUDA toolkit found: going on with CPU threads only"
}
