"""A real Papyra that appends and rotates without pause: `rotator.py BACKEND PATH`.

It appends until its standard input is closed. When the set is full it moves the oldest file away,
as whoever keeps old files elsewhere does, so that the set goes on rotating.
"""

import asyncio
import select
import sys
from pathlib import Path

from papyra.persistence.models import PersistedEvent

import oracle

FILES = 8


async def main(backend, oldest: Path) -> int:
    number = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        payload = {"padding": "é" * (number % 300)}
        await backend.record_event(PersistedEvent("local", "local:1", f"Written{number}", payload, 1000.0 + number))
        number += 1
        oldest.unlink(missing_ok=True)
    return number


if __name__ == "__main__":
    kind, path = sys.argv[1:]
    make = {"json": oracle.json_file, "rotating": lambda path: oracle.rotating(path, max_files=FILES, max_bytes=8000)}
    print(asyncio.run(main(make[kind](path), Path(f"{path}.{FILES - 1}"))))
