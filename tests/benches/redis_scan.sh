#!/usr/bin/env bash
# Entries a second and memory over one stream: our scan beside `redis-cli XRANGE | jq` and Papyra's own scan with its
# sample raised to the whole stream.
#
#   tests/benches/redis_scan.sh [ENTRIES]
#
# Needs redis-server, redis-cli, jq; PAPYRA_BIN names our binary, PYTHON one that has papyra[redis] 0.3.0.
set -euo pipefail
entries=${1:-1000000}
papyra=${PAPYRA_BIN:-target/release/papyra}
python=${PYTHON:-target/venv/bin/python}
dir=$(mktemp -d)
redis-server --port 0 --unixsocket "$dir/socket" --save "" --dir "$dir" >/dev/null &
server=$!
trap 'kill $server; wait $server 2>/dev/null || true; rm -rf "$dir"' EXIT
export cli="redis-cli -s $dir/socket"
until $cli PING >/dev/null 2>&1; do sleep 0.05; done
$cli EVAL "for i = 1, tonumber(ARGV[1]) do redis.call('XADD', 'papyra:local:events', '*', 'data',
  '{\"kind\": \"event\", \"system_id\": \"local\", \"actor_address\": \"local:' .. i % 17 .. '\", \"event_type\": \"ActorStarted\", \"payload\": {\"n\": ' .. i .. '}, \"timestamp\": ' .. i .. '.5}') end" \
  0 "$entries" >/dev/null

cat >"$dir/measure.py" <<'PY'
import resource, subprocess, sys, time
name, entries, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
begun = time.monotonic()
subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
seconds = time.monotonic() - begun
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
processor = usage.ru_utime + usage.ru_stime
print(f"{name:40} {entries / seconds:10,.0f} entries/s  {seconds:6.1f} s  {processor:6.1f} s of CPU  {usage.ru_maxrss / 1024:6.0f} MiB")
PY
cat >"$dir/theirs.py" <<'PY'
import asyncio, sys
from papyra.persistence.backends.redis import RedisStreamsConfig, RedisStreamsPersistence
async def main():
    # The one reply that the sample comes in takes longer than the client's default patience.
    url = f"unix://{sys.argv[1]}?socket_timeout=3600"
    backend = RedisStreamsPersistence(RedisStreamsConfig(url=url, scan_sample_size=int(sys.argv[2])))
    assert not (await backend.scan()).has_anomalies
    await backend.aclose()
asyncio.run(main())
PY
measure() { "$python" "$dir/measure.py" "$1" "$entries" "${@:2}"; }
measure "papyra persistence scan" "$papyra" persistence scan --backend redis --redis-url "unix://$dir/socket" --quiet
measure "redis-cli XRANGE | jq" bash -c 'set -o pipefail; $cli --raw XRANGE papyra:local:events - + | awk "NR % 3 == 0" | jq -c "select(type != \"object\")"'
measure "Papyra 0.3.0, scan_sample_size=$entries" "$python" "$dir/theirs.py" "$dir/socket" "$entries"
