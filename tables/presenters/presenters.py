"""Who may present: licences, training, authorisations for a game, recorded and revoked (F22).

An authorisation is recorded by somebody else than the presenter; the database holds that too. It
is never edited: a longer one is a new one, and what should not have been is revoked with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db import transaction

from accounts.appointments import holders
from accounts.models import User
from accounts.rights import check_right
from accounts.roles import Role
from audit.canonical import storable
from audit.database_clock import database_now
from audit.record import Subject, record
from kernel.clock import epoch_ms
from kernel.ids import Actor, ActorKind, new_id
from kernel.refusal import Refused
from tables import audit_kinds
from tables.models import Table
from tables.opening.reasons import Paper
from tables.presenters.models import Authorisation, AuthorisationKind

AUTHORISE: Final = "tables.authorise"
NUMBER_CHARS_MAX: Final = 60
REASON_CHARS_MAX: Final = 200


class PresenterCode(StrEnum):
    """Why an authorisation is not recorded or revoked."""

    UNKNOWN_PERSON = "unknown_person"
    NOT_A_PRESENTER = "not_a_presenter"
    NOT_BY_ONESELF = "not_by_oneself"
    UNKNOWN_KIND = "unknown_kind"
    UNKNOWN_GAME = "unknown_game"
    NUMBER_MISSING = "paper_number_missing"
    DATES_WRONG = "dates_wrong"
    UNKNOWN_AUTHORISATION = "unknown_authorisation"
    REASON_MISSING = "reason_missing"


@dataclass(frozen=True, slots=True)
class Wanted:
    """An authorisation to be recorded. ``game`` is "" for a licence, which needs a ``number``."""

    kind: str
    game: str
    number: str
    valid_from: datetime
    valid_until: datetime


def authorise(presenter_id: int, wanted: Wanted, *, actor: Actor) -> Authorisation:
    """Record what a presenter holds. Audited; the same again is the same row.

    Refuses with ``NOT_ALLOWED`` or a :class:`PresenterCode`; ``NOT_BY_ONESELF`` where the actor is
    the presenter.
    """
    check_right(actor, AUTHORISE)
    wanted = replace(wanted, number=storable(wanted.number).strip())
    _check(presenter_id, wanted, actor)
    with transaction.atomic():
        same = Authorisation.objects.filter(
            presenter_id=presenter_id,
            kind=wanted.kind,
            game=wanted.game,
            number=wanted.number,
            valid_from=wanted.valid_from,
            valid_until=wanted.valid_until,
            revoked_at=None,
        ).first()
        if same is not None:
            return same
        made = Authorisation.objects.create(
            id=new_id(),
            presenter_id=presenter_id,
            kind=wanted.kind,
            game=wanted.game,
            number=wanted.number,
            valid_from=wanted.valid_from,
            valid_until=wanted.valid_until,
            granted_at=database_now(),
            granted_by=str(actor),
        )
        record(
            audit_kinds.AUTHORISED,
            actor=actor,
            subject=Subject("user", str(presenter_id)),
            component="tables",
            after=_facts(made),
        )
    return made


def revoke(authorisation_id: UUID, *, reason: str, actor: Actor) -> None:
    """End an authorisation now, for good. The next round of its presenter does not open on it.

    Idempotent. Refuses with ``NOT_ALLOWED``, ``UNKNOWN_AUTHORISATION`` or ``REASON_MISSING``.
    """
    check_right(actor, AUTHORISE)
    reason = storable(reason).strip()
    if not reason or len(reason) > REASON_CHARS_MAX:
        raise Refused(PresenterCode.REASON_MISSING, chars_max=REASON_CHARS_MAX)
    with transaction.atomic():
        found = Authorisation.objects.filter(id=authorisation_id).first()
        if found is None:
            raise Refused(PresenterCode.UNKNOWN_AUTHORISATION)
        revoked = Authorisation.objects.filter(id=authorisation_id, revoked_at=None).update(
            revoked_at=database_now(), revoked_by=str(actor), revoked_because=reason
        )
        if not revoked:
            return
        record(
            audit_kinds.AUTHORISATION_REVOKED,
            actor=actor,
            subject=Subject("user", str(found.presenter_id)),
            component="tables",
            before=_facts(found),
            after={"revoked": True},
            reason=reason,
        )


def papers_of(presenter_id: int) -> tuple[Paper, ...]:
    """What the presenter holds or held, revoked ones left out."""
    rows = Authorisation.objects.filter(presenter_id=presenter_id, revoked_at=None)
    return tuple(Paper(row.kind, row.game, row.valid_from, row.valid_until) for row in rows)


def is_employed(presenter_id: int) -> bool:
    """Whether the person is active staff in the presenter's role."""
    return presenter_id in holders(Role.PRESENTER, [presenter_id])


def _check(presenter_id: int, wanted: Wanted, actor: Actor) -> None:
    if not User.objects.filter(pk=presenter_id).exists():
        raise Refused(PresenterCode.UNKNOWN_PERSON, person=presenter_id)
    if not is_employed(presenter_id):
        raise Refused(PresenterCode.NOT_A_PRESENTER, person=presenter_id)
    if (actor.kind, actor.id) == (ActorKind.STAFF, str(presenter_id)):
        raise Refused(PresenterCode.NOT_BY_ONESELF)
    _check_paper(wanted)


def _check_paper(wanted: Wanted) -> None:
    if wanted.kind not in AuthorisationKind.values:
        raise Refused(PresenterCode.UNKNOWN_KIND, kind=wanted.kind[:12])
    is_licence = wanted.kind == AuthorisationKind.LICENCE
    if wanted.game if is_licence else wanted.game not in games():
        raise Refused(PresenterCode.UNKNOWN_GAME, game=wanted.game[:20])
    if (is_licence and not wanted.number) or len(wanted.number) > NUMBER_CHARS_MAX:
        raise Refused(PresenterCode.NUMBER_MISSING, chars_max=NUMBER_CHARS_MAX)
    if wanted.valid_until <= wanted.valid_from:
        raise Refused(PresenterCode.DATES_WRONG)


def games() -> list[str]:
    """The games that the house plays."""
    return list(Table.objects.order_by("game").values_list("game", flat=True).distinct())


def _facts(row: Authorisation) -> dict[str, str | int]:
    return {
        "authorisation": str(row.id),
        "kind": row.kind,
        "game": row.game,
        "number": row.number,
        "valid_from": epoch_ms(row.valid_from),
        "valid_until": epoch_ms(row.valid_until),
    }
