"""One log damaged and recovered many times in a row: no earlier find may be lost to a later one.

The inode of a file that was removed is soon used again, and a second holds many recoveries; so
name, size, inode and time of two different originals can be the same.
"""

from pathlib import Path

import pytest

import ours
from records import event

ROUNDS = 12
GOOD = event(1, "ActorStarted") + b"\n"


def junk(turn: int) -> bytes:
    """As long as any other, and unlike any other."""
    return f"junk {turn:04}\n".encode()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "log"
    folder.mkdir()
    return folder / "events.ndjson"


@pytest.mark.parametrize("how", ["anew", "appended"])
def test_repair_keeps_the_rejects_of_every_round(log: Path, how: str):
    for turn in range(ROUNDS):
        if how == "anew":
            log.write_bytes(GOOD + junk(turn))
        else:
            with log.open("ab") as file:
                file.write(GOOD * (not turn) + junk(turn))
        ours.recover(log).exits(0)
        assert log.read_bytes() == GOOD
    rejected = ours.rejected(log.parent, log.name)
    for turn in range(ROUNDS):
        assert rejected.count(junk(turn).rstrip(b"\n")) == 1, f"round {turn} in {rejected!r}"


@pytest.mark.parametrize("how", ["anew", "appended"])
def test_quarantine_keeps_the_original_of_every_round(log: Path, how: str, tmp_path: Path):
    originals = tmp_path / "originals"
    for turn in range(ROUNDS):
        if how == "anew":
            log.write_bytes(GOOD + junk(turn))
        else:
            with log.open("ab") as file:
                file.write(GOOD * (not turn) + junk(turn))
        ours.recover_to_quarantine(log, originals).exits(0)
        assert log.read_bytes() == GOOD
    assert sorted(ours.files_below(originals)) == [GOOD + junk(turn) for turn in range(ROUNDS)]


def test_rejects_name_the_very_bytes_and_where_they_stood(log: Path):
    """The index must lead each rejected piece back to its place in the original."""
    damaged = GOOD + junk(1) + GOOD + bytes(5) + GOOD + b"[1]\n" + GOOD[:30]
    log.write_bytes(damaged)
    ours.recover(log).exits(0)
    rejected, (index,) = ours.rejected(log.parent, log.name), ours.indexes(log.parent)
    assert index["rejected_bytes"] == len(rejected) == sum(part["length"] for part in index["ranges"])
    for part in index["ranges"]:
        original = damaged[part["offset"] :][: part["length"]]
        assert rejected[part["rejected_offset"] :][: part["length"]] == original
    pieces = [damaged[part["offset"] :][: part["length"]].rstrip(b"\n") for part in index["ranges"]]
    assert pieces == [junk(1).rstrip(b"\n"), bytes(5), b"[1]", GOOD[:30]]


def test_discarded_rejects_are_not_kept(log: Path):
    log.write_bytes(GOOD + junk(1))
    ours.recover(log, "--discard-rejects").exits(0)
    assert log.read_bytes() == GOOD
    assert not (log.parent / ours.REJECTS).exists()


def test_a_dry_run_writes_nothing(log: Path):
    log.write_bytes(GOOD + junk(1))
    before = ours.snapshot(log.parent)
    ours.recover(log, "--dry-run").exits(0)
    assert ours.snapshot(log.parent) == before
