"""Backups of a server's streams in an object store: there and back, spoiled, and with the store gone."""

from pathlib import Path

import pytest
import redis

from object_store import HOME, ObjectStore, Request
from ours import Answer
from test_object_store import answer, change, entries, flipped, killed_at
from test_redis import orders, server  # noqa: F401

METHODS = ["dump", "bgsave"]


@pytest.fixture
def clean(orders: redis.Redis, store: ObjectStore) -> redis.Redis:  # noqa: F811
    """Papyra's streams, groups and pending entries, with the bad entries in quarantine."""
    orders.config_set("repl-diskless-sync-delay", 0)
    store.papyra("persistence", "recover", "--mode", "quarantine", *system(orders)).exits(0)
    assert len(full(orders)) == 5
    return orders


def system(server: redis.Redis, name: str = "orders") -> tuple[str, ...]:  # noqa: F811
    return "--backend", "redis", "--redis-url", server.url, "--system-id", name


def creation(server: redis.Redis, name: str, *more: str) -> tuple[object, ...]:  # noqa: F811
    return "backup", "create", "--to", HOME, "--name", name, *system(server), *more


def restore(store: ObjectStore, server: redis.Redis, name: str, *more: str) -> Answer:  # noqa: F811
    return store.papyra("backup", "restore", f"{HOME}/{name}", *system(server), *more)


def full(server: redis.Redis) -> dict[str, object]:  # noqa: F811
    """All that the server tells of its streams: entries, IDs, groups, consumers, pending entries, times."""
    streams = sorted(server.scan_iter(_type="stream"))
    return {key: server.execute_command("XINFO", "STREAM", key, "FULL", "COUNT", 0) for key in streams}


@pytest.mark.parametrize("more", [(), ("--compress", "zstd"), ("--method", "bgsave")], ids=" ".join)
def test_streams_go_there_and_come_back(
    store: ObjectStore, clean: redis.Redis, tmp_path: Path, more: tuple[str, ...]
) -> None:
    before = full(clean)
    scratch = tmp_path / "scratch"
    made = store.papyra(*creation(clean, "one", *more, "--format", "json")).exits(0).report
    assert made["path"] == f"{HOME}/one"

    store.papyra("backup", "verify", "--latest", HOME, "--quick").exits(0)
    store.papyra("backup", "verify", "--latest", HOME).exits(0)
    store.papyra("backup", "drill", "--latest", HOME, "--scratch", scratch).exits(0)
    entry = entries(store)["one"]
    assert entry["verified"]["intact"] and entry["drilled"]["intact"]

    restore(store, clean, "one").exits(73)
    clean.flushall()
    restore(store, clean, "one", "--dry-run").exits(0)
    assert clean.keys() == []
    restore(store, clean, "one").exits(0)
    assert full(clean) == before
    restore(store, clean, "one", "--replace").exits(0)
    assert {key: stream for key, stream in full(clean).items() if ":replaced:" not in key} == before

    store.papyra(*creation(clean, "two", *more)).exits(0)
    store.papyra("backup", "verify", f"{HOME}/two").exits(0)
    store.papyra("backup", "prune", HOME, "--keep-last", "1", "--apply").exits(0)
    assert set(entries(store)) == {"two"}


@pytest.mark.parametrize("method", METHODS)
def test_a_flipped_bit_in_any_object_is_found(store: ObjectStore, clean: redis.Redis, method: str) -> None:
    store.papyra(*creation(clean, "one", "--method", method)).exits(0)
    clean.flushall()
    objects = {key: body for key, body in store.objects("deep/er/").items() if "/keys/" not in key}
    assert sum("/data/" in key for key in objects) == 2
    for key, body in objects.items():
        store.write(key, flipped(body))
        # Without its snapshot nothing says what a backup is called.
        lost = {66} if "/snapshots/" in key else set()
        store.papyra("backup", "verify", f"{HOME}/one").exits(2, 65, *lost)
        restore(store, clean, "one").exits(65, *lost)
        assert clean.keys() == []
        store.write(key, body)
    restore(store, clean, "one").exits(0)


@pytest.mark.parametrize("method", METHODS)
def test_a_store_that_goes_away_is_no_damaged_backup(
    store: ObjectStore, clean: redis.Redis, tmp_path: Path, method: str
) -> None:
    store.papyra(*creation(clean, "one", "--method", method)).exits(0)
    clean.flushall()
    fetched: list[Request] = []

    def only(most: int) -> None:
        fetched.clear()

        def rule(request: Request) -> tuple[int, bytes] | None:
            if request.method != "GET" or "/data/" not in request.path:
                return None
            fetched.append(request)
            return (403, answer("AccessDenied")) if len(fetched) > most else None

        store.front.rule = rule

    only(1_000_000)
    store.papyra("backup", "verify", f"{HOME}/one").exits(0)
    whole = len(fetched)
    # Everything that a verification reads can be read, and what a restore fetches after it cannot.
    only(whole)
    assert b"s3:GetObject" in restore(store, clean, "one").exits(69).err
    assert clean.keys() == [], "what was brought already is taken back"
    only(whole)
    store.papyra("backup", "drill", f"{HOME}/one", "--scratch", tmp_path).exits(69)
    store.untouched()
    assert entries(store)["one"]["drilled"] is None
    restore(store, clean, "one").exits(0)


def test_a_run_that_was_killed_leaves_nothing_that_is_a_backup(
    store: ObjectStore, clean: redis.Redis, tmp_path: Path
) -> None:
    for number in range(20):
        if not killed_at(store, change(store, number), tmp_path, *creation(clean, f"b{number}")):
            break
        for name in entries(store):
            store.papyra("backup", "drill", f"{HOME}/{name}", "--scratch", tmp_path).exits(0)
    assert number >= 5
