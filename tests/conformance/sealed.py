"""A repository's snapshots and index files, opened and sealed with its own key as restic's design says ("Keys, Encryption
and MAC"): a thousand of them are made out of one in a second, where a thousand backups would take minutes."""

import base64
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

# What begins a text that is compressed.
COMPRESSED = b"\x02"


class Seal:
    """A repository's key, as `restic cat masterkey` tells it."""

    def __init__(self, told: bytes) -> None:
        key = json.loads(told)
        self.cipher = base64.b64decode(key["encrypt"])
        self.k, self.r = (base64.b64decode(key["mac"][part]) for part in ("k", "r"))

    def _crypt(self, nonce: bytes, text: bytes) -> bytes:
        context = Cipher(algorithms.AES(self.cipher), modes.CTR(nonce)).encryptor()
        return context.update(text) + context.finalize()

    def _checksum(self, nonce: bytes, sealed: bytes) -> bytes:
        context = Cipher(algorithms.AES(self.k), modes.ECB()).encryptor()  # noqa: S305: one block, as Poly1305-AES has it
        return Poly1305.generate_tag(self.r + context.update(nonce) + context.finalize(), sealed)

    def open(self, sealed: bytes) -> dict:
        nonce, text, checksum = sealed[:16], sealed[16:-16], sealed[-16:]
        assert self._checksum(nonce, text) == checksum
        text = self._crypt(nonce, text)
        if text[:1] == COMPRESSED:
            text = subprocess.run(["zstd", "-dc"], input=text[1:], capture_output=True, check=True).stdout
        return json.loads(text)

    def close(self, value: dict) -> tuple[str, bytes]:
        """The file's name, and what is in it."""
        nonce = os.urandom(16)
        text = self._crypt(nonce, json.dumps(value).encode())
        sealed = nonce + text + self._checksum(nonce, text)
        return hashlib.sha256(sealed).hexdigest(), sealed


def earlier(seal: Seal, snapshot: bytes, count: int) -> Iterator[tuple[str, bytes]]:
    """As many snapshots of the same files, each of a name of its own and a minute older than the one before."""
    value = seal.open(snapshot)
    for number in range(count):
        time = datetime(2026, 1, 1, 12) - timedelta(minutes=number)
        value["time"] = f"{time:%Y-%m-%dT%H:%M:%SZ}"
        tags = [tag for tag in value["tags"] if not tag.startswith("papyra-name=")]
        value["tags"] = [*tags, f"papyra-name=many-{number:04}"]
        note = json.loads(value["description"])
        note["backup"]["created"] = f"{time:%Y-%m-%dT%H:%M:%S}.000Z"
        value["description"] = json.dumps(note)
        yield seal.close(value)


def repeated(seal: Seal, index: bytes, count: int) -> Iterator[tuple[str, bytes]]:
    """As many index files that tell of the same packs."""
    value = seal.open(index)
    return (seal.close(value) for _ in range(count))
