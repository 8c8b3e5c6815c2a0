#!/usr/bin/env bash
# Stops what deploy/dev/up.sh started, by pid, and removes its data.
#
#   deploy/dev/down.sh [DIR]   # or STRATA_DEV_DIR
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
dir=${1:-${STRATA_DEV_DIR:-$root/target/dev}}
for name in nats redis; do
  if [ -e "$dir/$name.pid" ]; then
    kill "$(cat "$dir/$name.pid")" 2>/dev/null || true
    rm -f "$dir/$name.pid"
  fi
done
if [ -e "$dir/postgres.pid" ]; then
  # INT is PostgreSQL's fast shutdown.
  kill -INT "$(cat "$dir/postgres.pid")" 2>/dev/null || true
  for _ in $(seq 50); do
    kill -0 "$(cat "$dir/postgres.pid")" 2>/dev/null || break
    sleep 0.1
  done
  rm -f "$dir/postgres.pid"
fi
if [ -e "$dir/postgres.dir" ]; then
  rm -rf "$(cat "$dir/postgres.dir")"
  rm -f "$dir/postgres.dir"
fi
rm -rf "$dir/nats" "$dir/redis"
