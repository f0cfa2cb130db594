"""Reading personal fields back, and forgetting a person. Both are themselves recorded."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.db import connection, transaction

from audit.personal_keys import PersonalCode, decrypt
from audit.record import Subject, record, register
from kernel.ids import Actor, ActorKind
from kernel.refusal import Refused

PERSONAL_REVEALED: Final = register("audit.personal_revealed", "Personal fields were read")
PERSON_ERASED: Final = register("audit.person_erased", "Personal fields were erased for good")


def reveal(event_id: UUID, *, actor: Actor, reason: str, permitted: bool) -> dict[str, str]:
    """The personal fields of one event in clear. That they were read is itself recorded.

    ``permitted`` is the caller's answer to whether ``actor`` holds the right
    ``audit.reveal_personal``: rights belong to apps above this one. Refuses with
    ``NOT_PERMITTED``, ``REASON_MISSING``, ``NO_SUCH_EVENT`` or ``ERASED``.
    """
    if not permitted or actor.kind is not ActorKind.STAFF:
        raise Refused(PersonalCode.NOT_PERMITTED)
    if not reason.strip():
        raise Refused(PersonalCode.REASON_MISSING)
    with transaction.atomic():
        fields = decrypt(event_id)
        record(
            PERSONAL_REVEALED,
            actor=actor,
            subject=Subject("audit_event", str(event_id)),
            component="audit",
            after={"fields": sorted(fields)},
            reason=reason,
        )
    return fields


def erase(person_id: int, actor: Actor, *, reason: str = "") -> int:
    """Destroy every key of ``person_id``: their personal audit fields become unreadable for good.

    Returns how many keys were destroyed; harmless when repeated. The erasure is recorded (without
    personal fields) and every seal stays valid. Backups made before still hold the wrapped keys
    until they expire: `docs/operations` says how long that is.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE audit_person_key SET wrapped = NULL, destroyed_at = clock_timestamp()"
            " WHERE person_id = %s AND wrapped IS NOT NULL",
            [person_id],
        )
        destroyed = int(cursor.rowcount)
        record(
            PERSON_ERASED,
            actor=actor,
            subject=Subject("person", str(person_id)),
            component="audit",
            after={"keys_destroyed": destroyed},
            reason=reason,
        )
    return destroyed
