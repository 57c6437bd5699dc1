#!/usr/bin/env bash
# Formats all C++ and CUDA sources; with --check, only says which differ, and fails if any does.
source "$(dirname "$0")/support.sh"

case ${1-} in
  "") action=(-i) ;;
  --check) action=(--dry-run --Werror) ;;
  *) say "usage: $0 [--check]" && exit 2 ;;
esac
# .clang-format is for this version: others lay out some constructs differently.
need_tools clang-format-16=clang-format-16
git ls-files -z --cached --others --exclude-standard -- '*.hpp' '*.cuh' '*.cpp' '*.cu' |
  xargs -0 -r clang-format-16 "${action[@]}"
