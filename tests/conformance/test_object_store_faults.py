"""An object store whose connections break, whose answers drip, lie or never end, and which refuses some keys."""

from collections import Counter
from pathlib import Path

import pytest

from object_store import AFTER, BEFORE, HOME, PLACE, WITHIN, ObjectStore, Request
from test_object_store import answer, contents, create, entries, logs  # noqa: F401


@pytest.mark.parametrize("where", [BEFORE, WITHIN, AFTER])
def test_a_connection_that_breaks_once_for_every_request_costs_nothing(
    store: ObjectStore,
    logs: Path,  # noqa: F811
    tmp_path: Path,
    where: str,
) -> None:
    broken: set[str] = set()

    def once(request: Request) -> str | None:
        # A body of no byte has no middle.
        if repr(request) in broken or where == WITHIN and request.size < 2:
            return None
        broken.add(repr(request))
        return where

    store.front.breaks = once
    create(store, logs, "one").exits(0)
    store.papyra("backup", "verify", f"{HOME}/one").exits(0)
    store.papyra("backup", "restore", f"{HOME}/one", "--to", tmp_path / "r").exits(0)
    assert len(broken) >= 5, "a lock, two packs, index, snapshot, record"
    store.untouched()
    assert contents(tmp_path / "r") == contents(logs)
    # What was carried out, and then asked for again, is there once; the lock is gone.
    kinds = Counter(key.split("/")[2] for key in store.objects("deep/er/"))
    assert kinds == {"config": 1, "keys": 1, "data": 2, "index": 1, "snapshots": 1, "papyra": 1}
    assert b"no errors were found" in store.restic(PLACE, "check", "--read-data")


def break_each_once(store: ObjectStore, method: str, where: str) -> set[str]:
    """The first connection breaks for each path that is asked for with this method; returns the paths."""
    broken: set[str] = set()

    def once(request: Request) -> str | None:
        if request.method != method or request.path in broken:
            return None
        broken.add(request.path)
        return where

    store.front.breaks = once
    return broken


@pytest.mark.parametrize("where", [BEFORE, AFTER])
def test_a_prune_frees_everything_though_connections_break(
    store: ObjectStore,
    logs: Path,  # noqa: F811
    where: str,
) -> None:
    create(store, logs, "one").exits(0)
    (logs / "rot.log").write_bytes((logs / "rot.log.1").read_bytes())
    create(store, logs, "two", "--accept-damage").exits(0)
    broken = break_each_once(store, "DELETE", where)
    said = store.papyra("backup", "prune", HOME, "--keep-last", "1", "--apply").exits(0)
    assert b"lock" not in said.out + said.err
    assert any("/snapshots/" in path for path in broken) and any("/locks/" in path for path in broken)
    store.untouched()
    assert set(entries(store)) == {"two"} and not store.objects("deep/er/locks/")


@pytest.mark.parametrize("where", [BEFORE, WITHIN, AFTER])
def test_a_repository_is_made_though_connections_break(bare: ObjectStore, logs: Path, where: str) -> None:  # noqa: F811
    broken = break_each_once(bare, "PUT", where)
    bare.papyra("backup", "init", HOME).exits(0)
    assert len(broken) == 2, "the key and the configuration"
    bare.untouched()
    create(bare, logs, "one").exits(0)
    assert Counter(key.split("/")[2] for key in bare.objects("deep/er/"))["keys"] == 1


def test_a_store_that_stumbles_three_times_in_a_row_is_asked_again(store: ObjectStore, logs: Path) -> None:  # noqa: F811
    stumbled: Counter[str] = Counter()

    def three_times(request: Request) -> tuple[int, bytes] | None:
        stumbled[repr(request)] += 1
        return (503, answer("SlowDown")) if request.method == "PUT" and stumbled[repr(request)] <= 3 else None

    store.front.rule = three_times
    create(store, logs, "one").exits(0)
    assert sum(count > 3 for count in stumbled.values()) >= 5
    store.untouched()
    store.papyra("backup", "verify", f"{HOME}/one").exits(0)


def test_answers_that_drip_are_waited_for(store: ObjectStore, logs: Path, tmp_path: Path) -> None:  # noqa: F811
    create(store, logs, "one").exits(0)
    store.front.downlink = 20_000
    store.papyra("backup", "list", HOME).exits(0, 2)
    store.papyra("backup", "restore", f"{HOME}/one", "--to", tmp_path / "r").exits(0)
    assert contents(tmp_path / "r") == contents(logs)


def test_an_entity_tag_is_no_evidence(store: ObjectStore, logs: Path, tmp_path: Path) -> None:  # noqa: F811
    given: list[str] = []

    def wrong(request: Request, headers: dict[str, str]) -> dict[str, str]:
        tags = [name for name in headers if name.lower() == "etag"]
        given.extend(tags)
        return {**headers, **{name: f'"{len(given):032x}"' for name in tags}}

    store.front.mark = wrong
    create(store, logs, "one").exits(0)
    store.papyra("backup", "verify", f"{HOME}/one").exits(0)
    store.papyra("backup", "restore", f"{HOME}/one", "--to", tmp_path / "r").exits(0)
    assert contents(tmp_path / "r") == contents(logs) and len(given) > 10


@pytest.mark.parametrize("kind", ["keys", "snapshots", "index", "data", "locks", "papyra"])
def test_a_listing_without_an_end_is_told_of(store: ObjectStore, logs: Path, kind: str) -> None:  # noqa: F811
    create(store, logs, "one").exits(0)
    store.papyra("backup", "verify", f"{HOME}/one").exits(0)

    def again_and_again(request: Request, body: bytes) -> bytes:
        if f"prefix=deep%2Fer%2F{kind}%2F" not in request.query or b"<IsTruncated>false" not in body:
            return body
        more = b"<IsTruncated>true</IsTruncated><NextContinuationToken>more</NextContinuationToken>"
        return body.replace(b"<IsTruncated>false</IsTruncated>", more)

    def from_the_start(request: Request) -> None:
        # The store itself knows no such token.
        request.forward = request.forward.replace("continuation-token=more", "x=more")

    store.front.spoil = again_and_again
    store.front.rule = from_the_start
    words = ["create", "--path", logs, "--to", HOME] if kind == "locks" else ["list", HOME]
    told = store.papyra("backup", *words).exits(69).err
    assert b"again and again" in told and kind.encode() in told


@pytest.mark.parametrize("kind", ["locks", "data", "index", "snapshots"])
def test_what_may_not_be_written_leaves_no_half_of_a_backup(
    store: ObjectStore,
    logs: Path,  # noqa: F811
    kind: str,
) -> None:
    create(store, logs, "one").exits(0)
    (logs / "rot.log").write_bytes((logs / "rot.log.1").read_bytes()[:4000])

    def denied(request: Request) -> tuple[int, bytes] | None:
        return (403, answer("AccessDenied")) if request.method == "PUT" and f"/{kind}/" in request.path else None

    store.front.rule = denied
    refused = create(store, logs, "two", "--accept-damage").exits(69).err
    assert b"s3:PutObject" in refused
    store.untouched()
    assert set(entries(store)) == {"one"}
    create(store, logs, "two", "--accept-damage").exits(0)
    assert set(entries(store)) == {"one", "two"}
    store.papyra("backup", "verify", f"{HOME}/one").exits(0)
    assert b"no errors were found" in store.restic(PLACE, "check", "--read-data")
