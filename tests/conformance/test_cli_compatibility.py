"""Scripts written for Papyra's command line must go on working with ours.

Each row is one invocation. Both programs run it, and both must print the phrases on standard
output and end with the code: the row is checked against the real Papyra too, so that the
table cannot drift from the truth. Where the two are meant to differ, the row says so.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import ours
from records import event

GOOD = b"".join(event(number, name) + b"\n" for number, name in enumerate(["ActorStarted", "ActorStopped"]))
LOGS = {
    "healthy": GOOD,
    "torn": GOOD + event(3, "ActorCrashed")[:50],
    "corrupt": GOOD + b"xx\n" + event(3, "ActorCrashed") + b"\n",
    "empty": b"",
    "missing": None,
}
# The program, as the console script of the package calls it.
PROGRAM = "import sys; from importlib.metadata import entry_points; sys.argv[0] = 'papyra'; "
PROGRAM += "sys.exit(entry_points(group='console_scripts')['papyra'].load()())"


@dataclass(frozen=True)
class Row:
    log: str
    command: str
    code: int
    phrases: tuple[str, ...]
    ours: int | None = None

    def __str__(self) -> str:
        return f"{self.command} on a {self.log} log"


def given(log: str, command: str, code: int, *phrases: str, ours: int | None = None) -> Row:
    return Row(log, command, code, phrases, ours)


SCAN, RECOVER, CHECK = "persistence scan --path", "persistence recover --path", "persistence startup-check --path"
DOCTOR, INSPECT = "doctor run --path", "persistence inspect --path"
COUNTERS = ("records_written", "bytes_written", "scans", "anomalies_detected", "recoveries", "compactions")
COUNTERS += ("write_errors", "scan_errors", "recovery_errors", "compaction_errors")

ROWS = [
    given("healthy", f"{SCAN} LOG", 0, r"✔ Persistence is healthy\."),
    given("empty", f"{SCAN} LOG", 0, r"✔ Persistence is healthy\."),
    given("torn", f"{SCAN} LOG", 2, r"✖ Found 1 persistence anomal", r"- TRUNCATED_LINE: \S*LOG \(.*"),
    given("corrupt", f"{SCAN} LOG", 2, r"✖ Found 1 persistence anomal", r"- CORRUPTED_LINE: \S*LOG \(.*"),
    given("missing", f"{SCAN} LOG", 0, ours=66),
    given("healthy", f"{RECOVER} LOG", 0, r"ℹ Recovery completed"),
    given("torn", f"{RECOVER} LOG", 0, r"ℹ Recovery completed", r"ℹ repaired \S*LOG"),
    given("torn", f"{RECOVER} LOG --mode repair", 0, r"ℹ Recovery completed", r"ℹ repaired \S*LOG"),
    given("torn", f"{RECOVER} LOG --mode REPAIR", 0, r"ℹ Recovery completed", r"ℹ repaired \S*LOG"),
    given("torn", f"{RECOVER} LOG --mode rebuild", 0, r"ℹ Recovery completed", r"ℹ repaired \S*LOG"),
    given("torn", f"{RECOVER} LOG --mode ignore", 0, r"ℹ Recovery completed"),
    given(
        "corrupt",
        f"{RECOVER} LOG --mode Quarantine --quarantine-dir Q",
        0,
        r"ℹ repaired \S*LOG",
        r"ℹ quarantined \S*Q/\S*LOG",
    ),
    given("torn", f"{RECOVER} LOG --mode quarantine", 1, ours=64),
    given("torn", f"{RECOVER} LOG --mode nonsense", 1, ours=64),
    given("missing", f"{RECOVER} LOG", 0, ours=66),
    given("healthy", f"{CHECK} LOG", 0, r"ℹ Persistence is healthy"),
    given("torn", f"{CHECK} LOG", 1, r"✖ Persistence anomalies detected: ", r"TRUNCATED_LINE"),
    given(
        "corrupt", f"{CHECK} LOG --mode FAIL_ON_ANOMALY", 1, r"✖ Persistence anomalies detected: ", r"CORRUPTED_LINE"
    ),
    given("torn", f"{CHECK} LOG --mode ignore", 0),
    given("torn", f"{CHECK} LOG --mode scan_only", 0),
    given("torn", f"{CHECK} LOG --mode recover --recovery-mode repair", 0, r"ℹ Recovery successful"),
    given("torn", f"{CHECK} LOG --mode recover", 0, r"ℹ Recovery successful"),
    given("healthy", f"{CHECK} LOG --mode nonsense", 1, ours=64),
    given("missing", f"{CHECK} LOG", 0),
    given("healthy", f"{DOCTOR} LOG", 0, r"ℹ Persistence is healthy"),
    given("missing", f"{DOCTOR} LOG", 0),
    given("torn", f"{DOCTOR} LOG", 1, r"✖ Persistence anomalies detected: ", r"TRUNCATED_LINE"),
    given("torn", f"{DOCTOR} LOG --mode fail_on_anomaly", 1, r"✖ Persistence anomalies detected: "),
    given("torn", f"{DOCTOR} LOG --mode ignore", 0, r"✖ Persistence anomalies detected \(ignored\): "),
    given("corrupt", f"{DOCTOR} LOG --mode recover", 0, r"ℹ Recovery successful"),
    given(
        "torn",
        f"{DOCTOR} LOG --mode RECOVER --recovery-mode quarantine --quarantine-dir Q",
        0,
        r"ℹ Recovery successful",
    ),
    given(
        "torn",
        f"{DOCTOR} LOG --mode recover --recovery-mode ignore",
        2,
        r"✖ Recovery attempted but anomalies still exist",
    ),
    given("torn", f"{DOCTOR} LOG --mode recover --recovery-mode quarantine", 1, ours=64),
    given("healthy", f"{DOCTOR} LOG --mode nonsense", 1, ours=64),
    given("healthy", "persistence compact --path LOG", 0, r"ℹ Compaction completed"),
    given("corrupt", "persistence compact --path LOG", 0, r"ℹ Compaction completed"),
    given("healthy", f"{INSPECT} LOG", 0, "ℹ Persistence Inspect", "ℹ backend: JsonFilePersistence"),
    given("healthy", f"{INSPECT} LOG", 0, "ℹ retention: max_records=", "max_age_seconds=", "max_total_bytes="),
    given(
        "healthy",
        f"{INSPECT} LOG",
        0,
        r"ℹ events_sampled: 2\s*$",
        r"ℹ audits_sampled: 0\s*$",
        r"ℹ dead_letters_sampled: 0\s*$",
    ),
    given("healthy", f"{INSPECT} LOG --limit 1", 0, r"ℹ events_sampled: 1 \(capped\)", r"ℹ audits_sampled: 0\s*$"),
    given("healthy", f"{INSPECT} LOG --show-metrics", 0, r"ℹ metrics:", *(rf"ℹ   {name}: \d+" for name in COUNTERS)),
    given("healthy", "metrics reset", 0),
    given("healthy", f"{SCAN} LOG --no-such-flag", 2, ours=64),
    given("healthy", "no-such-command", 2, ours=64),
    given("healthy", "metrics", 0, r"Usage: ", r"persistence"),
    given("healthy", "persistence", 0, r"Usage: ", r"scan"),
    given("healthy", "-v", 0, r"\d+\.\d+\.\d+"),
    given("healthy", "--version", 0, r"\d+\.\d+\.\d+"),
    given("healthy", f"{SCAN} LOG --help", 0, r"--path"),
]


@pytest.fixture
def place(tmp_path: Path):
    """Make a folder with a log of that name in it."""

    def make(name: str, log: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        if (data := LOGS[log]) is not None:
            (folder / "LOG").write_bytes(data)
        return folder

    return make


def real(args: list[str], cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    """The real command line; wide, since it wraps its lines at 80 columns when not on a terminal."""
    env = {"PATH": os.environ["PATH"], "COLUMNS": "10000", "PYTHONPATH": str(cwd), **environment}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *args], cwd=cwd, env=env, capture_output=True, text=True, timeout=60
    )


def phrases_in(out: str, phrases: tuple[str, ...]) -> list[str]:
    """Those that are found, each behind the one before."""
    position, found = 0, []
    for phrase in phrases:
        if hit := re.compile(phrase, re.MULTILINE).search(out, position):
            position = hit.end()
            found.append(phrase)
    return found


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_real_papyra_answers_as_the_table_says(row: Row, place):
    done = real(row.command.split(), place("theirs", row.log))
    assert done.returncode == row.code, done
    assert phrases_in(done.stdout, row.phrases) == list(row.phrases), done.stdout


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_ours_answers_the_same(row: Row, place):
    folder = place("ours", row.log)
    answer = ours.papyra(*row.command.split(), cwd=folder, PAPYRA_PATH=str(folder / "LOG"))
    answer.exits(row.code if row.ours is None else row.ours)
    assert phrases_in(answer.out.decode(), row.phrases) == list(row.phrases), answer
