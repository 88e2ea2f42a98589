#!/bin/bash
# run.sh: takes one protection out at a time, and sees whether the test that is named for it fails.
# Usage: [B=build/MODE] [MPIRUN="mpirun ..."] tests/fault/mutations/run.sh [NAME...]
#
# NAME.patch says in its first line what is taken out, in its second which tests must notice, then
# how. All of it happens in a copy of the tree below B. The tests must pass there without a mutation.
# A mutant lives if none of its tests fails; then, or if a patch no longer applies or compiles, the
# exit code is 1. A test that fails by a timeout may do so because the machine is busy: the next one
# is asked, too, and the last line counts the mutants of which no other failure is known.
set -u
B=${B:-build/release}
export MPIRUN="${MPIRUN:-mpirun}"
patches=tests/fault/mutations
[ $# -gt 0 ] || { cd "$patches" && set -- *.patch && cd ../../.. || exit 1; }
tree=$B/mutations/tree
log=$PWD/$B/log/mutations
rm -rf "$tree"
mkdir -p "$tree/$B" "$log"
tree=$(cd "$tree" && pwd)
tar -c --exclude=./build --exclude=./.git . | tar -x -C "$tree"
# what is built already is not built again
find "$B" -maxdepth 1 -mindepth 1 ! -name log ! -name mutations -exec cp -a -t "$tree/$B" {} +
cd "$tree" || exit 1

# build TEST...: what they need
build() {
    local targets=() test
    for test in "$@"; do
        case $test in
        *.sh) targets+=(test-programs) ;;
        *) targets+=("$B/tests/$test") ;;
        esac
    done
    # shellcheck disable=SC2046
    make -s MODE="${B##*/}" -j"$(nproc)" $(printf '%s\n' "${targets[@]}" | sort -u) >"$log/make" 2>&1
}
# passes TEST
passes() {
    local path=$1
    case $1 in *.sh) ;; *) path=$B/tests/$1 ;; esac
    B=$B tests/run.sh "$path" >"$log/test" 2>&1
}
tests_of() { sed -n '2s/^tests: //p' "$patches/$1.patch"; }

all=$(for name in "${@%.patch}"; do tests_of "$name"; done | tr ' ' '\n' | sort -u)
# shellcheck disable=SC2086
build $all || { echo "make fails:" && cat "$log/make" && exit 1; }
useless=""
for test in $all; do
    passes "$test" && continue
    echo "FAIL $test, without a mutation (or it is skipped)"
    useless="$useless $test "
done

killed=0 late=0 lives=0
for name in "${@%.patch}"; do
    what=$(head -n 1 "$patches/$name.patch")
    by=""
    if ! patch -p1 -s --fuzz=0 --dry-run <"$patches/$name.patch" >"$log/make" 2>&1; then
        echo "OLD  $name: the patch does not apply" && lives=$((lives + 1))
        continue
    fi
    patch -p1 -s --fuzz=0 --no-backup-if-mismatch <"$patches/$name.patch"
    # shellcheck disable=SC2046
    if build $(tests_of "$name"); then
        for test in $(tests_of "$name"); do
            case $useless in *" $test "*) continue ;; esac
            passes "$test" && continue
            by=$(sed -n 's/^FAIL //p' "$log/test" | head -n 1)
            cp "$log/test" "$log/$name.log"
            case $by in *"(timeout)"*) ;; *) break ;; esac
        done
        if [ -n "$by" ]; then
            echo "ok   $name: $by" && killed=$((killed + 1))
            case $by in *"(timeout)"*) late=$((late + 1)) ;; esac
        else
            echo "LIVES $name: $what; not noticed by $(tests_of "$name")" && lives=$((lives + 1))
        fi
    else
        echo "OLD  $name: it does not compile: $(grep -m 1 error "$log/make")" && lives=$((lives + 1))
    fi
    patch -p1 -s -R --fuzz=0 --no-backup-if-mismatch <"$patches/$name.patch" || exit 1
done
echo "$killed mutants noticed ($late of them only by a timeout), $lives not"
[ $lives -eq 0 ] && [ $killed -gt 0 ] && [ -z "$useless" ]
