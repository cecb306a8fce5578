"""Backups while a real Papyra appends and rotates at full speed.

Each backup, restored, is read by Papyra itself: it must find it clean and return a stretch of the
history without a gap, without a record twice, and in order. PAPYRA_TEST_LONG=1 makes 200 of a rotating
set in a row.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from papyra.persistence.models import PersistedEvent

import oracle
import readme
from ours import papyra

LONG = os.environ.get("PAPYRA_TEST_LONG") == "1"
# A file that is never rotated grows with every round, and Papyra reads all of it each time.
ROUNDS = {"rotating": 200 if LONG else 20, "json": 30 if LONG else 4}


def start(kind: str, log: Path) -> subprocess.Popen:
    script = Path(__file__).with_name("rotator.py")
    writer = subprocess.Popen(
        [sys.executable, script, kind, log], cwd=script.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    ready = log if kind == "json" else Path(f"{log}.2")
    while not ready.exists():
        assert writer.poll() is None, "the writer never began"
        time.sleep(0.01)
    return writer


def numbers(kind: str, log: Path) -> list[int]:
    """What Papyra reads from a restored log."""
    backend = oracle.json_file(log) if kind == "json" else oracle.rotating(log, max_files=20, max_bytes=8000)
    assert oracle.anomalies(backend) == []
    return [int(event.event_type.removeprefix("Written")) for event in asyncio.run(backend.list_events())]


@pytest.mark.parametrize("kind", ["json", "rotating"])
def test_each_backup_is_a_stretch_of_the_history(kind: str, tmp_path: Path) -> None:
    source, backups, restored = tmp_path / "p", tmp_path / "b", tmp_path / "r"
    source.mkdir()
    writer = start(kind, source / "papyra.log")
    rounds, cut, before = 0, 0, -1
    try:
        # It may take a few more until a backup meets a record that is being written.
        while rounds < ROUNDS[kind] or (cut == 0 and rounds < 200):
            rounds += 1
            made = papyra("backup", "create", "--path", source, "--to", backups, "--format", "json").exits(0).report
            assert made["manifest"]["scan"]["verdict"] == "clean"
            cut += sum(file["source"]["cut"] is not None for file in made["manifest"]["files"])
            papyra("backup", "restore", made["path"], "--to", restored).exits(0)
            seen = numbers(kind, restored / "papyra.log")
            assert seen == list(range(seen[0], seen[-1] + 1))
            assert seen[-1] > before and (kind == "rotating" or seen[0] == 0)
            before = seen[-1]
            shutil.rmtree(restored)
            shutil.rmtree(backups)
    finally:
        written = int(writer.communicate(b"stop\n")[0])
    print(f"{kind}: {rounds} backups, {written} records, {cut} files cut")
    assert cut > 0, "the writer was not in the way"


def test_a_restored_log_is_one_that_papyra_goes_on_with(tmp_path: Path) -> None:
    writer = start("rotating", tmp_path / "papyra.log")
    writer.communicate(b"stop\n")
    papyra("backup", "create", "--path", tmp_path / "papyra.log", "--to", tmp_path / "b", "--name", "one").exits(0)
    papyra("backup", "restore", tmp_path / "b" / "one", "--to", tmp_path / "new").exits(0)
    before = numbers("rotating", tmp_path / "new" / "papyra.log")
    again = start("rotating", tmp_path / "new" / "papyra.log")
    time.sleep(0.2)
    again.communicate(b"stop\n")
    assert papyra("persistence", "scan", "--path", tmp_path / "new").exits(0).code == 0
    assert before == list(range(before[0], before[-1] + 1))


def test_a_lost_server_comes_back_by_the_readmes_commands_and_papyra_goes_on(tmp_path: Path) -> None:
    logs = {"json": tmp_path / "persistence" / "events.ndjson", "rotating": tmp_path / "persistence" / "rot.log"}
    logs["json"].parent.mkdir()
    for kind, log in logs.items():
        start(kind, log).communicate(b"stop\n")
    papyra("backup", "create", "--path", "persistence/", "--to", "kept/", cwd=tmp_path).exits(0)
    shutil.move(tmp_path / "persistence", tmp_path / "lost")
    before = {kind: numbers(kind, tmp_path / "lost" / log.name) for kind, log in logs.items()}
    said = readme.run("disaster", tmp_path)
    assert "is intact" in said and "restored to" in said and said.count("Persistence is healthy") == 2
    own = Path(sys.executable).with_name("papyra")
    for kind, log in logs.items():
        subprocess.run([own, "persistence", "startup-check", "--path", log], check=True)
        assert numbers(kind, log) == before[kind] != []
        backend = oracle.json_file(log) if kind == "json" else oracle.rotating(log, max_files=20, max_bytes=8000)
        asyncio.run(backend.record_event(PersistedEvent("local", "local:1", "Written1000000", {}, 1.0)))
        assert numbers(kind, log) == [*before[kind], 1000000]


def test_papyras_own_command_finds_a_backup_clean(tmp_path: Path) -> None:
    writer = start("json", tmp_path / "p.log")
    time.sleep(0.2)
    writer.communicate(b"stop\n")
    papyra("backup", "create", "--path", tmp_path / "p.log", "--to", tmp_path / "b", "--name", "one").exits(0)
    command = [Path(sys.executable).with_name("papyra"), "persistence", "scan", "--path", tmp_path / "b/one/p.log"]
    assert b"Persistence is healthy" in subprocess.run(command, check=True, capture_output=True).stdout
