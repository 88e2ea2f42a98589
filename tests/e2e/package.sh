#!/bin/bash
# CORES: 2, TIMEOUT: 1800
# The Debian packages: control names the packages that ./bootstrap does, and changelog the version of the source; where
# dpkg-buildpackage, debhelper and lintian are, they are built, lintian finds nothing, they hold what they should and no
# path or user of the build, and their programs find a picture. With SOAK=1 they are built again elsewhere: equal bits. As
# root, where these are, also by reprotest (equal bits) and autopkgtest (debian/tests pass on a bare Debian 12, by debootstrap).
. tests/e2e/lib.sh.inc
VERSION=$("$B/t2i-model" --version | sed -n '1s/.* //p')
export VERSION
debian=packaging/debian

# ---- names ----

# What is listed with a package, without its version, or ${...}
./bootstrap --list | sort >"$scratch/bootstrap"
{
    awk '/^[A-Z]/ { on = /^(Build-Depends|Depends|Recommends):/ } on && /^Depends: t2i-train|^Depends: libt2i1/ { on = 0 } on' $debian/control |
        sed 's/^[A-Za-z-]*://; s/([^)]*)//g; s/\${[^}]*}//g' | tr ', ' '\n\n' | grep . | grep -v -x debhelper-compat
    printf '%s\n' gcc libc6-dev make # of every build
} | sort -u >"$scratch/control"
[ "$(wc -l <"$scratch/bootstrap")" -ge 20 ] || fail "no packages in ./bootstrap"
diff "$scratch/bootstrap" "$scratch/control" || fail "$debian/control (>) names other packages than ./bootstrap (<)"
head -n 1 $debian/changelog | grep -q -F "t2i-train ($VERSION-" || fail "$debian/changelog has another version than $VERSION"
released=$(sed -n 's/^#define T2I_RELEASED "\([^"]*\)".*/\1/p' src/tools/help.h)
[ "$(date -u -d "$(sed -n 's/^ -- .*>  //p' $debian/changelog | head -n 1)" +%F)" = "$released" ] || fail "$debian/changelog has another date than $released"
for script in packaging/container.sh packaging/deb.sh $debian/tests/demo $debian/tests/library; do sh -n "$script" || fail "$script"; done
[ "$failures" -eq 0 ] || finish

# ---- packages ----

type dpkg-buildpackage dh lintian >/dev/null 2>&1 || { echo "dpkg-dev, debhelper or lintian is not installed"; exit 77; }
case $B in *asan* | *debug* | *mpich*) echo "packages have a build of their own"; exit 77 ;; esac
unset CC CFLAGS LDFLAGS
# build FOLDER: all packages, without tests of their own
build() {
    DEB_BUILD_OPTIONS="nocheck noautodbgsym" sh packaging/deb.sh "$1" >"$scratch/log" 2>&1 || { tail -n 30 "$scratch/log"; fail "dpkg-buildpackage"; finish; }
}
# ccache, where it is used, has its files in the home folder; debhelper takes another one.
export CCACHE_DIR="${CCACHE_DIR:-$HOME/.cache/ccache}"
build "$scratch/deb"
lintian --allow-root --fail-on error,warning "$scratch"/deb/*.changes >"$scratch/said" 2>&1 || { cat "$scratch/said"; fail "lintian"; }
[ ! -s "$scratch/said" ] || { cat "$scratch/said"; fail "lintian says something"; }
for package in "$scratch"/deb/*_"$VERSION"-*.deb; do dpkg-deb -x "$package" "$scratch/root"; done
usr=$scratch/root/usr
for file in bin/t2i-train bin/t2i-generate libexec/t2i/t2i-reader lib/*/libt2i.so.1 lib/*/libt2i.so include/t2i/t2i.h share/t2i/jobs/demo.sh share/t2i/slurm/train.sbatch share/man/man1/t2i-train.1.gz; do
    [ -e "$usr"/$file ] || fail "no /usr/$file"
done
! grep -r -l -a -e "$scratch" "$usr" || fail "the path of the build is in what was built"
depends=$(dpkg-deb -f "$scratch"/deb/t2i-train_*.deb Depends)
case $depends in *openmpi-bin*libopenmpi*) ;; *) fail "t2i-train depends on $depends" ;; esac
case $depends in *-dev* | *gcc*) fail "t2i-train depends on what only its build needs: $depends" ;; esac
mkdir "$scratch/work"
sed "s|/usr/|$usr/|g" "$usr/share/t2i/jobs/taste.sh" >"$scratch/taste.sh"
(cd "$scratch/work" && env -u B sh "$scratch/taste.sh") >"$scratch/said" 2>&1 || { cat "$scratch/said"; fail "the small model"; }
grep -q '^ *1 .*large_purple_star_left.png$' "$scratch/said" && [ -s "$scratch/work/runs/taste.png" ] || { cat "$scratch/said"; fail "the small model: another answer"; }

[ -n "${SOAK:-}" ] || { finish; exit; }

# ---- equal bits, and debian/tests ----

# in Estonian z comes before t
locale=$(locale -a | grep -m 1 -i '^et_EE.utf-*8' || echo C.UTF-8)
(umask 077 && TZ=Pacific/Kiritimati LC_ALL=$locale HOME=/nonexistent CCACHE_DISABLE=1 build "$scratch/another")
for package in "$scratch"/deb/*.deb "$scratch"/deb/*.dsc "$scratch"/deb/*.debian.tar.xz; do
    cmp "$package" "$scratch/another/${package##*/}" || fail "built elsewhere, ${package##*/} has other bits"
done
if [ "$(id -u)" -eq 0 ] && type reprotest disorderfs faketime >/dev/null 2>&1; then
    CCACHE_DISABLE=1 reprotest --no-diffoscope --vary=-user_group "$scratch"/deb/t2i-train_*.dsc -- null >"$scratch/log" 2>&1 ||
        { tail -n 30 "$scratch/log"; fail "reprotest"; }
fi
if [ "$(id -u)" -eq 0 ] && type autopkgtest debootstrap >/dev/null 2>&1; then
    bare_debian "$scratch/debian"
    env -u B -u MPIRUN autopkgtest --no-built-binaries --setup-commands "apt-get -q update" "$scratch"/deb/*.changes -- chroot "$bare" >"$scratch/log" 2>&1 ||
        { grep -E '^[a-z]+ +(PASS|FAIL|SKIP)' "$scratch/log" || tail -n 30 "$scratch/log"; fail "autopkgtest"; }
fi
finish
