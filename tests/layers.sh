#!/bin/sh
# layers.sh: do folders and modules keep to their layers? (docs/architecture.md has the table.)
#
# From the sources: what a folder includes, foreign headers, unique base names, the size of folders,
# headers that compile alone. From the object files, where B=build/MODE has them: what a folder
# calls, that no modules or folders call each other in a circle, that a function or variable carries
# the name of its module, and that another module needs it. Prints what is wrong and exits 1.
# tests/layers_test.sh plants one violation of each kind.
#
# Usage: [B=build/MODE] tests/layers.sh [ROOT]
set -eu
cd "${1:-$(dirname "$0")/..}"
CC=${CC:-cc}
B=${B:-build/release}

# layer: what its files may include
table='
base       base
kernels    kernels base
comm       comm base
model      model kernels base
formats    formats protobuf base
protobuf   protobuf base
image      image formats base
draw       draw image base
dataset    dataset formats base
checkpoint checkpoint model formats kernels protobuf base
lists      lists dataset formats base
prepare    prepare lists comm dataset draw formats image kernels model base
convert    convert prepare lists dataset formats image base
retrieval  retrieval checkpoint comm dataset draw formats image kernels model base
library    library retrieval checkpoint dataset model base
generate   generate library retrieval checkpoint dataset draw formats image model base
host       host comm dataset kernels base
record     record retrieval host checkpoint comm dataset draw formats image protobuf base
train      train record retrieval host checkpoint comm dataset formats image kernels model base
doctor     doctor train host comm dataset formats kernels model base
tools      tools generate doctor train record retrieval convert prepare lists host checkpoint dataset draw formats image comm model kernels protobuf base
'
# foreign header: the folder, or the one file, that sees it; several lines: each of them
foreign='
xxhash.h   base
ini.h      src/base/opts.c
cblas.h    kernels
hdf5.h     src/dataset/dataset_h5.h
H5FDdevelop.h src/dataset/h5_descriptor.c
seccomp.h  src/dataset/reader_confinement.c
png.h      image
jpeglib.h  image
jerror.h   image
gif_lib.h image
tiffio.h image
webp/decode.h image
webp/demux.h image
webp/encode.h image
zlib.h     formats
zlib.h     src/lists/gzip.c
jansson.h  formats
freetype/freetype.h image
freetype/freetype.h draw
freetype/ftoutln.h draw
hb.h       image
hb.h       draw
hb.h       src/lists/unicode_form.c
expat.h    formats
archive.h  src/formats/tar.c
archive_entry.h src/formats/tar.c
mpi.h      src/comm/comm.c
t2i/t2i.h  src/base/error.h
'
# files whose exp, sin, ... may be those of the C library, whose last bits depend on the CPU: no training run does
libm='src/draw/axis.c src/draw/plot.c src/draw/canvas.c src/retrieval/psnr.c src/prepare/encode_dataset.c'
# The C library, POSIX and Linux, and the compiler; assert.h is left out on purpose.
system='complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign
stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string strings tgmath threads time
uchar wchar wctype dirent dlfcn fcntl fnmatch ftw glob grp libgen poll pthread pwd regex sched
semaphore spawn syslog termios unistd utime sys/file sys/ioctl sys/mman sys/prctl sys/random sys/resource
sys/select sys/sendfile sys/socket sys/stat sys/statvfs sys/syscall sys/sysinfo sys/time sys/times
sys/types sys/uio sys/un sys/utsname sys/vfs sys/wait sys/xattr linux/magic
immintrin emmintrin xmmintrin pmmintrin x86intrin cpuid arm_neon'

# module: what its exports begin with, where that is not t2i_MODULE. A part such as eval_rank may
# also use the name of the whole, t2i_eval_, where eval.c or eval_internal.h lies beside it.
names='
error          t2i_fail t2i_assert_failed t2i_set_abort_hook
mem            t2i_alloc t2i_free t2i_grow t2i_strdup
block          t2i_layout_ t2i_tensor_count
portable_math  t2i_exp64 t2i_log64 t2i_sin64 t2i_cos64 t2i_pow64
pyvalue        t2i_py_
safetensors    t2i_st_
dataset_h5     t2i_h5_ t2i_kind_
dataset_schema t2i_column
dataset_column t2i_column
packed_weights t2i_packed_layer
'
# module symbol: why it is there although no module uses it
unused='
base/mem t2i_alloc_calls  the tests count allocations: a step makes none
base/mem t2i_alloc_bytes  the tests count what a hostile file makes a reader allocate
base/mem t2i_alloc_live   the tests look for leaks
model/transformer t2i_transformer_backward  golden values and central differences: the whole gradient
comm/reduce t2i_reduce_shares  tests/mpi/reduce.c: is the memory of a node shared?
comm/reduce t2i_reduce_slice   tests/mpi/reduce.c: a slice beside the whole sum
model/ngrams t2i_ngrams_row  tests/unit/model/transformer.c: rows of pieces by another way
formats/safetensors t2i_st_find  tests read golden values by name
formats/safetensors t2i_st_save  tests write files from elsewhere
formats/torchfile t2i_torchfile_parse  tests/fuzz/torchfile.c: bytes without a file
formats/zip t2i_zip_root  tests compare the folder in an archive with that of torch.save
'
most_modules=20 # in a folder

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
        if (!index(only[name], " " layer " ") && !index(only[name], " " FILENAME " "))
            wrong(name " is for" only[name] "alone")
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
    for (i = 1; i <= n; i++) if (split(line[i], word, " ") == 2) only[word[1]] = only[word[1]] " " word[2] " "
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
    if ! said=$($CC -std=c11 -D_POSIX_C_SOURCE=200809L -fsyntax-only -Isrc -Iinclude $(pkg-config --cflags hdf5-serial 2>/dev/null || pkg-config --cflags hdf5 2>/dev/null) -x c - 2>&1 <<END
#include "${header#src/}"
END
    ); then
        echo "$header:1: does not compile alone:"
        echo "$said" | head -5
        bad=1
    fi
done
for folder in src/*/; do
    modules=$(find "$folder" -name '*.c' | wc -l)
    [ "$modules" -le $most_modules ] && continue
    echo "$folder: $modules modules; more than $most_modules"
    bad=1
done

# ---- what the object files define and need ----

objects=
for source in src/*/*.c; do
    object=$B/${source%.c}.o
    [ -e "$source" ] && [ -e "$object" ] && objects="$objects $object"
done
if [ -z "$objects" ]; then
    echo "layers: no object files in $B: only the sources were checked" >&2
    exit "${bad:-0}"
fi
export B names unused
# shellcheck disable=SC2086
found=$(nm -gA $objects | awk '
function wrong(place, text) { print place ": " text; bad = 1 }

# Takes away whoever calls nobody or is called by nobody, again and again: circles are left.
function circles(calls, what,    pair, end, from, to, changed) {
    do {
        split("", from); split("", to); changed = 0
        for (pair in calls) { split(pair, end, SUBSEP); from[end[1]] = 1; to[end[2]] = 1 }
        for (pair in calls) {
            split(pair, end, SUBSEP)
            if (!(end[2] in from) || !(end[1] in to)) { delete calls[pair]; changed = 1 }
        }
    } while (changed)
    for (pair in calls) {
        split(pair, end, SUBSEP)
        wrong("src/" end[1], "in a circle of " what ": needs " end[2] " (" calls[pair] ")")
    }
}

function begins(name, prefix) {
    return index(name, prefix) == 1 && (prefix ~ /_$/ || name == prefix || substr(name, length(prefix) + 1, 1) == "_")
}
function carries_name(module, name,    part, first, i, n, alias) {
    split(module, part, "/")
    if (begins(name, "t2i_" part[2])) return 1
    first = part[2]; sub(/_.*/, "", first)
    if (first != part[2] && (((part[1] "/" first) in is_module) || ((part[1] "/" first "_internal") in is_header)) &&
        begins(name, "t2i_" first)) return 1
    n = split(may_begin[part[2]], alias, " ")
    for (i = 1; i <= n; i++) if (index(name, alias[i]) == 1) return 1
    return 0
}

# A part of the module that it uses itself may be seen by its tests.
function excuse(name, module,    file, line, count, word) {
    if (name in excused) return 1
    file = "src/" module ".c"; count = 0
    word = "(^|[^A-Za-z0-9_])" name "([^A-Za-z0-9_]|$)"
    while ((getline line < file) > 0) if (line ~ word) count++
    close(file)
    return count > 1
}

BEGIN {
    n = split(ENVIRON["table"], line, "\n")
    for (i = 1; i <= n; i++) {
        k = split(line[i], word, " ")
        for (j = 2; j <= k; j++) {
            may[word[1], word[j]] = 1
            if (word[j] != word[1]) uses[word[1], word[j]] = "by the table"
        }
    }
    circles(uses, "folders")
    n = split(ENVIRON["names"], line, "\n")
    for (i = 1; i <= n; i++) {
        k = split(line[i], word, " ")
        for (j = 2; j <= k; j++) may_begin[word[1]] = may_begin[word[1]] " " word[j]
    }
    n = split(ENVIRON["unused"], line, "\n")
    for (i = 1; i <= n; i++) if (split(line[i], word, " ") > 1) excused[word[2]] = word[1]
    n = split(ENVIRON["files"], word, "\n")
    for (i = 1; i <= n; i++) {
        file = word[i]; sub(/^src\//, "", file)
        if (file ~ /\.h$/) { sub(/\.h$/, "", file); is_header[file] = 1 }
        else { sub(/\.c$/, "", file); is_module[file] = 1 }
    }
    skip = length(ENVIRON["B"] "/src/") + 1
}

{
    at = index($0, ".o:")
    module = substr($0, skip, at - skip)
    name = $NF; type = $(NF - 1)
    if (name !~ /^(t2i_|report_|[a-z])/ || name ~ /^_/ || name == "main") next
    if (type == "U") needs[module, name] = 1
    else if (type ~ /^[TDBRCVWi]$/) home[name] = module
}

END {
    for (pair in needs) {
        split(pair, end, SUBSEP); module = end[1]; name = end[2]
        if (!(name in home) || home[name] == module) continue
        needed[name] = 1
        calls[module, home[name]] = name
        split(module, a, "/"); split(home[name], b, "/")
        if (!((a[1], b[1]) in may))
            wrong("src/" module ".c", "folder " a[1] " may not use " name " of " home[name])
    }
    circles(calls, "modules")
    for (name in home) {
        if (home[name] ~ /^library\//) continue # its names are those of include/t2i/t2i.h
        if (!carries_name(home[name], name))
            wrong("src/" home[name] ".c", name " does not carry the name of its module")
        if (!(name in needed) && !excuse(name, home[name]))
            wrong("src/" home[name] ".c", name " is needed by no other module: make it static or remove it")
    }
    for (name in excused) {
        if (!(excused[name] in is_module)) continue
        if (!(name in home)) wrong("tests/layers.sh", name " is excused, but not there")
        else if (name in needed) wrong("tests/layers.sh", name " is excused, but needed")
    }
    exit bad
}') || bad=1
[ -z "$found" ] || echo "$found" | sort
exit "${bad:-0}"
