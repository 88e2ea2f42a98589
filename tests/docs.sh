#!/bin/sh
# docs.sh: are the documents true to the tree and to the programs? B=build/MODE names the programs.
#   links     a relative link or picture in a *.md leads to a file, and its #anchor to a heading
#   files     what stands in backticks like src/..., tests/..., docs/... is there
#   options   every option of every program stands in docs/training-guide.md, and no other one does
#   variables every variable that src reads from the environment stands in docs/environment.md
#   messages  what docs/troubleshooting.md quotes in its headings stands in the strings of src; ... is what is filled in
#   sizes     README.md has at most 9,216 bytes; no line is over 100 columns but table rows and lines with addresses
# Says what is wrong, with file and line, and exits 1. Usage: tests/docs.sh [ROOT]
set -eu
cd "${1:-$(dirname "$0")/..}"
B=${B:-build/release}
guide=docs/training-guide.md environment=docs/environment.md errors=docs/troubleshooting.md
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
: >"$scratch/wrong"
wrong() { echo "$*" >>"$scratch/wrong"; }

find . \( -path ./build -o -path ./runs -o -path ./.git \) -prune -o -name '*.md' -print |
    sed 's|^\./||' | LC_ALL=C sort >"$scratch/documents"
[ -s "$scratch/documents" ] || wrong "there are no documents"

# Headings as anchors, as GitHub makes them: small letters; no punctuation but - and _; the second of a name gets -1.
anchors() {
    awk '/^```/ { fenced = !fenced; next }
        !fenced && /^#+ / {
            sub(/^#+ +/, ""); sub(/ +#* *$/, ""); gsub(/\]\([^)]*\)/, "")
            gsub(/[][`*!"#$%&()+,.\/:;<=>?@\\^{|}~\047]/, ""); gsub(/ /, "-")
            $0 = tolower($0)
            print seen[$0]++ ? $0 "-" seen[$0] - 1 : $0
        }' "$1"
}
# Prose alone, as LINE TEXT: no fenced blocks and no lines that are indented as commands.
prose() { awk '/^ *```/ { fenced = !fenced; next } !fenced && !/^    [^ ]/ { print NR, $0 }' "$1"; }
# Targets of links, as LINE TARGET; what stands in backticks is no link.
links() {
    prose "$1" | awk '{ line = $1; sub(/^[0-9]+ /, ""); gsub(/`[^`]*`/, "")
        while (match($0, /\]\([^)]*\)/)) {
            target = substr($0, RSTART + 2, RLENGTH - 3); sub(/ ".*/, "", target)
            print line, target
            $0 = substr($0, RSTART + RLENGTH)
        } }'
}
# Names of files in backticks, as LINE NAME: each word of what stands there that begins with a folder of ours. NAME, FOLDER and the
# like stand for something.
files() {
    prose "$1" | awk '{ line = $1; sub(/^[0-9]+ /, ""); n = split($0, part, "`")
        for (i = 2; i <= n; i += 2) {
            m = split(part[i], word, /[ \t|"\047]+/)
            for (k = 1; k <= m; k++)
                if (word[k] !~ /NAME|FOLDER|MODULE|MODE|TEST/ && word[k] ~ /^(src|tests|docs|include|examples|jobs|slurm|packaging)\/[-A-Za-z0-9_.\/*]+(:[0-9]+)?$/) {
                    sub(/:[0-9]+$/, "", word[k]); sub(/[.,]$/, "", word[k])
                    print line, word[k]
                }
        } }'
}

while read -r document; do
    folder=$(dirname "$document")
    links "$document" >"$scratch/links"
    while read -r line target; do
        case $target in *://* | mailto:*) continue ;; esac
        file=${target%%#*}
        path=$document
        [ -z "$file" ] || path=$folder/$file
        [ -e "$path" ] || { wrong "$document:$line: a link to $target, which is not there"; continue; }
        case $target in
        *#*) anchors "$path" | grep -qxF -e "${target#*#}" || wrong "$document:$line: a link to $target, but $path has no such heading" ;;
        esac
    done <"$scratch/links"
    files "$document" >"$scratch/files"
    while read -r line name; do
        found=
        for file in $name; do [ ! -e "$file" ] || found=1; done
        [ -n "$found" ] || wrong "$document:$line: \`$name\` is not there"
    done <"$scratch/files"
    LC_ALL=C tr -d '\200-\277' <"$document" | awk -v document="$document" 'length > 100 && !/^ *\|/ && !/:\/\// {
        print document ":" NR ": " length " columns, more than 100" }' >>"$scratch/wrong"
done <"$scratch/documents"

# Options: what --help-all lists, beside what stands in backticks as `--name` or `name`.
: >"$scratch/options"
for source in src/tools/t2i-*.c; do
    program=$(basename "$source" .c)
    [ "$program" != t2i-reader ] || continue # no user starts it
    "$B/$program" --help-all >"$scratch/help" || { wrong "$B/$program --help-all fails: build first"; continue; }
    sed -n 's/^  --\([a-z0-9-]*\).*/\1/p' "$scratch/help" | sort -u >"$scratch/own"
    [ "$(wc -l <"$scratch/own")" -ge 5 ] || wrong "$program --help-all lists no options"
    cat "$scratch/own" >>"$scratch/options"
    while read -r option; do
        grep -q -e "\`--$option\`" -e "\`$option\`" "$guide" || wrong "$guide: says nothing of --$option of $program"
    done <"$scratch/own"
done
grep -o -e '`--[a-z0-9-]*`' "$guide" | tr -d '`' | sed 's/^--//' | grep . | sort -u >"$scratch/named" || wrong "$guide: names no option"
while read -r option; do
    grep -qx -e "$option" "$scratch/options" || wrong "$guide: --$option is an option of no program"
done <"$scratch/named"

# Variables: NAMES in quotes that src hands to getenv or to what is made of it; T2I_ ones also of tests.
{
    grep -rhoE '(getenv|number_in_environment|number_of|is_set)\("[A-Z][A-Za-z0-9_]*"' src || true
    grep -rhoE 'getenv\("T2I_[A-Z0-9_]*"' tests || true
} | sed 's/.*("//; s/"$//' | sort -u >"$scratch/variables"
[ "$(wc -l <"$scratch/variables")" -ge 5 ] || wrong "src reads no variables from the environment?"
while read -r variable; do
    grep -q -e "\`$variable\`" "$environment" || wrong "$environment: says nothing of $variable"
done <"$scratch/variables"

# Messages: the pieces between ..., of 8 characters and more. Strings that are cut over several lines are joined.
cat src/*/*.c src/*/*.h | tr '\n' ' ' | sed 's/" *"//g; s/\\"/"/g' >"$scratch/strings"
awk '/^### / { n = split($0, part, "`")
    for (i = 2; i <= n; i += 2) {
        m = split(part[i], piece, /\.\.\./)
        for (k = 1; k <= m; k++) {
            gsub(/^ +| +$/, "", piece[k])
            if (length(piece[k]) >= 8) print NR, piece[k]
        }
    } }' "$errors" >"$scratch/pieces"
[ "$(wc -l <"$scratch/pieces")" -ge 20 ] || wrong "$errors: fewer than 20 messages"
while read -r line piece; do
    grep -q -F -e "$piece" "$scratch/strings" || wrong "$errors:$line: no program says \"$piece\""
done <"$scratch/pieces"

[ "$(wc -c <README.md)" -le 9216 ] || wrong "README.md has $(wc -c <README.md) bytes, more than 9,216"

cat "$scratch/wrong"
[ ! -s "$scratch/wrong" ]
