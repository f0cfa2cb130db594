"""A round's evidence handed out: the one way, behind the admin's download and the API alike.

Whoever takes the file away has players' numbers and money on their own machine. That needs a right
of its own, and leaves who took which bytes through which door.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from accounts.rights import check_right
from audit.record import Subject, record, register
from backoffice.evidence import round_evidence
from kernel.ids import Actor

TAKEN: Final = register("round.evidence_taken", "Evidence of a round downloaded")
TAKE: Final = "tables.take_evidence"


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """The file as it was handed out."""

    name: str
    data: bytes


def take(round_id: UUID, *, actor: Actor, door: str) -> EvidenceFile | None:
    """The evidence as bytes, recorded with their hash; None where there is no such round.

    ``door`` says by which way: ``page``, ``api``, or ``token`` with its id. Refused as every act
    without its right (``tables.take_evidence``); then nothing is built and nothing recorded.
    """
    check_right(actor, TAKE)
    built = round_evidence.build(round_id)
    if built is None:
        return None
    data = round_evidence.as_bytes(built)
    record(
        TAKEN,
        actor=actor,
        subject=Subject("round", str(round_id)),
        component="backoffice",
        after={"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "door": door},
    )
    return EvidenceFile(f"round-{built['round']['table']}-{built['round']['number']}.json", data)
