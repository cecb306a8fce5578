"""The commands of the README and of the handbook."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "www/book/src").glob("*.md"))]


def run(tag: str, folder: Path, **environment: str) -> str:
    """Run the block with this tag, as it stands, in a folder; our command is the first on the path."""
    text = "".join(page.read_text() for page in PAGES)
    block = text.split(f"```sh {tag}\n")[1].split("\n```")[0]
    path = f"{Path(os.environ['PAPYRA_BIN']).resolve().parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=folder,
        env={"PATH": path, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout
