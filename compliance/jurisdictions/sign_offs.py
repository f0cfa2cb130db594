"""Sign-offs: a profile that does not rest on seen sources is offered only when two officers say so.

What they sign is one version (``GB/2026-06-30``) and the hash of its text: an edited file needs
another sign-off. Two different officers is a constraint of the database; rows never change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from accounts import rights
from audit.record import Subject, record, register
from compliance.jurisdictions.profiles import known_codes, versions
from compliance.jurisdictions.shape import Jurisdiction
from kernel.ids import Actor, new_id
from kernel.refusal import Refused

VIEW: Final = "compliance.view_profiles"
WORK: Final = "compliance.sign_off_profiles"
REASON_MAX: Final = 2_000

PROPOSED: Final = register("profile.proposed", "Sign-off of a jurisdiction's profile proposed")
SIGNED: Final = register("profile.signed_off", "A jurisdiction's profile signed off by two")
WITHDRAWN: Final = register("profile.withdrawn", "Sign-off of a jurisdiction's profile withdrawn")


class SignOffCode(StrEnum):
    """Why a word about a profile was not taken."""

    NOT_ALLOWED = "not_allowed"
    REASON_MISSING = "reason_missing"
    UNKNOWN_PROFILE = "unknown_profile"
    NEEDS_NONE = "sign_off_not_needed"
    TEXT_CHANGED = "profile_changed"
    ALREADY_PROPOSED = "sign_off_proposed"
    NOTHING_PROPOSED = "sign_off_not_proposed"
    SAME_PERSON = "same_person"


@dataclass(frozen=True, slots=True)
class SignOff:
    """A proposal about one text of one profile, and what became of it."""

    id: UUID
    policy: str
    digest: str
    reason: str
    proposed_by: int
    proposed_at: datetime
    signed_by: int | None
    signed_at: datetime | None
    signed_reason: str | None
    withdrawn_by: int | None
    withdrawn_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.signed_at is None and self.withdrawn_at is None

    @property
    def counts(self) -> bool:
        return self.signed_at is not None and self.withdrawn_at is None


_SIGNED_SQL: Final = """
SELECT p.policy, p.digest FROM compliance_profile_proposal p
JOIN compliance_profile_signoff s ON s.proposal_id = p.id
WHERE p.policy = ANY (%s) AND NOT EXISTS
    (SELECT FROM compliance_profile_withdrawal w WHERE w.proposal_id = p.id)
"""


def inactive(profiles: Iterable[Jurisdiction]) -> frozenset[str]:
    """Those policies that may not be offered now. One statement, none where every one is ready.

    A demonstration is not offered in production, whatever anybody signed.
    """
    several = list(profiles)
    barred = frozenset(one.policy for one in several if is_barred(one))
    asked = {one.policy: one.digest for one in several if not one.ready}
    if not asked:
        return barred
    with connection.cursor() as cursor:
        cursor.execute(_SIGNED_SQL, [sorted(asked)])
        signed = set(cursor.fetchall())
    return barred | {policy for policy, digest in asked.items() if (policy, digest) not in signed}


def is_barred(profile: Jurisdiction) -> bool:
    """Whether this is a demonstration and the house is none: then nothing makes it active."""
    return profile.is_demonstration and settings.FARO_MODE == "production"


def is_active(profile: Jurisdiction) -> bool:
    """Whether ``profile`` is ready, or this very text of it is signed off and not withdrawn."""
    return not inactive([profile])


def find(policy: str) -> Jurisdiction:
    """The version named ``policy``. Refuses with ``UNKNOWN_PROFILE``."""
    code, _, _ = policy.partition("/")
    found = next((one for one in versions(code) if one.policy == policy), None)
    if found is None:
        raise Refused(SignOffCode.UNKNOWN_PROFILE, policy=policy)
    return found


def every_profile() -> list[Jurisdiction]:
    """Every version of every profile, by code, newest first."""
    return [one for code in known_codes() for one in reversed(versions(code))]


_WORDS_SQL: Final = """
SELECT p.id, p.policy, p.digest, p.reason, p.proposed_by, p.at, s.signed_by, s.at, s.reason,
       w.withdrawn_by, w.at
FROM compliance_profile_proposal p
LEFT JOIN compliance_profile_signoff s ON s.proposal_id = p.id
LEFT JOIN compliance_profile_withdrawal w ON w.proposal_id = p.id
WHERE p.policy = ANY (%s) ORDER BY p.at DESC, p.id
"""


def history(policies: Sequence[str]) -> list[SignOff]:
    """Every word about ``policies``, of texts that were replaced as well; newest first."""
    with connection.cursor() as cursor:
        cursor.execute(_WORDS_SQL, [list(policies)])
        return [SignOff(*row) for row in cursor.fetchall()]


def propose(policy: str, *, digest: str, reason: str, actor: Actor) -> UUID:
    """The first officer: this text may be offered as it stands. Audited.

    ``digest`` is what the officer saw. Refuses with ``NOT_ALLOWED``, ``REASON_MISSING``,
    ``UNKNOWN_PROFILE``, ``NEEDS_NONE``, ``TEXT_CHANGED`` or ``ALREADY_PROPOSED``.
    """
    with transaction.atomic():
        found, said = _seen(policy, digest, reason, actor)
        if found.ready:
            raise Refused(SignOffCode.NEEDS_NONE, policy=policy)
        _one_at_a_time(policy)
        if any(one.is_open or one.counts for one in _about(found)):
            raise Refused(SignOffCode.ALREADY_PROPOSED, policy=policy)
        proposal_id = new_id()
        _insert(
            "INSERT INTO compliance_profile_proposal (id, policy, digest, unsure, reason,"
            " proposed_by) VALUES (%s, %s, %s, to_jsonb(%s::text[]), %s, %s)",
            [proposal_id, policy, digest, list(found.unsure), said, int(actor.id)],
        )
        _audit(PROPOSED, found, actor, said)
    return proposal_id


def sign(policy: str, *, digest: str, reason: str, actor: Actor) -> None:
    """The second officer agrees: from this commit on the profile is offered. Audited.

    Refuses as `propose`, and with ``NOTHING_PROPOSED`` or ``SAME_PERSON``.
    """
    with transaction.atomic():
        found, said = _seen(policy, digest, reason, actor)
        _one_at_a_time(policy)
        waiting = next((one for one in _about(found) if one.is_open), None)
        if waiting is None:
            raise Refused(SignOffCode.NOTHING_PROPOSED, policy=policy)
        if waiting.proposed_by == int(actor.id):
            raise Refused(SignOffCode.SAME_PERSON)
        _insert(
            "INSERT INTO compliance_profile_signoff (proposal_id, proposed_by, signed_by, reason)"
            " VALUES (%s, %s, %s, %s)",
            [waiting.id, waiting.proposed_by, int(actor.id), said],
        )
        _audit(SIGNED, found, actor, said)


def withdraw(policy: str, *, digest: str, reason: str, actor: Actor) -> None:
    """One officer takes back what was proposed or signed: offered no more from this commit on.

    Refuses as `propose`, and with ``NOTHING_PROPOSED``. Audited.
    """
    with transaction.atomic():
        found, said = _seen(policy, digest, reason, actor)
        _one_at_a_time(policy)
        ended = next((one for one in _about(found) if one.is_open or one.counts), None)
        if ended is None:
            raise Refused(SignOffCode.NOTHING_PROPOSED, policy=policy)
        _insert(
            "INSERT INTO compliance_profile_withdrawal (proposal_id, withdrawn_by, reason)"
            " VALUES (%s, %s, %s)",
            [ended.id, int(actor.id), said],
        )
        _audit(WITHDRAWN, found, actor, said)


def _seen(policy: str, digest: str, reason: str, actor: Actor) -> tuple[Jurisdiction, str]:
    if not rights.may(actor, WORK):
        raise Refused(SignOffCode.NOT_ALLOWED)
    said = reason.strip()[:REASON_MAX]
    if not said:
        raise Refused(SignOffCode.REASON_MISSING)
    found = find(policy)
    if found.digest != digest:
        raise Refused(SignOffCode.TEXT_CHANGED, policy=policy)
    return found, said


def _about(found: Jurisdiction) -> list[SignOff]:
    return [one for one in history([found.policy]) if one.digest == found.digest]


def _one_at_a_time(policy: str) -> None:
    """Two words about one profile wait for each other (advisory, to the end of the transaction)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 11))", [policy])


def _insert(sql: str, values: list[Any]) -> None:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, values)
    except IntegrityError as error:
        if "two_people" in str(error):
            raise Refused(SignOffCode.SAME_PERSON) from error
        raise


def _audit(kind: str, found: Jurisdiction, actor: Actor, reason: str) -> None:
    record(
        kind,
        actor=actor,
        subject=Subject("profile", found.policy),
        component="compliance",
        after={"policy": found.policy, "digest": found.digest, "unsure": list(found.unsure)},
        reason=reason,
    )
