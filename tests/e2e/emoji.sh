#!/bin/bash
# t2i-data emoji from the outside: English, its sizes and splits, a few steps of training on it, and what it refuses.
# PYTHON names a Python that has h5py, for the checks with it.
. tests/e2e/lib.sh.inc
data=$B/t2i-data
"$data" emoji --out "$scratch/en.h5" --dim 48 2>"$scratch/stderr" || {
    rc=$?
    cat "$scratch/stderr"
    [ $rc -eq 66 ] && exit 77 # no font, or no names: the line before says which
    exit 1
}

# ---- sizes: CLDR 41 has 3,633 emoji and 17,442 pairs in English; later ones a few more ----
"$data" info --json "$scratch/en.h5" >"$scratch/info.json"
between() {
    value=$(sed -n "s/^ *\"$1\": \([0-9]*\).*/\1/p" "$scratch/info.json" | head -n 1)
    [ "${value:-0}" -ge "$2" ] && [ "${value:-0}" -le "$3" ] || fail "$1 is ${value:-not there}, not $2..$3"
}
between pairs 16000 40000
between pictures 3600 5000
between features 48 48
"$data" verify "$scratch/en.h5" >"$scratch/verify" || fail "verify: $(cat "$scratch/verify")"
"$data" preview "$scratch/en.h5" 2>/dev/null || fail "preview"

# ---- a few languages of a few emoji are the same bytes each time, and others with another seed ----
mkdir -p "$scratch/cldr/annotations"
for locale in en de; do
    { echo "<ldml><annotations>"
      for i in $(seq 0 63); do
          printf '<annotation cp="&#x%x;">%s | word %d | a long keyword of all</annotation>\n' $((0x1f600 + i)) "$locale $i" $((i / 2))
      done
      echo "</annotations></ldml>"; } >"$scratch/cldr/annotations/$locale.xml"
done
few() { "$data" emoji --cldr "$scratch/cldr" --dim 8 "$@" 2>"$scratch/stderr" || { fail "emoji $*"; cat "$scratch/stderr"; }; }
few --out "$scratch/a.h5" --locales de,en
few --out "$scratch/b.h5" --locales all
cmp "$scratch/a.h5" "$scratch/b.h5" || fail "all is not de,en"
few --out "$scratch/b.h5" --locales all --seed 2
! cmp -s "$scratch/a.h5" "$scratch/b.h5" || fail "another seed gave the same file"

few --out "$scratch/b.h5" --locales en --with de --join 3
grep -q -- '--join 3: added [0-9]* training pairs' "$scratch/stderr" || fail "--join adds no pairs: $(cat "$scratch/stderr")"
"$data" info --json "$scratch/b.h5" | grep -q '"repeated_pairs": 0' || fail "--join repeats pairs"

# ---- training and asking ----
train 2 --data "$scratch/en.h5" --out "$scratch/run" $small_model --block-size 96 --steps 20 --log-every 10 --validate-every 20
"$B/t2i-generate" "$scratch/run" "red heart" --top 3 --json --out "$scratch/heart.png" >"$scratch/answer.json" || fail "generate"
grep -q '"image": "[0-9A-F][0-9A-F-]* [^"]' "$scratch/answer.json" || { fail "no picture was named"; cat "$scratch/answer.json"; }

# ---- what it refuses, in one line ----
no=$scratch/no.h5
expect 64 "needs --out" "$data" emoji
expect 64 'did you mean "en"?' "$data" emoji --out "$no" --locales en_US
expect 64 "locales, one file per locale in" "$data" emoji --out "$no" --locales de,klingonisch
expect 64 "neither white nor #rrggbb" "$data" emoji --out "$no" --background blue
expect 64 "takes no --locales" "$data" shapes --out "$no" --locales de
expect 64 "takes no --with" "$data" shapes --out "$no" --with de
expect 64 "takes no --join" "$data" shapes --out "$no" --join 3
expect 66 "fonts-noto-color-emoji" "$data" emoji --out "$no" --font "$scratch/none.ttf"
expect 66 "unicode-cldr-core" "$data" emoji --out "$no" --cldr "$scratch"
expect 65 "is not a font" "$data" emoji --out "$no" --font "$scratch/en.h5"
head -c 3000 "$scratch/cldr/annotations/de.xml" >"$scratch/cut.xml"
mv "$scratch/cut.xml" "$scratch/cldr/annotations/de.xml"
expect 65 "annotations/de.xml:$(($(wc -l <"$scratch/cldr/annotations/de.xml") + 1)): is cut off" \
    "$data" emoji --out "$no" --cldr "$scratch/cldr" --locales de
echo '<svg/>' >"$scratch/cldr/annotations/de.xml"
expect 65 "not CLDR annotations" "$data" emoji --out "$no" --cldr "$scratch/cldr" --locales de
# a font that has outlines only, where there is one
plain=$(find /usr/share/fonts -name '*.ttf' ! -name '*Emoji*' 2>/dev/null | head -n 1)
[ -z "$plain" ] || expect 65 "has no colour bitmaps" "$data" emoji --out "$no" --font "$plain"
expect 73 "nowhere/no.h5" "$data" emoji --out "$scratch/nowhere/no.h5" --cldr "$scratch/cldr" --dim 2
[ ! -e "$no" ] || fail "a failure left a file"

# ---- h5py reads it, and no held-out prompt or picture is in training ----
python=${PYTHON:-python3}
"$python" -c 'import h5py' 2>/dev/null || { echo "no h5py in $python: not looked at with it"; finish; exit 0; }
"$python" - "$scratch/en.h5" <<'END' || fail "h5py: see above"
import sys, h5py
f = h5py.File(sys.argv[1])
def texts(offsets, data):
    o, b = f[offsets][:], f[data][:].tobytes()
    return [b[o[i]:o[i + 1]].decode("utf-8") for i in range(len(o) - 1)]
prompts, names = texts("prompts/offsets", "prompts/bytes"), texts("images/name_offsets", "images/name_bytes")
image, split, group = f["pairs/image"][:], f["pairs/split"][:], f["images/group"][:]
assert prompts == sorted(prompts, key=lambda p: p.encode()), "prompts are not sorted"
assert len(set(zip(prompts, image))) == len(prompts), "pairs are not distinct"
assert f["images/pixels"].shape == (len(names), 64, 64, 3) and f["images/features"].shape == (len(names), 48)
assert f.attrs["format"].decode() == "t2i-dataset"
at = {name: i for i, name in enumerate(names)}
for name in ("1F600 grinning face", "1F44D-1F3FF thumbs up: dark skin tone", "1F1E9-1F1EA flag: Germany", "23-20E3 keycap: #"):
    assert name in at, name
assert group[at["1F44D-1F3FF thumbs up: dark skin tone"]] == group[at["1F44D thumbs up"]]
prompts_of = [{p for p, s in zip(prompts, split) if s == k} for k in range(4)]
groups_of = [{group[i] for i, s in zip(image, split) if s == k} for k in range(4)]
sizes = [len(p) for p in prompts_of]
assert sum(sizes) == len(set(prompts)), "a prompt is in two splits"
assert not groups_of[3] & (groups_of[0] | groups_of[1] | groups_of[2]), "an unseen group is seen"
assert set(image[(split == 1) | (split == 2)]) <= set(image[split == 0]), "a picture lost all its training prompts"
assert 0.08 < sizes[2] / sum(sizes) < 0.11 and 0.015 < sizes[1] / sum(sizes) < 0.025, sizes
assert 0.02 < len(groups_of[3]) / len(set(group)) < 0.031
middle = f["images/pixels"][at["2764 red heart"]][30, 32]
assert middle[0] > 180 and middle[1] < 120, middle
END
finish
