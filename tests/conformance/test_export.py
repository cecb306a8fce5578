"""Papyra's own file backend reads what an export of a Redis backup wrote."""

import json
import os
import pathlib
import subprocess

import pytest

BINARY = os.environ["PAPYRA_BIN"]
DUMP = pathlib.Path(__file__).parent.parent / "fixtures" / "redis" / "dump.rdb"


@pytest.fixture
def exported(tmp_path):
    to = tmp_path / "out"
    run = subprocess.run([BINARY, "redis", "export", "--path", str(DUMP), "--to", str(to)], capture_output=True)
    # 2: three entries of the dump are no records.
    assert run.returncode == 2, run.stderr
    return to


@pytest.mark.parametrize(
    ("kind", "lister", "count"),
    [("events", "list_events", 300), ("audits", "list_audits", 30), ("dead_letters", "list_dead_letters", 43)],
)
def test_papyra_reads_an_exported_log(exported, kind, lister, count):
    import anyio
    from papyra.persistence.json import JsonFilePersistence

    path = exported / f"papyra.orders.{kind}.ndjson"
    lines = [json.loads(line) for line in path.read_text().splitlines()]

    async def read():
        backend = JsonFilePersistence(str(path))
        return await getattr(backend, lister)(), await backend.scan()

    records, scan = anyio.run(read)
    assert len(records) == len(lines) == count
    assert [record.timestamp for record in records] == [line["timestamp"] for line in lines]
    assert not scan.has_anomalies
