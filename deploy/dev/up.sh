#!/usr/bin/env bash
# Starts NATS with JetStream, Redis and PostgreSQL from Debian's packages on loopback, with their data in one directory.
#
#   deploy/dev/up.sh [DIR]      default DIR: STRATA_DEV_DIR, or target/dev
#
# Ports: NATS_PORT (14222), REDIS_PORT (16379), POSTGRES_PORT (15432). Prints the environment that `strata coordinator` and
# `strata worker` need; `eval "$(deploy/dev/up.sh)"` sets it. deploy/dev/down.sh stops what this started, by pid.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
dir=${1:-${STRATA_DEV_DIR:-$root/target/dev}}
nats_port=${NATS_PORT:-14222} redis_port=${REDIS_PORT:-16379} postgres_port=${POSTGRES_PORT:-15432}
mkdir -p "$dir/nats" "$dir/redis"

fail() { echo "error: $1" >&2; exit 2; }
need() { command -v "$1" >/dev/null || fail "$1 is missing: install Debian's package $2"; }
need nats-server nats-server
need redis-server redis-server
pg_bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$pg_bin" ] || fail "PostgreSQL is missing: install Debian's package postgresql"
[ ! -e "$dir/nats.pid" ] || fail "$dir/nats.pid exists: run deploy/dev/down.sh $dir first"

# PostgreSQL refuses to run as root.
as_postgres=()
if [ "$(id -u)" = 0 ]; then
  as_postgres=(runuser -u postgres --)
  # Its user must reach the directory.
  dir_pg=$(mktemp -d /var/tmp/strata-postgres.XXXXXX)
  chown postgres "$dir_pg"
  echo "$dir_pg" >"$dir/postgres.dir"
else
  dir_pg=$dir/postgres
  mkdir -p "$dir_pg"
  echo "$dir_pg" >"$dir/postgres.dir"
fi

nats-server -a 127.0.0.1 -p "$nats_port" -js -sd "$dir/nats" >"$dir/nats.log" 2>&1 &
echo $! >"$dir/nats.pid"
redis-server --bind 127.0.0.1 --port "$redis_port" --save '' --appendonly no --dir "$dir/redis" \
  --maxmemory 1gb --maxmemory-policy volatile-lru >"$dir/redis.log" 2>&1 &
echo $! >"$dir/redis.pid"
"${as_postgres[@]}" "$pg_bin/initdb" -D "$dir_pg/data" -U strata -A trust >"$dir/postgres.log" 2>&1
"${as_postgres[@]}" "$pg_bin/pg_ctl" -D "$dir_pg/data" -w -l "$dir_pg/log" \
  -o "-c listen_addresses=127.0.0.1 -p $postgres_port -k $dir_pg" start >>"$dir/postgres.log" 2>&1
head -n 1 "$dir_pg/data/postmaster.pid" >"$dir/postgres.pid"
"${as_postgres[@]}" "$pg_bin/createdb" -h 127.0.0.1 -p "$postgres_port" -U strata strata >>"$dir/postgres.log" 2>&1

# Each is ready when it answers, not after a while.
for port in "$nats_port" "$redis_port"; do
  for _ in $(seq 100); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    sleep 0.1
  done
done

cat <<OUT
export STRATA_NATS=nats://127.0.0.1:$nats_port
export STRATA_REDIS=redis://127.0.0.1:$redis_port
export STRATA_ARCHIVE=postgres://strata@127.0.0.1:$postgres_port/strata
export STRATA_SERVER=http://127.0.0.1:${STRATA_PORT:-7400}
OUT
