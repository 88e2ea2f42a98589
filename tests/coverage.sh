#!/bin/bash
# coverage.sh: every module src/FOLDER/MODULE.c has a test tests/unit/FOLDER/MODULE.c, or a line in
# tests/unit/covered.txt: module, the test that covers it, and how, with tabs between. That test
# must exist and include the module's header, or be a script that runs a program with the module.
# Every mutation of tests/fault/mutations applies to the source exactly.
# Usage: [B=build/MODE] tests/coverage.sh [ROOT], after make
set -eu
cd "${1:-$(dirname "$0")/..}"
B=${B:-build/release} list=tests/unit/covered.txt bad=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
wrong() { echo "$*" && bad=1; }

# includes TEST MODULE: its header, or that of a module that it is a part of: image_png is of image
includes() {
    local name=$2
    until grep -q "^#include \"$name.h\"" "$1"; do
        [ "$name" != "${name%_*}" ] || return 1
        name=${name%_*}
    done
}
defines() { nm -g --defined-only "$1" | awk '$2 ~ /[TDBR]/ && $3 != "main" { print $3 }' | sort -u; }

# runs SCRIPT MODULE: does the script name a program that has a function of the module? "train 2"
# of tests/e2e/lib.sh.inc is t2i-train.
runs() {
    local program
    for program in $(sed 's/^\(.*[ (]\)*train [0-9$].*/t2i-train/' "$1" |
        grep -o 't2i-[a-z]*' | sort -u); do
        [ "tools/$program" != "$2" ] || return 0
        [ -x "$B/$program" ] || continue
        [ -e "$scratch/$program" ] || defines "$B/$program" >"$scratch/$program"
        [ -z "$(defines "$B/src/$2.o" | comm -12 - "$scratch/$program")" ] || return 0
    done
    return 1
}

for source in src/*/*.c; do
    module=${source#src/}
    module=${module%.c}
    [ -e "tests/unit/$module.c" ] || grep -q "^$module	" "$list" ||
        wrong "$source: no tests/unit/$module.c, and no line in $list"
done
for folder in tests/unit/*/; do
    [ -d "src/${folder#tests/unit/}" ] || wrong "$folder: there is no src/${folder#tests/unit/}"
done

line=0
while IFS='	' read -r module test how; do
    line=$((line + 1))
    at="$list:$line: $module"
    [ -n "$how" ] || wrong "$at: how does '$test' cover it?"
    [ -e "src/$module.c" ] || { wrong "$at: there is no src/$module.c"; continue; }
    [ ! -e "tests/unit/$module.c" ] || wrong "$at has a test of its own"
    [ -f "$test" ] || { wrong "$at: there is no $test"; continue; }
    case $test in
    *.c) includes "$test" "$module" || wrong "$at: $test does not include a header of it" ;;
    *) runs "$test" "$module" || { [ "${module%/*}" = library ] && grep -q libt2i.so "$test"; } ||
            wrong "$at: $test runs no program that has it" ;;
    esac
done <"$list"
cut -f1 "$list" | sort | uniq -d | sed "s|.*|$list: & stands there twice|" | grep . && bad=1

# A mutation that is applied elsewhere, or not at all, says nothing.
if command -v patch >/dev/null; then
    for patch in tests/fault/mutations/*.patch; do
        patch -p1 -s --fuzz=0 --dry-run <"$patch" >/dev/null || wrong "$patch does not apply as it is"
    done
else
    echo "mutations are not checked: there is no patch"
fi
exit $bad
