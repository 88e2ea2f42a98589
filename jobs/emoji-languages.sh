#!/bin/sh
# emoji-languages.sh RANKS.tsv [CLDR]: scores by language of an emoji model, from `t2i-eval --ranks`. A prompt counts
# for each language that CLDR gives it in. Regions (de_CH) count with none. Columns: language, prompts, then R@1, R@10
# and MRR of the model by cosine and of the text index.
set -eu
[ $# -ge 1 ] || { sed -n '2s/^# //p' "$0" >&2; exit 64; }
cldr=${2:-/usr/share/unicode/cldr/common}
[ -d "$cldr/annotations" ] || { echo "emoji-languages.sh: no folder $cldr/annotations; name CLDR's folder" >&2; exit 66; }
for file in "$cldr"/annotations/*.xml "$cldr"/annotationsDerived/*.xml; do
    language=$(basename "$file" .xml)
    case $language in root | *_*) continue ;; esac
    # one line "language TAB prompt" for each name and keyword
    sed -n 's/.*<annotation [^>]*>\(.*\)<\/annotation>.*/\1/p' "$file" | sed 's/ *| */\n/g' |
        sed "s/&lt;/</g; s/&gt;/>/g; s/&quot;/\"/g; s/&apos;/'/g; s/&amp;/\&/g; s/^/$language	/"
done | awk -F'\t' '
    FNR == NR { if (FNR > 1) { rank[$2] = $3; text[$2] = $5 } next }
    $2 in rank && !(($1, $2) in seen) {
        seen[$1, $2]; n[$1]++
        r1[$1] += rank[$2] <= 1; r10[$1] += rank[$2] <= 10; mrr[$1] += 1 / rank[$2]
        t1[$1] += text[$2] <= 1; t10[$1] += text[$2] <= 10; tmrr[$1] += 1 / text[$2]
    }
    END {
        print "language\tprompts\tR@1\tR@10\tMRR\tindex R@1\tindex R@10\tindex MRR"
        for (l in n) printf "%s\t%d\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\n", l, n[l], r1[l] / n[l], r10[l] / n[l], mrr[l] / n[l],
            t1[l] / n[l], t10[l] / n[l], tmrr[l] / n[l] | "sort"
    }' "$1" -
