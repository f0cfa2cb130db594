"""The check of one row's proof: it is number ``index`` of the tree whose root a seal signs.

RFC 9162 §2.1.3.2, with the hashing of §2.1.1. Needs no export: the proof and the public key.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from verify.findings import Code, Finding, Spoiled, Unusable
from verify.signed import SEAL_CONTEXT, load_keys, one_spelling, open_signed
from verify.tree import leaf_hash


def check_proof(proof: Path, public_key: Path) -> list[Finding]:
    """None or one finding; ``Unusable`` where there is no proof to look at."""
    keys = load_keys(public_key)
    try:
        text = proof.read_bytes()
    except OSError as error:
        raise Unusable(f"{proof} is no proof: {error!r}") from error
    return check_line(text, keys, str(proof))


def check_line(text: bytes, keys: dict[str, Ed25519PublicKey], name: str) -> list[Finding]:
    """The same of a proof that is at hand already; ``name`` says which it is."""
    try:
        told = json.loads(text)
        source, row, index = told["source"], told["row"].encode(), int(told["index"])
        path = [bytes.fromhex(one) for one in told["path"]]
        line = one_spelling(told["seal"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unusable(f"{name} is no proof: {error!r}") from error
    try:
        payload, _ = open_signed(line, SEAL_CONTEXT, keys, Finding(source, Code.UNREADABLE, ""))
    except Spoiled as spoiled:
        return [spoiled.finding]
    place = {"row": payload["first"] + index, "seal": payload["number"]}
    if payload["source"] != source:
        return [Finding(source, Code.BROKEN_CHAIN, "the seal is of another source", **place)]
    if root_of(leaf_hash(row), index, payload["count"], path) != payload["root"]:
        return [Finding(source, Code.ROOT_DIFFERS, "the row is not under this seal", **place)]
    return []


def root_of(leaf: str, index: int, size: int, path: list[bytes]) -> str | None:
    """The root that leaf and path give (RFC 9162 §2.1.3.2); None where the path does not fit."""
    if not 0 <= index < size:
        return None
    fn, sn, found = index, size - 1, bytes.fromhex(leaf)
    for sibling in path:
        if sn == 0:
            return None
        if fn % 2 or fn == sn:
            found = hashlib.sha256(b"\x01" + sibling + found).digest()
            while fn % 2 == 0 and fn:
                fn, sn = fn // 2, sn // 2
        else:
            found = hashlib.sha256(b"\x01" + found + sibling).digest()
        fn, sn = fn // 2, sn // 2
    return found.hex() if sn == 0 else None
