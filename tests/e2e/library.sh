#!/bin/bash
# The library as strangers use it: the names and libraries that can be seen, the examples in C (shared and static) and Python,
# the same numbers as t2i-generate --json, threads, errors, silence, and where t2i-reader is found.
. tests/e2e/lib.sh.inc
unset T2I_READER
CC=${CC:-cc} PYTHON=${PYTHON:-python3}
export ASAN_OPTIONS="verify_asan_link_order=0:$ASAN_OPTIONS"
case $B in *asan*) flags=-fsanitize=address,undefined ;; *) flags= ;; esac
"$B/t2i-data" seed --out "$scratch/s.h5" 2>/dev/null
train 1 --data "$scratch/s.h5" --out "$scratch/run" $small_model --batch 6 --steps 5
train 1 --data "$scratch/s.h5" --out "$scratch/space" $small_model --batch 6 --steps 5 --loss contrastive --embed-dim 5 --ngram-buckets 64

# what can be seen of it
grep -o '\bt2i_[a-z_]*(' include/t2i/t2i.h | tr -d '(' | sort -u >"$scratch/interface"
nm -D --defined-only "$B/libt2i.so" | sed 's/.* //' | sort | diff - "$scratch/interface" || fail "libt2i.so exports something else than t2i.h"
nm -g --defined-only "$B/libt2i.a" | sed -n 's/.* [A-Z] //p' | sort | diff - "$scratch/interface" || fail "libt2i.a exports something else than t2i.h"
readelf -d "$B/libt2i.so" | grep -q 'SONAME.*\[libt2i.so.1\]' || fail "no soname"
readelf -V "$B/libt2i.so" | grep 'Version definition' && fail "symbols have versions"
ldd "$B/libt2i.so" | grep -i -e mpi -e hdf5 -e blas -e curl && fail "it needs MPI, HDF5 or BLAS"
[ -n "$flags" ] || ! ldd -r "$B/libt2i.so" 2>&1 | grep undefined || fail "names that no library has"

# the header alone, in C and, where there is a compiler, in C++; the example against either library
echo '#include <t2i/t2i.h>' >"$scratch/h.c"
$CC -std=c99 -Wall -Wextra -Werror -Iinclude -fsyntax-only "$scratch/h.c" || fail "t2i.h in C99"
if command -v c++ >/dev/null; then c++ -x c++ -Wall -Werror -Iinclude -fsyntax-only "$scratch/h.c" || fail "t2i.h in C++"; fi
$CC $flags -Wall -Wextra -Werror -Iinclude examples/nearest.c -L"$B" -lt2i -o "$scratch/shared" || fail "nearest.c with libt2i.so"
$CC $flags -Wall -Wextra -Werror -Iinclude examples/nearest.c "$B/libt2i.a" -ljansson -lz -lxxhash -lm -pthread -o "$scratch/static" ||
    fail "nearest.c with libt2i.a"
LD_LIBRARY_PATH=$(cd "$B" && pwd)
export LD_LIBRARY_PATH

# answers RUN TOP METRIC PROMPT...: "prompt TAB distance TAB name" of what t2i-generate says
answers() {
    "$B/t2i-generate" "$scratch/$1" "${@:4}" --data "$scratch/s.h5" --top "$2" --metric "$3" --json --out "$scratch/g.png" --force 2>/dev/null |
        sed -n 's/^ *"\(prompt\|distance\|image\)": "\{0,1\}\([^"]*\)"\{0,1\},\{0,1\}$/\1\t\2/p' |
        awk -F '\t' '$1 == "prompt" { held = 0; p = $2; for (i = 0; i < n; i++) print p "\t" d[i] "\t" name[i]; n = 0 }
            $1 == "image" { name[n] = $2 } $1 == "distance" { d[n] = sprintf("%.9g", $2) } name[n] != "" && d[n] != "" { n++ }
            END { for (i = 0; i < n; i++) print p "\t" d[i] "\t" name[i] }'
}
prompts=("a red square" "blue" "a green € circle")
for metric in euclidean cosine; do
    for prompt in "${prompts[@]}"; do answers run 3 $metric "$prompt"; done >"$scratch/$metric"
    for prompt in "${prompts[@]}"; do answers space 3 $metric "$prompt"; done >"$scratch/space.$metric"
done
[ "$(wc -l <"$scratch/euclidean")" -eq 9 ] && [ "$(wc -l <"$scratch/cosine")" -eq 9 ] || { fail "t2i-generate says something else"; cat "$scratch/euclidean"; }
"$scratch/shared" "$scratch/run" "$scratch/s.h5" "${prompts[@]}" 2>"$scratch/said" | diff - "$scratch/euclidean" || fail "other numbers than t2i-generate's"
[ ! -s "$scratch/said" ] || { fail "the library prints"; cat "$scratch/said"; }
T2I_READER=$B/t2i-reader "$scratch/static" "$scratch/run/model.safetensors" "$scratch/s.h5" "${prompts[@]}" | diff - "$scratch/euclidean" ||
    fail "other numbers of libt2i.a"

"$scratch/shared" "$scratch/space" "$scratch/s.h5" "${prompts[@]}" | diff - "$scratch/space.euclidean" || fail "other numbers with embed-dim"

# threads, rounding, errors, no child left: all in tests/helper/library_threads.c; both metrics
"$B/tests/helper/library_threads" "$scratch/run" "$scratch/s.h5" "${prompts[@]}" >"$scratch/stdout" 2>"$scratch/stderr" ||
    { fail "library_threads"; grep ^line "$scratch/stdout"; cat "$scratch/stderr"; }
[ ! -s "$scratch/stderr" ] || { fail "the library prints"; cat "$scratch/stderr"; }
diff "$scratch/stdout" <(cat "$scratch/euclidean" "$scratch/cosine") || fail "other numbers in threads"
"$B/tests/helper/library_threads" "$scratch/space" "$scratch/s.h5" "${prompts[@]}" >"$scratch/stdout" || { fail "library_threads with embed-dim"; grep ^line "$scratch/stdout"; }
diff "$scratch/stdout" <(cat "$scratch"/space.{euclidean,cosine}) || fail "other numbers in threads with embed-dim"

# wrong files: the code, and what the example itself prints
wrong() { # CODE TEXT ARGUMENT...
    rc=0
    "$scratch/shared" "${@:3}" >"$scratch/stdout" 2>"$scratch/stderr" || rc=$?
    [ $rc -eq "$1" ] && [ ! -s "$scratch/stdout" ] && [ "$(wc -l <"$scratch/stderr")" -eq 1 ] && grep -q "^nearest: .*$2" "$scratch/stderr" ||
        { fail "code $rc: ${*:3}"; cat "$scratch/stdout" "$scratch/stderr"; }
}
gzip -dc tests/fault/crash.h5.gz >"$scratch/crash.h5"
wrong 64 usage
wrong 66 "no such run folder" "$scratch/none" "$scratch/s.h5" red
wrong 66 "none.h5" "$scratch/run" "$scratch/none.h5" red
wrong 65 "s.h5" "$scratch/s.h5" "$scratch/s.h5" red
wrong 65 "crash.h5" "$scratch/run" "$scratch/crash.h5" red
wrong 64 "not UTF-8" "$scratch/run" "$scratch/s.h5" $'\xff'
T2I_READER=/no/such wrong 71 "cannot start /no/such" "$scratch/run" "$scratch/s.h5" red

# installed elsewhere: lib and libexec
mkdir -p "$scratch/opt/lib" "$scratch/opt/libexec/t2i"
cp "$B/libt2i.so.1" "$scratch/opt/lib"
LD_LIBRARY_PATH=$scratch/opt/lib wrong 71 "there is no t2i-reader" "$scratch/run" "$scratch/s.h5" red
cp "$B/t2i-reader" "$scratch/opt/libexec/t2i"
LD_LIBRARY_PATH=$scratch/opt/lib "$scratch/shared" "$scratch/run" "$scratch/s.h5" "${prompts[@]}" | diff - "$scratch/euclidean" || fail "from libexec"

# Python
if [ -n "$flags" ]; then
    echo "Python: not with a sanitizer in the library"
elif ! $PYTHON -c 'import numpy' 2>/dev/null; then
    echo "Python: skipped, $PYTHON has no numpy"
else
    export T2I_LIBRARY=$LD_LIBRARY_PATH/libt2i.so.1
    for metric in euclidean cosine; do
        $PYTHON examples/t2i.py "$scratch/run" "$scratch/s.h5" $metric 3 "${prompts[@]}" | diff - "$scratch/$metric" || fail "Python, $metric"
        $PYTHON examples/t2i.py "$scratch/space" "$scratch/s.h5" $metric 3 "${prompts[@]}" | diff - "$scratch/space.$metric" || fail "Python, embed-dim, $metric"
    done
    rc=0
    $PYTHON examples/t2i.py "$scratch/none" "$scratch/s.h5" cosine 3 red 2>"$scratch/said" || rc=$?
    [ $rc -eq 66 ] && [ "$(wc -l <"$scratch/said")" -eq 1 ] || { fail "Python: code $rc"; cat "$scratch/said"; }
    PYTHONPATH=examples $PYTHON - "$scratch/run" "$scratch/s.h5" <<'END' || fail "Python: the rest"
import sys
import t2i
with t2i.Predictor(sys.argv[1]) as model, t2i.Index(sys.argv[2]) as index:
    features = model.predict(["red", "blue"])
    assert features.shape == (2, model.features) and model.features == index.features
    assert (model.predict(["blue"])[0] == features[1]).all()
    assert index.decode(features).shape == (2, index.height, index.width, 3)
    with t2i.Index(sys.argv[2], model) as own:
        rgb, drawn = own.draw(features[1], model.place(["blue"])[1][0])
        assert (rgb == index.decode(features)[1]).all() and drawn == "prediction"
    try:
        index.draw(features[0], features[0])
    except t2i.Error as error:
        assert error.status == 64
    else:
        raise AssertionError("an index for no model draws a prompt")
    assert index.picture(0).shape == (index.height, index.width, 3)
    assert "r" in model.tokens() and len(model.tokens()) == model.vocabulary
    assert model.examine("r\u2603" + "e" * model.prompt_length) == (2, "\u2603")
    assert t2i.version.count(".") == 2
    try:
        index.nearest(features, top=index.pictures + 1)
    except t2i.Error as error:
        assert error.status == 64
    else:
        raise AssertionError("no error")
END
    # distances in the search space, by numpy from the features of the dataset and the model's tensors; more than one block
    $PYTHON - "$scratch/g" <<'END'
import json
import sys
import numpy as np
count, width = 1100, 7
names = ["p%d" % i for i in range(count)]
head = {n: {"dtype": "F32", "shape": [width], "data_offsets": [i * width * 4, (i + 1) * width * 4]} for i, n in enumerate(names)}
text = json.dumps(head).encode()
text += b" " * (-len(text) % 8)
with open(sys.argv[1] + ".safetensors", "wb") as out:
    out.write(len(text).to_bytes(8, "little") + text + np.random.default_rng(1).normal(size=(count, width)).astype("<f4").tobytes())
with open(sys.argv[1] + ".tsv", "w") as out:
    out.writelines("%s %d\t%s.png\n" % ("red" if i % 2 else "blue", i, n) for i, n in enumerate(names))
END
    "$B/t2i-data" build --pairs "$scratch/g.tsv" --features "$scratch/g.safetensors" --out "$scratch/g.h5" 2>/dev/null
    train 1 --data "$scratch/g.h5" --out "$scratch/g" $small_model --batch 6 --steps 5 --loss contrastive --embed-dim 5
    PYTHONPATH=examples $PYTHON - "$scratch/g" "$scratch/g.h5" "$scratch/g.safetensors" <<'END' || fail "Python: not the distances of the search space"
import json
import sys
import numpy as np
import t2i
def tensors(path):
    data = open(path, "rb").read()
    size = int.from_bytes(data[:8], "little")
    return {name: np.frombuffer(data[8 + size:][slice(*t["data_offsets"])], np.float32).reshape(t["shape"]).astype(float)
            for name, t in json.loads(data[8:8 + size]).items() if name != "__metadata__" and t["dtype"] == "F32"}
def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)
model = t2i.Predictor(sys.argv[1])
index, stored = t2i.Index(sys.argv[2], model), tensors(sys.argv[3])
features, places = model.place(["red", "a blue square", ""])
assert model.place_size == index.place_size == 5 and places.shape == (3, 5) and features.shape == (3, model.features)
weight = tensors(model.path)["picture.weight"]
pictures = np.stack([unit(weight @ stored[index.name(i)[:-4]].ravel()) for i in range(index.pictures)])
assert np.allclose(np.linalg.norm(places, axis=1), 1, atol=1e-6)
for metric, far in ("cosine", 1 - places @ pictures.T), ("euclidean", np.linalg.norm(places[:, None] - pictures[None], axis=2)):
    numbers, distances = index.nearest_places(places, metric, index.pictures)
    numbers = numbers.astype(int)
    assert np.allclose(distances, np.take_along_axis(far, numbers, 1), atol=1e-6) and (np.diff(distances) >= 0).all(), metric
    assert (np.sort(numbers) == np.arange(index.pictures)).all(), metric
END
fi
finish
