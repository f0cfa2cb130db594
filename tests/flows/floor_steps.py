"""What a pit boss does on the floor's pages, as steps for tests."""

from __future__ import annotations

import re
from html import unescape

from django.test import Client

from accounts.roles import Role
from kernel.ids import new_id
from tables.models import Incident

#: Who sees the floor.
WATCHES = {
    Role.PIT_BOSS, Role.COMPLIANCE, Role.AUDITOR, Role.INSPECTOR, Role.ADMINISTRATOR,
}  # fmt: skip


class FloorClerk:
    """A browser at one incident: reads its page, fills in the forms that it finds there."""

    def __init__(self, client: Client, incident: Incident) -> None:
        self.client, self.id = client, incident.id
        self.address = f"/floor/incidents/{incident.id}/"

    def page(self) -> str:
        answer = self.client.get(self.address)
        assert answer.status_code == 200, answer.status_code
        return unescape(answer.content.decode())

    def hidden(self, act: str) -> dict[str, str]:
        """The hidden fields of the act's form as the page shows it."""
        form = re.search(rf'<form[^>]*action="{self.address}{act}/".*?</form>', self.page(), re.S)
        assert form is not None, f"the page offers no {act}"
        found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form[0])
        return {name: value for name, value in found if name != "csrfmiddlewaretoken"}

    def post(self, act: str, **fields):
        """The act with what is typed, over the form that the page shows now."""
        return self.client.post(f"{self.address}{act}/", self.hidden(act) | fields)

    def send(self, act: str, **fields):
        """The act whatever the page offers, under the version and key given (or fresh ones)."""
        version = Incident.objects.get(pk=self.id).version
        return self.client.post(
            f"{self.address}{act}/", {"version": version, "key": new_id().hex} | fields
        )

    def done(self, act: str, **fields) -> None:
        answer = self.post(act, **fields)
        assert answer.status_code == 302, (act, answer.status_code, refusals(answer))

    def tick_all(self, before: str = "resume") -> None:
        """Tick every step that must be done by ``before``."""
        from tables.incidents.desk import procedure_of, ticked_steps

        incident = Incident.objects.get(pk=self.id)
        for step in procedure_of(incident).steps:
            if step.id in ticked_steps(incident):
                continue
            if before == "decide" and step.before.value != "decide":
                continue
            answer = self.send("tick", step=step.id)
            assert answer.status_code == 302, refusals(answer)


def refusals(answer) -> list[str]:
    """The codes that a page says it refused with."""
    return re.findall(r"Refused: <code>([a-z_]+)</code>", answer.content.decode())
