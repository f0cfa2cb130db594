"""The demo's tables made ready to open: equipment, inspection, rules, presenters on shift.

In a casino people do this each day. The demo does it at each start, so that nothing has run out
overnight, and `demo_floor` inspects again when a new gaming day begins.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from accounts.models import User
from audit.database_clock import database_now
from kernel.ids import Actor, new_id
from tables.models import Round, Table
from tables.opening import inspections, published_rules
from tables.opening.reasons import lacking
from tables.play import suspension
from tables.presenters import presenters, shifts
from tables.presenters.models import AuthorisationKind, EquipmentKind

DEMO: Final = Actor.system("demo")
#: A paper that runs out sooner is followed by another one at the next start.
_LASTS: Final = timedelta(days=365)
_RENEWED_BEFORE: Final = timedelta(days=30)


def prepare(table_id: str) -> None:
    """Equip, inspect and open a table, and publish its rules as this version shows them."""
    for kind in EquipmentKind.values:
        inspections.register(table_id, kind=kind, serial=f"{table_id}-{kind}-1", actor=DEMO)
    published_rules.publish(Table.objects.get(id=table_id).ruleset, actor=DEMO)
    inspect_when_due(table_id, actor=DEMO)
    if not Round.objects.filter(table_id=table_id).exists():  # later, two people open and close it
        suspension.open_table(table_id, actor=DEMO)


def inspect_when_due(table_id: str, *, actor: Actor) -> bool:
    """Inspect the table unless an inspection holds today, passed or failed; whether it was due."""
    newest = inspections.newest(table_id)
    if newest is not None and newest.valid_until > database_now():
        return False
    pieces = inspections.in_service(table_id)
    answers = {
        (piece.id, check.code): True for piece in pieces for check in inspections.CHECKS[piece.kind]
    }
    inspections.inspect(table_id, answers, note="", key=new_id().hex, actor=actor)
    return True


def take_place(table_id: str, email: str, name: str) -> None:
    """Authorise a presenter for another year where needed, and sign them on where nobody is."""
    person = User.objects.get(email=email)
    User.objects.filter(pk=person.pk, name="").update(name=name)
    table = Table.objects.get(id=table_id)
    soon = database_now() + _RENEWED_BEFORE
    if lacking(presenters.papers_of(person.pk), table.game, soon):
        _authorise(person.pk, table.game)
    if shifts.on_shift(table_id) is None and shifts.table_of(person.pk) is None:
        shifts.sign_on(table_id, person.pk, DEMO)


def _authorise(person: int, game: str) -> None:
    now = database_now()
    for kind in AuthorisationKind.values:
        is_licence = kind == AuthorisationKind.LICENCE
        wanted = presenters.Wanted(
            kind=kind,
            game="" if is_licence else game,
            number=f"DEMO-{person}" if is_licence else "",
            valid_from=now,
            valid_until=now + _LASTS,
        )
        presenters.authorise(person, wanted, actor=DEMO)
