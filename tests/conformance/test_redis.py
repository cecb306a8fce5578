"""Redis: what the real Papyra writes, damaged on purpose, recovered by ours, and read by the real Papyra again.

Run with pytest under a Python that has papyra[redis] 0.3.0; PAPYRA_BIN names our binary, redis-server is on the PATH.
"""
import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import redis
from papyra.persistence.backends import redis as papyra_redis
from papyra.persistence.models import PersistenceRecoveryConfig, PersistenceRecoveryMode

from ports import free_port

BIN = os.environ.get("PAPYRA_BIN", "papyra")
FILL = Path(__file__).with_name("papyra_redis.py")
STREAMS = ["papyra:orders:events", "papyra:orders:audits", "papyra:orders:dead_letters"]

if shutil.which("redis-server") is None:
    raise RuntimeError("redis-server must be installed")


@pytest.fixture
def server(tmp_path):
    port = free_port()
    process = subprocess.Popen(
        ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    try:
        client = redis.Redis(port=port, decode_responses=True)
        for _ in range(2_000):
            try:
                client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.01)
        client.url = f"redis://127.0.0.1:{port}/0"
        yield client
        client.close()
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def orders(server):
    """The system `orders`, filled by Papyra: 302 events (2 bad), 30 audits, 44 dead letters (1 bad), a group."""
    subprocess.run([sys.executable, str(FILL), server.url], check=True, stdout=subprocess.DEVNULL)
    return server


def ours(server, *arguments, code=0, cwd=None):
    run = subprocess.run(
        [BIN, *arguments, "--redis-url", server.url, "--system-id", "orders"], capture_output=True, text=True, cwd=cwd
    )
    assert run.returncode == code, run
    return run.stdout


def papyra(server, work, **config):
    """Calls `work` with Papyra's own backend on the same streams."""

    async def call():
        config_ = papyra_redis.RedisStreamsConfig(url=server.url, prefix="papyra", system_id="orders", **config)
        backend = papyra_redis.RedisStreamsPersistence(config_)
        try:
            return await work(backend)
        finally:
            await backend.aclose()

    return asyncio.run(call())


async def everything(backend):
    lists = [await backend.list_events(), await backend.list_audits(), await backend.list_dead_letters()]
    return [[repr(record) for record in records] for records in lists]


def bad_entries(server):
    def is_bad(fields):
        try:
            return not isinstance(json.loads(fields["data"]), dict)
        except (KeyError, ValueError):
            return True

    return [(key, id_) for key in STREAMS for id_, fields in server.xrange(key) if is_bad(fields)]


def groups(server):
    def state(key, group):
        pending = server.xpending_range(key, group["name"], "-", "+", 1_000) if group["pending"] else []
        kept = [(entry["message_id"], entry["consumer"], entry["times_delivered"]) for entry in pending]
        return group["name"], group["last-delivered-id"], group["entries-read"], kept

    return [(key, [state(key, group) for group in server.xinfo_groups(key)]) for key in STREAMS]


def test_the_scan_names_exactly_what_papyra_finds(orders):
    report = json.loads(ours(orders, "persistence", "scan", "--backend", "redis", "--format", "json", code=2))
    found = [(finding["key"], finding["id"]) for file in report["files"] for finding in file["anomalies"]]
    assert found == bad_entries(orders)
    assert len(found) == 3

    async def scan(backend):
        return (await backend.scan()).anomalies

    anomalies = papyra(orders, scan)
    assert sorted(anomaly.path for anomaly in anomalies) == sorted(key for key, _ in found)
    text = ours(orders, "persistence", "scan", "--backend", "redis", code=2)
    for anomaly in anomalies:
        assert f"- {anomaly.type.name}: {anomaly.path} ({anomaly.detail})" in text


@pytest.mark.parametrize("mode", ["repair", "quarantine"])
def test_papyra_finds_nothing_and_reads_everything_after_recovery(orders, tmp_path, mode):
    before, waiting = papyra(orders, everything), groups(orders)
    intact = {key: [entry for entry in orders.xrange(key) if (key, entry[0]) not in bad_entries(orders)] for key in STREAMS}
    ours(orders, "persistence", "recover", "--backend", "redis", "--mode", mode, cwd=tmp_path)

    async def scan(backend):
        return (await backend.scan()).has_anomalies

    assert papyra(orders, scan) is False
    assert papyra(orders, everything) == before
    assert {key: orders.xrange(key) for key in STREAMS} == intact
    assert groups(orders) == waiting


def test_the_quarantine_holds_what_papyras_own_would(orders):
    """Papyra recovers one copy of the system, ours the other: same keys, and at least the same fields."""
    for key in orders.keys("papyra:orders:*"):
        orders.copy(key, key.replace("orders", "theirs"))

    async def recover(_backend):
        config = papyra_redis.RedisStreamsConfig(url=orders.url, prefix="papyra", system_id="theirs")
        theirs = papyra_redis.RedisStreamsPersistence(config)
        await theirs.recover(PersistenceRecoveryConfig(mode=PersistenceRecoveryMode.QUARANTINE))
        await theirs.aclose()

    papyra(orders, recover)
    ours(orders, "persistence", "recover", "--backend", "redis", "--mode", "quarantine")
    theirs = sorted(key.replace("theirs", "orders") for key in orders.keys("papyra:theirs:quarantine:*"))
    assert sorted(orders.keys("papyra:orders:quarantine:*")) == theirs
    for key in theirs:
        papyras = [fields for _, fields in orders.xrange(key.replace("orders", "theirs"))]
        own = [fields for _, fields in orders.xrange(key)]
        kept = lambda entries: sorted(entry["data"] for entry in entries)  # noqa: E731
        assert kept(own) == kept(papyras)
        for fields in own:
            assert set(fields) >= set(papyras[0]) and float(fields["timestamp"]) > 1e9


@pytest.mark.parametrize(
    "data",
    [
        '{"kind": "event"}', '{"kind":\n"event"}\r\n', " {} ", '{"x": NaN}', '{"x": 1e999}', '{"a": "\\ud800"}', "[1]", "1",
        "", " ", "null", '{"a": 1,}', '{"a": 01}', "{'a': 1}", '{"a": "\t"}', '{"a": 1}{"b": 2}', "\ufeff{}", '{"a": 1} x',
        '{"a": "\u2028"}', "\u00a0{}",
    ],
)
def test_every_value_is_judged_as_papyra_judges_it(server, data):
    server.xadd("papyra:orders:events", {"data": '{"kind": "event", "timestamp": 1.0}'})
    server.xadd("papyra:orders:events", {"data": data})

    async def scan(backend):
        return len((await backend.scan()).anomalies)

    theirs = papyra(server, scan)
    ours(server, "persistence", "scan", "--backend", "redis", code=2 if theirs else 0)


def test_groups_restored_from_a_list_deliver_what_was_pending(orders, tmp_path):
    saved = tmp_path / "groups.json"
    saved.write_text(ours(orders, "redis", "groups", "list", "--format", "json"))
    waiting = groups(orders)
    for key, listed in waiting:
        for name, *_ in listed:
            orders.xgroup_destroy(key, name)
    ours(orders, "redis", "groups", "ensure", "--from", str(saved))
    assert groups(orders) == waiting

    async def summary(backend):
        return (await backend.pending_summary(kind="events", group="shipping"))["raw"]["pending"]

    assert papyra(orders, summary) == 45


def test_what_papyra_counts_after_our_trimming(orders):
    ours(orders, "persistence", "compact", "--backend", "redis", "--max-records", "20", "--exact", "--force")

    async def counts(backend):
        return [len(records) for records in await everything(backend)]

    bad = dict.fromkeys(STREAMS, 0)
    for key, _ in bad_entries(orders):
        bad[key] += 1
    assert papyra(orders, counts) == [20 - bad[key] for key in STREAMS]
