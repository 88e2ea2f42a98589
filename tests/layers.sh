#!/bin/sh
# layers.sh: are the arrows between the layers as they should be? (docs/architecture.md has the table.)
# Says what is wrong, with
# file and line, and exits 1. Usage: tests/layers.sh [ROOT]
set -eu
cd "${1:-$(dirname "$0")/..}"
CC=${CC:-cc}

# layer: what its files may include
table='
base       base
kernels    kernels base
comm       comm base
model      model kernels base
formats    formats base
image      image base
draw       draw image base
dataset    dataset formats base
checkpoint checkpoint model formats kernels base
prepare    prepare comm dataset draw formats image kernels model base
retrieval  retrieval checkpoint comm dataset draw formats image kernels model base
host       host comm dataset kernels base
record     record retrieval host checkpoint comm dataset draw formats image base
train      train record retrieval host checkpoint comm dataset formats image kernels model base
doctor     doctor train host comm dataset formats kernels model base
tools      tools doctor train record retrieval prepare host checkpoint dataset draw formats image comm model kernels base
'
# foreign header: the folder, or the one file, that sees it
foreign='
xxhash.h   base
ini.h      src/base/opts.c
cblas.h    kernels
hdf5.h     src/dataset/dataset_h5.h
png.h      image
jpeglib.h  image
jerror.h   image
webp/decode.h image
webp/demux.h image
zlib.h     formats
jansson.h  formats
freetype/freetype.h image
hb.h       image
expat.h    formats
mpi.h      src/comm/comm.c
'
# files whose exp, sin, ... may be those of the C library, whose last bits depend on the CPU: no training run does
libm='src/draw/axis.c src/draw/plot.c src/draw/canvas.c src/retrieval/psnr.c src/prepare/encode_dataset.c'
# The C library, POSIX and Linux, and the compiler; assert.h is left out on purpose.
system='complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign
stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string strings tgmath threads time
uchar wchar wctype dirent dlfcn fcntl fnmatch ftw glob grp libgen poll pthread pwd regex sched
semaphore spawn syslog termios unistd utime sys/file sys/ioctl sys/mman sys/prctl sys/resource
sys/select sys/sendfile sys/socket sys/stat sys/statvfs sys/syscall sys/sysinfo sys/time sys/times
sys/types sys/uio sys/un sys/utsname sys/vfs sys/wait sys/xattr linux/magic
immintrin emmintrin xmmintrin pmmintrin x86intrin cpuid arm_neon'

files=$(find src -name '*.[ch]' 2>/dev/null | sort)
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

function check_include(quoted, name,    part) {
    if (!quoted && name ~ /\.h$/ && (substr(name, 1, length(name) - 2) in is_system)) return
    if (name in only) {
        if (only[name] != layer && only[name] != FILENAME)
            wrong(name " is for " only[name] " alone")
        return
    }
    if (!quoted) { wrong("unknown header <" name ">: give it a layer in tests/layers.sh"); return }
    if (!(("src/" name) in is_file)) { wrong("no src/" name); return }
    split(name, part, "/")
    if (!((layer, part[1]) in may)) wrong("folder " layer " may not include " name)
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
    split(FILENAME, part, "/"); layer = part[2]
    if (!(layer in is_layer)) wrong("no folder " layer " in the table of tests/layers.sh")
    if (FILENAME ~ /\.c$/ && (("src/" layer "/" me ".h") in is_file)) own = layer "/" me ".h"
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
            wrong("last bits of the C library\047s exp, sin, ... depend on the CPU: portable_math.h has its own")
    }
}

END { exit bad }
' $files || bad=1

for header in $(ls src/*/*.h | grep -v _tile.h); do
    [ -e "$header" ] || continue
    if ! said=$($CC -std=c11 -D_POSIX_C_SOURCE=200809L -fsyntax-only -Isrc $(pkg-config --cflags hdf5-serial 2>/dev/null || pkg-config --cflags hdf5 2>/dev/null) -x c - 2>&1 <<END
#include "${header#src/}"
END
    ); then
        echo "$header:1: does not compile alone:"
        echo "$said" | head -5
        bad=1
    fi
done
exit "${bad:-0}"
