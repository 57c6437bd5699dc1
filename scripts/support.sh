# What the scripts share; they source it.
# shellcheck shell=bash

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }

# install_missing COMMAND=PACKAGE... /FILE=PACKAGE...: installs the Debian packages of those commands
# and files that are missing, where that may be done without asking; else says what to install and
# fails.
install_missing() {
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
      root=(sudo -n env)
    fi
  fi
  if ((${#root[@]})); then
    say "installing ${missing[*]}"
    if "${root[@]}" apt-get update -qq &&
      "${root[@]}" DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; then
      return 0
    fi
  fi
  say "missing; on Debian: apt-get install ${missing[*]}"
  return 1
}

# Tools, without which nothing goes on.
need_tools() { install_missing "$@" || exit 1; }

# Libraries, which CMake may find elsewhere or fetch.
need_libraries() { install_missing "$@" || true; }

# A C++ compiler, CMake, Ninja and git.
need_build_tools() {
  local compiler=g++=g++
  if command -v clang++ >/dev/null && ! command -v g++ >/dev/null; then
    compiler=clang++=clang
    export CXX=${CXX:-clang++} CUDAHOSTCXX=${CUDAHOSTCXX:-clang++}
  fi
  need_tools "$compiler" cmake=cmake ninja=ninja-build git=git
  local version
  version=$(cmake --version | sed -n 's/^cmake version //p')
  if ! printf '3.25\n%s\n' "$version" | sort -CV; then
    say "CMake is $version; 3.25 or later is needed (Debian 12 has it)" && exit 1
  fi
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
