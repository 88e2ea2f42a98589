#!/bin/bash
# TIMEOUT: 300
# Outputs of programs: two that write one name at the same time, the umask, what a killed one leaves, what is not replaced.
. tests/fault/fault.sh.inc
out=$scratch/f
mkdir "$out"
"$B/t2i-data" seed --out "$scratch/seed.h5" 2>/dev/null
tiny=${tiny/d.h5/seed.h5}
for steps in 1 2; do train 1 $tiny --batch 4 --steps $steps --out "$scratch/run$steps"; done
features="build --pairs $scratch/pairs.tsv --features tests/golden/seed/features.safetensors"
cat >"$scratch/pictures.tsv" <<END
one	grey_8.png
two	grey_16.png
END

# command PROGRAM 1|2: sets $command and its output $file; two commands of a program write different bytes to one file
command() {
    case $1 in
    data) file=$out/d.h5 command="$B/t2i-data $([ "$2" = 1 ] && echo seed || echo "$features") --out $file" ;;
    build) file=$out/b.h5 command="$B/t2i-data build --out $file --validation 0 --pairs $scratch/pictures.tsv --images tests/golden/pictures --size 1$((5 + $2))" ;;
    export) file=$out/m.pt command="$B/t2i-model export $scratch/run$2 --to $file" ;;
    import) file=$out/m.safetensors command="$B/t2i-model export $scratch/run$2 --to $file" ;;
    onnx) file=$out/m.onnx command="$B/t2i-model export $scratch/run$2 --to $file" ;;
    generate) file=$out/g.png command="$B/t2i-generate $scratch/run$2 red --data $scratch/seed.h5 --out $file --force" ;;
    preview) file=$out/p.png command="$B/t2i-data preview $([ "$2" = 1 ] && echo "$scratch/seed.h5" || echo "$out/b.h5") --out $file" ;;
    list) file=$out/list command="$B/t2i-data export $([ "$2" = 1 ] && echo "$scratch/seed.h5" || echo "$out/b.h5") --to folder --out $file" ;;
    esac
}
sum() { (cd "$out" && find "${file##*/}" -type f -exec md5sum {} + 2>/dev/null | sort | md5sum); }
left() { find "$out" -name '*.tmp' -o -name '*.parts' -o -name '.t2i-lock'; }
begin() { fault "$1" $command >"$scratch/said.$2" 2>&1; }

for program in data build export import onnx generate preview list; do
    # the right outputs, with every umask
    for which in 1 2; do
        for mask in 022 027 077; do
            command $program $which
            rm -rf "$file"
            (umask $mask && $command) >"$scratch/said" 2>&1 || { fail "$command"; cat "$scratch/said"; }
            wrong=$(find "$file" -type f ! -perm $(printf %o $((0666 & ~mask))) -o -type d ! -perm $(printf %o $((0777 & ~mask))))
            [ -z "$wrong" ] || fail "umask $mask: $(ls -ld $wrong)"
        done
        right[which]=$(sum)
    done
    [ "${right[1]}" != "${right[2]}" ] || fail "$program: both commands write the same"

    # two at a time: the first one stands before its rename, the second one before its first byte
    rm -rf "$file"
    command $program 1
    hit=$scratch/hit1
    rm -f "$hit"
    begin "rename 1 wait1000" 1 &
    first=$!
    for i in $(seq 400); do [ ! -e "$scratch/hit1" ] || break; sleep 0.05; done
    [ -e "$hit" ] || fail "$program: the first one renames nothing"
    command $program 2
    hit=$scratch/hit2
    rc2=0
    begin "write 1 wait2000" 2 || rc2=$?
    rc1=0
    wait $first || rc1=$?
    [ $rc1 -eq 0 ] || { fail "$program: the first of two: exit code $rc1"; cat "$scratch/said.1"; }
    case "$rc2 $(sum)" in
    "0 ${right[1]}" | "0 ${right[2]}") ;;
    "73 ${right[1]}") grep -q 'another build is running\|another program is writing\|exists and is not an empty folder' "$scratch/said.2" || fail "$program: $(cat "$scratch/said.2")" ;;
    *) fail "$program: two at a time: exit code $rc2, $(sum) is neither ${right[1]} nor ${right[2]}: $(cat "$scratch/said.2")" ;;
    esac
    codes="${codes:-} $program $rc2"
    [ -z "$(left)" ] || fail "$program: left: $(left)"

    # killed before the rename: what is left goes with the next one
    rm -rf "$file"
    rc=0
    begin "rename 1 kill" 1 || rc=$?
    [ $rc -eq 137 ] && [ ! -e "$file" ] || fail "$program: not killed before its rename"
    [ -n "$(left)" ] || fail "$program: nothing is left of the killed one"
    $command >"$scratch/said" 2>&1 || { fail "$program: after a kill"; cat "$scratch/said"; }
    [ "$(sum)" = "${right[2]}" ] && [ -z "$(left)" ] || fail "$program: after a kill: $(left)"

    # a pipe is refused, without waiting for its reader, and stays; a link stays, and its target is written, or it is refused
    rm -rf "$scratch/whole" "$scratch/target"
    mv "$file" "$scratch/whole"
    mkfifo "$file"
    rc=0
    timeout 60 $command >"$scratch/said" 2>&1 || rc=$?
    [ $rc -eq 73 ] && [ -p "$file" ] || fail "$program: a pipe: exit code $rc: $(cat "$scratch/said")"
    rm "$file"
    ln -s "$scratch/target" "$file"
    rc=0
    $command >"$scratch/said" 2>&1 || rc=$?
    [ -L "$file" ] || fail "$program: a link is replaced"
    case $program in
    list) [ $rc -eq 73 ] && [ ! -e "$scratch/target" ] ;;
    *) [ $rc -eq 0 ] && cmp "$scratch/target" "$scratch/whole" ;;
    esac || fail "$program: a link: exit code $rc: $(cat "$scratch/said")"
    [ -z "$(left)" ] || fail "$program: a link: left: $(left)"
    rm "$file"
    mv "$scratch/whole" "$file"
done
# only where a whole build or folder is locked, one of two is refused
[ "$codes" = " data 0 build 73 export 0 import 0 onnx 0 generate 0 preview 0 list 73" ] || fail "exit codes:$codes"
# no input is taken for an output, nor another file that would be lost
run=$scratch/run1 input=$scratch/input.h5
for name in png npy html; do ln -s "$input" "$scratch/input.$name"; done
cp "$scratch/seed.h5" "$input"
kept() {
    expect "$@"
    cmp "$input" "$scratch/seed.h5" || { fail "$*: the input is lost"; cp "$scratch/seed.h5" "$input"; }
}
kept 73 "exists and is not" "$B/t2i-eval" "$run" --data "$input" --ranks "$input"
kept 73 "exists and is not" "$B/t2i-model" report "$run" --out "$input"
kept 73 "exists and is not" "$B/t2i-model" report "$run" "$scratch/run2" --out "$input"
kept 64 "would overwrite the input" "$B/t2i-data" preview "$input" --out "$scratch/input.png"
kept 64 "would overwrite the input" "$B/t2i-generate" "$run" red --data "$input" --force --out "$scratch/input.png"
kept 64 "would overwrite the input" "$B/t2i-generate" "$run" red --data "$input" --force --vectors "$scratch/input.npy"
kept 73 "exists and is not" "$B/t2i-generate" "$run" red --data "$input" --force --html "$scratch/input.html"
cp "$run/log.jsonl" "$scratch/log"
expect 73 "exists and is not" "$B/t2i-model" report "$run" --out "$run/log.jsonl"
expect 73 "exists and is not" "$B/t2i-eval" "$run" --data "$input" --ranks "$run/log.jsonl"
cmp "$run/log.jsonl" "$scratch/log" || fail "the log of a run is lost"
for i in 1 2; do # what a program wrote itself is replaced
    "$B/t2i-eval" "$run" --data "$input" --ranks "$out/ranks" >"$scratch/said" 2>&1 &&
        "$B/t2i-model" report "$run" --out "$out/page" >"$scratch/said" 2>&1 &&
        "$B/t2i-generate" "$run" red --data "$input" --force --vectors "$out/v.npy" >"$scratch/said" 2>&1 ||
        { fail "written again: $i"; cat "$scratch/said"; }
done
# nor what standard output goes to
ln -s /proc/self/fd/1 "$out/so" # as /dev/stdout, which is never at risk here
"$B/t2i-data" seed --out "$out/so" >"$out/said" 2>"$scratch/said" && fail "a dataset in standard output"
grep -q "so: it is where the program's messages go" "$scratch/said" || fail "standard output: $(cat "$scratch/said")"
# a run folder: all of it
(umask 027 && fault "none 0 none" $B/tests/fault/alone $tiny --batch 4 --steps 4 --checkpoint-every 2 --out "$out/run") >/dev/null 2>&1 || fail "a run"
wrong=$(find "$out/run" -type f ! -perm 640 -o -type d ! -perm 750)
[ -z "$wrong" ] || fail "umask 027: $(ls -ld $wrong)"
finish
