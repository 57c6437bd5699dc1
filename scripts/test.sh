#!/usr/bin/env bash
# Builds and runs all tests that this machine can run; see `ctest --test-dir build/test -N`.
source "$(dirname "$0")/support.sh"

need_build_tools
need_tools python3=python3
install_missing clang++=clang || true # compiles much of this in half of the time of g++
need_libraries /usr/include/catch2=catch2 /usr/include/rapidcheck.h=librapidcheck-dev \
  /usr/include/CLI=libcli11-dev /usr/include/nlohmann/json.hpp=nlohmann-json3-dev \
  /usr/include/relacy=relacy-dev /usr/include/zlib.h=zlib1g-dev \
  /usr/include/pugixml.hpp=libpugixml-dev
find_cuda
exec cmake --workflow --preset test
