#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs Apus from an archive that `make dist` made:
#
#   ./install.sh                                     from the unpacked archive that this script lies in
#   scripts/install.sh apus-0.1.0-linux-x86_64.tar.gz
#   scripts/install.sh https://example.org/apus-0.1.0-linux-x86_64.tar.gz
#
# PREFIX (default: /usr/local for root, ~/.local otherwise) says where to. An archive is compared with the SHA-256 beside it (the same
# name with .sha256), or with APUS_SHA256 when that is set; without either it is refused.
set -eu

fail() {
    echo "error: $*" >&2
    exit 1
}

if [ "$(id -u)" -eq 0 ]; then default=/usr/local; else default=$HOME/.local; fi
PREFIX=${PREFIX:-$default}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

[ "$(uname -s)" = Linux ] || fail "this archive is for Linux"

download() {
    command -v curl >/dev/null || fail "curl is missing; install it, or download the archive and give its path"
    curl -fsSL --proto '=https' --retry 3 -o "$2" "$1" || fail "cannot download $1"
}

# The folder of the unpacked archive in $source.
if [ $# -eq 0 ]; then
    source=$(cd "$(dirname "$0")" && pwd)
    [ -x "$source/bin/apus" ] || fail "give the archive: install.sh apus-VERSION-linux-$(uname -m).tar.gz, or its address"
elif [ $# -eq 1 ]; then
    archive=$1
    expected=${APUS_SHA256:-}
    case $archive in
    https://*)
        download "$archive" "$scratch/archive.tar.gz"
        if [ -z "$expected" ]; then
            download "$archive.sha256" "$scratch/archive.sha256"
            expected=$(cut -d ' ' -f 1 "$scratch/archive.sha256")
        fi
        archive=$scratch/archive.tar.gz
        ;;
    http://*) fail "an address must begin with https://" ;;
    *)
        [ -f "$archive" ] || fail "there is no file '$archive'"
        if [ -z "$expected" ]; then
            [ -f "$archive.sha256" ] || fail "'$archive.sha256' is missing; put it beside the archive, or set APUS_SHA256"
            expected=$(cut -d ' ' -f 1 "$archive.sha256")
        fi
        ;;
    esac
    found=$(sha256sum "$archive" | cut -d ' ' -f 1)
    [ "$found" = "$expected" ] || fail "the archive's SHA-256 is $found, expected $expected; nothing was installed"
    tar -C "$scratch" --no-same-owner -xzf "$archive"
    source=$scratch/none
    for folder in "$scratch"/apus-*; do
        if [ -d "$folder" ]; then source=$folder; fi
    done
    [ -x "$source/bin/apus" ] || fail "'$1' is no archive of Apus"
else
    fail "usage: install.sh [ARCHIVE or https://ADDRESS]"
fi

# A program that cannot run here is not put in the place of one that can.
"$source/bin/apus" --version >/dev/null 2>&1 ||
    fail "the program does not run here ($(uname -m)); it needs Linux on x86-64 with glibc 2.35 or newer and libstdc++"
mkdir -p "$PREFIX/bin" 2>/dev/null || true
[ -w "$PREFIX/bin" ] || fail "cannot write to $PREFIX; set PREFIX to another folder, or use sudo"
# Beside the old one and renamed: a run that uses it goes on with it.
cp "$source/bin/apus" "$PREFIX/bin/.apus.new"
chmod 755 "$PREFIX/bin/.apus.new"
mv -f "$PREFIX/bin/.apus.new" "$PREFIX/bin/apus"
mkdir -p "$PREFIX/share"
cp -R "$source/share/." "$PREFIX/share/"
echo "installed apus $("$PREFIX/bin/apus" --version) in $PREFIX/bin, with man pages and completions in $PREFIX/share"
case ":$PATH:" in
*":$PREFIX/bin:"*) ;;
*) echo "note: $PREFIX/bin is not on your PATH; add it: export PATH=\"$PREFIX/bin:\$PATH\"" ;;
esac
