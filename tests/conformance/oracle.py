"""The real Papyra, in this process: what it flags, what it would keep, what it reads back."""

import asyncio
import shutil
from collections.abc import Iterable
from pathlib import Path

from papyra.persistence.backends.rotating import RotatingFilePersistence
from papyra.persistence.json import JsonFilePersistence
from papyra.persistence.models import PersistenceRecoveryConfig, PersistenceRecoveryMode

Flags = dict[int, str]
Read = tuple[list[str], list[str], list[str]]


class Died(Exception):
    """Papyra raised where it should have answered."""


def opinion(question):
    """Papyra's answer, or None where it died: then it has no opinion that ours could contradict."""
    try:
        return question()
    except Died:
        return None


def json_file(path: Path) -> JsonFilePersistence:
    return JsonFilePersistence(path)


def rotating(path: Path, max_files: int = 5, max_bytes: int = 50_000_000) -> RotatingFilePersistence:
    return RotatingFilePersistence(path, max_files=max_files, max_bytes=max_bytes)


def anomalies(backend) -> list[tuple[str, str, str]]:
    """(type, file name, detail) of each anomaly that Papyra's scan reports."""
    report = _ask(backend.scan())
    return [(found.type.name, Path(found.path).name, found.detail) for found in report.anomalies]


def flags(backend) -> dict[str, Flags]:
    """For each file, the line numbers that Papyra flags and as what."""
    found: dict[str, Flags] = {}
    for kind, name, detail in anomalies(backend):
        numbers = [int(word) for word in detail.split() if word.isdigit()]
        if numbers:
            found.setdefault(name, {})[numbers[0]] = kind
    return found


def read(backend) -> Read:
    """All that Papyra's three list calls return; as text, since NaN is unlike itself."""
    calls = (backend.list_events, backend.list_audits, backend.list_dead_letters)
    events, audits, dead_letters = ([repr(item) for item in _ask(call())] for call in calls)
    return events, audits, dead_letters


def kept_by_papyra(original: Path, copy: Path) -> Read:
    """What Papyra reads after its own recovery of a copy of the log."""
    shutil.copy(original, copy)
    backend = json_file(copy)
    _recover(backend, PersistenceRecoveryMode.REPAIR)
    return read(backend)


def kept_by_papyra_of_a_set(original: Path, copy: Path, max_files: int) -> Read:
    """The same for a rotation set.

    Quarantine mode, because repair leaves the old files beside the merged ones and so returns
    records twice: that is what it keeps by mistake, not what it means to keep.
    """
    shutil.copytree(original.parent, copy)
    backend = rotating(copy / original.name, max_files=max_files)
    _recover(backend, PersistenceRecoveryMode.QUARANTINE, copy.parent / f"{copy.name}-quarantine")
    return read(backend)


def append(backend, events: Iterable) -> None:
    async def write() -> None:
        for event in events:
            await backend.record_event(event)

    asyncio.run(write())


def compact(backend) -> None:
    asyncio.run(backend.compact())


def recover(backend, mode: str, quarantine_dir: Path | None = None) -> None:
    """Papyra's recovery, unguarded: an exception passes through."""
    config = PersistenceRecoveryConfig(
        mode=PersistenceRecoveryMode(mode),
        quarantine_dir=str(quarantine_dir) if quarantine_dir else None,
    )
    asyncio.run(backend.recover(config))


def _recover(backend, mode: PersistenceRecoveryMode, quarantine_dir: Path | None = None) -> None:
    try:
        recover(backend, mode.value, quarantine_dir)
    except Exception as error:
        raise Died from error


def _ask(question):
    try:
        return asyncio.run(_await(question))
    except Exception as error:
        raise Died from error


async def _await(question):
    return await question
