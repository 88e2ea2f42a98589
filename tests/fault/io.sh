#!/bin/bash
# TIMEOUT: 300
# The N-th open, read, write, fsync, close, rename, unlink, mkdir or allocation of a run fails, once or permanently, or the
# run is killed in it. Existing files stay complete, one line gives the reason, the exit code is documented, no incomplete
# file has a final name, and the same command then ends in the bits of an undisturbed run.
. tests/fault/fault.sh.inc
"$B/t2i-data" seed --out "$scratch/seed.h5" 2>/dev/null
options="$tiny --steps 8 --checkpoint-every 2 --validate-every 2 --sample-every 4"
out=$below/run whole=$scratch/8/run base=$scratch/4
alone() { fault "none 0 none" $B/tests/fault/alone $options "$@" >"$scratch/said" 2>&1 || { rc=$?; cat "$scratch/said"; return $rc; }; }
for steps in 2 4 6 8; do # a run's best model, say, is one of these
    mkdir -p "$scratch/$steps" "$scratch/$((steps + 2))"
    alone --steps $steps --out "$scratch/$steps/run" || fail "no run"
    cp -r "$scratch/$steps/run" "$scratch/$((steps + 2))"
done

sums() { (cd "$1" 2>/dev/null && md5sum checkpoints/*s {model,best}.safetensors samples/*g 2>/dev/null) || true; }
for steps in 2 4 6 8; do sums "$scratch/$steps/run"; done | sort -u >"$scratch/good"

# whatever has a final name is as one of these runs wrote it; no temporary file is left, but by what "may leave" some
check_files() {
    local left bad
    bad=$(sums "$out" | grep -v -x -F -f "$scratch/good" || true)
    [ -z "$bad" ] || fail "$what: not whole: $bad"
    [ -z "$old" ] || [ -e "$out/checkpoints/step-4.safetensors" ] || fail "$what: the old checkpoint is gone"
    left=$(find "$out" -name '*.tmp' 2>/dev/null || true)
    [ -z "$left" ] || [ "$1" = "may leave" ] || fail "$what: $left is left"
}

# the last checkpoint, the model, and a log of whole lines
check_end() {
    cmp -s {"$whole","$out"}/checkpoints/step-8.safetensors && cmp -s {"$whole","$out"}/model.safetensors || fail "$what: other bits in the end"
    ! grep '.{"step"' "$out/log.jsonl" || fail "$what: two lines of the log in one"
}

# check_run CODE: after a fault; then the same command without one
check_run() {
    local left=
    case $what in *kill* | unlink*) left="may leave" ;; esac
    case $1 in
    0)
        local warnings
        warnings=$(grep ' warning: ' "$scratch/said" | grep -vc 'warning: threads: ' || true) # three ranks may be more than the cores
        case $what in
        "write "*" EIO" | "write "*" torn" | "rename "*" EIO" | "fsync "*" EIO")
            [ "$warnings" -eq 1 ] && grep -q '; training continues$\|; the samples of step [48] are missing$' "$scratch/said" || { fail "$what: not said once"; cat "$scratch/said"; }
            ;;
        *" EINTR" | *" short" | *" EINTR other" | *" short ever") case $what in write* | read*) [ "$warnings" -eq 0 ] || fail "$what: a warning" ;; esac ;;
        esac
        check_end
        ;;
    137) [ "$left" ] || fail "$what: it was killed" ;;
    *)
        # what was said last is why; nothing of it was said before
        why=$(grep '^t2i-train: ' "$scratch/said" | tail -n 1)
        [ "$(grep -c -F -- "$why" "$scratch/said")" -eq 1 ] || fail "$what: said more than once: $why"
        case "$1 $why" in
        "71 t2i-train: "*memory*) [ ${what%% *} = alloc ] || fail "$what: $why" ;;
        "73 t2i-train: cannot create "* | "74 t2i-train: cannot "* | "66 t2i-train: cannot "* | "73 t2i-train: cannot open "*) ;;
        *)
            fail "$what: exit code $1"
            tail -n 3 "$scratch/said"
            ;;
        esac
        ;;
    esac
    codes[$1]=$((${codes[$1]:-0} + 1))
    check_files "$left"
    # of a save between two periodic ones (told to stop), which is not done again
    [ ! -d "$out/samples" ] || grep -q finished "$out/status.json" 2>/dev/null ||
        touch "$out"/{checkpoints/step-3,best}.safetensors.tmp "$out/samples/step-3.png.tmp"
    local before=$what
    alone --out "$out" || fail "$what: no resume"
    what=$before
    check_files ""
    check_end
    [ "$(sed -n 's/^{"step":\([0-9]*\),"loss".*/\1/p' "$out/log.jsonl" | uniq | wc -l)" -eq 8 ] || case "$what" in write* | alloc*) ;; *)
        fail "$what: the log has not each step once" ;;
    esac
}

# one FAULT COMMAND...: on a copy of the base folder (or none); 1 when the fault was beyond the last such call
one() {
    rm -rf "$below"
    mkdir "$below"
    # in turn: as ever, checkpoints written directly and while training goes on (or always so), a large model, both
    unset T2I_ASIDE_MB T2I_LARGE_MB
    [ "${aside:-$((cases % 2))}" -ne 1 ] || export T2I_ASIDE_MB=0
    [ $((cases % 4)) -lt 2 ] || export T2I_LARGE_MB=0
    [ -z "$old" ] || cp -r "$base/run" "$out"
    local rc=0
    fault "$@" >"$scratch/said" 2>&1 || rc=$?
    [ -e "$hit" ] || return 1
    cases=$((cases + 1))
    check_run $rc
}

# all CALL HOW STRIDE: each such call of a run, or every STRIDE-th of them
all() {
    local n=$((1 + RANDOM % $3))
    while one "$1 $n $2" $B/tests/fault/alone $options --out "$out"; do n=$((n + $3)); done
}

cases=0 codes=()
for old in yes ""; do
    begun=$cases
    for how in EIO "ENOSPC ever" "EDQUOT ever" EINTR short torn kill; do
        aside=0 && all write "$how" "$(long_or 1 149)"
        aside=1 && all write "$how" "$(long_or 1 19)" # there are fewer
    done
    aside=
    all fsync EIO "$(long_or 1 7)"
    for call in fsync fsync-folder close rename; do
        for how in EIO "EIO ever" EDQUOT EINTR kill; do all $call "$how" "$(long_or 1 37)"; done
    done
    all open EMFILE "$(long_or 1 31)"
    all open "EIO ever" "$(long_or 1 31)"
    all open kill "$(long_or 1 31)"
    all unlink EIO "$(long_or 1 7)"
    all unlink kill "$(long_or 1 7)"
    for how in NULL "NULL ever"; do all alloc "$how" "$(long_or 23 2503)"; done
    [ -n "$old" ] && for how in EIO "EIO ever" EINTR short; do all read "$how" "$(long_or 1 61)"; done
    [ -n "$old" ] || for how in ENOSPC kill; do all mkdir "$how" "$(long_or 1 2)"; done
    # all of them at once
    for call in read write; do
        for how in "EINTR other" "short ever"; do one "$call 1 $how" $B/tests/fault/alone $options --out "$out" || fail "no $call"; done
    done
    [ $cases -gt $((begun + 10)) ] || fail "only $((cases - begun)) faults"
done
echo "$cases faults in one rank; exit codes: $(for c in "${!codes[@]}"; do printf '%s: %s times  ' "$c" "${codes[$c]}"; done)"

# file NAME COMMAND...: a program that writes one file $below/NAME, over an old one (a dataset is never overwritten)
file() {
    local name=$1 n call how rc before=$cases old=old
    [ "${1%.h5}" = "$1" ] || old=
    shift
    "$@" >"$scratch/said" 2>&1 || { fail "$name cannot be made"; cat "$scratch/said"; }
    cp "$below/$name" "$scratch/new"
    for call in open write ftruncate fsync fsync-folder close rename; do
        for how in EIO "EIO ever" short torn "ENOSPC ever"; do
            case "$call $how" in write* | *EIO*) ;; *) continue ;; esac
            n=1
            while :; do
                rm -rf "$below"
                mkdir "$below"
                [ -z "$old" ] || echo "$old" >"$below/$name"
                rc=0
                fault "$call $n $how" "$@" >"$scratch/said" 2>&1 || rc=$?
                [ -e "$hit" ] || break
                cases=$((cases + 1)) n=$((n + $(long_or 1 13)))
                case $rc in
                0) cmp -s "$scratch/new" "$below/$name" || fail "$name, $what: not the file" ;;
                73 | 74)
                    [ "$(cat "$below/$name" 2>/dev/null | tr -d '\0')" = "$old" ] || cmp -s "$scratch/new" "$below/$name" || fail "$name, $what: not whole"
                    [ "$(grep -c '^t2i-[a-z]*: .*cannot ' "$scratch/said")" -eq 1 ] || { fail "$name, $what: no reason"; cat "$scratch/said"; }
                    ;;
                *) fail "$name, $what: exit code $rc"; cat "$scratch/said" ;;
                esac
                [ -z "$(ls "$below" | grep -v -x "$name")" ] || fail "$name, $what: left $(ls "$below")"
            done
        done
    done
    echo "$name: $((cases - before)) faults"
}
file seed.h5 "$B/t2i-data" seed --out "$below/seed.h5"
file model.pt "$B/t2i-model" export "$whole" --to "$below/model.pt"
file model.safetensors "$B/t2i-model" export "$whole" --to "$below/model.safetensors"
file p.png "$B/t2i-data" preview "$scratch/seed.h5" --out "$below/p.png"

# a disk that stores another bit: a new dataset is read back before it gets its name
n=1
while :; do
    rm -rf "$below"
    mkdir "$below"
    rc=0
    fault "write $n flip" "$B/t2i-data" seed --out "$below/seed.h5" >"$scratch/said" 2>&1 || rc=$?
    [ -e "$hit" ] || break
    case $rc in
    0) "$B/t2i-data" verify "$below/seed.h5" >"$scratch/said" 2>&1 || { fail "$what: not noticed"; cat "$scratch/said"; } ;;
    74) grep -q 'verification failed' "$scratch/said" && [ -z "$(ls "$below")" ] || { fail "$what"; cat "$scratch/said"; } ;;
    *) fail "$what: exit code $rc"; cat "$scratch/said" ;;
    esac
    n=$((n + 1))
done
echo "seed.h5: $((n - 1)) other bits"
[ "$n" -gt 10 ] || fail "only $((n - 1)) writes of a dataset"

# each read of sources is interrupted, or short: their kind, seen in the first bytes, is the same, and what is in them
rm -rf "$below"
mkdir "$below"
echo '{"images": [{"id": 1, "file_name": "red_square.png"}], "annotations": [{"image_id": 1, "caption": "a red one"}]}' >"$below/list.json"
cp tests/golden/seed/features.safetensors "$below"
for how in "none 0 none" "read 1 EINTR other" "read 1 short ever"; do
    fault "$how" "$B/t2i-data" build --pairs "$below/list.json" --features "$below/features.safetensors" --out "$scratch/$how.h5" \
        >"$scratch/said" 2>&1 || { fail "build, $how"; cat "$scratch/said"; }
    cmp -s "$scratch/none 0 none.h5" "$scratch/$how.h5" || fail "build, $how: another dataset"
    [ -e "$hit" ] || [ "$how" = "none 0 none" ] || fail "build, $how: no read"
done

# on every rank: rank 0 writes, and all agree
old=yes
for what in "fsync 3 EIO" "write 25 ENOSPC ever" "rename 8 EIO" "open 30 EMFILE ever" "close 20 EIO"; do
    one "$what" $MPIRUN -np 3 sh -c "$B/t2i-train $options --out $out; c=\$?; echo \$c >>$scratch/codes; exit \$c" || fail "$what: no such call"
    [ "$(sort -u "$scratch/codes" | wc -l)" -eq 1 ] || fail "$what: codes of the ranks: $(tr '\n' ' ' <"$scratch/codes")"
    rm "$scratch/codes"
done
finish
