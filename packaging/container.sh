#!/bin/sh
# container.sh: makes an image of the Debian 12 in which it runs as root, in a copy of the source: builds, installs below /usr/local,
# and removes what only the build needs. For packaging/Containerfile and packaging/apptainer.def.
set -eu
cd "$(dirname "$0")/.."
export DEBIAN_FRONTEND=noninteractive
scratch=$(mktemp -d)
apt-mark showmanual | sort >"$scratch/before"
rm -rf build config.mk # of another system
./bootstrap
make
make install
ldconfig

# Packages that stay: of bootstrap's what no build needs, and those whose libraries the programs load.
{
    cat "$scratch/before"
    ./bootstrap --list | grep -v -x -e gcc -e make -e pkg-config -e '.*-dev'
    ldd /usr/local/bin/t2i-* /usr/local/libexec/t2i/t2i-reader /usr/local/lib/libt2i.so | sed -n 's/.* => \(\/[^ ]*\).*/\1/p' | sort -u |
        while read -r library; do dpkg-query -S "*/$(basename "$(readlink -f "$library")")"; done | sed 's/:.*//'
} | sort -u >"$scratch/keep"
apt-mark showmanual | sort | comm -23 - "$scratch/keep" | xargs -r apt-mark auto >/dev/null
xargs apt-mark manual <"$scratch/keep" >/dev/null
apt-get -q -y -o APT::AutoRemove::RecommendsImportant=false autoremove --purge
apt-get clean
rm -rf /var/lib/apt/lists/* "$scratch"

# Processes of a container may not read each other's memory; cores are counted by jobs/cores.sh.
cat >>/etc/openmpi/openmpi-mca-params.conf <<TEXT
btl_vader_single_copy_mechanism = none
rmaps_base_oversubscribe = 1
TEXT
t2i-train --version
