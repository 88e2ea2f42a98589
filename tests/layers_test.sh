#!/bin/sh
# layers_test.sh: layers.sh accepts a sound tree, and finds each kind of violation that is planted.
set -eu
layers=$(cd "$(dirname "$0")" && pwd)/layers.sh
CC=${CC:-cc}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
failed=0

# source FILE.c LINE...: with its own header first, if there is one
source_file() {
    name=$1
    shift
    mkdir -p "src/${name%/*}"
    {
        [ ! -e "src/$name.h" ] || echo "#include \"$name.h\""
        for line in "$@"; do echo "$line"; done
    } >"src/$name.c"
}
header() {
    mkdir -p "src/${1%/*}"
    for line in "$2"; do echo "$line"; done >"src/$1.h"
}

# The sound tree: t2i-x calls high, which calls low.
sound() {
    rm -rf src build
    header base/low 'int t2i_low(int x);'
    source_file base/low 'int t2i_low(int x) { return x + 1; }'
    header kernels/high 'int t2i_high(int x);'
    source_file kernels/high '#include "base/low.h"' 'int t2i_high(int x) { return t2i_low(x); }'
    source_file tools/t2i-x '#include "kernels/high.h"' 'int main(void) { return t2i_high(1); }'
}

check() {
    for file in src/*/*.c; do
        object=build/release/${file%.c}.o
        mkdir -p "${object%/*}"
        $CC -std=c11 -Isrc -Wno-all -c -o "$object" "$file" 2>/dev/null || : # some lack a header
    done
    code=0
    B=build/release sh "${1:-$layers}" . >said 2>&1 || code=$?
}

# finds WORDS [SCRIPT]: the tree is refused, in these words.
finds() {
    check "${2:-}"
    if [ $code -eq 1 ] && grep -q "$1" said; then return; fi
    echo "layers.sh ended with $code and did not say '$1':"
    cat said
    failed=1
}

sound
check
[ $code -eq 0 ] && [ ! -s said ] || { echo "the sound tree is refused:"; cat said; failed=1; }
rm -r build
B=build/release sh "$layers" . 2>said || { echo "refused without objects"; failed=1; }
grep -q 'only the sources were checked' said || { echo "nothing is said without objects"; failed=1; }

# ---- from the sources ----

sound
source_file base/low '#include "kernels/high.h"' 'int t2i_low(int x) { return x + 1; }'
finds 'src/base/low.c:2: folder base may not include kernels/high.h'
sound
source_file attic/old 'int t2i_old;'
finds 'no folder attic in the table'
sound
source_file kernels/high '#include <mpi.h>' '#include "base/low.h"' 'int t2i_high(int x) { return t2i_low(x); }'
finds 'mpi.h is for src/comm/comm.c alone'
sound
source_file kernels/high '#include <strange.h>' 'int t2i_high(int x) { return x; }'
finds 'unknown header <strange.h>'
sound
source_file kernels/low 'static int nothing;'
finds 'there is a src/base/low.c too'
sound
source_file kernels/high '#include <stdlib.h>' '#include "base/low.h"' 'int t2i_high(int x) { if (x > 9) abort(); return t2i_low(x); }'
finds 'a library never ends the program'
sound
source_file kernels/high '#include <math.h>' '#include "base/low.h"' 'int t2i_high(int x) { return t2i_low((int)exp(x)); }'
finds 'depend on the CPU'
sound
printf '#include "base/low.h"\n#include "kernels/high.h"\nint t2i_high(int x) { return t2i_low(x); }\n' >src/kernels/high.c
finds 'its own header, kernels/high.h, is not first'
sound
header kernels/high 'size_t t2i_high(int x);'
finds 'src/kernels/high.h:1: does not compile alone'
sound
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do source_file "kernels/m$i" 'static int nothing;'; done
finds 'src/kernels/: 21 modules'

# ---- from the object files ----

sound
source_file base/low 'int t2i_high(int x);' 'int t2i_low(int x) { return x > 0 ? 0 : t2i_high(x); }'
finds 'src/base/low.c: folder base may not use t2i_high of kernels/high'
finds 'src/base/low: in a circle of modules'
sound
source_file kernels/a 'int t2i_c(int x);' 'int t2i_a(int x) { return t2i_c(x); }'
source_file kernels/b 'int t2i_a(int x);' 'int t2i_b(int x) { return t2i_a(x); }'
source_file kernels/c 'int t2i_b(int x);' 'int t2i_c(int x) { return t2i_b(x); }'
finds 'src/kernels/b: in a circle of modules: needs kernels/a (t2i_a)'
if grep -q high said; then echo "high is in no circle"; failed=1; fi
sound
sed 's/^base       base$/base       base tools/' "$layers" >altered.sh
finds 'in a circle of folders' altered.sh
sound
source_file kernels/high '#include "base/low.h"' 'int t2i_higher(int x) { return x; }' 'int t2i_high(int x) { return t2i_low(x); }'
finds 't2i_higher does not carry the name of its module'
sound
source_file kernels/high '#include "base/low.h"' 'int t2i_high_up(int x) { return x; }' 'int t2i_high(int x) { return t2i_low(x); }'
finds 't2i_high_up is needed by no other module'

exit $failed
