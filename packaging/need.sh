#!/bin/sh
# need.sh PACKAGE...: makes sure that these Debian packages are installed. As root it installs what is missing;
# for others it prints the command to run and exits 1. Does nothing when all are there. A package may be named with
# an architecture (libcmocka-dev:arm64), which apt is then told to know.
# need.sh --wanted WHAT PACKAGE...: the same of packages that can be done without; where they are not to be had, a line
# says that WHAT is skipped.
set -eu

if [ "${1-}" = --wanted ]; then
    what=$2
    shift 2
    "$0" "$@" || echo "need: without $*: $what: skipped" >&2
    exit 0
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "need: no apt-get here, so nothing was checked; on Debian these packages are used: $*" >&2
    exit 0
fi

missing=
for package; do
    case $(dpkg-query -W -f '${db:Status-Status} ' "$package" 2>/dev/null) in
    "installed "*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

known=" $(dpkg --print-architecture) $(dpkg --print-foreign-architectures | tr '\n' ' ') "
foreign=
for package in $missing; do
    case $package in *:*) ;; *) continue ;; esac
    case "$known$foreign " in
    *" ${package##*:} "*) ;;
    *) foreign="$foreign ${package##*:}" ;;
    esac
done

if [ "$(id -u)" -ne 0 ]; then
    echo "need: packages are missing. As root:" >&2
    for architecture in $foreign; do echo "    dpkg --add-architecture $architecture" >&2; done
    echo "    apt-get update && apt-get install -y --no-install-recommends$missing" >&2
    exit 1
fi
echo "need: installing$missing"
export DEBIAN_FRONTEND=noninteractive
for architecture in $foreign; do dpkg --add-architecture "$architecture"; done
apt-get update -q
# shellcheck disable=SC2086 # a list of words
exec apt-get install -q -y --no-install-recommends $missing
