#!/usr/bin/env bash
# Fetches a Debian kernel for the guest of the tests, without installing it: fetch-kernel.sh [META-PACKAGE]
# The generic kernels have 9p, which the guest's root needs; the cloud kernels do not.
set -euo pipefail
meta=${1:-linux-image-amd64}
kernels=${XDG_CACHE_HOME:-$HOME/.cache}/flowproxy/guest-kernels

package=$(apt-cache depends "$meta" | awk '/Depends: linux-image-/ { print $2; exit }')
test -n "$package" || { echo "apt knows no kernel package for '$meta'" >&2; exit 1; }
if [ -e "$kernels/$package/complete" ]; then exit 0; fi

rm -rf "${kernels:?}/$package"
mkdir -p "$kernels/$package"
cd "$kernels/$package"
apt-get download -qq -o APT::Sandbox::User=root "$package"
dpkg -x ./*.deb .
rm ./*.deb
busybox depmod -b "$PWD" "$(ls lib/modules)"
touch complete
