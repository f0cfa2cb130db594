"""A signer of seals for tests of the outsiders' verifier: lists that are right, to be spoiled."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from verify.chain import NOTHING
from verify.signed import SEAL_CONTEXT, one_spelling

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


def pem(key: Ed25519PrivateKey = KEY) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def signed(payload: dict, key: Ed25519PrivateKey = KEY) -> bytes:
    """One line, without its end."""
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    body = one_spelling(payload | {"key": hashlib.sha256(raw).hexdigest()[:16]})
    signature = key.sign(SEAL_CONTEXT + body).hex()
    return one_spelling({"payload": body.decode(), "signature": signature})


class History:
    """Seals of one source, made one after the other."""

    def __init__(self, source: str = "audit", key: Ed25519PrivateKey = KEY) -> None:
        self.source, self.key = source, key
        self.number, self.first, self.prev, self.prev_root = 0, 1, NOTHING, NOTHING

    def seal(self, count: int = 3, word: str = "", **changed) -> bytes:
        """The next seal; ``word`` goes into its root, so that another one makes a fork."""
        self.number += 1
        root = hashlib.sha256(f"{self.number}{word}".encode()).hexdigest()
        payload = {
            "v": 1, "source": self.source, "number": self.number, "first": self.first,
            "count": count, "at": f"2026-03-01T12:{self.number:02d}:00.000000Z", "root": root,
            "prev": self.prev, "prev_root": self.prev_root,
        } | changed  # fmt: skip
        line = signed(payload, self.key)
        raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        body = one_spelling(payload | {"key": hashlib.sha256(raw).hexdigest()[:16]})
        self.first += count
        self.prev, self.prev_root = hashlib.sha256(body).hexdigest(), root
        return line

    def seals(self, many: int, word: str = "") -> list[bytes]:
        return [self.seal(word=word) for _ in range(many)]


def write(path: Path, lines: list[bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path
