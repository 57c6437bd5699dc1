#!/bin/sh
# A compiler launcher (CXX_COMPILER_LAUNCHER): clang++, which CMake has found, compiles what another
# compiler was to. by_clang.sh CLANG++ COMPILER ARGUMENT...
clang=$1
shift 2
exec "$clang" -Wno-unused-command-line-argument "$@"
