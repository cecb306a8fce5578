"""Damaged rotation sets: every file is repaired where it stands, none is merged, none is dropped."""

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import oracle
import ours
import reference
from rotation import RotationSet, damaged_set
from subsequence import is_subsequence, missing_from

SETS, BATCH = 120, 30
batches = pytest.mark.parametrize("batch", range(0, SETS, BATCH), ids=lambda start: f"sets {start}-{start + BATCH - 1}")


@dataclass(frozen=True)
class Outcome:
    """A set after one way of recovering it."""

    answer: ours.Answer
    files: dict[str, bytes]
    papyra_finds: list[tuple[str, str, str]]
    papyra_reads: oracle.Read | None
    rejected: dict[str, bytes]
    quarantined: list[bytes]
    again: ours.Answer
    unchanged_by_again: bool


@dataclass(frozen=True)
class Trial:
    damaged: RotationSet
    lines: dict[str, list[reference.Line]]
    papyra_finds: list[tuple[str, str, str]] | None
    papyra_flags: dict[str, oracle.Flags] | None
    papyra_keeps: oracle.Read | None
    scan: ours.Answer
    replay: ours.Answer
    repaired: Outcome
    quarantined: Outcome

    def __str__(self) -> str:
        return f"{self.damaged.name}\n{self.damaged.members}"

    @property
    def outcomes(self) -> tuple[Outcome, Outcome]:
        return self.repaired, self.quarantined


def records(lines: list[reference.Line]) -> list[bytes]:
    """What must stand in a member after recovery, without white space around it."""
    return [record.strip(b" \t") for line in lines for record in line.kept]


def trials(batch: int):
    for seed in range(batch, batch + BATCH):
        yield trial(seed)


@cache
def trial(seed: int) -> Trial:
    damaged = damaged_set(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = damaged.write(folder / "papyra")
        backend = oracle.rotating(path, damaged.max_files)
        return Trial(
            damaged=damaged,
            lines={name: reference.judge(data) for name, data in damaged.members.items()},
            papyra_finds=oracle.opinion(lambda: oracle.anomalies(backend)),
            papyra_flags=oracle.opinion(lambda: oracle.flags(backend)),
            papyra_keeps=oracle.opinion(
                lambda: oracle.kept_by_papyra_of_a_set(path, folder / "theirs", damaged.max_files)
            ),
            scan=ours.scan(path, "--backend", "rotating"),
            replay=ours.papyra("persistence", "replay", "--path", path, "--backend", "rotating"),
            repaired=_recovered(damaged, folder / "repair"),
            quarantined=_recovered(damaged, folder / "quarantine", folder / "originals"),
        )


def _recovered(damaged: RotationSet, folder: Path, originals: Path | None = None) -> Outcome:
    path = damaged.write(folder)
    mode = ("--mode", "quarantine", "--quarantine-dir", originals) if originals else ()
    answer = ours.recover(path, "--backend", "rotating", *mode)
    after = ours.snapshot(folder)
    again = ours.recover(path, "--backend", "rotating", *mode)
    backend = oracle.rotating(path, damaged.max_files)
    return Outcome(
        answer=answer,
        files={name: data for name, (data, _) in after.items() if not name.startswith(".")},
        papyra_finds=oracle.anomalies(backend),
        papyra_reads=oracle.opinion(lambda: oracle.read(backend)),
        rejected={name: ours.rejected(folder, name) for name in damaged.members},
        quarantined=ours.files_below(originals) if originals and originals.exists() else [],
        again=again,
        unchanged_by_again=ours.snapshot(folder) == after,
    )


@batches
def test_our_scan_is_never_laxer_than_papyras(batch):
    for log in trials(batch):
        files = {Path(file["path"]).name: file for file in log.scan.report["files"]}
        flagged = ours.flags(log.scan.report)
        if log.papyra_finds is None:
            log.scan.exits(2)
            continue
        for name, lines in log.papyra_flags.items():
            for number, kind in lines.items():
                assert flagged[name].get(number) == kind, f"{name} line {number} is {kind} for Papyra in {log}"
        for kind, name, _ in log.papyra_finds:
            assert kind in [found["type"] for found in files[name]["anomalies"]], (
                f"{name} is {kind} for Papyra in {log}"
            )


@batches
def test_our_scan_flags_exactly_the_damage_and_names_gaps(batch):
    for log in trials(batch):
        flagged, sick = ours.flags(log.scan.report), bool(log.damaged.orphans or log.damaged.gap)
        for name, lines in log.lines.items():
            expected = {line.number: line.anomaly for line in lines if not line.intact}
            assert flagged[name] == expected, f"{name} in {log}"
            sick = sick or bool(expected)
        log.scan.exits(2 if sick else 0)
        types = [found["type"] for file in log.scan.report["files"] for found in file["anomalies"]]
        assert ("MISSING_FILE" in types) == log.damaged.gap, log
        assert types.count("ORPHANED_ROTATED_FILE") == len(log.damaged.orphans), log


@batches
def test_every_member_is_repaired_where_it_stands(batch):
    for log in trials(batch):
        for outcome in log.outcomes:
            for name, lines in log.lines.items():
                left = [content.strip(b" \t") for content in reference.contents(outcome.files[name])]
                assert left == records(lines), f"{name} in {log}"
                intact = [(line.content, line.ending) for line in lines if line.intact]
                assert is_subsequence(intact, reference.split(outcome.files[name])), f"{name} in {log}"


@batches
def test_repair_leaves_orphans_and_quarantine_moves_them_aside(batch):
    for log in trials(batch):
        members, orphans = log.damaged.members.keys(), log.damaged.orphans
        assert log.repaired.files.keys() == members | orphans.keys(), log
        assert {name: log.repaired.files[name] for name in orphans} == orphans, log
        assert log.quarantined.files.keys() == members, log
        for data in orphans.values():
            assert data in log.quarantined.quarantined, log


@batches
def test_recovery_says_whether_anything_is_left_to_do(batch):
    for log in trials(batch):
        gap, orphans = log.damaged.gap, bool(log.damaged.orphans)
        log.repaired.answer.exits(3 if gap or orphans else 0)
        log.quarantined.answer.exits(3 if gap else 0)


@batches
def test_papyra_finds_the_result_clean_but_for_orphans_left_in_place(batch):
    for log in trials(batch):
        left = {(kind, name) for kind, name, _ in log.repaired.papyra_finds}
        assert left == {("ORPHANED_ROTATED_FILE", name) for name in log.damaged.orphans}, log
        assert log.quarantined.papyra_finds == [], log


@batches
def test_papyra_reads_from_our_result_all_that_its_own_recovery_keeps(batch):
    for log in trials(batch):
        for outcome in log.outcomes:
            if log.papyra_keeps is None:
                continue
            assert outcome.papyra_reads is not None, log
            for theirs, mine in zip(log.papyra_keeps, outcome.papyra_reads, strict=True):
                assert is_subsequence(theirs, mine), f"lost {missing_from(theirs, mine)} of {log}"


@batches
def test_what_recovery_removes_is_kept(batch):
    for log in trials(batch):
        for name, lines in log.lines.items():
            position = 0
            for piece in (piece for line in lines for piece in line.rejected if piece.strip(b" \t")):
                position = log.repaired.rejected[name].find(piece, position)
                assert position >= 0, f"{piece!r} of {name} is in no rejects of {log}"
                position += len(piece)
            if log.quarantined.files[name] != log.damaged.members[name]:
                assert log.damaged.members[name] in log.quarantined.quarantined, f"{name} in {log}"


@batches
def test_a_second_recovery_changes_nothing(batch):
    for log in trials(batch):
        for outcome in log.outcomes:
            outcome.again.exits(3 if outcome.answer.code == 3 else 0)
            assert outcome.unchanged_by_again, log


@batches
def test_replay_prints_exactly_the_records_that_recovery_keeps_oldest_first(batch):
    for log in trials(batch):
        expected = [record for lines in log.lines.values() for record in records(lines)]
        printed = [content.strip(b" \t") for content in reference.contents(log.replay.exits(0).out)]
        assert printed == expected, log
