#!/bin/sh
# The passwords that compose.yml hands to its containers, one file each in secrets/.
#
#   secrets.sh               make those that are missing
#   secrets.sh new NAME...   make these anew (runbook.md: rotating a password)
#
# A file can be read by everybody, because the users in the containers are not those of this machine; the folder only by
# its owner.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets

# into the same file, which is what a running container sees
make_one() {
    password=$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')
    printf '%s\n' "$password" >"secrets/$1"
    chmod 444 "secrets/$1"
    echo "secrets/$1 is made"
}

case ${1:-} in
"")
    for name in postgres owner projectors calendar relay desk query; do
        [ -s "secrets/$name" ] || make_one "$name"
    done
    ;;
new)
    shift
    for name in "$@"; do
        [ -e "secrets/$name" ] || { echo "there is no secrets/$name" >&2 && exit 1; }
        chmod 644 "secrets/$name"
        make_one "$name"
    done
    ;;
*)
    echo "secrets.sh, or secrets.sh new NAME..." >&2
    exit 2
    ;;
esac
