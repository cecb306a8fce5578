"""Packs the binary into a wheel that installs it as `papyractl`, and as nothing else.

Usage: wheel.py BINARY VERSION FOLDER. The same input gives the same bytes.
"""

import base64
import hashlib
import os
import sys
import time
import zipfile
from pathlib import Path

binary, version, folder = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
tag = "py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64"
info = f"papyractl-{version}.dist-info"
metadata = f"""\
Metadata-Version: 2.1
Name: papyractl
Version: {version}
Summary: Backup, verification and recovery for systems that persist their history with Papyra
License: MIT OR Apache-2.0
Requires-Python: >=3.8
Description-Content-Type: text/markdown

"""
wheel = "Wheel-Version: 1.0\nGenerator: papyra\nRoot-Is-Purelib: false\n"
wheel += "".join(f"Tag: py3-none-{platform}\n" for platform in tag.split("-")[2].split("."))
files = {
    f"papyractl-{version}.data/scripts/papyractl": (binary.read_bytes(), 0o755),
    f"{info}/METADATA": ((metadata + Path("README.md").read_text()).encode(), 0o644),
    f"{info}/WHEEL": (wheel.encode(), 0o644),
    f"{info}/licenses/LICENSE-MIT": (Path("LICENSE-MIT").read_bytes(), 0o644),
    f"{info}/licenses/LICENSE-APACHE": (Path("LICENSE-APACHE").read_bytes(), 0o644),
}


def digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


record = "".join(f"{name},{digest(data)},{len(data)}\n" for name, (data, _) in files.items())
files[f"{info}/RECORD"] = (f"{record}{info}/RECORD,,\n".encode(), 0o644)

moment = time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6]
with zipfile.ZipFile(folder / f"papyractl-{version}-{tag}.whl", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
    for name, (data, mode) in files.items():
        entry = zipfile.ZipInfo(name, moment)
        entry.external_attr = (0o100000 | mode) << 16
        entry.create_system = 3
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, data)
