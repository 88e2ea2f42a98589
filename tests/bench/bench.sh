#!/bin/bash
# make bench: how fast, beside PyTorch where $PYTHON has it. Measures every work of works.sh.inc in turn, $ROUNDS times, prints
# one table (median and spread over the rounds, goal, reached?) and writes $B/bench.json.
#   WHAT="large emoji"  chooses works (first column of rows.txt); encode, d512 and d768 are measured only by name
#   CORES="0 1"         the two cores; work on one core runs on the first
# What was measured so far is printed even when a work fails or it is interrupted.
set -eu
shopt -s inherit_errexit
here=tests/bench
unset OPENBLAS_CORETYPE # the sgemm peak is that of the kernels that OpenBLAS itself would pick
export B=${B:-build/release}
PYTHON=${PYTHON:-python3} MPIRUN=${MPIRUN:-mpirun} ROUNDS=${ROUNDS:-7} CORES=${CORES:-0 1}
WHAT=${WHAT:-large ddp weak captions emoji tutorial long reduce adamw crowd shards threads trie start big}
one=${CORES%% *} both=${CORES// /,}
scratch=$(mktemp -d)
touch "$scratch/values" "$scratch/error"
. $here/measure.sh.inc

# Prints seconds since 1970.
now() { date +%s.%N; }
fail() { echo "bench: $1" >&2 && sed 's/^/    /' "$scratch/error" >&2 && exit 1; }

# ---- what was measured ----

# put KEY VALUE [OURS [THEIRS]]: VALUE is "-" when there was nothing to compare with
put() {
    [[ $2 =~ ^(-|[-+.0-9e]+)$ ]] || fail "$1 was not measured"
    echo "$1 $2 ${3:--} ${4:--}" >>"$scratch/values"
    echo "round $round: $1 $2${3:+ ($3 against ${4:-nothing})}" >&2
}
# faster KEY OURS THEIRS: of two speeds
faster() { put "$1" "$(calc "$2 / ${3:-0}")" "$2" "$3"; }
# skip WORK REASON: its rows say why
skip() {
    echo "bench: $1 is left out: $2" >&2
    WHAT=$(for work in $WHAT; do [ "$work" = "$1" ] || echo "$work"; done)
    awk -F ' *[|] *' -v work="$1" -v why="$2" '$1 == work { print "why", $2, why }' $here/rows.txt >>"$scratch/values"
}

# ---- our side ----

# train CORES NP FOLDER [argument...]
train() {
    local cores=$1 np=$2 folder=$3 launch=()
    shift 3
    [ "$np" = 1 ] || launch=($MPIRUN -np "$np")
    on "$cores" "${launch[@]}" "$B/t2i-train" "$@" --out "$folder" 2>"$folder.err" || { cp "$folder.err" "$scratch/error"; fail "t2i-train failed"; }
}
# speed CORES NP BATCH [argument...]: prints what of_log does, of 30 steps after 10 (large batches: 16 after 4). Characters and not
# prompts, since each side draws its own: their mean length differs by a percent or two. Of larger models ($shape): 4 after 2.
speed() {
    local cores=$1 np=$2 batch=$3 warmup=10 steps=30 folder
    shift 3
    [ "$batch" -lt 256 ] || warmup=4 steps=16
    [ "$shape" = "$usual_shape" ] || warmup=2 steps=4
    folder=$(mktemp -d "$scratch/run.XXXXXX")
    train "$cores" "$np" "$folder/run" $shape --clip 1 --batch "$batch" \
        --steps $((warmup + steps)) --log-every 1 --validate-every 0 --checkpoint-every 0 "$@"
    of_log "$folder/run" "$batch" "$warmup"
    rm -rf "$folder"
}
usual_shape="--d-model 128 --layers 4 --heads 4 --d-ff 512" shape=$usual_shape
# measure ...: as speed, into $rate, $ms, $positions, $memory
measure() {
    local line
    line=$(speed "$@")
    read -r rate ms positions memory <<<"$line"
}
# first_step NP [argument...]: prints the seconds from before the launch until the log has step 1, which nothing follows
first_step() {
    local np=$1 begin folder
    shift
    folder=$(mktemp -d "$scratch/run.XXXXXX")
    begin=$(now)
    train "$both" "$np" "$folder/run" --steps 1 --validate-every 0 --checkpoint-every 0 "$@"
    calc "$(stat -c %.9Y "$folder/run/log.jsonl") - $begin"
    rm -rf "$folder"
}
# useful KEY BATCH: how much of the core's sgemm peak the step of $ms and $positions was. Counted are the matrix products that
# a step needs, with d = 128, ff = 512, L = 4, D = 512: a position costs 4 d d + 2 d ff multiplications (qkv, out, FFN) in each
# layer but the last, where only a prompt's last position goes on, which also costs the head's d D (of prompts that all differ); a
# multiplication is two operations, and two more of the same size make the gradients. Attention, norms and AdamW are not counted.
# KEY_done: without what is skipped. Of the FFN's six products four leave out what the ReLU made 0; that is half of it in these
# first steps (0.50 to 0.53 of it is not 0), so two thirds of the FFN are done.
useful() {
    peak=$(on "$one" "$B/tests/bench/peak" | number gflops)
    for of_ffn in 1 2/3; do
        [ $of_ffn = 1 ] && key=$1 || key=$1_done
        put $key "$(calc "100 * 6 * ((4*128*128 + $of_ffn * 2*128*512) * (3 * $positions + $2) + 128*512 * $2) / ($ms * 1e6 * $peak)")" "$ms" "$peak"
    done
}
has_key() { "$B/t2i-train" --help-all | grep -q "^  --$1 "; }

# ---- PyTorch's side ----

torch=$("$PYTHON" -c 'import torch; print(torch.__version__)' 2>/dev/null) || echo "PyTorch is not in $PYTHON (set PYTHON=...): only our own ratios are measured" >&2
# py CORES ARGUMENT...: a script of this folder, and what it printed
py() {
    local cores=$1
    shift
    on "$cores" "$PYTHON" "$@" 2>"$scratch/error" || fail "$* failed"
}
# best NAME GROUPS CORES ARGUMENT...: sets $groups to the number of length groups that PyTorch does best with; tried once a run
best() {
    local file=$scratch/groups.$1 list=$2
    shift 2
    groups=
    [ -n "$torch" ] || return 0
    [ -e "$file" ] || py "$@" --groups "$list" >"$file"
    groups=$(number groups <"$file")
}
# against KEY RATE CORES ARGUMENT...: our characters/s against PyTorch's
against() {
    local key=$1 mine=$2 theirs
    shift 2
    if [ -z "$torch" ]; then
        put "$key" - "$mine"
        return
    fi
    theirs=$(py "$@" | number characters_per_s)
    faster "$key" "$mine" "$theirs"
}

# ---- rounds and table ----

finish() {
    status=$?
    trap - EXIT
    exec >&3 # a command whose output is caught may have failed
    about="$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1), cores $CORES of $(nproc --all), $(git describe --always --dirty 2>/dev/null || echo no git), PyTorch ${torch:-none}, $(date -u +%Y-%m-%d), load before $load"
    echo && echo "$about" && echo
    awk -v json="$B/bench.json" -v about="$about" -f $here/table.awk $here/rows.txt "$scratch/values"
    rm -rf "$scratch"
    exit $status
}
exec 3>&1
load=$(cut -d ' ' -f 1-3 /proc/loadavg 2>/dev/null || echo unknown)
trap finish EXIT
trap 'exit 130' INT TERM
. $here/works.sh.inc
for work in $WHAT; do
    command -v "${work}_round" >/dev/null || fail "no work $work: $(sed -n 's/^\([a-z]*\)_round.*/\1/p' $here/works.sh.inc | tr '\n' ' ')"
    ! command -v "${work}_begin" >/dev/null || "${work}_begin"
done
for round in $(seq "$ROUNDS"); do
    for work in $WHAT; do "${work}_round"; done
done
