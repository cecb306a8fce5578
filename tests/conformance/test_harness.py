"""The judges are judged first: the generator, the reference and the oracle against real Papyra.

A conformance suite whose expectations are wrong proves nothing, so everything here runs
without our binary.
"""

import json
from pathlib import Path
from random import Random

import pytest

import oracle
import reference
from damage import DAMAGES, damaged_log, healthy_lines
from records import event
from subsequence import is_subsequence

SEEDS = range(0, 420)


def test_the_same_seed_gives_the_same_log():
    assert [damaged_log(seed) for seed in SEEDS] == [damaged_log(seed) for seed in SEEDS]


@pytest.mark.parametrize("name", DAMAGES)
def test_every_damage_damages_unless_it_is_called_harmless(name: str):
    harmless = {"empty file", "CRLF", "lone CR", "good but rare", "5000-digit integer", "deep nesting"}
    hits = 0
    for seed in range(20):
        rng = Random(seed)
        data = b"".join(DAMAGES[name](healthy_lines(rng, "json", 6), rng, "json"))
        hits += any(not line.intact for line in reference.judge(data))
    assert hits == 0 if name in harmless else hits > 5


def test_the_reference_flags_what_papyra_flags_and_its_documented_extras(tmp_path: Path):
    """On every log that Papyra survives, the two differ in non-objects and CPython's limits alone."""
    survived = 0
    for seed in SEEDS:
        path = tmp_path / "events.ndjson"
        path.write_bytes(damaged_log(seed).data)
        try:
            papyra = oracle.flags(oracle.json_file(path)).get(path.name, {})
        except oracle.Died:
            continue
        survived += 1
        for line in reference.judge(path.read_bytes()):
            if line.anomaly == papyra.get(line.number):
                continue
            stricter = papyra.get(line.number) is None and not isinstance(json.loads(line.content), dict)
            assert stricter or (line.intact and reference.exempt(line.content)), (seed, line)
    assert survived > len(SEEDS) / 2


def test_the_reference_keeps_all_that_papyra_keeps(tmp_path: Path):
    for seed in SEEDS:
        path = tmp_path / "events.ndjson"
        path.write_bytes(damaged_log(seed).data)
        try:
            theirs = oracle.kept_by_papyra(path, tmp_path / "theirs.ndjson")
        except oracle.Died:
            continue
        lines = [record for line in reference.judge(path.read_bytes()) for record in line.kept]
        path.write_bytes(b"".join(record + b"\n" for record in lines))
        for part, whole in zip(theirs, oracle.read(oracle.json_file(path)), strict=True):
            assert is_subsequence(part, whole), seed


def test_kept_and_rejected_pieces_tile_every_line():
    for seed in SEEDS:
        data = damaged_log(seed).data
        lines = reference.judge(data)
        assert b"".join(line.content + line.ending for line in lines) == data
        for line in lines:
            assert sum(map(len, line.kept + line.rejected)) == len(line.content)


A, B, C = (event(number, letter) for number, letter in enumerate("ABC"))
TORN = A[:40]


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (A + B, [A, B]),
        (A + B + C, [A, B, C]),
        (b" " + A + b"\t" + B + b" " + TORN, [A, B]),
        (TORN + C + b" ", []),
        (TORN + C, [C]),
        (A + TORN + C, [A, C]),
        (TORN + B + C, [C]),
        (TORN + A + TORN, []),
        (A + TORN, [A]),
        (bytes(9) + A, [A]),
        (A + bytes(9), [A]),
        (b"42" + A, [A]),
        (b"{}" + A, [A]),
        (A + b"{}" + B, [A, B]),
        (A[:-1] + b', "payload": "\xff"}' + B, [B]),
        (b'{"kind": "event", "timestamp": 1}' + A, [A]),
        (TORN + b'{"kind": "event", "timestamp": 1}', []),
        (b"[" + A + b"]", []),
    ],
)
def test_the_salvage_rule_case_by_case(line: bytes, kept: list[bytes]):
    assert list(reference.salvage(line, terminated=True)[0]) == kept


@pytest.mark.parametrize(("line", "kept"), [(TORN + C, []), (A + B, [A, B]), (A + TORN, [A]), (A + TORN + C, [A])])
def test_nothing_at_an_unterminated_end_is_salvaged_but_what_follows_from_the_start(line: bytes, kept: list[bytes]):
    assert list(reference.salvage(line, terminated=False)[0]) == kept


def test_papyra_itself_dies_of_invalid_utf8_and_of_lone_surrogates(tmp_path: Path):
    """Two of the reasons why the oracle must be allowed to have no opinion."""
    path = tmp_path / "events.ndjson"
    path.write_bytes(A + b"\n\xff\n")
    with pytest.raises(oracle.Died):
        oracle.anomalies(oracle.json_file(path))
    path.write_bytes(A.replace(b'"A"', b'"\\ud800"') + b"\nxx\n")
    with pytest.raises(oracle.Died):
        oracle.kept_by_papyra(path, tmp_path / "theirs.ndjson")
