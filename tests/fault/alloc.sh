#!/bin/bash
# TIMEOUT: 300
# The N-th allocation of a program fails, once or permanently: those of t2i_alloc and those of libraries. Expected: one
# error line, exit code 71 and no output; or, if the memory was optional, the same result. MODE=asan also finds leaks.
. tests/fault/fault.sh.inc
case $B in *asan*) export ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=1" asan=yes ;; *) asan= ;; esac
in=$scratch/in
mkdir "$in"
"$B/t2i-data" seed --out "$in/s.h5" 2>/dev/null
fault "none 0 none" "$B/tests/fault/alone" --data "$in/s.h5" --d-model 8 --heads 2 --layers 1 --d-ff 8 --block-size 16 --batch 4 \
    --steps 2 --checkpoint-every 1 --keep 3 --validate-every 0 --out "$in/run" 2>/dev/null
"$B/t2i-model" export "$in/run" --to "$in/m.pt" 2>/dev/null
mkdir "$in/young" # no model yet: the newest checkpoint
cp -r "$in/run/checkpoints" "$in/young"
out=$scratch/out

# what must be the same if it succeeds: standard output and files
outcome() { (cd "$out" && cat "$scratch/stdout" && diff -r . "$scratch/good" 2>&1); }

# once COMMAND...: with $fault before it; 1 when there was no such call
once() {
    rm -rf "$out" "$hit"
    mkdir "$out"
    rc=0
    env T2I_SHIM_HIT="$hit" LD_PRELOAD="$fault" "$@" >"$scratch/stdout" 2>"$scratch/stderr" || rc=$?
    [ -e "$hit" ] || return 1
    cases=$((cases + 1))
    if [ $rc -eq 0 ] || [ $rc -eq "$usual" ]; then
        [ "$(outcome)" = "$good" ] || { fail "$label: another result"; outcome | diff - <(echo "$good") | head -n 5; }
        benign=$((benign + 1))
        return 0
    fi
    [ $rc -eq 71 ] || { fail "$label: exit code $rc"; tail -n 5 "$scratch/stderr"; }
    [ "$(tail -n 1 "$scratch/stderr" | grep -c "^t2i-[a-z]*: .*memory")" -eq 1 ] || { fail "$label: no reason"; cat "$scratch/stderr"; }
    for file in "$out"/*; do # the second of two pictures may fail
        [ ! -f "$file" ] || cmp -s "$file" "$scratch/good/${file##*/}" || fail "$label: left $file"
    done
}

# the next one to fail: in the short form they get rarer
next() { n=$((n + 1 + ${SOAK:-n / 8 + RANDOM % 3} - ${SOAK:-0})); }

# try NAME COMMAND...: every allocation, or some of them
try() {
    name=$1 usual=0
    shift
    rm -rf "$out" "$scratch/good"
    mkdir "$out"
    "$@" >"$scratch/stdout" 2>"$scratch/stderr" || usual=$?
    cp -r "$out" "$scratch/good"
    good=$(outcome)
    benign=0 cases=0
    local ever n
    for ever in "" ever; do
        fault=$shim n=1
        while label="$name, allocation $n $ever" && T2I_SHIM_FAIL="alloc $n NULL $ever" once "$@"; do next; done
        [ -z "$asan" ] || continue
        fault=${shim%.so}_malloc.so n=1
        while label="$name, allocation $n of libpng $ever" && T2I_SHIM_MALLOC="$n libpng $ever" once "$@"; do next; done
    done
    [ $cases -gt 5 ] || fail "$name: only $cases"
    total=$((total + cases))
    echo "$name: $cases faults, $benign of them without effect"
}

total=0
try info "$B/t2i-data" info "$in/s.h5"
try verify "$B/t2i-data" verify "$in/s.h5"
try preview "$B/t2i-data" preview "$in/s.h5" --out "$out/p.png"
try seed "$B/t2i-data" seed --out "$out/s.h5"
try show "$B/t2i-model" show "$in/run"
try show-young "$B/t2i-model" show "$in/young"
try verify-model "$B/t2i-model" verify "$in/run"
try diff "$B/t2i-model" diff "$in"/run/checkpoints/step-{1,2}.safetensors
try export "$B/t2i-model" export "$in/run" --to "$out/x.pt"
try export-safetensors "$B/t2i-model" export "$in/run" --to "$out/x.safetensors"
try import "$B/t2i-model" import "$in/m.pt" --to "$out/y.safetensors"
try generate "$B/t2i-generate" "$in/run" red --data "$in/s.h5" --out "$out/g.png" --force
try generate-json "$B/t2i-generate" "$in/run" red --json --force
# Fonts of the machine: without memory for one, the text is in another one.
cases=0
for library in libharfbuzz libfreetype; do
    n=1
    while [ -z "$asan" ] && rm -f "$hit" && rc=0; do
        env -u T2I_FONT T2I_SHIM_HIT="$hit" T2I_SHIM_MALLOC="$n $library" LD_PRELOAD="${shim%.so}_malloc.so" \
            "$B/t2i-data" preview "$in/s.h5" --out "$scratch/p.png" >"$scratch/stdout" 2>"$scratch/stderr" || rc=$?
        [ -e "$hit" ] || break
        [ $rc -eq 0 ] || { fail "text, allocation $n of $library: exit code $rc"; cat "$scratch/stderr"; }
        cases=$((cases + 1))
        next
    done
done
echo "text in fonts: $cases faults"
echo "$((total + cases)) faults"
finish
