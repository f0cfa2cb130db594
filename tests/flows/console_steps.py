"""A presenter at the console, as steps for tests."""

from __future__ import annotations

from dataclasses import dataclass

from django.test import Client

from accounts.models import User
from kernel.ids import new_id
from tables.models import Round, SightingRecord
from tables.presenters.models import ConsoleAct
from tests import house
from tests.flows.staff_steps import enter

JSON = {"HTTP_ACCEPT": "application/json"}


@dataclass
class Console:
    """The console of a table in the browser of one member of staff."""

    table_id: str
    client: Client

    def state(self) -> dict:
        answer = self.client.get(f"/console/{self.table_id}/state")
        assert answer.status_code == 200, answer.content[:300]
        return answer.json()

    def form(self, act: str, **changes) -> dict:
        """What the page would send now."""
        now = self.state()
        current = now["round"] or {}
        return {
            "act": act,
            "key": new_id().hex,
            "round": current.get("number", ""),
            "phase": current.get("phase", "between_rounds"),
            "spin": current.get("spin", 0),
        } | changes

    def send(self, form: dict):
        return self.client.post(f"/console/{self.table_id}/act", form, **JSON)

    def do(self, act: str, **changes):
        return self.send(self.form(act, **changes))


def console(pit: house.Pit, person: int | None = None) -> Console:
    """The console of the pit's table, opened by its presenter or by ``person``."""
    user = User.objects.get(pk=person or pit.presenter)
    return Console(pit.table.id, enter(user))


def stored(pit: house.Pit) -> tuple[int, int]:
    """How many observations and console acts are kept of the table."""
    return (
        SightingRecord.objects.filter(table_id=pit.table.id).count(),
        ConsoleAct.objects.filter(table_id=pit.table.id).count(),
    )


def newest(pit: house.Pit) -> Round:
    return Round.objects.filter(table=pit.table).order_by("-number")[0]
