#!/bin/bash
# What all programs do with their command line: help that fits a screen, version, manual pages, completion, suggestions, how much
# is said, and colours. None of it starts MPI.
. tests/e2e/lib.sh.inc
programs=$(cd "$B" && ls -d t2i-* | grep -v -x t2i-reader) # which has no command line
# MPI would end the process here.
export OMPI_MCA_btl=none-such OMPI_MCA_pml=none-such PMIX_MCA_ptl=none-such

for program in $programs; do
    "$B/$program" --help >"$scratch/help" || fail "$program --help"
    grep -q "^Usage: $program " "$scratch/help" || fail "$program --help has no usage"
    grep -q '^Example' "$scratch/help" || fail "$program --help has no example"
    [ "$(wc -l <"$scratch/help")" -le 52 ] || fail "$program --help has $(wc -l <"$scratch/help") lines"
    "$B/$program" --help-all >"$scratch/all" || fail "$program --help-all"
    awk -v p="$program" 'length($0) > 80 { print p ": " $0; bad = 1 } END { exit bad }' "$scratch/help" "$scratch/all" || fail "$program: lines of more than 80 columns"
    grep -q '^Exit codes: 0 done; 64 usage' "$scratch/all" || fail "$program --help-all has no exit codes"
    "$B/$program" --version >"$scratch/version" || fail "$program --version"
    grep -q "^$program [0-9]*\.[0-9]*\.[0-9]*$" "$scratch/version" || fail "$program --version: $(cat "$scratch/version")"
    for what in git MPI HDF5 BLAS; do grep -q "^$what: *[^ ]" "$scratch/version" || fail "$program --version lacks $what"; done
    # every option is in the full help and in the manual page
    page=$B/man/man1/$program.1
    [ -s "$page" ] || fail "there is no $page"
    "$B/$program" --help-completion | sed -n "s/^t2i_words\['[^ ']*\( [a-z]*\)\{0,1\}'\]='\(.*\)'/\2/p" | tr ' ' '\n' | grep '^--' | sort -u >"$scratch/options"
    [ -s "$scratch/options" ] || fail "$program has no options to complete"
    while read -r option; do
        grep -q -e "^  $option\b" "$scratch/all" || fail "$program --help-all lacks $option"
        grep -q -F -e "\\fB$(echo "$option" | sed 's/-/\\-/g')\\fR" "$page" || fail "$page lacks $option"
    done <"$scratch/options"
    awk -v p="$program" '/^  --/ { option = $1 } /Random seed/ != (/^  --/ && option == "--seed") { print p ": " $0; bad = 1 } END { exit bad }' \
        "$scratch/all" || fail "$program: an option has the help of another"
    if command -v groff >/dev/null; then
        groff -ww -man -Tutf8 "$page" 2>"$scratch/stderr" >/dev/null || fail "groff $page"
        [ ! -s "$scratch/stderr" ] || fail "groff has something to say of $page: $(cat "$scratch/stderr")"
    fi
    expect 64 "unknown option '--hlep': did you mean '--help'?" "$B/$program" --hlep
done
[ "$(sed -n 's/^version: //p' CITATION.cff)" = "$("$B/t2i-model" --version | sed -n '1s/.* //p')" ] || fail "CITATION.cff has another version"
grep -q "^## $("$B/t2i-model" --version | sed -n '1s/.* //p')" CHANGELOG.md || fail "CHANGELOG.md does not have this version"

# an option of another program is named as such, unless the name means something else here; both lists are src/base/option_names.c
for program in $programs; do
    for option in $("$B/$program" --help-all | sed -n 's/^  --\([a-z0-9-]*\).*/\1/p' | sort -u); do echo "$option $program"; done
done >"$scratch/all"
for option in $(cut -d' ' -f1 "$scratch/all" | sort -u); do
    for program in $programs; do
        ! grep -qx "$option $program" "$scratch/all" || continue
        "$B/$program" "--$option" >"$scratch/said" 2>&1 && fail "$program takes --$option"
        owner=$(sed -n "s/^$program: unknown option '--$option': it is an option of \(t2i-[a-z]*\)$/\1/p" "$scratch/said")
        grep -qx "$option $owner" "$scratch/all" || grep -q "^    {\"$option\", " src/base/option_names.c || fail "--$option is missing in src/base/option_names.c: $(cat "$scratch/said")"
        break
    done
done
expect 64 "info takes no --pairs (see t2i-data info --help); it is an option of build" "$B/t2i-data" info x.h5 --pairs y
expect 64 "'a.h5' is neither a job file (*.ini) nor a --key: give a dataset as --data F.h5" "$B/t2i-train" a.h5
expect 64 "'batch=4' is neither a job file (*.ini) nor a --key: did you mean '--batch'?" "$B/t2i-train" batch=4
expect 64 "'b.ini' is a second job file beside 'a.ini'" sh -c "cd $scratch && : >a.ini && exec $PWD/$B/t2i-train a.ini b.ini"

expect 64 "unknown command 'help': did you mean '--help'?" "$B/t2i-data" help
expect 64 "give a command before '$scratch/all': show, " "$B/t2i-model" "$scratch/all"
expect 64 "build takes options only, a list or folder as --pairs" "$B/t2i-data" build pets.csv
expect 64 "a run is resumed by its job file" "$B/t2i-train" "$scratch"
expect 64 "not 'auto': did you mean '0'?" "$B/t2i-train" --threads auto

"$B/t2i-data" build --help >"$scratch/help"
grep -q -- '--pairs' "$scratch/help" || fail "build --help has no --pairs"
! grep -q -- '--locales' "$scratch/help" || fail "build --help has what is emoji's"
expect 64 "unknown command 'verifi': did you mean 'verify'?" "$B/t2i-model" verifi x
expect 64 "--schedule must be constant or cosine, not 'cosin': did you mean 'cosine'?" "$B/t2i-train" --schedule cosin
unset OMPI_MCA_btl OMPI_MCA_pml PMIX_MCA_ptl
[ "$($MPIRUN -np 2 "$B/t2i-data" --version | grep -c '^t2i-data ')" -eq 1 ] || fail "two ranks, and not one answer"

# ---- quiet, verbose, colours ----
small_dataset "$scratch/d.h5"
said() { "$B/t2i-train" --data "$scratch/d.h5" $small_model --steps 2 --threads 1 --out "$scratch/$1" ${2:+"$2"} 2>&1 >/dev/null | wc -l; }
quiet=$(said q --quiet) normal=$(said n) verbose=$(said v --verbose)
[ "$quiet" -eq 0 ] && [ "$normal" -gt 2 ] && [ "$verbose" -gt "$normal" ] || fail "lines said: quiet $quiet, normal $normal, verbose $verbose"
cmp "$scratch/q/model.safetensors" "$scratch/v/model.safetensors" || fail "what is said changes the result"
expect 66 "none.h5" "$B/t2i-data" verify "$scratch/none.h5" --quiet
if script -qec true /dev/null >/dev/null 2>&1; then
    coloured() { env "$@" script -qec "$B/t2i-data verify $scratch/none.h5" /dev/null 2>/dev/null | grep -c "$(printf '\033')" || true; }
    [ "$(coloured TERM=xterm NO_COLOR=)" -eq 1 ] || fail "no colour on a terminal"
    [ "$(coloured TERM=xterm NO_COLOR=1)" -eq 0 ] || fail "colour in spite of NO_COLOR"
    [ "$(coloured TERM=dumb NO_COLOR=)" -eq 0 ] || fail "colour on a dumb terminal"
fi
! "$B/t2i-data" verify "$scratch/none.h5" 2>&1 | grep -q "$(printf '\033')" || fail "colour where there is no terminal"

# ---- completion ----
. "$B/completion/t2i"
# completes WANTED WORD...: the last word is what has been typed so far
completes() {
    wanted=$1
    shift
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _t2i "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" || true # compgen found nothing
    [ "${COMPREPLY[*]}" = "$wanted" ] || fail "completion of '$*': '${COMPREPLY[*]}', not '$wanted'"
}
completes "build" t2i-data bu
completes "seed shapes" t2i-data s
completes "--pairs" t2i-data build --pa
completes "--json --quiet --verbose --help --help-all --version" build/t2i-data info --
completes "pca resnet18" t2i-data build --encoder ""
completes "cosine" t2i-train --schedule cos
completes "cosine" t2i-train --schedule = cos
completes "constant cosine" t2i-train --schedule =
completes "auto never" t2i-train --resume ""
completes "" t2i-train --lr ""
completes "--lr" t2i-train x.ini --lr
completes "" t2i-train jobs/sh
completes "" t2i-data info F
completes "train" t2i-eval runs/x --split tr
finish
