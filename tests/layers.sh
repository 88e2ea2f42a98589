#!/bin/sh
# layers.sh: are the arrows between the layers as they should be? (HACKING.md tells why.)
# A header of include/t2i belongs to the layer in whose folder its .c is. Says what is wrong, with
# file and line, and exits 1. Usage: tests/layers.sh [ROOT]
set -eu
cd "${1:-$(dirname "$0")/..}"
CC=${CC:-cc}

# layer: what its files may include
table='
base   base
num    num base
model  model num base
io     io base
dist   dist base
app    app dist io model num base
tools  tools app dist io model num base
'
# foreign header: the one layer, or the one file, that sees it
foreign='
xxhash.h   base
ini.h      src/base/opts.c
cblas.h    num
lapack.h   num
lapacke.h  num
hdf5.h     src/io/dataset_h5.h
png.h      io
jpeglib.h  io
jerror.h   io
webp/decode.h io
webp/demux.h io
zlib.h     io
jansson.h  io
freetype/freetype.h io
hb.h       io
expat.h    io
mpi.h      src/dist/comm.c
'
# files whose exp, sin, ... may be those of the C library, whose last bits depend on the CPU: no training run does
libm='src/num/ridge.c src/io/axis.c src/io/plot.c src/io/canvas.c src/app/psnr.c src/app/encode.c'
# The C library, POSIX and Linux, and the compiler; assert.h is left out on purpose.
system='complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign
stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string strings tgmath threads time
uchar wchar wctype dirent dlfcn fcntl fnmatch ftw glob grp libgen poll pthread pwd regex sched
semaphore spawn syslog termios unistd utime sys/file sys/ioctl sys/mman sys/prctl sys/resource
sys/select sys/sendfile sys/socket sys/stat sys/statvfs sys/syscall sys/sysinfo sys/time sys/times
sys/types sys/uio sys/un sys/utsname sys/vfs sys/wait sys/xattr linux/magic
immintrin emmintrin xmmintrin pmmintrin x86intrin cpuid arm_neon'

files=$(find src include/t2i -name '*.[ch]' 2>/dev/null | sort)
[ -n "$files" ] || { echo "layers: no sources in $(pwd)" >&2; exit 1; }

export table foreign system files libm
# shellcheck disable=SC2086
awk '
function wrong(text) { print FILENAME ":" FNR ": " text; bad = 1 }
function base_name(path) { sub(/^.*\//, "", path); sub(/\.[ch]$/, "", path); return path }

# The line without comments; they may span lines.
function code(line,    out, at, start) {
    out = ""
    while (line != "") {
        if (in_comment) {
            if (!(at = index(line, "*/"))) return out
            line = substr(line, at + 2); in_comment = 0
        } else if (match(line, /"([^"\\]|\\.)*"|\047([^\047\\]|\\.)*\047|\/\*|\/\//)) {
            out = out substr(line, 1, RSTART - 1)
            start = substr(line, RSTART, 2)
            if (start == "//") return out
            if (start == "/*") in_comment = 1
            else out = out substr(line, RSTART, RLENGTH)
            line = substr(line, RSTART + (in_comment ? 2 : RLENGTH))
        } else return out line
    }
    return out
}

function check_include(quoted, name,    module) {
    if (!quoted && name ~ /\.h$/ && (substr(name, 1, length(name) - 2) in is_system)) return
    if (name in only) {
        if (FILENAME ~ /^include/) wrong("a public header shows " name " to everyone")
        else if (only[name] != layer && only[name] != FILENAME)
            wrong(name " is for " only[name] " alone")
        return
    }
    if (!quoted) { wrong("unknown header <" name ">: give it a layer in tests/layers.sh"); return }
    if (name !~ /^t2i\//) {
        if (!(("src/" layer "/" name) in is_file)) wrong("no src/" layer "/" name)
        return
    }
    module = base_name(name)
    if (!(("include/" name) in is_file)) wrong("no include/" name)
    else if (module in home && !((layer, home[module]) in may))
        wrong("layer " layer " may not include " name ", which is of layer " home[module])
}

BEGIN {
    n = split(ENVIRON["table"], line, "\n")
    for (i = 1; i <= n; i++) {
        k = split(line[i], word, " ")
        for (j = 2; j <= k; j++) may[word[1], word[j]] = 1
        if (k > 0) is_layer[word[1]] = 1
    }
    n = split(ENVIRON["foreign"], line, "\n")
    for (i = 1; i <= n; i++) if (split(line[i], word, " ") == 2) only[word[1]] = word[2]
    n = split(ENVIRON["system"], word, " ")
    for (i = 1; i <= n; i++) is_system[word[i]] = 1
    n = split(ENVIRON["libm"], word, " ")
    for (i = 1; i <= n; i++) has_libm[word[i]] = 1
    n = split(ENVIRON["files"], word, "\n")
    for (i = 1; i <= n; i++) {
        is_file[word[i]] = 1
        if (split(word[i], part, "/") == 3 && word[i] ~ /^src\/.*\.c$/ && part[2] != "tools") {
            module = base_name(word[i])
            if (module in home) { print word[i] ":1: there is a src/" home[module] "/" module ".c too"; bad = 1 }
            home[module] = part[2]
        }
    }
}

FNR == 1 {
    in_comment = 0; includes = 0; own = ""
    me = base_name(FILENAME)
    if (FILENAME ~ /^include/) {
        layer = me in home ? home[me] : ""
        if (layer == "") wrong("no src/*/" me ".c, which would tell its layer")
    } else {
        split(FILENAME, part, "/"); layer = part[2]
        if (!(layer in is_layer)) wrong("no layer " layer)
        if (FILENAME ~ /\.c$/ && (("include/t2i/" me ".h") in is_file)) own = "t2i/" me ".h"
        else if (FILENAME ~ /\.c$/ && (("src/" layer "/" me ".h") in is_file)) own = me ".h"
    }
}

{
    text = code($0)
    if (text ~ /^[ \t]*#[ \t]*include/) {
        quoted = text ~ /"/
        name = text; sub(/^[^"<]*["<]/, "", name); sub(/[">].*$/, "", name)
        if (++includes == 1 && own != "" && name != own) wrong("its own header, " own ", is not first")
        if (layer != "") check_include(quoted, name)
    } else {
        gsub(/"([^"\\]|\\.)*"/, "\"\"", text)
        if (text ~ /(^|[^A-Za-z0-9_])(exit|quick_exit|abort|assert)[ \t]*\(/ &&
            layer != "tools" && FILENAME != "src/base/error.c")
            wrong("a library never ends the program (exit, abort, assert): return a status")
        if (text ~ /(^|[^A-Za-z0-9_.>])(exp|exp2|exp10|expm1|log|log2|log10|log1p|sin|cos|tan|sincos|asin|acos|atan|atan2|sinh|cosh|tanh|pow|hypot|cbrt|erf|erfc|tgamma|lgamma)f?[ \t]*\(/ &&
            !(FILENAME in has_libm))
            wrong("last bits of the C library\047s exp, sin, ... depend on the CPU: elementary.h has its own")
    }
}

END { exit bad }
' $files || bad=1

# HACKING.md names each module in its layer's row, and none that is not there.
for layer in $([ ! -e HACKING.md ] || echo "$table" | cut -d ' ' -f 1 | grep -v -x -e tools -e ''); do
    said=$(awk -F '|' -v layer=" $layer " '$2 == layer { print $4 }' HACKING.md | grep -o '`[a-z0-9_]*`' | tr -d '`' | sort -u)
    here=$(find "src/$layer" -name '*.c' 2>/dev/null | sed 's/.*\///; s/\.c$//' | sort)
    wrong=$(printf '%s\n' "$said" "$here" | sort | uniq -u | tr '\n' ' ')
    [ -z "$wrong" ] || { echo "HACKING.md:1: the row of $layer and src/$layer differ in: $wrong"; bad=1; }
done
for header in include/t2i/*.h; do
    [ -e "$header" ] || continue
    if ! said=$($CC -std=c11 -D_POSIX_C_SOURCE=200809L -fsyntax-only -Iinclude -x c - 2>&1 <<END
#include "${header#include/}"
END
    ); then
        echo "$header:1: does not compile alone:"
        echo "$said" | head -5
        bad=1
    fi
done
exit "${bad:-0}"
