"""A real Papyra appends without pause while our recovery runs again and again on fresh damage.

Papyra takes no lock, so recovery must notice that the log moved (exit 75) or succeed, and
either way every record of the writer must be there in the end, once and in order.
"""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

import oracle
import ours
import reference
from records import event

SECONDS = 6
OLD = [f"Old{number:02}" for number in range(20)]
# A crash of another writer, again and again: what Papyra appends next is glued to it.
FRAGMENT = b'{"kind": "event", "system_id": "local", "actor_addr'


def log_with_old_records(folder: Path, kind: str = "json") -> Path:
    path = folder / "log" / "papyra.log"
    path.parent.mkdir()
    path.write_bytes(b"".join(event(number, name, kind) + b"\n" for number, name in enumerate(OLD)))
    return path


def append(path: Path, data: bytes) -> None:
    """One write to the end; a log that is just being rotated away stays as it is."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND)
    except FileNotFoundError:
        return
    try:
        os.write(handle, data)
    finally:
        os.close(handle)


def live_writer(kind: str, path: Path) -> subprocess.Popen:
    script = Path(__file__).with_name("appender.py")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    writer, size = (
        subprocess.Popen([sys.executable, script, kind, path], cwd=script.parent, **pipes),
        path.stat().st_size,
    )
    while path.exists() and path.stat().st_size == size:
        assert writer.poll() is None, "the writer never began"
        time.sleep(0.01)
    return writer


def names(backend) -> list[str]:
    return [line.split("event_type='")[1].split("'")[0] for line in oracle.read(backend)[0]]


@pytest.mark.parametrize("mode", ["repair", "quarantine"])
@pytest.mark.parametrize("kind", ["json", "rotating"])
def test_no_record_of_a_live_papyra_is_lost_doubled_or_moved(kind: str, mode: str, tmp_path: Path):
    path = log_with_old_records(tmp_path, kind)
    how = ("--backend", kind, "--mode", mode)
    if mode == "quarantine":
        how += ("--quarantine-dir", tmp_path / "originals")

    writer, until = live_writer(kind, path), time.monotonic() + SECONDS
    try:
        while time.monotonic() < until:
            append(path, FRAGMENT)
            ours.recover(path, *how).exits(0, 3, 75)
            assert writer.poll() is None, "the writer itself failed"
        count, _ = writer.communicate(timeout=30)
    finally:
        writer.kill()
        writer.wait()

    ours.recover(path, *how).exits(0)
    backend = oracle.rotating(path, max_files=900) if kind == "rotating" else oracle.json_file(path)
    assert oracle.anomalies(backend) == []
    expected = OLD + [f"Written{number:05}" for number in range(int(count))]
    assert Counter(names(backend)) == Counter(expected), "a record was lost or doubled"
    assert names(backend) == expected, "a record was moved"


@pytest.mark.parametrize("turn", range(5))
def test_a_writer_that_had_the_old_file_open_keeps_the_order_of_its_records(turn: int, tmp_path: Path):
    """Open, write, close, and again: the first write falls behind the swap, the second follows at once.

    Both must be there, and in this order: a record that was written first may not end up behind.
    """
    path = log_with_old_records(tmp_path)
    append(path, FRAGMENT + b"\n")
    opened, done = threading.Event(), threading.Event()

    def write_late() -> None:
        inode = path.stat().st_ino
        handle = os.open(path, os.O_WRONLY | os.O_APPEND)
        opened.set()
        until = time.monotonic() + 1.0
        while path.stat().st_ino == inode and time.monotonic() < until:
            pass
        os.write(handle, event(98, "First") + b"\n")
        os.close(handle)
        append(path, event(99, "Second") + b"\n")
        done.set()

    writer = threading.Thread(target=write_late)
    writer.start()
    opened.wait()
    ours.recover(path).exits(0, 75)
    done.wait()
    writer.join()
    ours.recover(path).exits(0)
    assert names(oracle.json_file(path)) == [*OLD, "First", "Second"]


def test_a_writer_that_keeps_the_log_open_loses_nothing(tmp_path: Path):
    """Other writers than Papyra hold on to their handle; what they write afterwards must not go to nowhere."""
    path = log_with_old_records(tmp_path)
    append(path, FRAGMENT + b"\n")
    with path.open("ab", buffering=0) as log:
        before = path.read_bytes()
        answer = ours.recover(path).exits(0, 75)
        log.write(event(99, "Last") + b"\n")
    if answer.code == 75:
        assert path.read_bytes() == before + event(99, "Last") + b"\n"
    ours.recover(path).exits(0)
    assert reference.contents(path.read_bytes())[-1] == event(99, "Last")
