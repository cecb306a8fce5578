"""Three real Papyras append to sets of their own and rotate them, while recoveries of the folder are killed at random.

`PAPYRA_KILLS` says how many; a few in the whole run, a thousand by hand after a change of the protocol.
"""

import os
import random
import subprocess
import time
from collections import Counter
from pathlib import Path

import oracle
import ours
from test_concurrency import FRAGMENT, OLD, append, live_writer, log_with_old_records, names

KILLS = int(os.environ.get("PAPYRA_KILLS", "60"))
LOGS = ("a", "b", "c")
SEED = 20


def test_kills_at_random_beside_three_rotating_writers_lose_double_and_move_nothing(tmp_path: Path):
    chance = random.Random(SEED)
    logs = []
    for name in LOGS:
        (tmp_path / name).mkdir()
        path = log_with_old_records(tmp_path / name, "rotating").rename(tmp_path / f"{name}.log")
        logs.append(path)
    program = Path(os.environ["PAPYRA_BIN"]).resolve()
    command = [program, "persistence", "recover", "--path", tmp_path, "--backend", "rotating"]
    writers = [live_writer("rotating", path) for path in logs]
    killed = finished = 0
    longest = 0.05
    try:
        while killed < KILLS:
            append(chance.choice(logs), chance.choice([FRAGMENT, FRAGMENT + b"\n", b"\0\0\0\0"]))
            begun = time.monotonic()
            run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                run.wait(chance.uniform(0, longest))
            except subprocess.TimeoutExpired:
                run.kill()
            if run.wait() < 0:
                killed += 1
                # Kills have to fall into every part of a run, however fast the machine is.
                longest = min(longest * 1.05, 5)
            else:
                finished += 1
                longest = max(longest * 0.7, min(time.monotonic() - begun, 0.01))
            assert all(writer.poll() is None for writer in writers), "a writer itself failed"
        counts = [int(writer.communicate(timeout=60)[0]) for writer in writers]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()

    print(f"{killed} kills, {finished} runs that ended, {counts} records, {len(list(tmp_path.iterdir()))} files")
    ours.recover(tmp_path, "--backend", "rotating").exits(0)
    for path, count in zip(logs, counts, strict=True):
        backend = oracle.rotating(path, max_files=900)
        assert oracle.anomalies(backend) == []
        expected = OLD + [f"Written{number:05}" for number in range(count)]
        assert Counter(names(backend)) == Counter(expected), "a record was lost or doubled"
        assert names(backend) == expected, "a record was moved"
