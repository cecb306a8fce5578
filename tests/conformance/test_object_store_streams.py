"""Backups of a server's streams in an object store: there and back, spoiled, cut off, and with the server gone."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from object_store import ObjectStore, Request
from ours import Answer
from test_object_store import HOME, answer, change, entries, killed_at
from test_redis import orders, server  # noqa: F401

METHODS = ["dump", "bgsave"]
STRETCH = 8 << 20


@pytest.fixture(scope="module")
def running() -> Iterator[ObjectStore]:
    store = ObjectStore()
    yield store
    store.stop()


@pytest.fixture
def store(running: ObjectStore) -> ObjectStore:
    running.empty()
    return running


@pytest.fixture
def clean(orders: redis.Redis, store: ObjectStore) -> redis.Redis:  # noqa: F811
    """Papyra's streams, groups and pending entries, with the bad entries in quarantine."""
    orders.config_set("repl-diskless-sync-delay", 0)
    store.papyra("persistence", "recover", "--mode", "quarantine", *system(orders)).exits(0)
    assert len(full(orders)) == 5
    return orders


def system(server: redis.Redis, name: str = "orders") -> tuple[str, ...]:  # noqa: F811
    return "--backend", "redis", "--redis-url", server.url, "--system-id", name


def creation(server: redis.Redis, scratch: Path, name: str, *more: str) -> tuple[object, ...]:  # noqa: F811
    return "backup", "create", "--to", HOME, "--scratch", scratch, "--name", name, *system(server), *more


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
    made = store.papyra(*creation(clean, scratch, "one", *more, "--format", "json")).exits(0).report
    assert made["path"] == f"{HOME}/one"
    there = {key.split("/")[3]: body for key, body in store.objects("deep/er/one/").items()}
    listed = {line[66:]: line[:64] for line in there.pop("SHA256SUMS").decode().splitlines()}
    assert {name: hashlib.sha256(body).hexdigest() for name, body in there.items()} == listed
    assert [path for path in scratch.rglob("*") if path.is_file()] == [], "nothing stays behind where it was made"

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

    store.papyra(*creation(clean, scratch, "two", *more)).exits(0)
    store.papyra("backup", "verify", f"{HOME}/two").exits(0)
    store.papyra("backup", "prune", HOME, "--keep-last", "1", "--apply").exits(0)
    assert set(entries(store)) == {"two"} and store.objects("deep/er/one") == {}


@pytest.mark.parametrize("method", METHODS)
def test_a_flipped_bit_in_any_object_is_found(
    store: ObjectStore, clean: redis.Redis, tmp_path: Path, method: str
) -> None:
    store.papyra(*creation(clean, tmp_path / "s", "one", "--method", method)).exits(0)
    clean.flushall()
    objects = store.objects("deep/er/one/")
    assert len(objects) == {"dump": 5, "bgsave": 1}[method] + 3
    for key, body in objects.items():
        at = len(body) // 2
        store.write(key, body[:at] + bytes([body[at] ^ 4]) + body[at + 1 :])
        told = store.papyra("backup", "verify", f"{HOME}/one").exits(2, 65)
        assert key.rsplit("/", 1)[1] in (told.out + told.err).decode()
        restore(store, clean, "one").exits(65)
        assert clean.keys() == []
        store.write(key, body)
    restore(store, clean, "one").exits(0)


@pytest.mark.parametrize(("method", "file"), [("dump", "events.dump"), ("bgsave", "dump.rdb")])
def test_a_store_that_goes_away_after_the_verification_is_no_damaged_backup(
    store: ObjectStore, clean: redis.Redis, tmp_path: Path, method: str, file: str
) -> None:
    store.papyra(*creation(clean, tmp_path / "s", "one", "--method", method)).exits(0)
    clean.flushall()

    def once_only(name: str) -> None:
        fetched: list[Request] = []

        def rule(request: Request) -> tuple[int, bytes] | None:
            if request.method != "GET" or not request.path.endswith(name):
                return None
            fetched.append(request)
            return (403, answer("AccessDenied")) if len(fetched) > 1 else None

        store.front.rule = rule

    once_only(file)
    assert b"s3:GetObject" in restore(store, clean, "one").exits(69).err
    assert clean.keys() == [], "what was brought already is taken back"
    once_only("groups.json")
    store.papyra("backup", "drill", f"{HOME}/one", "--scratch", tmp_path / "s").exits(69)
    store.front.rule = lambda request: None
    assert entries(store)["one"]["drilled"] is None
    restore(store, clean, "one").exits(0)


def test_of_an_rdb_file_only_what_a_stream_needs_is_fetched_again(
    store: ObjectStore, clean: redis.Redis, tmp_path: Path
) -> None:
    before = full(clean)
    # A server saves its databases in their order: all that is not a stream comes first.
    clean.swapdb(0, 2)
    clean.set("a-cache", os.urandom(3 * STRETCH))
    clean.url = clean.url.removesuffix("0") + "2"
    store.papyra(*creation(clean, tmp_path / "s", "one", "--method", "bgsave")).exits(0)
    clean.flushall()
    store.front.seen.clear()
    restore(store, clean, "one").exits(0)
    fetched = [seen for seen in store.front.seen if seen.method == "GET" and seen.path.endswith("dump.rdb")]
    assert len(fetched) == 4 + len(before), "the file once, in four stretches, and each stream"
    clean.swapdb(0, 2)
    assert full(clean) == before


def test_an_upload_that_was_stopped_is_continued_when_the_server_is_gone(
    store: ObjectStore, clean: redis.Redis, tmp_path: Path
) -> None:
    streams = set(full(clean))
    words = creation(clean, tmp_path / "s", "one")
    assert killed_at(store, change(store, 3), tmp_path, *words)
    assert entries(store)["one"]["unfinished"]
    other = store.papyra(*creation(clean, tmp_path / "s", "one", "--system-id", "others")).exits(73)
    assert b"unfinished upload of papyra:orders at redis://" in other.err
    clean.shutdown(nosave=True)
    made = store.papyra(*words, "--format", "json").exits(0).report
    assert {stream["key"] for stream in made["manifest"]["source"]["redis"]["streams"]} == streams
    store.papyra("backup", "drill", "--latest", HOME, "--scratch", tmp_path / "s").exits(0)
