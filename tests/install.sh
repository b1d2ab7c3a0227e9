#!/bin/sh
# Installs what the tests need besides the Python packages: PostgreSQL, where it is missing.
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && exit 0
command -v initdb >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql && exit 0
fi
echo "PostgreSQL is missing and could not be installed here: run 'sudo apt-get install postgresql', then make again" >&2
exit 1
