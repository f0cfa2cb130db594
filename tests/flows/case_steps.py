"""Cases as steps for tests."""

from __future__ import annotations

from accounts.models import User
from compliance import cases
from compliance.case_states import CaseKind
from compliance.cases import Matter, Officer, Step
from compliance.models import Case
from kernel.ids import Actor, PlayerId, new_id
from tests.flows.staff_steps import make_staff


def officer(role, *, sees_hidden: bool = False) -> Officer:
    """A member of staff of ``role`` as the one who acts on cases."""
    return Officer(Actor.staff(make_staff(role, key=None).pk), sees_hidden=sees_hidden)


def as_player(player_id: PlayerId) -> Officer:
    return Officer(Actor.player(player_id))


def complaint(player_id: PlayerId, who: Officer | None = None, **changes) -> Case:
    """A case opened by its player, or by ``who``."""
    facts = {
        "kind": CaseKind.COMPLAINT,
        "player_id": player_id,
        "subject": "My withdrawal is late",
        "text": "It should have come on Monday.",
    }
    return cases.open_case(
        Matter(**facts | changes), key=new_id().hex, who=who or as_player(player_id)
    )


def step(case: Case, *, key: str = "", seen: int | None = None) -> Step:
    """The form of one act on the case as it stands now, or as it was ``seen``."""
    fresh = Case.objects.get(pk=case.pk)
    return Step(case.reference, fresh.version if seen is None else seen, key or new_id().hex)


def email_of(player_id: PlayerId) -> str:
    return User.objects.get(pk=player_id).email
