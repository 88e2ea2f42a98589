#!/bin/bash
# TIMEOUT: 240
# t2i-generate --html: a page by itself that filters as one types, in headless Chromium where it is; and on a terminal
# (script makes one) pictures by half-blocks or kitty's protocol, and prompts that are asked for.
. tests/e2e/lib.sh.inc
"$B/t2i-data" shapes --out "$scratch/d.h5" >/dev/null 2>&1
train 1 --data "$scratch/d.h5" $small_model --steps 5 --validate-every 0 --out "$scratch/run"
page=$scratch/page.html
export OMP_NUM_THREADS=1
"$B/t2i-generate" "$scratch/run" '</h3><script>alert(1)</script>' "a red star" --html "$page" --top 3 2>"$scratch/said" || fail "--html"
grep -q '2 prompts of yours, 400 of 6480 prompts' "$scratch/said" || { fail "not said what is left out"; cat "$scratch/said"; }
grep -n '://' "$page" && fail "the page names an address"
[ "$(grep -c '<script' "$page")" -eq 1 ] || fail "a prompt became a script"
[ "$(grep -c 'class="answer"' "$page")" -eq 402 ] || fail "not 402 answers"
[ "$(grep -o 'class="p[0-9]*"' "$page" | sort -u | wc -l)" -eq "$(grep -c '^\.row \.p[0-9]*{background-image:url(data:image/png;base64,' "$page")" ] ||
    fail "pictures that are named are not those that are there"
[ "$(stat -c %s "$page")" -lt 8000000 ] || fail "the page has $(stat -c %s "$page") bytes"
grep -q 'right picture: no\. [0-9]* of 1296' "$page" || fail "no rank of the right picture"
expect 64 "excludes --json, --out and --vectors" "$B/t2i-generate" "$scratch/run" --html "$page" --json
expect 64 "give a run folder" "$B/t2i-generate" "$scratch/run"
"$B/t2i-generate" "$scratch/run" "a red star" --out "$scratch/x.png" | grep -q "$(printf '\033')" && fail "pictures in a pipe"

if command -v script >/dev/null; then
    # terminal ENVIRONMENT...: what two prompts and an empty line give on one
    terminal() {
        (printf 'a red star\nthe blue\n'; sleep 2; printf "$end") |
            env -u NO_COLOR -u KITTY_WINDOW_ID -u TMUX -u STY "$@" timeout 60 script -qec "$B/t2i-generate $scratch/run --out $scratch/t.png" /dev/null >"$scratch/out" 2>&1 ||
            { fail "on a terminal, with $*"; tail -n 3 "$scratch/out"; }
        [ "$(grep -c '^Sheet: ' "$scratch/out")" -eq 2 ] || fail "not two answers, with $*"
        grep -q 'prompt> ' "$scratch/out" || fail "no prompt was asked for"
        grep -q 'an empty line or Ctrl-D ends' "$scratch/out" || fail "not said how to leave"
    }
    end='\004' # Ctrl-D
    terminal TERM=xterm-256color
    end='\nnever asked\n' # an empty line
    for n in '' -2; do rm "$scratch/t$n.png" "$scratch/t$n-drawn-1.png" || fail "a picture of a prompt, $n"; done
    [ "$(grep -c '48;2;.*▀' "$scratch/out")" -eq 18 ] || fail "not twice nine lines of half-blocks"
    terminal TERM=xterm-kitty
    [ "$(grep -o '_Ga=T,f=100' "$scratch/out" | wc -l)" -eq 8 ] || fail "not twice four pictures for kitty"
    for off in NO_COLOR=1 TERM=dumb; do
        terminal TERM=xterm "$off"
        grep -q -e '▀' -e '_G' "$scratch/out" && fail "pictures with $off"
    done
fi

grep -q '_<wbr/>[a-z]*_<wbr/>[a-z]*\.png' "$page" || fail "names of files cannot break"
[ "$failures" -eq 0 ] && command -v chromium >/dev/null || { finish; echo "no chromium here: the page was not looked at by a browser"; exit 77; }
# as if somebody had typed: the answers without both words are hidden ("right picture" is a note, not the prompt)
sed 's|^document.documentElement.dataset.ready|var box = document.querySelector("input"); box.value = "red RIGHT"; box.dispatchEvent(new Event("input"));\n&|' "$page" >"$scratch/typed.html"
browse "$scratch/typed.html"
grep -i 'CONSOLE' "$scratch/console" && fail "an error in the console"
shown=$(grep 'class="answer"' "$scratch/dom" | grep -v 'hidden=""' | grep -c .)
[ "$shown" -gt 0 ] && [ "$shown" -eq "$(grep 'class="answer"' "$page" | sed 's/<small>.*//' | grep red | grep -c right)" ] || fail "$shown answers for two words"
# no answer has them: what to type
sed 's|^document.documentElement.dataset.ready|var box = document.querySelector("input"); box.value = "red \\"unicorn"; box.dispatchEvent(new Event("input"));\n&|' "$page" >"$scratch/typed.html"
browse "$scratch/typed.html"
grep -q '<p id="none">No prompt .*ask the model: <code>t2i-generate .*/run "<span id="asked">red \\"unicorn</span>"</code>' "$scratch/dom" ||
    { fail "not what to type"; grep 'id="none"' "$scratch/dom"; }
grep -q '<p id="none" hidden="hidden">' "$page" || fail "said where all answers are shown"
finish
