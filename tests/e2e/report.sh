#!/bin/bash
# The page that a run leaves: there after each checkpoint and at the end, with what happened in it, made again and over
# several runs by t2i-model report; in headless Chromium (where it is) no console error, and the script has run to its end.
# TIMEOUT: 200
. tests/e2e/lib.sh.inc
small_dataset "$scratch/d.h5"
common="--data $scratch/d.h5 $small_model --validate-every 5 --sample-every 5 --log-every 1"
out=$scratch/run

# alone PAGE: an address that is not within the page itself, or a script that is not ours
alone() {
    [ -s "$1" ] || { fail "no $1"; return; }
    grep -n '://' "$1" && fail "$1 names an address"
    [ "$(grep -c '<script' "$1")" -eq 1 ] || fail "$1 has another script"
    [ "$(grep -o 'src="' "$1" | wc -l)" -eq "$(grep -o 'src="data:image/png;base64,' "$1" | wc -l)" ] || fail "$1 needs another file"
}
# has PAGE TEXT...
has() {
    page=$1
    shift
    for text in "$@"; do grep -q -F -- "$text" "$page" || fail "$page lacks '$text'"; done
}

# stopped, and gone on with at another number of ranks
train 2 $common --steps 1000000 --checkpoint-every 5 --max-time 2 --out "$out" 2>/dev/null && fail "max-time did not stop it"
alone "$out/report.html"
has "$out/report.html" 'class="state stopped"' 'run the same command again' '2 ranks x 1 thread'
step=$(sed -n 's/.*"step": \([0-9]*\),.*/\1/p' "$out/status.json")
train 3 $common --steps $((step + 10)) --checkpoint-every 5 --out "$out"
alone "$out/report.html"
has "$out/report.html" 'class="state finished"' '2 ranks x 1 thread' 'resumed: 3 ranks' 'command line' "of $((step + 10))" 'R@10' 'step 5<' \
    "$(sed -n 's/^{"step":[0-9]*,"val_loss":\(0\.[0-9]\{3\}\).*/\1/p' "$out/log.jsonl" | tail -n 1)"
[ "$(grep -c '"event":"start"' "$out/events.jsonl")" -eq 2 ] || fail "not two starts in events.jsonl"
tail -n 2 "$out/events.jsonl" | grep '"event":"ranks"' | grep -q '\[0,[^]]*\],\[1,[^]]*\],\[2,' || fail "not the time of three ranks"

# made again from the files; of several runs
cp "$out/report.html" "$scratch/before.html"
expect 0 "wrote $out/report.html" "$B/t2i-model" report "$out"
diff <(sed 's/As of .* UTC//' "$scratch/before.html") <(sed 's/As of .* UTC//' "$out/report.html") >/dev/null || fail "made again it is another"
train 1 $common --steps 20 --lr 2e-3 --checkpoint-every 0 --out "$scratch/other"
alone "$scratch/other/report.html"
expect 0 "wrote $scratch/both.html: 2 runs compared" "$B/t2i-model" report "$out" "$scratch/other" --out "$scratch/both.html"
alone "$scratch/both.html"
has "$scratch/both.html" '>0.001</td>' '>0.002</td>' 'Validation loss'
expect 64 "needs --out" "$B/t2i-model" report "$out" "$scratch/other"
expect 66 "not a run folder" "$B/t2i-model" report "$scratch"
expect 64 "report takes" "$B/t2i-model" report
expect 73 "no/such/page.html" "$B/t2i-model" report "$out" --out "$scratch/no/such/page.html"

# one that cannot be written: said once, and the run ends as if nothing was
rm "$scratch/other/report.html" && mkdir "$scratch/other/report.html"
touch "$scratch/other/report.html/in-the-way"
train 1 $common --steps 40 --lr 2e-3 --checkpoint-every 5 --out "$scratch/other" || fail "no report, no run"
[ "$(grep -c 'report.html.*training continues' "$scratch/train.log")" -eq 1 ] || { fail "not said once"; cat "$scratch/train.log"; }
ls "$scratch/other" | grep -q tmp && fail "a temporary file was left"

[ "$failures" -eq 0 ] && command -v chromium >/dev/null || { finish; echo "no chromium here: the pages were not looked at by a browser"; exit 77; }
for page in "$out/report.html" "$scratch/both.html"; do
    browse "$page"
    grep -i 'CONSOLE' "$scratch/console" && fail "$page: an error in the console"
    grep -q 'data-ready="yes"' "$scratch/dom" || fail "$page: the script did not come to its end"
    grep -q 'class="tip" hidden' "$scratch/dom" || fail "$page: no value under the pointer"
done

# on a narrow screen rows of a comparison are cards: each value has the name of its column, nothing is cut off
cat >"$scratch/look.js" <<'END'
var cell = document.querySelector('.cards td[data-name]');
document.documentElement.dataset.seen = [getComputedStyle(cell.parentNode).display,
    getComputedStyle(cell, '::before').content.replace(/"/g, ''),
    getComputedStyle(cell.closest('table').rows[0]).display,
    document.documentElement.scrollWidth > innerWidth].join(' ');
END
sed "/^document.documentElement.dataset.ready/r $scratch/look.js" "$scratch/both.html" >"$scratch/narrow.html"
# looks_as WIDTH TEXT
looks_as() {
    browse "$scratch/narrow.html" --window-size="$1,900"
    grep -q "data-seen=\"$2\"" "$scratch/dom" || fail "$1 wide: $(grep -o 'data-seen="[^"]*"' "$scratch/dom"), not $2"
}
looks_as 500 'block state none false'
looks_as 1200 'table-row none table-row false'
finish
