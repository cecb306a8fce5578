"""Repositories with hundreds of backups: how many requests a list makes in an object store, and how long it takes on a disk."""

import json
import os
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from object_store import BUCKET, PASSWORD, ObjectStore
from ours import papyra
from records import event
from sealed import Seal, earlier, repeated

HOME = f"s3://{BUCKET}/many"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "rot.log.1").write_bytes(b"".join(event(number, f"Written{number}") + b"\n" for number in range(400)))
    (folder / "rot.log").write_bytes(event(400, "Written400") + b"\n")
    return folder


def names(answer: dict) -> list[str]:
    return [entry["name"] for entry in answer["backups"]]


def test_a_list_of_500_makes_one_request_a_snapshot_and_none_the_next_time(
    bare: ObjectStore, logs: Path, tmp_path: Path
) -> None:
    bare.papyra("backup", "init", HOME).exits(0)
    for name in ("first", "second"):
        bare.papyra("backup", "create", "--path", logs, "--to", HOME, "--name", name).exits(0)
    seal = Seal(bare.restic(f"{BUCKET}/many", "cat", "masterkey"))
    for kind, many in (("snapshots", earlier), ("index", repeated)):
        first = next(iter(bare.objects(f"many/{kind}/").values()))
        for name, body in many(seal, first, 498):
            bare.write(f"many/{kind}/{name}", body)

    def listed(what: str, **settings: str) -> int:
        bare.front.seen.clear()
        begun = time.monotonic()
        report = bare.papyra("backup", "list", HOME, "--format", "json", **settings).exits(0, 2).report
        took = time.monotonic() - begun
        assert len(names(report)) == 500 and {"first", "second", "many-0000", "many-0497"} <= set(names(report))
        assert all(entry["records"] == 401 and not entry["damage"] for entry in report["backups"]), report["backups"][0]
        kinds = Counter(request.method if request.path.count("/") > 2 else "LIST" for request in bare.front.seen)
        print(f"{what:28} {kinds.total():4} {took:6.2f} s  {dict(kinds)}")
        return kinds.total()

    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert listed("500 snapshots, cold", **cache) <= 500 + 20
    assert listed("500 snapshots, warm", **cache) <= 50
    # A pack that is gone is seen, and seen in the backups that need it.
    gone = max(bare.objects("many/data/").items(), key=lambda pack: len(pack[1]))[0]
    bare.client.delete_object(Bucket=BUCKET, Key=gone)
    bare.front.seen.clear()
    report = bare.papyra("backup", "list", HOME, "--format", "json", **cache).exits(0, 2).report["backups"]
    assert len(report) == 500 and all(entry["damage"] or entry["problem"] for entry in report)
    print(f"{'500 snapshots, a pack gone':28} {len(bare.front.seen):4}")
    assert len(bare.front.seen) <= 2 * 500 + 50


def test_a_list_says_the_same_whether_snapshots_note_it_or_backups_are_read(bare: ObjectStore, logs: Path) -> None:
    bare.papyra("backup", "init", HOME).exits(0)
    for name in ("one", "two", "three"):
        with (logs / "rot.log").open("ab") as log:
            log.write(event(500, name) + b"\n")
        bare.papyra("backup", "create", "--path", logs, "--to", HOME, "--name", name, "--tag", f"t-{name}").exits(0)
    bare.papyra("backup", "verify", f"{HOME}/two").exits(0)
    bare.papyra("backup", "prune", HOME, "--keep-last", "2", "--apply").exits(0)

    def listed() -> tuple[list[dict], int]:
        bare.front.seen.clear()
        entries = bare.papyra("backup", "list", HOME, "--format", "json").exits(0, 2).report["backups"]
        for entry in entries:
            # The one moves on, and the other restic forgets.
            del entry["age_seconds"]
            entry.pop("new_bytes", None)
        return entries, len(bare.front.seen)

    noted, few = listed()
    assert [entry["name"] for entry in noted] == ["two", "three"] and noted[0]["verified"]["intact"]
    # Where packs were moved, what is noted is outdated.
    bare.restic(f"{BUCKET}/many", "prune", "--max-unused", "0", "--repack-cacheable-only")
    bare.restic(f"{BUCKET}/many", "prune", "--max-unused", "0")
    assert listed()[0] == noted
    # restic rewrites the snapshots and drops what it does not know.
    bare.restic(f"{BUCKET}/many", "tag", "--add", "seen")
    read, many = listed()
    assert read == noted and many > few


def test_how_long_a_list_of_1000_in_a_folder_takes(logs: Path, tmp_path: Path) -> None:
    home = {"RESTIC_PASSWORD": PASSWORD}
    repository = tmp_path / "r"
    papyra("backup", "init", repository, **home).exits(0)
    papyra("backup", "create", "--path", logs, "--to", repository, "--name", "first", **home).exits(0)
    command = ["restic", "--no-cache", "--repo", repository, "cat", "masterkey"]
    environment = {"PATH": os.environ["PATH"], **home}
    seal = Seal(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    for kind, many in (("snapshots", earlier), ("index", repeated)):
        folder = repository / kind
        for name, body in many(seal, next(folder.iterdir()).read_bytes(), 999):
            (folder / name).write_bytes(body)
    for turn in ("first", "second"):
        begun = time.monotonic()
        answer = papyra("backup", "list", repository, "--format", "json", **home).exits(0, 2)
        print(f"1,000 backups in a folder, {turn} time: {time.monotonic() - begun:.2f} s")
        assert len(names(json.loads(answer.out))) == 1000
