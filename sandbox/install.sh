#!/bin/sh
# Installs bubblewrap where it is missing and this user may install packages; says what to do otherwise.
command -v bwrap >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    install="apt-get install -y -qq --no-install-recommends bubblewrap"
    export DEBIAN_FRONTEND=noninteractive
    $install 2>/dev/null || { apt-get update -qq && $install; } && exit 0  # the lists of packages may be missing or old
fi
echo "bubblewrap is missing and could not be installed here: run 'sudo apt-get install bubblewrap', then make again" >&2
exit 1
