"""Conformance with the real Papyra 0.3.0: `PAPYRA_BIN=…/papyra python -m pytest tests/conformance`.

Nothing is skipped: without the binary or without Papyra the run fails.
"""

import os
from importlib.metadata import version
from pathlib import Path

import pytest


def pytest_configure() -> None:
    if not Path(os.environ.get("PAPYRA_BIN", "")).is_file():
        raise pytest.UsageError("PAPYRA_BIN must name the compiled papyra binary")
    if version("papyra") != "0.3.0":
        raise pytest.UsageError(f"these tests are about papyra 0.3.0, not {version('papyra')}")
