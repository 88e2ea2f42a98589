#!/bin/sh
# clang.sh: clang takes all sources; its warnings are errors with CI=true. `make check-clang` runs
# it. Exit code 77 where clang is not installed, but with CI=true that is a failure.
# TIMEOUT: 600
set -eu
cd "$(dirname "$0")/.."
command -v clang >/dev/null || {
    echo "clang is not installed"
    [ "${CI:-}" != true ] || exit 1
    exit 77
}
make -s clang-syntax
