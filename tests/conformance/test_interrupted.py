"""A real Papyra is killed in the middle of its compaction or recovery; then ours is run.

Papyra's own code makes the states: the k-th rename or removal raises instead of happening.
Whatever state that leaves, nothing may vanish from the disk, and "done" (exit 0) may only
be said when the log has every record once, in order.
"""

import json
import os
from pathlib import Path

import pytest
from papyra.persistence.models import PersistedEvent

import oracle
import ours
import reference
from records import event

OLD = [f"Old{number:02}" for number in range(40)]
NEW = ["New00", "New01", "New02"]


class Killed(BaseException):
    """What `kill -9` looks like from inside: no handler of Papyra's sees it."""


def kill_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let `step` renames and removals happen, then die at the next one."""
    left = iter([True] * step)

    def guarded(act):
        def acted(*args, **kwargs):
            if next(left, False):
                return act(*args, **kwargs)
            raise Killed

        return acted

    monkeypatch.setattr(os, "replace", guarded(os.replace))
    monkeypatch.setattr(Path, "unlink", guarded(Path.unlink))


def die(monkeypatch: pytest.MonkeyPatch, step: int, act, *args: object) -> bool:
    """Whether the act was cut short at that step."""
    with monkeypatch.context() as patch:
        kill_at(patch, step)
        try:
            act(*args)
        except Killed:
            return True
    return False


def restart(backend) -> None:
    """Papyra starts again on what is there and appends, as it would without looking."""
    oracle.append(backend, (PersistedEvent("local", "local:1", name, {}, 2000.0) for name in NEW))


def names(backend) -> list[str]:
    return [line.split("event_type='")[1].split("'")[0] for line in oracle.read(backend)[0]]


def names_on_disk(folder: Path) -> set[str]:
    """Every record that stands as a whole line in any file below the folder."""
    lines = [line.content for data in ours.files_below(folder) for line in reference.judge(data) if line.intact]
    events = (json.loads(line) for line in lines)
    return {event["event_type"] for event in events if event.get("kind") == "event"}


def written_set(folder: Path) -> Path:
    """Forty events over four files, as Papyra's rotation leaves them."""
    path = folder / "log" / "rot.log"
    backend = oracle.rotating(path, max_bytes=1300)
    oracle.append(backend, (PersistedEvent("local", f"local:{i}", name, {}, 900.0 + i) for i, name in enumerate(OLD)))
    assert len(list(path.parent.iterdir())) >= 4
    return path


def must_hold(answer: ours.Answer, path: Path, backend, everything: list[str]) -> None:
    """Nothing is gone; and exit 0 means that the log itself has all of it, once, each part in order."""
    answer.exits(0, 3)
    assert names_on_disk(path.parent) == set(everything), f"records vanished from the disk\n{answer}"
    if answer.code == 0:
        assert oracle.anomalies(backend) == [], answer
        found = names(backend)
        assert sorted(found) == sorted(everything), f"lost or doubled\n{answer}"
        for part in (OLD, NEW):
            assert [name for name in found if name in part] == [name for name in part if name in everything], answer


STEPS = range(0, 9)


@pytest.mark.parametrize("restarted", [False, True], ids=["", "restarted"])
@pytest.mark.parametrize("max_bytes", [1300, 2100, 50_000], ids=lambda size: f"{size} bytes a file")
def test_nothing_is_lost_when_the_compaction_of_a_set_was_killed(tmp_path, monkeypatch, max_bytes, restarted):
    cut = 0
    for step in STEPS:
        path = written_set(tmp_path / str(step))
        backend = oracle.rotating(path, max_bytes=max_bytes, max_files=9)
        cut += die(monkeypatch, step, oracle.compact, backend)
        if restarted:
            restart(backend)
        answer = ours.recover(path, "--backend", "rotating")
        must_hold(answer, path, backend, OLD + NEW * restarted)
    assert cut >= 5, "the compaction was not cut short often enough to mean anything"


@pytest.mark.parametrize("smaller", [500, 700, 900])
def test_leftovers_of_two_killed_compactions_double_no_record(tmp_path, monkeypatch, smaller):
    """The first one's files are smaller: of its temporaries the second one, which overwrites the others, leaves the last."""
    cut = 0
    for step in range(12):
        path = written_set(tmp_path / str(step))
        assert die(monkeypatch, 0, oracle.compact, oracle.rotating(path, max_bytes=smaller, max_files=9))
        backend = oracle.rotating(path, max_bytes=1300, max_files=9)
        cut += die(monkeypatch, step, oracle.compact, backend)
        answer = ours.recover(path, "--backend", "rotating")
        must_hold(answer, path, backend, OLD)
        assert len(names(backend)) == len(set(names(backend))), f"a record is there twice\n{answer}"
    assert cut >= 3, "the compaction was not cut short often enough to mean anything"


@pytest.mark.parametrize("tail", [1, 30, 700], ids=lambda tail: f"{tail} bytes short")
def test_a_half_written_compaction_beside_a_whole_set_changes_no_record(tmp_path, monkeypatch, tail):
    path = written_set(tmp_path)
    backend = oracle.rotating(path, max_bytes=1300, max_files=9)
    assert die(monkeypatch, 0, oracle.compact, backend)
    before = {name: data for name, (data, _) in ours.snapshot(path.parent).items() if not name.endswith(".tmp")}
    newest = path.with_name("rot.log.compact.tmp")
    os.truncate(newest, max(0, newest.stat().st_size - tail))
    ours.recover(path, "--backend", "rotating").exits(0, 3)
    after = ours.snapshot(path.parent)
    assert {name: after[name][0] for name in before} == before


@pytest.mark.parametrize("suffix", ["compact.tmp", "recovered.tmp"])
@pytest.mark.parametrize("restarted", [False, True], ids=["", "restarted"])
def test_a_whole_temporary_without_its_log_becomes_the_log(tmp_path, suffix, restarted):
    path = tmp_path / "events.ndjson"
    whole = b"".join(event(number, name) + b"\n" for number, name in enumerate(OLD))
    path.with_name(f"events.ndjson.{suffix}").write_bytes(whole)
    backend = oracle.json_file(path)
    if restarted:
        restart(backend)
    answer = ours.recover(path)
    must_hold(answer, path, backend, OLD + NEW * restarted)
    if not restarted:
        assert path.read_bytes() == whole, f"the only copy was not put back\n{answer.exits(0)}"


@pytest.mark.parametrize("restarted", [False, True], ids=["", "restarted"])
def test_nothing_is_lost_when_the_quarantine_of_a_log_was_killed(tmp_path, monkeypatch, restarted):
    """Papyra moves the log away first: for a while there is none."""
    for step in (0, 1, 2):
        path = tmp_path / str(step) / "events.ndjson"
        path.parent.mkdir()
        path.write_bytes(b"".join(event(number, name) + b"\n" for number, name in enumerate(OLD)) + b"xx\n")
        backend = oracle.json_file(path)
        killed = die(monkeypatch, step, oracle.recover, backend, "quarantine", path.parent / "aside")
        assert killed == (step < 2)
        if restarted:
            restart(backend)
        must_hold(ours.recover(path), path, backend, OLD + NEW * restarted)


def test_a_scan_of_a_log_whose_only_copy_is_a_temporary_is_not_healthy(tmp_path):
    path = tmp_path / "events.ndjson"
    path.with_name("events.ndjson.compact.tmp").write_bytes(event(1, "Old00") + b"\n")
    assert ours.scan(path).code in (2, 66)


def test_an_empty_temporary_of_a_failed_recovery_never_passes_for_the_log(tmp_path):
    """Papyra's quarantine dies of a lone surrogate after it moved the log away: an empty file is left."""
    path = tmp_path / "events.ndjson"
    path.write_bytes(event(1, "Old00").replace(b"{}", b'"\\ud800"') + b"\nxx\n")
    with pytest.raises(UnicodeEncodeError):
        oracle.recover(oracle.json_file(path), "quarantine", tmp_path / "aside")
    assert not path.exists() and path.with_name("events.ndjson.recovered.tmp").stat().st_size == 0
    answer = ours.scan(path)
    assert answer.code in (2, 66), answer
