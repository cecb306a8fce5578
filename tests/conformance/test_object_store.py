"""Repositories in an object store: the same verbs, whatever is cut off, killed, spoiled or refused on the way."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

import oracle
import readme
from object_store import BUCKET, HOME, PLACE, SECRET, ObjectStore, Request
from ours import Answer, papyra, snapshot
from ports import free_port
from records import event


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


def contents(folder: Path) -> dict[str, bytes]:
    return {name: body for name, (body, _) in snapshot(folder).items()}


def creation(logs: Path, name: str, *more: object) -> tuple[object, ...]:
    return "backup", "create", "--path", logs, "--to", HOME, "--name", name, *more


def create(store: ObjectStore, logs: Path, name: str, *more: object, **environment: str) -> Answer:
    return store.papyra(*creation(logs, name, *more), **environment)


def entries(store: ObjectStore) -> dict[str, dict]:
    listed = store.papyra("backup", "list", HOME, "--format", "json").exits(0, 2).report["backups"]
    return {entry["name"]: entry for entry in listed}


def test_a_backup_goes_there_and_comes_back_by_every_verb(store: ObjectStore, logs: Path, tmp_path: Path) -> None:
    made = create(store, logs, "one", "--format", "json").exits(0).report
    assert made["path"] == f"{HOME}/one" and made["new_bytes"] > 0
    (logs / "rot.log").write_bytes(lines(12, 40))
    create(store, logs, "two").exits(0)
    assert b"choose another name" in create(store, logs, "two").exits(73).err
    store.papyra("backup", "verify", f"{HOME}/two", "--quick").exits(0)
    store.papyra("backup", "verify", f"{HOME}/two/").exits(0)
    store.papyra("backup", "drill", "--latest", HOME).exits(0)
    store.papyra("backup", "restore", f"{HOME}/two", "--to", tmp_path / "two").exits(0)
    assert contents(tmp_path / "two") == contents(logs)
    backend = oracle.rotating(tmp_path / "two" / "rot.log", max_files=5, max_bytes=8000)
    assert oracle.anomalies(backend) == []
    assert b"rot.log.1" in store.papyra("backup", "ls", f"{HOME}/one").exits(0).out
    assert store.papyra("backup", "cat", f"{HOME}/one", "rot.log").exits(0).out == lines(9, 40)
    store.papyra("backup", "diff", f"{HOME}/one", f"{HOME}/two").exits(0)
    store.papyra("backup", "diff", f"{HOME}/two", f"{HOME}/one").exits(2)
    listed = entries(store)
    assert listed["two"]["verified"]["intact"] and listed["two"]["drilled"]["intact"] and not listed["one"]["verified"]
    store.papyra("backup", "list", HOME, "--max-age", "1h").exits(0)
    assert b"is the limit" in store.papyra("backup", "list", HOME, "--max-age", "0.001").exits(2).out
    store.papyra("backup", "prune", HOME, "--keep-last", "1", "--apply").exits(0)
    assert set(entries(store)) == {"two"}
    assert b"no such backup" in store.papyra("backup", "verify", f"{HOME}/one").exits(66).err
    assert b"already" in store.papyra("backup", "init", HOME).exits(73).err


def test_restic_reads_what_we_write_and_we_what_restic_copies(store: ObjectStore, logs: Path, tmp_path: Path) -> None:
    create(store, logs, "one").exits(0)
    assert b"no errors were found" in store.restic(PLACE, "check", "--read-data")
    store.restic(PLACE, "restore", "latest", "--target", tmp_path / "r")
    papyra("backup", "verify", tmp_path / "r").exits(0)
    restored = contents(tmp_path / "r")
    assert {name: restored[name] for name in contents(logs)} == contents(logs)
    # The same repository under restic's own name for it.
    there = store.settings()["AWS_ENDPOINT_URL"]
    without = {"AWS_ENDPOINT_URL": ""}
    store.papyra("backup", "verify", f"s3:{there}/{PLACE}/one", **without).exits(0)
    store.papyra("backup", "list", RESTIC_REPOSITORY=f"s3:{there}/{PLACE}", **without).exits(0)
    # What restic keeps beside is none of ours.
    store.restic(PLACE, "backup", logs, "--tag", "theirs")
    store.restic(PLACE, "forget", "--tag", "theirs", "--keep-last", "1", "--prune")
    assert set(entries(store)) == {"one"}
    store.papyra("backup", "verify", f"{HOME}/one").exits(0)


def test_settings_may_name_it_once_for_all(store: ObjectStore, logs: Path, tmp_path: Path) -> None:
    (tmp_path / "papyra.toml").write_text(f'path = "p"\nbackups = "{HOME}"\nquarantine_dir = "q"\n')
    (tmp_path / "q").mkdir()
    store.papyra("backup", "create", cwd=tmp_path).exits(0)
    store.papyra("backup", "verify", "--latest", HOME).exits(0)
    store.papyra("backup", "drill", "--latest", HOME, "--prometheus", tmp_path / "x.prom").exits(0)
    assert (tmp_path / "x.prom").read_text()
    checked = store.papyra("doctor", "checklist", "--format", "json", cwd=tmp_path).exits(0).report["items"]
    assert {item["check"] for item in checked} >= {"newest backup", "last verification", "last drill", "another disk"}
    store.papyra("backup", "list", PAPYRA_BACKUPS=HOME).exits(0)


def test_it_stays_and_backs_up_what_is_appended(store: ObjectStore, logs: Path, tmp_path: Path) -> None:
    words = ("backup", "create", "--path", logs, "--to", HOME, "--every", "1s", "--health-file", tmp_path / "h")
    process = store.begin(*words, cwd=tmp_path)
    try:
        for number in range(1, 3):
            deadline = time.monotonic() + 60
            while len(store.objects("deep/er/snapshots/")) < number:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
            with (logs / "rot.log").open("ab") as log:
                log.write(lines(1, 49 + number))
    finally:
        process.terminate()
        assert process.wait(60) == 0, process.communicate()
    assert (tmp_path / "h").read_text()
    for name in entries(store):
        store.papyra("backup", "verify", f"{HOME}/{name}").exits(0)


Held = Callable[[Request], bool]


def change(store: ObjectStore, number: int) -> Held:
    """The change with this number, counted from 0, and all after it."""
    begun = len(store.front.seen)
    return lambda request: request.changes and sum(seen.changes for seen in store.front.seen[begun:]) > number


def killed_at(store: ObjectStore, held: Held, cwd: Path, *words: object) -> bool:
    """Kills our command while it waits for an answer that is held back; `False` when it comes to its end without."""
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
    while process.poll() is None and not held_back:
        time.sleep(0.005)
    process.kill()
    process.communicate()
    store.front.rule = lambda request: None
    assert held_back or process.returncode == 0
    return bool(held_back)


def unlocked(store: ObjectStore) -> None:
    """What a killed run held is nobody's: restic has a command of its own for that."""
    store.restic(PLACE, "unlock", "--remove-all")


def test_init_that_is_killed_anywhere_is_made_up_for(bare: ObjectStore, logs: Path, tmp_path: Path) -> None:
    number = 0
    while killed_at(bare, change(bare, number), tmp_path, "backup", "init", HOME):
        bare.papyra("backup", "init", HOME).exits(0, 73)
        create(bare, logs, "one").exits(0)
        assert b"no errors were found" in bare.restic(PLACE, "check")
        bare.empty()
        number += 1
    assert number == 2, "the key and the configuration"


def test_create_that_is_killed_anywhere_harms_nothing(store: ObjectStore, logs: Path, tmp_path: Path) -> None:
    create(store, logs, "old").exits(0)
    number = 0
    while True:
        (logs / "rot.log").write_bytes(lines(50 + number, 40))
        if not killed_at(store, change(store, number), tmp_path, *creation(logs, f"b{number}")):
            break
        assert "old" in entries(store)
        store.papyra("backup", "verify", "--all", HOME).exits(0)
        create(store, logs, f"c{number}").exits(0)
        store.papyra("backup", "restore", f"{HOME}/c{number}", "--to", tmp_path / f"r{number}").exits(0)
        assert contents(tmp_path / f"r{number}") == contents(logs)
        number += 1
    assert number >= 6, "lock, two packs, index, snapshot, and the lock again"
    unlocked(store)
    assert b"no errors were found" in store.restic(PLACE, "check", "--read-data")


def test_prune_that_is_killed_anywhere_harms_nothing(store: ObjectStore, logs: Path, tmp_path: Path) -> None:
    prune = ("backup", "prune", HOME, "--keep-last", "1", "--apply")
    number = 0
    while True:
        for name in ("old", "new"):
            (logs / "rot.log").write_bytes(lines(50 + number, 40) + (b"" if name == "old" else lines(1, 200 + number)))
            create(store, logs, f"{name}{number}").exits(0)
        was_killed = killed_at(store, change(store, number), tmp_path, *prune)
        left = entries(store)
        assert f"new{number}" in left
        store.papyra("backup", "verify", "--all", HOME).exits(0)
        if not was_killed:
            break
        store.papyra(*prune).exits(0)
        assert set(entries(store)) == {f"new{number}"}
        number += 1
    assert number >= 4, "lock, snapshot, index, and the lock again"
    unlocked(store)
    assert b"no errors were found" in store.restic(PLACE, "check", "--read-data")


def answer(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>so it is</Message></Error>".encode()


REFUSALS = [
    (400, "AuthorizationHeaderMalformed", 78, "AWS_REGION"),
    (403, "RequestTimeTooSkewed", 69, "s3:GetObject"),
    (403, "AccessDenied", 69, "s3:PutObject"),
    (400, "ExpiredToken", 69, ""),
]


@pytest.mark.parametrize(("status", "code", "exit_code", "advice"), REFUSALS, ids=lambda value: str(value))
def test_a_refusal_says_what_to_do(
    store: ObjectStore, logs: Path, status: int, code: str, exit_code: int, advice: str
) -> None:
    # The first request is a HEAD, and its answer has no body.
    store.front.rule = lambda request: (status, b"" if request.method == "HEAD" else answer(code))
    refused = create(store, logs, "one").exits(exit_code, 69)
    assert status != 403 or advice in refused.err.decode()
    store.front.rule = lambda request: None if request.method == "HEAD" else (status, answer(code))
    refused = store.papyra("backup", "list", HOME).exits(exit_code)
    if status != 403 or code == "AccessDenied":
        assert advice in refused.err.decode()


def test_nothing_of_a_refusal_reaches_the_terminal_raw(store: ObjectStore) -> None:
    store.front.rule = lambda request: None if request.method == "HEAD" else (400, answer("Odd\x1b[31mCode"))
    assert b"\x1b" not in store.papyra("backup", "list", HOME).exits(69).err


def test_real_refusals_are_told_apart(store: ObjectStore, logs: Path, tmp_path: Path) -> None:
    assert b"there is no such bucket" in store.papyra("backup", "list", "s3://no-such-bucket/x").exits(66).err
    nobody = f"http://127.0.0.1:{free_port()}"
    unreachable = create(store, logs, "one", AWS_ENDPOINT_URL=nobody).exits(69)
    assert b"cannot be reached" in unreachable.err
    create(store, logs, "one").exits(0)
    store.papyra("backup", "restore", f"{HOME}/one", "--to", f"{HOME}/two").exits(64)
    assert b"RESTIC_PASSWORD" in store.papyra("backup", "list", HOME, RESTIC_PASSWORD="another").exits(66).err
    assert b"RESTIC_PASSWORD" in store.papyra("backup", "list", HOME, RESTIC_PASSWORD="").exits(78).err
    for wrong in ["s3://", "s3:///x", f"s3://key:{SECRET}@{BUCKET}/x", f"s3://{BUCKET}/../x", f"s3://{BUCKET}//x"]:
        assert SECRET not in papyra("backup", "list", wrong).exits(64).err.decode()
    for alike in [f"s3:/{PLACE}", f"S3://{PLACE}", f"s3:{PLACE}"]:
        for words in [("list", alike), ("init", alike), ("create", "--path", logs, "--to", alike)]:
            papyra("backup", *words, cwd=tmp_path).exits(64)
    assert set(path.name for path in tmp_path.iterdir()) == {"p"}, "no lookalike has become a folder"
    # From now on the store knows its users, and ours is none.
    assert store.tell("/moto-api/reset-auth", "0") == 200
    try:
        assert b"credentials" in store.papyra("backup", "verify", f"{HOME}/one").exits(69).err
    finally:
        assert store.tell("/moto-api/reset-auth", "inf") == 200


BAD = [
    ("AWS_ENDPOINT_URL", "127.0.0.1:9000"),
    ("AWS_ENDPOINT_URL", "http://"),
    ("AWS_ENDPOINT_URL", "http://a b"),
    ("AWS_SECRET_ACCESS_KEY", "secret\n"),
    ("AWS_ACCESS_KEY_ID", "téster"),
    ("AWS_SESSION_TOKEN", "a b"),
    ("AWS_REGION", "eu central"),
    ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "perhaps"),
    ("AWS_CHECKSUM_ALGORITHM", "crc-what"),
    ("AWS_PROFILE", "nobody"),
]


@pytest.mark.parametrize(("name", "value"), BAD, ids=lambda value: repr(value))
def test_a_bad_setting_is_named(store: ObjectStore, name: str, value: str) -> None:
    told = store.papyra("backup", "list", HOME, **{name: value}).exits(78).err.decode()
    assert name in told and "panicked" not in told


def test_keys_come_from_a_profile(store: ObjectStore, tmp_path: Path) -> None:
    settings = {"HOME": str(tmp_path), "RESTIC_PASSWORD": store.settings()["RESTIC_PASSWORD"]}
    there = store.settings()["AWS_ENDPOINT_URL"]
    assert b"AWS_ACCESS_KEY_ID" in papyra("backup", "list", HOME, AWS_ENDPOINT_URL=there, **settings).exits(78).err
    (tmp_path / ".aws").mkdir()
    keys = f"aws_access_key_id = tester\naws_secret_access_key = {SECRET}\n"
    (tmp_path / ".aws/credentials").write_text(f"[default]\n{keys}")
    assert b"there is no backup" in papyra("backup", "list", HOME, AWS_ENDPOINT_URL=there, **settings).exits(2).err
    printed = json.dumps({"Version": 1, "AccessKeyId": "tester", "SecretAccessKey": SECRET})
    (tmp_path / ".aws/config").write_text(
        f"[profile other]\nendpoint_url = {there}\nregion = us-east-1\ncredential_process = echo '{printed}'\n"
    )
    assert b"there is no backup" in papyra("backup", "list", HOME, AWS_PROFILE="other", **settings).exits(2).err


def test_no_other_host_is_told_anything(store: ObjectStore) -> None:
    told: list[str] = []

    class Listening(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            told.append(self.path)
            self.send_response(404)
            self.end_headers()

        do_GET = do_HEAD

        def log_message(self, *_: object) -> None:
            pass

    other = HTTPServer(("127.0.0.1", 0), Listening)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    place = {"Location": f"http://127.0.0.1:{other.server_port}/x"}
    store.front.rule = lambda request: (307, b"", place)
    refused = store.papyra("backup", "list", HOME, AWS_SESSION_TOKEN="a-token").exits(78)
    assert b"redirects" in refused.err and told == []
    other.shutdown()


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


def is_content(request: Request) -> bool:
    return request.method == "GET" and any(f"/{kind}/" in request.path for kind in ("data", "index", "snapshots", "locks"))


def flipped(body: bytes) -> bytes:
    at = len(body) // 2
    return body[:at] + bytes([body[at] ^ 4]) + body[at + 1 :]


def test_what_is_spoiled_on_the_way_is_read_once_more(store: ObjectStore, logs: Path, tmp_path: Path) -> None:
    create(store, logs, "one").exits(0)
    for number, spoil in enumerate([flipped, lambda body: body[: len(body) // 2]]):
        spoiled: set[str] = set()

        def once(request: Request, body: bytes) -> bytes:
            # What was cut is asked for from there on.
            called = f"{request.path} {request.range if spoil is flipped else ''}"
            if not is_content(request) or called in spoiled or not body:
                return body
            spoiled.add(called)
            return spoil(body)

        store.front.spoil = once
        store.papyra("backup", "verify", f"{HOME}/one").exits(0)
        store.papyra("backup", "list", HOME).exits(0)
        store.papyra("backup", "restore", f"{HOME}/one", "--to", tmp_path / f"r{number}").exits(0)
        assert contents(tmp_path / f"r{number}") == contents(logs) and len(spoiled) >= 4
        store.untouched()


def test_a_flipped_bit_in_any_object_is_found(store: ObjectStore, logs: Path, tmp_path: Path) -> None:
    create(store, logs, "one").exits(0)
    objects = {key: body for key, body in store.objects("deep/er/").items() if "/keys/" not in key}
    kinds = Counter(key.split("/")[2] for key in objects)
    assert kinds == {"config": 1, "data": 2, "index": 1, "snapshots": 1}
    for key, body in objects.items():
        store.write(key, flipped(body))
        # Without its snapshot nothing says what a backup is called, unless that is known from before.
        lost = {66} if "/snapshots/" in key else set()
        told = store.papyra("backup", "verify", f"{HOME}/one", XDG_CACHE_HOME=str(tmp_path / "c")).exits(2, 65, *lost)
        assert b"panicked" not in told.err
        store.papyra("backup", "restore", f"{HOME}/one", "--to", tmp_path / "r").exits(65, *lost)
        assert not (tmp_path / "r").exists()
        store.write(key, body)
        # What was seen whole and is kept does not hide what is broken there.
        store.papyra("backup", "list", HOME, XDG_CACHE_HOME=str(tmp_path / "c")).exits(0, 2)
    store.papyra("backup", "verify", f"{HOME}/one").exits(0)


def test_a_store_that_goes_away_is_no_damaged_backup(store: ObjectStore, logs: Path) -> None:
    create(store, logs, "one").exits(0)
    store.papyra("backup", "verify", f"{HOME}/one").exits(0)
    store.front.rule = lambda request: (403, answer("AccessDenied")) if "/data/" in request.path else None
    for words in [("verify", f"{HOME}/one"), ("drill", f"{HOME}/one"), ("verify", "--latest", HOME)]:
        assert b"s3:GetObject" in store.papyra("backup", *words).exits(69).err
    # A list reads no more than the snapshots, and no index file.
    assert entries(store)["one"]["records"] == 54
    store.front.rule = lambda request: (403, answer("AccessDenied")) if "/snapshots/" in request.path else None
    assert b"s3:GetObject" in store.papyra("backup", "list", HOME).exits(69).err
    store.papyra("backup", "restore", f"{HOME}/one", "--to", logs.parent / "r").exits(69)
    store.untouched()
    assert entries(store)["one"]["verified"]["intact"]


def test_who_may_not_delete_may_back_up(store: ObjectStore, logs: Path) -> None:
    store.front.rule = lambda request: (403, answer("AccessDenied")) if request.method == "DELETE" else None
    made = create(store, logs, "one", "--format", "json").exits(0).report
    assert any("lock" in warning and "stays behind" in warning for warning in made["warnings"])
    create(store, logs, "two").exits(0)
    store.papyra("backup", "verify", f"{HOME}/two").exits(0)
    left = len(store.objects("deep/er/locks/"))
    assert left == 2
    store.untouched()
    store.papyra("backup", "prune", HOME, "--keep-last", "1", "--apply").exits(0)
    assert set(entries(store)) == {"two"} and store.objects("deep/er/locks/") == {}


def test_strange_names_beside_ours_stop_no_verb(store: ObjectStore, logs: Path, tmp_path: Path) -> None:
    create(store, logs, "one").exits(0)
    strange = ["notes.txt", "snapshots/notes.txt", "data/zz", "data/zz/" + "0" * 64, "locks/mine", "papyra/mine"]
    for name in strange:
        store.write(f"deep/er/{name}", b"mine")

    def with_stranger_ones(request: Request, body: bytes) -> bytes:
        # Amazon takes such names; the store of these tests does not.
        names = ["/x", "../x", "a/./b", "line&#10;break", "&lt;&amp;&gt;"]
        place = request.query.split("prefix=")[-1].split("&")[0].replace("%2F", "/")
        told = "".join(
            f"<Contents><Key>{place}{name}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>1</Size></Contents>"
            for name in names
        )
        more = body.replace(b"</ListBucketResult>", told.encode() + b"</ListBucketResult>")
        return more

    store.front.spoil = with_stranger_ones
    create(store, logs, "two").exits(0)
    store.papyra("backup", "verify", f"{HOME}/two").exits(0)
    store.papyra("backup", "prune", HOME, "--keep-last", "1", "--apply").exits(0)
    assert set(entries(store)) == {"two"}
    store.papyra("backup", "restore", "--latest", HOME, "--to", tmp_path / "r").exits(0)
    store.untouched()
    assert all(store.read(f"deep/er/{name}") == b"mine" for name in strange)


def test_plain_backups_of_former_times_are_named(bare: ObjectStore, logs: Path, tmp_path: Path) -> None:
    papyra("backup", "create", "--path", logs, "--to", tmp_path / "plain", "--name", "one").exits(0)
    for path in (tmp_path / "plain" / "one").iterdir():
        bare.write(f"deep/er/one/{path.name}", path.read_bytes())
    for words in [("list", HOME), ("verify", f"{HOME}/one"), ("create", "--path", logs, "--to", HOME), ("verify", "--latest", HOME)]:
        assert b"aws s3 cp --recursive" in bare.papyra("backup", *words).exits(66).err
    elsewhere = f"s3://{BUCKET}/elsewhere"
    for words in [("list", elsewhere), ("create", "--path", logs, "--to", elsewhere)]:
        assert f"papyra backup init {elsewhere}".encode() in bare.papyra("backup", *words).exits(66).err
    assert b"not empty" in bare.papyra("backup", "init", HOME).exits(73).err


def test_a_slow_way_is_no_broken_one(store: ObjectStore, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    noise = os.urandom(3 << 20).hex().encode()
    (folder / "events.ndjson").write_bytes(b"\n".join(noise[at : at + 999] for at in range(0, len(noise), 999)) + b"\n")
    store.front.uplink = 300_000
    create(store, folder, "one", "--accept-damage").exits(0)
    store.untouched()
    assert sum(map(len, store.objects("deep/er/data/").values())) > 3 << 20
    store.papyra("backup", "restore", f"{HOME}/one", "--to", tmp_path / "r").exits(0)
    assert contents(tmp_path / "r") == contents(folder)


def seen(store: ObjectStore) -> Counter[str]:
    return Counter(request.method if request.path.count("/") > 2 else "LIST" for request in store.front.seen)


def test_how_many_requests_a_verb_makes(store: ObjectStore, logs: Path, tmp_path: Path) -> None:
    count, told = 30, {}

    def counted(verb: str, *words: object) -> int:
        store.front.seen.clear()
        store.papyra(*words, XDG_CACHE_HOME=str(tmp_path / "cache")).exits(0, 2)
        told[verb] = seen(store)
        return told[verb].total()

    for number in range(count):
        (logs / "rot.log").write_bytes(lines(10 + number, 40))
        last = counted("create", *creation(logs, f"b{number:02}"))
    listings = Counter(request.query.split("prefix=")[-1] for request in store.front.seen if request.path.count("/") <= 2)
    print("create lists", dict(listings))
    assert last <= 30, told
    shutil.rmtree(tmp_path / "cache")
    cold = counted("list, cold", "backup", "list", HOME)
    assert cold <= count + 20, told
    warm = counted("list, warm", "backup", "list", HOME)
    assert warm <= 20, f"{told}: it does not grow with the backups"
    counted("verify", "backup", "verify", f"{HOME}/b00")
    counted("verify --quick", "backup", "verify", f"{HOME}/b00", "--quick")
    counted("restore", "backup", "restore", f"{HOME}/b00", "--to", tmp_path / "r")
    counted("prune", "backup", "prune", HOME, "--keep-last", "29", "--apply")
    # A cache that was tampered with, or cannot be written to, costs time alone.
    for path in (tmp_path / "cache").rglob("*"):
        if path.is_file():
            path.write_bytes(b"nonsense")
    counted("list, cache spoiled", "backup", "list", HOME)
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_bytes(b"no folder")
    counted("list, no cache", "backup", "list", HOME)
    for verb, kinds in told.items():
        print(f"{verb:20} {kinds.total():4}  {dict(kinds)}")


def test_memory_does_not_grow_with_the_logs(store: ObjectStore, tmp_path: Path) -> None:
    script = (
        "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:], stdout=-1).returncode;"
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    folder = tmp_path / "p"
    folder.mkdir()
    block = lines(20_000)
    (folder / "events.ndjson").write_bytes(block * ((200 << 20) // len(block)))
    for words in [
        creation(folder, "one")[1:],
        ("verify", f"{HOME}/one"),
        ("restore", f"{HOME}/one", "--to", tmp_path / "r"),
    ]:
        program = Path(os.environ["PAPYRA_BIN"]).resolve()
        command = [sys.executable, "-c", script, program, "backup", *map(str, words)]
        environment = {"PATH": os.environ["PATH"], **store.settings()}
        done = subprocess.run(command, env=environment, capture_output=True, check=True)
        code, kilobytes = map(int, done.stdout.split())
        assert code in (0, 2) and kilobytes << 10 < 180 << 20, f"{words[0]}: {code}, {kilobytes} KiB"


def test_the_handbooks_commands_work(bare: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "persistence").mkdir()
    (tmp_path / "persistence" / "events.ndjson").write_bytes(lines(30))
    readme.run("store", tmp_path, **bare.settings())
    assert contents(tmp_path / "restored") == contents(tmp_path / "persistence")
