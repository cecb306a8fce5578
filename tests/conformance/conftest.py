"""Conformance with the real Papyra 0.3.0: `PAPYRA_BIN=…/papyra python -m pytest tests/conformance`.

Nothing is skipped: without the binary or without Papyra the run fails.
"""

import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from object_store import HOME, ObjectStore


def pytest_configure() -> None:
    if not Path(os.environ.get("PAPYRA_BIN", "")).is_file():
        raise pytest.UsageError("PAPYRA_BIN must name the compiled papyra binary")
    if version("papyra") != "0.3.0":
        raise pytest.UsageError(f"these tests are about papyra 0.3.0, not {version('papyra')}")


@pytest.fixture(scope="module")
def bucket() -> Iterator[ObjectStore]:
    store = ObjectStore()
    yield store
    store.stop()


@pytest.fixture
def bare(bucket: ObjectStore) -> ObjectStore:
    """An empty bucket."""
    bucket.empty()
    return bucket


@pytest.fixture
def store(bare: ObjectStore) -> ObjectStore:
    """A bucket with an empty repository in it."""
    assert bare.papyra("backup", "init", HOME, "--format", "json").exits(0).report["path"] == HOME
    bare.front.seen.clear()
    return bare
