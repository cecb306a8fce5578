"""Hundreds of damaged logs through Papyra, through our binary, and through the naive reference.

Each log is examined once (`trial`); each test then asks one question about all of them, in
batches, so that a failure names the promise that broke and the seed that broke it.
"""

import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import oracle
import ours
import reference
from damage import damaged_log
from subsequence import is_subsequence, missing_from

LOGS, BATCH = 420, 30
batches = pytest.mark.parametrize("batch", range(0, LOGS, BATCH), ids=lambda start: f"logs {start}-{start + BATCH - 1}")


@dataclass(frozen=True)
class Outcome:
    """A log after one way of recovering it."""

    answer: ours.Answer
    data: bytes
    papyra_finds: dict[int, str] | None
    papyra_reads: oracle.Read | None
    rejected: bytes
    indexes: list[dict]
    quarantined: list[bytes]
    again: ours.Answer
    unchanged_by_again: bool


@dataclass(frozen=True)
class Trial:
    """One damaged log and all that was seen of it."""

    name: str
    damaged: bytes
    lines: list[reference.Line]
    papyra_finds: dict[int, str] | None
    papyra_keeps: oracle.Read | None
    scan: ours.Answer
    replay: ours.Answer
    repaired: Outcome
    quarantined: Outcome

    def __str__(self) -> str:
        return f"{self.name}\n{self.damaged[:3000]!r}"

    @property
    def intact(self) -> list[reference.Line]:
        return [line for line in self.lines if line.intact]

    @property
    def records(self) -> list[bytes]:
        """What must stand in the log after recovery, line by line, without white space around it."""
        return [record.strip(b" \t") for line in self.lines for record in line.kept]

    @property
    def is_no_log_at_all(self) -> bool:
        """Damage from end to end, and not even the beginning of a record in it."""
        return bool(self.lines) and not self.records and b'{"' not in self.damaged

    @property
    def refused(self) -> bool:
        return self.is_no_log_at_all and self.repaired.answer.code == 65

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        return () if self.refused else (self.repaired, self.quarantined)


def trials(batch: int):
    for seed in range(batch, batch + BATCH):
        yield trial(seed)


def recovered(batch: int):
    return (log for log in trials(batch) if not log.refused)


@cache
def trial(seed: int) -> Trial:
    log = damaged_log(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "papyra" / "events.ndjson"
        path.parent.mkdir()
        path.write_bytes(log.data)
        return Trial(
            name=f"seed {seed}: {log.name}",
            damaged=log.data,
            lines=reference.judge(log.data),
            papyra_finds=oracle.opinion(lambda: oracle.flags(oracle.json_file(path)).get(path.name, {})),
            papyra_keeps=oracle.opinion(lambda: oracle.kept_by_papyra(path, Path(folder) / "theirs.ndjson")),
            scan=ours.scan(path),
            replay=ours.papyra("persistence", "replay", "--path", path),
            repaired=_recovered(path, Path(folder) / "repair"),
            quarantined=_recovered(path, Path(folder) / "quarantine", Path(folder) / "originals"),
        )


def _recovered(original: Path, folder: Path, originals: Path | None = None) -> Outcome:
    folder.mkdir()
    path = folder / original.name
    shutil.copy(original, path)
    recover = (lambda: ours.recover_to_quarantine(path, originals)) if originals else (lambda: ours.recover(path))
    answer, after = recover(), ours.snapshot(folder)
    again = recover()
    return Outcome(
        answer=answer,
        data=path.read_bytes(),
        papyra_finds=oracle.opinion(lambda: oracle.flags(oracle.json_file(path)).get(path.name, {})),
        papyra_reads=oracle.opinion(lambda: oracle.read(oracle.json_file(path))),
        rejected=ours.rejected(folder, path.name),
        indexes=ours.indexes(folder),
        quarantined=ours.files_below(originals) if originals and originals.exists() else [],
        again=again,
        unchanged_by_again=ours.snapshot(folder) == after,
    )


def _not_exempt(trial: Trial, finds: dict[int, str]) -> dict[int, str]:
    contents = [line.content for line in trial.lines]
    return {number: kind for number, kind in finds.items() if not reference.exempt(contents[number - 1])}


@batches
def test_our_scan_is_never_laxer_than_papyras(batch):
    for log in trials(batch):
        flagged = ours.flags(log.scan.report)["events.ndjson"]
        if log.papyra_finds is None:
            log.scan.exits(2)
            continue
        for number, kind in _not_exempt(log, log.papyra_finds).items():
            assert flagged.get(number) == kind, f"line {number} is {kind} for Papyra in {log}"


@batches
def test_our_scan_flags_exactly_the_damaged_lines(batch):
    for log in trials(batch):
        expected = {line.number: line.anomaly for line in log.lines if not line.intact}
        report = log.scan.exits(2 if expected else 0).report
        assert report["schema"] == "papyra.scan/1"
        assert report["verdict"] == ("anomalies" if expected else "clean"), log
        assert ours.flags(report)["events.ndjson"] == expected, log
        assert report["totals"]["anomalies"] == len(expected), log
        assert report["totals"]["lines"] == len(log.lines), log


@batches
def test_recovery_ends_well_and_papyra_finds_the_result_clean(batch):
    for log in trials(batch):
        for outcome in log.outcomes:
            assert outcome.answer.exits(0).report["schema"] == "papyra.recover/1"
            assert outcome.papyra_finds is not None, f"Papyra dies of our result of {log}"
            contents = reference.contents(outcome.data)
            left = {n: kind for n, kind in outcome.papyra_finds.items() if not reference.exempt(contents[n - 1])}
            assert left == {}, log


@batches
def test_only_what_is_no_log_at_all_may_be_refused_and_is_then_left_alone(batch):
    """Recovery of a mistyped path must not empty somebody's picture."""
    for log in trials(batch):
        for outcome in (log.repaired, log.quarantined):
            if outcome.answer.code == 65:
                assert log.is_no_log_at_all and log.refused, log
                assert outcome.data == log.damaged and not outcome.rejected and not outcome.quarantined, log


@batches
def test_papyra_reads_from_our_result_all_that_its_own_recovery_keeps(batch):
    for log in trials(batch):
        for outcome in log.outcomes:
            for theirs, mine in zip(log.papyra_keeps or ([], [], []), outcome.papyra_reads, strict=True):
                assert is_subsequence(theirs, mine), f"lost {missing_from(theirs, mine)} of {log}"


@batches
def test_intact_lines_survive_byte_for_byte_and_in_order(batch):
    for log in trials(batch):
        before = [(line.content, line.ending) for line in log.intact]
        for outcome in log.outcomes:
            after = reference.split(outcome.data)
            assert is_subsequence(before, after), f"lost {missing_from(before, after)} of {log}"


@batches
def test_exactly_the_records_that_the_salvage_rule_names_come_out(batch):
    for log in trials(batch):
        for outcome in log.outcomes:
            # Intact lines are compared to the byte elsewhere; white space beside a salvaged record is free to stay.
            assert [line.strip(b" \t") for line in reference.contents(outcome.data)] == log.records, log


@batches
def test_what_repair_removes_is_kept_in_the_rejects(batch):
    for log in recovered(batch):
        position = 0
        for piece in (piece for line in log.lines for piece in line.rejected if piece.strip(b" \t")):
            position = log.repaired.rejected.find(piece, position)
            assert position >= 0, f"{piece!r} is in no rejects of {log}"
            position += len(piece)
        removed = sum(
            len(line.content) - sum(map(len, line.kept)) + len(line.ending) for line in log.lines if not line.intact
        )
        assert len(log.repaired.rejected) <= removed, log
        assert bool(log.repaired.indexes) == bool(log.repaired.rejected), log


@batches
def test_quarantine_keeps_the_whole_original(batch):
    for log in recovered(batch):
        originals = log.quarantined.quarantined
        changed = log.quarantined.data != log.damaged
        assert originals == ([log.damaged] if changed else []), log


@batches
def test_a_second_recovery_changes_nothing(batch):
    for log in trials(batch):
        for outcome in log.outcomes:
            outcome.again.exits(0)
            assert outcome.unchanged_by_again, log


@batches
def test_replay_prints_exactly_the_records_that_recovery_keeps(batch):
    """So a replay before and after a recovery is the same replay."""
    for log in trials(batch):
        printed = reference.split(log.replay.exits(0).out)
        assert [content.strip(b" \t") for content, _ in printed] == log.records, log
        assert is_subsequence([line.content.strip(b" \t") for line in log.intact], [content for content, _ in printed]), log
