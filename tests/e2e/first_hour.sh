#!/bin/bash
# A newcomer's first hour: every command line that README and the documents below show, in this order, in a copy of the source
# that was built here, with few steps. SOAK=1, as root and where debootstrap is: on a bare Debian 12, from ./bootstrap on
# (7 minutes on 2 busy cores).
# TIMEOUT: 300
. tests/e2e/lib.sh.inc
documents="README.md docs/pytorch.md docs/emoji.md docs/training-guide.md docs/tutorial.md docs/cluster.md"

# What stands indented by four spaces, outside of ``` blocks, is a command.
commands_of() { awk '/^```/ { fenced = !fenced } !fenced && /^    [^ ]/ { sub(/^    /, ""); sub(/ *  # .*/, ""); print }' "$@"; }
# shown_in FILES COMMAND...: each of them is there.
shown_in() {
    commands_of $1 >"$scratch/commands"
    where=$1
    shift
    for command in "$@"; do
        grep -q -F -e "$command" "$scratch/commands" || fail "$where: no '$command' is shown"
    done
}
shown_in README.md './bootstrap && make demo' './bootstrap --tests && make check' 't2i-data build' 't2i-data info' 't2i-data preview' \
    't2i-train --data' 't2i-generate runs' 't2i-eval'
shown_in "$documents" 't2i-model export' 't2i-model show' 't2i-generate text_to_image_model.pt' 't2i-data emoji' 't2i-train jobs/emoji-en.ini' \
    't2i-eval runs/emoji-en' 't2i-model report' 't2i-generate runs/pets --html' 'make tutorial' 't2i-data seed' 't2i-train jobs/seed.ini' \
    t2i-doctor sbatch
sed -e '/make check/d; /^make tutorial/d; /^sbatch/d' -e 's/--steps [0-9]*/--steps 20/' "$scratch/commands" >"$scratch/walk" # Slurm: tests/slurm
while read -r script; do [ -e "$script" ] || fail "sbatch $script is shown, which is not there"; done < <(sed -n 's/^sbatch \([^ ]*\).*/\1/p' "$scratch/commands")

# What README takes for granted: a folder of pictures with a list. Its first lines are README's own.
photos() {
    mkdir -p "$1/photos/winter"
    sed -n '/^prompt,image_path/,/^```/p' README.md | grep -v '^```' >"$1/pets.csv"
    cp tests/golden/pictures/rgb.jpg "$1/photos/tom.jpg"
    cp tests/golden/pictures/rgb_8.png "$1/photos/winter/rex.png"
    for file in tests/golden/pictures/expected/*.png; do
        cp "$file" "$1/photos/"
        echo "a picture of ${file##*/},${file##*/}" >>"$1/pets.csv"
    done
}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl_vader_single_copy_mechanism=none

if [ -n "${SOAK:-}" ] && [ "$(id -u)" -eq 0 ] && command -v debootstrap >/dev/null; then
    bare_debian "$scratch/debian"
    git clone -q . "$bare/project"
    photos "$bare/project"
    sed -i 's/^steps = .*/steps = 20/' "$bare"/project/jobs/*.ini
    cp "$scratch/walk" "$bare/project/walk"
    chroot "$bare" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin $(env | grep ^OMPI_) sh -c 'cd /project && sh -ex walk && make install' || fail "the documents' command lines on a bare Debian"
    finish
    exit
fi

# Here, what was built before stands for ./bootstrap and make.
mkdir -p "$scratch/project/build/release"
cp -r README.md docs jobs slurm "$scratch/project/"
mkdir "$scratch/project/data"
for program in "$B"/t2i-*; do ln -s "$PWD/$program" "$scratch/project/build/release/"; done
photos "$scratch/project"
sed -i 's/^steps = .*/steps = 20/' "$scratch"/project/jobs/*.ini
sed -i 's/^.\/bootstrap && make demo/B=build\/release sh jobs\/demo.sh/; s/^make taste/B=build\/release sh jobs\/taste.sh/' "$scratch/walk"
[ -e /usr/share/fonts/truetype/noto/NotoColorEmoji.ttf ] || fail "no emoji font: ./bootstrap installs it"
cd "$scratch/project"
sh -ex "$scratch/walk" >"$scratch/said" 2>&1 </dev/null || { fail "command lines of $documents: the last of these"; tail -n 20 "$scratch/said"; }
# What the documents say is there afterwards.
for file in runs/shapes/demo.png runs/pets/report.html runs/pets/generated/a-grey-cat-on-a-sofa.png both.html page.html text_to_image_model.pt runs/emoji-en/model.safetensors; do
    [ -s "$file" ] || fail "no $file"
done
finish
