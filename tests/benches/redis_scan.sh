#!/usr/bin/env bash
# Entries a second over one stream: our scan beside `redis-cli XRANGE | jq` and Papyra's own scan with its sample raised.
# Needs redis-server, redis-cli, jq; PAPYRA_BIN names our binary, PYTHON one that has papyra[redis] 0.3.0.
set -euo pipefail
entries=${1:-1000000}
papyra=${PAPYRA_BIN:-target/release/papyra}
dir=$(mktemp -d)
redis-server --port 0 --unixsocket "$dir/socket" --save "" --dir "$dir" >/dev/null &
server=$!
trap 'kill $server; wait $server 2>/dev/null || true; rm -rf "$dir"' EXIT
cli=(redis-cli -s "$dir/socket")
until "${cli[@]}" PING >/dev/null 2>&1; do sleep 0.05; done
"${cli[@]}" EVAL "for i = 1, tonumber(ARGV[1]) do redis.call('XADD', 'papyra:local:events', '*', 'data',
  '{\"kind\": \"event\", \"system_id\": \"local\", \"actor_address\": \"local:' .. i % 17 .. '\", \"event_type\": \"ActorStarted\", \"payload\": {\"n\": ' .. i .. '}, \"timestamp\": ' .. i .. '.5}') end" \
  0 "$entries" >/dev/null

measure() { # measure NAME COMMAND…
    local name=$1 from to
    shift
    from=$(date +%s%N)
    "$@" >"$dir/out"
    to=$(date +%s%N)
    printf '%-42s %9d entries/s  (%s ms)\n' "$name" $((entries * 1000000000 / (to - from))) $(((to - from) / 1000000))
}
with_jq() { "${cli[@]}" --raw XRANGE papyra:local:events - + | awk 'NR % 3 == 0' | jq -c 'select(type != "object")'; }
theirs() {
    "${PYTHON:-python3}" - "$dir/socket" "$entries" <<'PY'
import asyncio, sys
from papyra.persistence.backends.redis import RedisStreamsConfig, RedisStreamsPersistence
async def main():
    backend = RedisStreamsPersistence(RedisStreamsConfig(url=f"unix://{sys.argv[1]}", scan_sample_size=int(sys.argv[2])))
    print(await backend.scan())
    await backend.aclose()
asyncio.run(main())
PY
}
measure "papyra persistence scan" "$papyra" persistence scan --backend redis --redis-url "unix://$dir/socket" --quiet
measure "redis-cli XRANGE | jq" with_jq
measure "Papyra 0.3.0, scan_sample_size=$entries" theirs
