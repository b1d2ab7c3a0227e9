#!/bin/sh
# Installs what the tests need besides the Python packages, where it is missing: PostgreSQL, and Chromium for the web pages.
wanted=""
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 || wanted="postgresql"
command -v chromium >/dev/null 2>&1 || wanted="$wanted chromium"
[ -z "$wanted" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    install="apt-get install -y -qq --no-install-recommends $wanted"
    export DEBIAN_FRONTEND=noninteractive
    $install 2>/dev/null || { apt-get update -qq && $install; } && exit 0  # the lists of packages may be missing or old
fi
echo "missing and not installed here: $wanted: run 'sudo apt-get install $wanted', then make again" >&2
exit 1
