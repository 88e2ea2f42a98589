# Completion of the t2i programs in bash. `make` appends t2i_words from the programs' option tables:
# t2i_words['PROGRAM']: its commands, or its options if it has no commands;
# t2i_words['PROGRAM COMMAND']: options; t2i_words['PROGRAM --KEY']: values ("-": any number, empty: a
# file).
declare -gA t2i_words
_t2i() {
    local program=${1##*/} word=$2 before=$3 command= list= i
    COMPREPLY=()
    # bash splits --key=value into three words
    if [[ $word == = ]]; then
        word=
    elif [[ $before == = ]] && ((COMP_CWORD > 1)); then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ -z $command && -n ${t2i_words["$program ${COMP_WORDS[i]}"]:-} && ${COMP_WORDS[i]} != -* ]] && command=${COMP_WORDS[i]}
    done
    if [[ -n ${t2i_words["$program $before"]+known} && $before == --* ]]; then
        list=${t2i_words["$program $before"]}
        [[ $list == ' -' ]] && { compopt +o default +o bashdefault 2>/dev/null; return; }
    elif [[ $word == -* || (-z $command && ${t2i_words[$program]} != ' --'*) ]]; then
        list=${t2i_words["$program${command:+ $command}"]}
    fi
    # shellcheck disable=SC2207
    COMPREPLY=($(compgen -W "$list" -- "$word"))
}
