#!/bin/sh
# deb.sh DIR [argument of dpkg-buildpackage...]: builds the source archive, and from it the Debian source package and packages, in DIR.
# VERSION is set by the Makefile.
set -eu
umask 022 # the modes of the archives
mkdir -p "$1"
out=$(cd "$1" && pwd) name=t2i-train
shift
command -v dpkg-buildpackage >/dev/null || {
    echo "deb: dpkg-buildpackage is missing: apt-get install dpkg-dev debhelper" >&2
    exit 69
}
home=$out/$name-$VERSION
rm -rf "$home"
sh packaging/dist.sh "$out/${name}_$VERSION.orig.tar.gz"
tar xzf "$out/${name}_$VERSION.orig.tar.gz" -C "$out"
cp -R "$home/packaging/debian" "$home/debian"
cd "$home"
unset MAKEFLAGS MFLAGS MAKELEVEL # of a make that called this
dpkg-buildpackage -us -uc -J"$(sh jobs/cores.sh)" "$@"
