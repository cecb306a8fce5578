"""Our binary, named by the environment variable PAPYRA_BIN, and what it left behind."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

REJECTS = ".papyra-rejected"


@dataclass(frozen=True)
class Answer:
    """One run: exit code and both streams."""

    args: tuple[str, ...]
    code: int
    out: bytes
    err: bytes

    @property
    def report(self) -> dict:
        return json.loads(self.out)

    def exits(self, *codes: int) -> "Answer":
        assert self.code in codes, f"{self} should have ended with {' or '.join(map(str, codes))}"
        return self

    def __str__(self) -> str:
        out, err = (stream[-2000:].decode("utf-8", "replace") for stream in (self.out, self.err))
        return f"papyra {' '.join(self.args)} → {self.code}\n{out}\n{err}"


def papyra(*args: object, cwd: Path | None = None, **environment: str) -> Answer:
    """Run our binary without any setting of the caller's environment."""
    program = Path(os.environ["PAPYRA_BIN"]).resolve()
    words = tuple(map(str, args))
    done = subprocess.run(
        [program, *words],
        capture_output=True,
        cwd=cwd,
        timeout=120,
        env={"PATH": os.environ["PATH"], "NO_COLOR": "1", **environment},
    )
    return Answer(words, done.returncode, done.stdout, done.stderr)


def scan(path: Path, *more: object) -> Answer:
    return papyra("persistence", "scan", "--path", path, "--format", "json", *more)


def recover(path: Path, *more: object) -> Answer:
    return papyra("persistence", "recover", "--path", path, "--format", "json", *more)


def recover_to_quarantine(path: Path, folder: Path, *more: object) -> Answer:
    return recover(path, "--mode", "quarantine", "--quarantine-dir", folder, *more)


def flags(report: dict) -> dict[str, dict[int, str]]:
    """For each file of a scan report, the lines it flags and as what."""
    return {
        Path(file["path"]).name: {found["line"]: found["type"] for found in file["anomalies"] if found.get("line")}
        for file in report["files"]
    }


def rejected(folder: Path, name: str) -> bytes:
    """All bytes that repair set aside for one log, oldest first."""
    return b"".join(path.read_bytes() for path in sorted((folder / REJECTS).glob(f"{name}.*.rejected")))


def indexes(folder: Path) -> list[dict]:
    """The JSON index files beside the rejected bytes."""
    return [json.loads(path.read_bytes()) for path in sorted((folder / REJECTS).glob("*.json"))]


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below the folder, with its bytes and its mtime in nanoseconds."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def files_below(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
