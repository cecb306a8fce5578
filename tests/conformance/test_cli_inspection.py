"""`inspect` and `metrics`: what the real Papyra prints about a log, ours prints too, in the same order.

Papyra's commands know no --path, they read the application's settings; ours take PAPYRA_PATH.
"""

import json
from pathlib import Path

import pytest

import ours
from records import dump, event
from test_cli_compatibility import COUNTERS, real

SETTINGS = """
from papyra.conf.global_settings import Settings
from papyra.persistence.json import JsonFilePersistence

class Here(Settings):
    persistence: object = JsonFilePersistence("LOG")
"""
AUDIT = {
    "kind": "audit",
    "system_id": "local",
    "timestamp": 948.566,
    "total_actors": 20,
    "alive_actors": 17,
    "stopping_actors": 2,
    "restarting_actors": 1,
    "registry_size": 17,
    "registry_orphans": [],
    "registry_dead": ["zoë"],
    "dead_letters_count": 3,
}
ADDRESS = {"system": "local", "actor_id": 7}


def dead_letter(target: object, timestamp: float) -> bytes:
    fields = {"system_id": "local", "target": target, "message_type": "dict", "payload": 1, "timestamp": timestamp}
    return dump({"kind": "dead_letter", **fields}, "json").encode()


LOG = [
    *(
        event(number, name)
        for number, name in enumerate(["ActorStarted", "ActorCrashed", "ActorStarted", "ActorStopped"])
    ),
    dead_letter("local:6", 948.5),
    dead_letter(ADDRESS, 948.6),
    dead_letter(None, 948.7),
    dump(AUDIT, "json").encode(),
    dump({**AUDIT, "timestamp": 950.0, "total_actors": 21}, "json").encode(),
    event(9, "ActorRestarted"),
]
COMMANDS = [
    "inspect events",
    "inspect events --limit 2",
    "inspect events --limit 3 --reverse",
    "inspect events --limit 0",
    "inspect events --since 948.002",
    "inspect events --since 1e9",
    "inspect events --event-type ActorStarted",
    "inspect events --event-type ActorStarted --reverse",
    "inspect audits",
    "inspect audits --limit 1",
    "inspect audits --since 949",
    "inspect audits --since 1e9",
    "inspect dead-letters",
    "inspect dead-letters --reverse --limit 2",
    "inspect dead-letters --target local:6",
    "inspect dead-letters --target nobody",
    "inspect dead-letters --target None",
    "inspect dead-letters --since 948.6",
    "inspect summary",
]


def log_folder(folder: Path, lines: list[bytes]) -> Path:
    (folder / "LOG").write_bytes(b"".join(line + b"\n" for line in lines))
    (folder / "here.py").write_text(SETTINGS)
    return folder


@pytest.mark.parametrize("lines", [LOG, []], ids=["", "of an empty log"])
@pytest.mark.parametrize("command", COMMANDS)
def test_inspect_prints_every_line_that_papyra_prints(command: str, lines: list[bytes], tmp_path: Path):
    folder = log_folder(tmp_path, lines)
    theirs = real(command.split(), folder, PAPYRA_SETTINGS_MODULE="here.Here")
    assert theirs.returncode == 0, theirs.stderr
    # Papyra says that there is nothing, but not with --reverse: a `reversed()` is never falsy.
    assert theirs.stdout.strip() or (not lines and "--reverse" in command)
    answer = ours.papyra(*command.split(), cwd=folder, PAPYRA_PATH=str(folder / "LOG")).exits(0)
    mine = [line for line in answer.out.decode().splitlines() if line.startswith("ℹ ")]
    # An object address is a Python dict there; ours may write it as it likes.
    expected = [line.split(" target={")[0].split(" payload=")[0] for line in theirs.stdout.splitlines() if line]
    assert len(mine) >= len(expected), answer
    for line, prefix in zip(mine, expected, strict=False):
        assert line.startswith(prefix), answer


def test_limit_is_applied_after_the_event_type(tmp_path: Path):
    """Papyra cuts first and so finds none; asking for the last crash must give the last crash."""
    folder = log_folder(tmp_path, LOG)
    command = ["inspect", "events", "--limit", "1", "--event-type", "ActorCrashed"]
    assert "No events recorded." in real(command, folder, PAPYRA_SETTINGS_MODULE="here.Here").stdout
    answer = ours.papyra(*command, "--path", folder / "LOG").exits(0)
    assert answer.out.decode().splitlines() == ["ℹ [948.001] ActorCrashed local:1"], answer


def test_the_case_of_an_event_type_is_forgiven(tmp_path: Path):
    """Papyra finds none then; asking for a type in lower case must give it."""
    folder = log_folder(tmp_path, LOG)
    answer = ours.papyra("inspect", "events", "--event-type", "actorcrashed", "--path", folder / "LOG").exits(0)
    assert answer.out.decode().splitlines() == ["ℹ [948.001] ActorCrashed local:1"], answer


def test_doctor_in_scan_only_mode_never_writes(tmp_path: Path):
    """Papyra's repairs in this mode; that is the one thing a script cannot have meant."""
    folder = log_folder(tmp_path, LOG)
    with (folder / "LOG").open("ab") as log:
        log.write(b'{"kind": "ev')
    before = ours.snapshot(folder)
    ours.papyra("doctor", "run", "--path", folder / "LOG", "--mode", "scan_only").exits(0, 1, 2)
    assert ours.snapshot(folder) == before


def test_startup_check_in_recover_mode_repairs_without_being_told_how(tmp_path: Path):
    folder = log_folder(tmp_path, LOG)
    whole = (folder / "LOG").read_bytes()
    (folder / "LOG").write_bytes(whole + b'{"kind": "ev')
    ours.papyra("persistence", "startup-check", "--path", folder / "LOG", "--mode", "recover").exits(0)
    assert (folder / "LOG").read_bytes() == whole


def test_metrics_print_papyras_counters(tmp_path: Path):
    folder = log_folder(tmp_path, LOG)
    theirs = real(["metrics", "persistence", "--json"], folder, PAPYRA_SETTINGS_MODULE="here.Here")
    answer = ours.papyra("metrics", "persistence", "--json", "--path", folder / "LOG").exits(0)
    assert json.loads(theirs.stdout).keys() == set(COUNTERS)
    assert json.loads(answer.out), answer
    ours.papyra("metrics", "reset").exits(0)
