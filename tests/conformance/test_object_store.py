"""Backups in an object store: the same verbs, whatever is cut off, killed, spoiled or refused on the way."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

import oracle
import readme
from object_store import BUCKET, SECRET, ObjectStore, Request, free_port
from ours import Answer, papyra, snapshot
from records import event

HOME = f"s3://{BUCKET}/deep/er"
PART = 8 << 20


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectStore]:
    store = ObjectStore()
    yield store
    store.stop()


@pytest.fixture
def store(server: ObjectStore) -> ObjectStore:
    server.empty()
    return server


def lines(count: int, begin: int = 0) -> bytes:
    return b"".join(event(number, f"Written{number}") + b"\n" for number in range(begin, begin + count))


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A rotation set and a log whose name is hard on keys and addresses."""
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "rot.log.1").write_bytes(lines(40))
    (folder / "rot.log").write_bytes(lines(9, 40))
    (folder / "a b%41+&=#é~[1]*.ndjson").write_bytes(lines(5))
    (folder / "empty.ndjson").write_bytes(b"")
    return folder


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A log that goes up in five parts, beside one that does not."""
    folder = tmp_path / "p"
    folder.mkdir()
    block = lines(20_000)
    (folder / "events.ndjson").write_bytes(block * (4 * PART // len(block) + 1))
    (folder / "other.ndjson").write_bytes(lines(3))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {name: body for name, (body, _) in snapshot(folder).items()}


def create(store: ObjectStore, logs: Path, name: str, *more: object, **environment: str) -> Answer:
    scratch = logs.parent / "scratch"
    words = ("backup", "create", "--path", logs, "--to", HOME, "--scratch", scratch, "--name", name, *more)
    return store.papyra(*words, **environment)


def entries(store: ObjectStore) -> dict[str, dict]:
    listed = store.papyra("backup", "list", HOME, "--format", "json").exits(0, 2).report["backups"]
    return {entry["name"]: entry for entry in listed}


def test_a_backup_goes_there_and_comes_back(store: ObjectStore, logs: Path, tmp_path: Path) -> None:
    for name, compress in [("plain", "none"), ("packed", "zstd")]:
        made = create(store, logs, name, "--compress", compress, "--format", "json").exits(0).report
        assert made["path"] == f"{HOME}/{name}"
        there = store.objects(f"deep/er/{name}/")
        sums = there[f"deep/er/{name}/SHA256SUMS"].decode().splitlines()
        listed = {line[66:]: line[:64] for line in sums}
        hashes = {key.split("/", 3)[3]: hashlib.sha256(body).hexdigest() for key, body in there.items()}
        assert hashes.pop("SHA256SUMS") and hashes == listed
        assert list((tmp_path / "scratch").rglob("*.log*")) == [], "nothing stays behind where it was made"
        store.papyra("backup", "verify", f"{HOME}/{name}", "--quick").exits(0)
        store.papyra("backup", "verify", f"{HOME}/{name}/").exits(0)
        store.papyra("backup", "drill", "--latest", HOME).exits(0)
        store.papyra("backup", "restore", f"{HOME}/{name}", "--to", tmp_path / name).exits(0)
        assert contents(tmp_path / name) == contents(logs)
    backend = oracle.rotating(tmp_path / "plain" / "rot.log", max_files=5, max_bytes=8000)
    assert oracle.anomalies(backend) == []
    listed = entries(store)
    assert {name: entry["verified"]["intact"] and entry["drilled"]["intact"] for name, entry in listed.items()} == {
        "plain": True,
        "packed": True,
    }
    store.papyra("backup", "list", HOME, "--max-age", "1h").exits(0)
    assert b"is the limit" in store.papyra("backup", "list", HOME, "--max-age", "0.001").exits(2).out
    create(store, logs, "plain").exits(73)


def test_settings_may_name_it_once_for_all(store: ObjectStore, logs: Path, tmp_path: Path) -> None:
    (tmp_path / "papyra.toml").write_text(f'path = "p"\nbackups = "{HOME}"\nquarantine_dir = "q"\n')
    (tmp_path / "q").mkdir()
    store.papyra("backup", "create", cwd=tmp_path).exits(0)
    store.papyra("backup", "verify", "--latest", HOME).exits(0)
    store.papyra("backup", "drill", "--latest", HOME).exits(0)
    checked = store.papyra("doctor", "checklist", "--format", "json", cwd=tmp_path).exits(0).report["items"]
    assert {item["check"] for item in checked} >= {"newest backup", "last verification", "last drill", "another disk"}
    store.papyra("backup", "list", PAPYRA_BACKUPS=HOME).exits(0)


Held = Callable[[Request], bool]


def change(store: ObjectStore, number: int) -> Held:
    """The change with this number, counted from 0, and all after it."""
    begun = len(store.front.seen)
    return lambda request: request.changes and sum(seen.changes for seen in store.front.seen[begun:]) > number


def killed_at(
    store: ObjectStore, held: Held, cwd: Path, *words: object, once: Callable[[], bool] = lambda: True
) -> bool:
    """Kills our command while it waits for an answer that is held back, and `once` something is so; `False` when it
    comes to its end without."""
    held_back: list[Request] = []

    def rule(request: Request) -> None:
        if held(request):
            held_back.append(request)
            # Longer than any test: whoever waits for the answer is killed.
            while store.front.rule is rule:
                time.sleep(0.01)
            raise ConnectionAbortedError

    store.front.rule = rule
    process = store.begin(*words, cwd=cwd)
    while process.poll() is None and not (held_back and once()):
        time.sleep(0.005)
    process.kill()
    process.communicate()
    store.front.rule = lambda request: None
    assert held_back or process.returncode == 0
    return bool(held_back)


def test_an_upload_that_is_killed_anywhere_is_no_backup_and_is_continued(
    store: ObjectStore, logs: Path, tmp_path: Path
) -> None:
    number = 0
    while True:
        name, restored = f"b{number}", tmp_path / f"r{number}"
        words = ("backup", "create", "--path", logs, "--to", HOME, "--scratch", tmp_path / "s", "--name", name)
        if not killed_at(store, change(store, number), tmp_path, *words):
            break
        complete = f"deep/er/{name}/SHA256SUMS" in store.objects()
        listed = entries(store).get(name)
        assert listed is None and number == 0 or listed is not None and listed["unfinished"] is not complete
        if not complete:
            assert store.papyra("backup", "restore", f"{HOME}/{name}", "--to", restored).code in (65, 66)
            assert not restored.exists()
        store.papyra(*words).exits(0)
        store.papyra("backup", "restore", f"{HOME}/{name}", "--to", restored).exits(0)
        assert contents(restored) == contents(logs)
        number += 1
    assert number >= 8, "the announcement, five files, the checksums, and the end"
    leftovers = [key for key in store.objects() if key.endswith("unfinished.json")]
    assert leftovers == []


def test_what_has_arrived_is_not_sent_again(store: ObjectStore, large: Path, tmp_path: Path) -> None:
    words = ("backup", "create", "--path", large, "--to", HOME, "--scratch", tmp_path / "s", "--name", "one")

    def three_are_noted() -> bool:
        journals = [json.loads(path.read_text()) for path in (tmp_path / "s").rglob("one.upload.json")]
        return any(len(parts["sent"]) == 3 for journal in journals for parts in journal["begun"].values())

    def last_two(request: Request) -> bool:
        return "partNumber=4" in request.query or "partNumber=5" in request.query

    assert killed_at(store, last_two, tmp_path, *words, once=three_are_noted)
    store.front.seen.clear()
    store.papyra(*words).exits(0)
    # What the killed run was sending of the last two may be seen only now.
    again = {number for seen in store.front.seen for number in parse_qs(seen.query).get("partNumber", [])}
    assert again == {"4", "5"}
    store.papyra("backup", "verify", f"{HOME}/one").exits(0)
    store.papyra("backup", "restore", f"{HOME}/one", "--to", tmp_path / "r").exits(0)
    assert contents(tmp_path / "r") == contents(large)


def test_a_run_under_another_name_takes_back_what_was_begun(store: ObjectStore, large: Path, tmp_path: Path) -> None:
    words = ("backup", "create", "--path", large, "--to", HOME, "--scratch", tmp_path / "s", "--name")
    assert killed_at(store, change(store, 4), tmp_path, *words, "one")
    assert "deep/er/one/unfinished.json" in store.objects()
    store.papyra(*words, "two").exits(0)
    assert set(entries(store)) == {"two"}
    assert store.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
    # The same name for something else is not continued.
    assert killed_at(store, change(store, 1), tmp_path, *words, "three")
    other = tmp_path / "o"
    other.mkdir()
    (other / "x.ndjson").write_bytes(lines(1))
    answer = store.papyra("backup", "create", "--path", other, *words[4:], "three").exits(73)
    assert b"choose another name" in answer.err
    # Begun by a machine whose scratch folder is gone.
    shutil.rmtree(tmp_path / "s")
    assert b"choose another name" in store.papyra(*words, "three").exits(73).err


def test_a_flipped_bit_in_any_object_is_found(store: ObjectStore, logs: Path, tmp_path: Path) -> None:
    create(store, logs, "one").exits(0)
    objects = {key: body for key, body in store.objects("deep/er/one/").items() if body}
    assert len(objects) == 5
    for key, body in objects.items():
        store.write(key, body[:7] + bytes([body[7] ^ 4]) + body[8:])
        told = store.papyra("backup", "verify", f"{HOME}/one").exits(2, 65)
        assert key.rsplit("/", 1)[1] in (told.out + told.err).decode()
        store.papyra("backup", "restore", f"{HOME}/one", "--to", tmp_path / "r").exits(65)
        assert not (tmp_path / "r").exists()
        store.write(key, body)
    key = "deep/er/one/rot.log.1"
    store.write(key, objects[key][:-1])
    store.papyra("backup", "verify", f"{HOME}/one", "--quick").exits(2)
    store.client.delete_object(Bucket=BUCKET, Key=key)
    assert b"rot.log.1: it is not there" in store.papyra("backup", "verify", f"{HOME}/one").exits(2).out


def test_prune_removes_what_may_go_and_a_kill_leaves_no_half_that_looks_whole(
    store: ObjectStore, logs: Path, tmp_path: Path
) -> None:
    prune = ("backup", "prune", HOME, "--keep-last", "1", "--apply")
    number = 0
    while True:
        store.empty()
        for name in ["good", "old", "new"]:
            create(store, logs, name).exits(0)
            if name == "good":
                store.papyra("backup", "verify", f"{HOME}/good").exits(0)
        was_killed = killed_at(store, change(store, number), tmp_path, *prune)
        left = entries(store)
        assert not left["good"]["unfinished"] and not left["new"]["unfinished"]
        if not was_killed:
            break
        if "old" in left and left["old"]["unfinished"]:
            # It is kept for a week, as an upload would be; here it is older.
            assert b"less than a week ago" in store.papyra(*prune).exits(0).out
            marker = json.loads(store.read("deep/er/old/unfinished.json"))
            marker["created"] = "2026-01-01T00:00:00Z"
            store.write("deep/er/old/unfinished.json", json.dumps(marker).encode())
            assert b"is incomplete" in store.papyra("backup", "list", HOME).exits(2).out
        elif "old" in left:
            store.papyra("backup", "restore", f"{HOME}/old", "--to", tmp_path / f"r{number}").exits(0)
            assert contents(tmp_path / f"r{number}") == contents(logs)
        store.papyra(*prune).exits(0)
        assert set(entries(store)) == {"good", "new"}
        number += 1
    assert number >= 7 and store.objects("deep/er/old") == {}
    # What is somebody else's stays, and is said.
    create(store, logs, "third").exits(0)
    store.write("deep/er/new/notes.txt", b"mine")
    assert b"not the backup's" in store.papyra(*prune).exits(74).out
    assert store.read("deep/er/new/notes.txt") == b"mine"


def answer(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>so it is</Message></Error>".encode()


REFUSALS = [
    (400, "AuthorizationHeaderMalformed", 78, "AWS_REGION"),
    (403, "RequestTimeTooSkewed", 69, "set the clock"),
    (403, "SignatureDoesNotMatch", 69, "AWS_SECRET_ACCESS_KEY"),
    (403, "InvalidAccessKeyId", 69, "AWS_ACCESS_KEY_ID"),
    (403, "AccessDenied", 69, "s3:PutObject"),
    (400, "ExpiredToken", 69, "new credentials"),
    (404, "NoSuchBucket", 66, "no such bucket"),
    (400, "Strange\x1b[31mCode", 69, "\\x1b"),
]


@pytest.mark.parametrize(("status", "code", "exit_code", "advice"), REFUSALS, ids=lambda value: str(value))
def test_a_refusal_says_what_to_do(
    store: ObjectStore, logs: Path, status: int, code: str, exit_code: int, advice: str
) -> None:
    store.front.rule = lambda request: (status, answer(code))
    refused = create(store, logs, "one").exits(exit_code)
    assert advice in refused.err.decode() and b"\x1b[31mCode" not in refused.err
    store.papyra("backup", "list", HOME).exits(exit_code)
    assert not (logs.parent / "scratch").exists(), "nothing is made before it is known that it can be sent"


def test_real_refusals_are_told_apart(store: ObjectStore, logs: Path, tmp_path: Path) -> None:
    there = store.papyra("backup", "list", "s3://no-such-bucket/x").exits(66)
    assert b"there is no such bucket" in there.err
    nobody = f"http://127.0.0.1:{free_port()}"
    unreachable = create(store, logs, "one", AWS_ENDPOINT_URL=nobody).exits(69)
    assert b"cannot be reached (connection refused)" in unreachable.err
    without = papyra("backup", "list", HOME, AWS_ENDPOINT_URL=nobody).exits(78)
    assert b"AWS_ACCESS_KEY_ID" in without.err
    create(store, logs, "one").exits(0)
    store.papyra("backup", "restore", f"{HOME}/one", "--to", f"{HOME}/two").exits(64)
    store.papyra("backup", "verify", f"{HOME}/two").exits(65)
    for wrong in ["s3://", "s3:///x", f"s3://key:{SECRET}@{BUCKET}/x", f"s3://{BUCKET}/../x", f"s3://{BUCKET}//x"]:
        assert SECRET not in papyra("backup", "list", wrong).exits(64).err.decode()
    # From now on the store knows its users, and ours is none.
    assert store.tell("/moto-api/reset-auth", "0") == 200
    try:
        assert b"AWS_ACCESS_KEY_ID" in store.papyra("backup", "list", HOME).exits(69).err
        assert b"check the credentials" in store.papyra("backup", "verify", f"{HOME}/one").exits(69).err
    finally:
        assert store.tell("/moto-api/reset-auth", "inf") == 200


def test_a_store_that_stumbles_is_asked_again(store: ObjectStore, logs: Path) -> None:
    stumbled: set[str] = set()

    def every_request_once(request: Request) -> tuple[int, bytes] | None:
        if repr(request) in stumbled:
            return None
        stumbled.add(repr(request))
        return 503, answer("SlowDown")

    store.front.rule = every_request_once
    create(store, logs, "one").exits(0)
    store.papyra("backup", "verify", f"{HOME}/one").exits(0)
    assert len(stumbled) > 15


def test_a_store_that_goes_away_is_no_damaged_backup(store: ObjectStore, logs: Path) -> None:
    create(store, logs, "one").exits(0)
    store.papyra("backup", "verify", f"{HOME}/one").exits(0)

    def no_logs(request: Request) -> tuple[int, bytes] | None:
        return (403, answer("AccessDenied")) if request.path.endswith("rot.log") else None

    store.front.rule = no_logs
    # Names and sizes are told by the listing.
    store.papyra("backup", "verify", f"{HOME}/one", "--quick").exits(0)
    for words in [("verify", f"{HOME}/one"), ("drill", f"{HOME}/one")]:
        store.papyra("backup", *words, "--prometheus", logs.parent / "x.prom").exits(69)
    store.papyra("backup", "restore", f"{HOME}/one", "--to", logs.parent / "r").exits(69)
    store.front.rule = lambda request: (403, answer("AccessDenied")) if "manifest" in request.path else None
    store.papyra("backup", "list", HOME).exits(69)
    store.papyra("backup", "verify", "--latest", HOME).exits(69)
    store.front.rule = lambda request: None
    assert entries(store)["one"]["verified"]["intact"]


def test_memory_does_not_grow_with_the_objects(store: ObjectStore, large: Path, tmp_path: Path) -> None:
    script = (
        "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:], stdout=-1).returncode;"
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    sending = ("create", "--path", large, "--to", HOME, "--scratch", tmp_path / "s", "--name", "one")
    log = large / "events.ndjson"
    log.write_bytes(log.read_bytes() * 3)
    for words in [sending, ("verify", f"{HOME}/one"), ("restore", f"{HOME}/one", "--to", tmp_path / "r")]:
        program = Path(os.environ["PAPYRA_BIN"]).resolve()
        command = [sys.executable, "-c", script, program, "backup", *words]
        environment = {"PATH": os.environ["PATH"], **store.settings()}
        done = subprocess.run(command, env=environment, capture_output=True, check=True)
        code, kilobytes = map(int, done.stdout.split())
        assert code == 0 and kilobytes << 10 < log.stat().st_size, f"{words[0]}: {kilobytes} KiB"


def test_the_readmes_commands_work(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "persistence").mkdir()
    (tmp_path / "persistence" / "events.ndjson").write_bytes(lines(30))
    readme.run("store", tmp_path, **store.settings())
    assert contents(tmp_path / "restored") == contents(tmp_path / "persistence")
