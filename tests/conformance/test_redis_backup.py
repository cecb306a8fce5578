"""Backups of streams that the real Papyra wrote: it reads what was restored, and goes on with it."""

import json

import pytest
from papyra.persistence.backends.redis import RedisConsumerGroupConfig

from test_redis import STREAMS, everything, groups, orders, ours, papyra, server  # noqa: F401


async def anomalies(backend):
    return sorted(anomaly.path for anomaly in (await backend.scan()).anomalies)


async def next_entries(backend):
    config = RedisConsumerGroupConfig(group="shipping", consumer="c1", count=5, block_ms=10)
    return [entry.id for entry in await backend.consume(kind="events", cfg=config)]


@pytest.mark.parametrize("method", ["dump", "bgsave"])
def test_papyra_goes_on_with_what_was_restored(orders, tmp_path, method):  # noqa: F811
    orders.config_set("repl-diskless-sync-delay", 0)
    read, waiting = papyra(orders, everything), groups(orders)
    found = papyra(orders, anomalies)
    entries = {key: orders.xrange(key) for key in STREAMS}
    last = orders.xinfo_groups(STREAMS[0])[0]["last-delivered-id"]

    create = ["backup", "create", "--backend", "redis", "--method", method, "--to", str(tmp_path / "kept")]
    made = json.loads(ours(orders, *create, "--accept-damage", "--format", "json"))
    orders.flushall()
    ours(orders, "backup", "restore", made["path"], "--backend", "redis")

    assert {key: orders.xrange(key) for key in STREAMS} == entries
    assert papyra(orders, everything) == read
    assert groups(orders) == waiting
    assert papyra(orders, anomalies) == found and len(found) == 3
    ids = [id_ for id_, _ in entries[STREAMS[0]]]
    assert papyra(orders, next_entries) == ids[ids.index(last) + 1 :][:5]
