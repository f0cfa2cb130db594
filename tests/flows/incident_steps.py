"""People of the floor at an incident, as steps for tests."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from accounts.roles import Role
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from tables.bets.betting import place_batch
from tables.bets.slips import Receipt, place_bets
from tables.incidents import incidents, procedures
from tables.incidents.desk import Acting
from tables.incidents.procedures import Before
from tables.incidents.records import IncidentAct
from tables.incidents.rules import Act
from tables.models import Incident
from tables.phases import Phase
from tests import house
from tests.flows.staff_steps import make_staff


def person(role: Role = Role.PIT_BOSS) -> Actor:
    """A new member of staff in ``role``."""
    return Actor.staff(make_staff(role, key=None).pk)


def acting(incident: Incident, actor: Actor, *, seen: int | None = None, key: str = "") -> Acting:
    """About to act on the incident as it stands now, or as it was at version ``seen``."""
    version = Incident.objects.get(id=incident.id).version if seen is None else seen
    return Acting(incident.id, actor, version, key or new_id().hex)


def newest() -> Incident:
    return Incident.objects.order_by("-opened_at")[0]


def tick_all(incident: Incident, actor: Actor, before: Before = Before.RESUME) -> None:
    """Every step of the incident's procedure that must be done by then."""
    procedure = procedures.named(incident.procedure)
    done = {act.data["step"] for act in IncidentAct.objects.filter(incident=incident, act=Act.TICK)}
    for step in procedure.steps:
        if step.id not in done and (before is Before.RESUME or step.before is Before.DECIDE):
            incidents.tick(acting(incident, actor), step.id)


def bet(player_id, *stakes, table: str = "alexandria", currency: str = "EUR") -> Receipt:
    slip = place_bets(player_id, table, key=new_id().hex, currency=currency, stakes=list(stakes))
    (answer,) = place_batch(table, [slip])
    assert isinstance(answer, Receipt), answer
    return answer


@contextmanager
def refused(code):
    """Refused with exactly this code, and nothing written about any incident."""
    before = written()
    with pytest.raises(Refused) as caught:
        yield caught
    assert caught.value.code == code
    assert written() == before


def written() -> tuple:
    """What acts about incidents could have changed."""
    return (
        sorted(
            Incident.objects.values_list("id", "version", "taken_by", "proposed_by", "resolved_at")
        ),
        IncidentAct.objects.count(),
    )


def stopped(number=17, said=20, **fields):
    """A round with bets on 17 and on red, stopped because its two sources disagree."""
    pit = house.pit(**fields)
    anna, ben = house.player(balance_minor=1_000), house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("straight:17", 100))
    bet(ben, ("red", 500))
    pit.close_betting()
    pit.result(number)
    pit.confirm(said)
    pit.step()
    assert pit.round().phase == Phase.SUSPENDED
    return pit, newest(), anna, ben
