#!/bin/sh
# install.sh: implements `make install` and `make uninstall`. B: build folder; PREFIX: folder of the installation; LIBDIR: that of its
# libraries, below PREFIX; DESTDIR: prefix of PREFIX while a package is made. The installed files can be read-only.
set -eu
action=$1
lib=${LIBDIR#"$PREFIX"/}
share=$PREFIX/share/t2i
list=$DESTDIR$share/installed-files

# mode FILE: of a script 755, of a text 644
mode() { head -n 1 "$1" | grep -q '^#!' && echo 755 || echo 644; }
# put MODE FILE PATH: installs FILE as PATH below PREFIX
put() {
    install -D -m "$1" "$2" "$DESTDIR$PREFIX/$3"
    echo "$3" >>"$list.new"
}
# fill FILE PATH [sed argument...]: installs FILE with the paths of the installation filled in
fill() {
    file=$1 path=$2
    shift 2
    sed "$@" -e "s|@PREFIX@|$PREFIX|g; s|@LIB@|$lib|g; s|@VERSION@|$VERSION|g" "$file" >"$list.filled"
    put "$(mode "$file")" "$list.filled" "$path"
    rm "$list.filled"
}

install_all() {
    mkdir -p "$DESTDIR$share"
    : >"$list.new"
    for program in "$B"/t2i-*; do
        case $program in
        */t2i-reader) put 755 "$program" libexec/t2i/t2i-reader ;;
        *) [ -f "$program" ] && [ -x "$program" ] && put 755 "$program" "bin/${program##*/}" ;;
        esac
    done
    for page in "$B"/man/man1/*.1; do
        [ ! -e "$page" ] || put 644 "$page" "share/man/man1/${page##*/}"
    done
    if [ -e "$B/completion/t2i" ]; then # bash looks it up by the name of each program
        for program in "$B"/t2i-*; do
            [ -x "$program" ] && [ "${program##*/}" != t2i-reader ] && put 644 "$B/completion/t2i" "share/bash-completion/completions/${program##*/}"
        done
    fi
    for file in jobs/*.ini jobs/tutorial/* jobs/shapes-prompts.txt jobs/shapes-small.safetensors; do put 644 "$file" "share/t2i/$file"; done
    for file in jobs/cores.sh jobs/demo.sh jobs/score.sh jobs/taste.sh; do # run in the current folder
        fill "$file" "share/t2i/$file" -e "s|build/release|$PREFIX/bin|; s|jobs/|$share/jobs/|g; s|make score|sh $share/jobs/score.sh|" \
            -e "s|README.md|$PREFIX/share/doc/t2i-train/README.md|"
    done
    for file in slurm/*; do # replaces programs and job files of the source folder by the installed ones
        fill "$file" "share/t2i/$file" -e "/^[A-Z_]*+*=/ { s|build/release/|$PREFIX/bin/|g; s|\([=:-]\)jobs/|\1$share/jobs/|g; }"
    done
    fill packaging/modulefile.in "share/modulefiles/t2i-train/$VERSION"
    put 644 include/t2i/t2i.h include/t2i/t2i.h
    put 644 "$B/libt2i.a" "$lib/libt2i.a"
    put 755 "$B/libt2i.so.1" "$lib/libt2i.so.1"
    ln -sf libt2i.so.1 "$DESTDIR$PREFIX/$lib/libt2i.so"
    echo "$lib/libt2i.so" >>"$list.new"
    fill packaging/t2i.pc.in "$lib/pkgconfig/t2i.pc"
    for file in examples/*; do put "$(mode "$file")" "$file" "share/t2i/$file"; done
    for file in README.md CONTRIBUTING.md docs/*.md docs/*/* CHANGELOG* LICENSE* CITATION*; do
        [ ! -e "$file" ] || put 644 "$file" "share/doc/t2i-train/$file"
    done
    echo "share/t2i/installed-files" >>"$list.new"
    mv "$list.new" "$list"
}

# Removes the files of the list, and folders that are empty then.
uninstall_all() {
    [ -r "$list" ] || { echo "uninstall: $list does not exist: nothing was installed below $DESTDIR$PREFIX" >&2; exit 66; }
    cp "$list" "$list.old"
    echo share/t2i/installed-files.old >>"$list.old"
    while read -r path; do
        rm -f "$DESTDIR$PREFIX/$path"
        folder=${path%/*}
        while rmdir "$DESTDIR$PREFIX/$folder" 2>/dev/null && [ "$folder" != "${folder%/*}" ]; do folder=${folder%/*}; done
    done <"$list.old"
}

case $action in
install) install_all && echo "installed below $DESTDIR$PREFIX: bin, $lib, include, libexec, share/t2i (job files, Slurm scripts, examples), share/man, share/bash-completion, share/modulefiles, share/doc" ;;
uninstall) uninstall_all ;;
esac
