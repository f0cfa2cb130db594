"""``python -m verify consistency OLD NEW``: does the newer list of seals continue the older one?

Every seal signs the root of a tree of its own rows and the hash of the seal before it. There is no
tree that grows, so RFC 9162's consistency proof (§2.1.4) has nothing to be about: what shows that
history was only added to is the chain itself. The newer list is walked seal by seal from where the
older one stands, each seal must carry the hash of the one before, and what both lists have must be
the same, byte for byte. Two different seals of one number, both with a good signature, are no error
of anybody's disk: they prove that two histories were signed.

Memory does not grow with the lists: both are read side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from verify import kept
from verify.chain import Chain
from verify.findings import Code, Finding, Spoiled
from verify.kept import Kept
from verify.signed import load_keys


@dataclass(frozen=True, slots=True)
class Extended:
    """What was shown of one source: the newer list's first and last seal, the older one's last."""

    source: str
    first: int
    old: int
    new: int

    def __str__(self) -> str:
        return (
            f"{self.source}: seals {self.first} to {self.new} continue the older list to {self.old}"
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was shown and what was found, by source."""

    extended: list[Extended]
    findings: list[Finding]

    def as_dict(self) -> dict[str, Any]:
        return {
            "ok": not self.findings,
            "sources": {
                one.source: {"first": one.first, "old": one.old, "new": one.new}
                for one in self.extended
            },
            "findings": [finding.as_dict() for finding in self.findings],
        }


def compare(old: Path, new: Path, public_key: Path) -> Comparison:
    """Every source of the older list against the newer; the first finding of each.

    Raises ``Unusable`` where a list or the key cannot be read at all. A source that only the newer
    list has is no finding: it may have come since.
    """
    keys = load_keys(public_key)
    before, after = kept.files(old), kept.files(new)
    extended, findings = [], []
    for source, path in sorted(before.items()):
        try:
            if source not in after:
                detail = "the newer list has no seal of this source"
                raise Spoiled(Finding(source, Code.SOURCE_MISSING, detail))
            extended.append(_walk(source, path, after[source], keys))
        except Spoiled as spoiled:
            findings.append(spoiled.finding)
    return Comparison(extended, findings)


def _walk(source: str, old: Path, new: Path, keys: dict[str, Ed25519PublicKey]) -> Extended:
    newer = _chained(source, kept.read(new, source, keys, "the newer list"))
    first = current = next(newer)
    last: Kept | None = None
    hanging: int | None = None  # the first old seal of those that nothing of the newer list reaches
    for one in kept.read(old, source, keys, "the older list"):
        if last is not None and one.number == last.number + 1:
            _continues(source, last, one)
        elif hanging is not None:
            raise _missing(source, hanging, f"the newer list begins with seal {first.number}")
        last = one
        if one.number >= first.number:
            current, hanging = _to(source, current, newer, one), None
        elif one.number == first.number - 1:
            _continues(source, one, first)
            hanging = None
        else:
            hanging = hanging or one.number
    if last is None or hanging is not None:
        raise _missing(source, hanging or 1, f"the newer list begins with seal {first.number}")
    for seal in newer:
        current = seal
    return Extended(source, first.number, last.number, current.number)


def _to(source: str, current: Kept, newer: Iterator[Kept], wanted: Kept) -> Kept:
    """The newer list's seal of that number, which must be the same seal."""
    while current.number < wanted.number:
        following = next(newer, None)
        if following is None:
            raise _missing(source, wanted.number, f"the newer list ends at {current.number}")
        current = following
    if current.line != wanted.line:
        detail = "two different seals of this number are signed: two histories"
        raise Spoiled(Finding(source, Code.FORKED, detail, seal=wanted.number))
    return current


def _chained(source: str, seals: Iterator[Kept]) -> Iterator[Kept]:
    """The seals, each one held against the one before it; none may be missing in between."""
    chain: Chain | None = None
    for one in seals:
        if chain is None:
            chain = Chain.before(source, one.payload)
        if one.number > chain.number + 1:
            raise _missing(source, chain.number + 1, "the newer list leaves it out")
        chain = chain.then(one.payload, one.head)
        yield one


def _continues(source: str, before: Kept, after: Kept) -> None:
    """Two neighbours of which at least one is from the older list."""
    if after.payload.get("prev") != before.head:
        detail = f"does not continue seal {before.number} as it was kept: two histories"
        raise Spoiled(Finding(source, Code.FORKED, detail, seal=after.number))


def _missing(source: str, number: int, detail: str) -> Spoiled:
    return Spoiled(Finding(source, Code.SEAL_MISSING, detail, seal=number))
