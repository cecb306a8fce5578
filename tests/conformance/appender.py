"""A real Papyra that appends while others work on its log: `appender.py BACKEND PATH`.

A process of its own, so that nothing but the file system joins the two. It appends until its
standard input is closed, then says how many records it wrote.
"""

import asyncio
import os
import select
import sys

from papyra.persistence.models import PersistedEvent

import oracle


# Small enough to rotate often, large enough for the set not to be full at the end of a long test.
MOST = int(os.environ.get("PAPYRA_MEMBER_BYTES", "5000"))


def told_to_stop() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


async def main(backend) -> int:
    number = 0
    while not told_to_stop():
        address = f"local:{number}"
        await backend.record_event(PersistedEvent("local", address, f"Written{number:05}", {}, 1000.0 + number))
        number += 1
        # Bursts and pauses: appends fall into every step of a recovery, and between two of them.
        await asyncio.sleep(0.02 if number % 10 == 0 else 0)
    return number


if __name__ == "__main__":
    kind, path = sys.argv[1:]
    make = {"json": oracle.json_file, "rotating": lambda path: oracle.rotating(path, max_files=900, max_bytes=MOST)}
    print(asyncio.run(main(make[kind](path))))
