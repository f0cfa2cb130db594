"""One page with every queue and its due times, each to those alone whose work it is."""

from __future__ import annotations

import pytest

from accounts.roles import Role
from compliance import cases
from compliance.case_states import CaseKind
from compliance.cases import Matter, Officer
from kernel.ids import Actor
from tests import house
from tests.flows.staff_steps import staff_client

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F112")]
PAGE = "/admin/officers/"


def rows(client) -> dict[str, tuple[int, int, bool]]:
    found = client.get(PAGE).context["rows"]
    return {row["title"]: (row["count"], row["late"], row["first"] is not None) for row in found}


def test_officers_see_what_waits_and_what_is_late_first(settings):
    ada = house.player()
    cases.open_case(
        Matter(CaseKind.COMPLAINT, ada, "Loud", "The wheel was loud."),
        key="one",
        who=Officer(Actor.player(ada)),
    )
    settings.FARO_JURISDICTIONS = ["MT"]
    officer = staff_client(Role.COMPLIANCE)
    found = rows(officer)
    assert found["Complaints and disputes"] == (1, 0, True)
    assert found["Identity checks"] == (0, 0, False)
    assert found["Suspicions"] == (0, 0, False)
    assert found["Jurisdictions to sign off"] == (1, 1, True)
    assert next(iter(found)) == "Jurisdictions to sign off"
    house.sign_off("MT")
    assert rows(officer)["Jurisdictions to sign off"] == (0, 0, False)


def test_an_auditor_learns_of_no_suspicion_there():
    page = staff_client(Role.AUDITOR).get(PAGE)
    assert page.status_code == 200
    for hidden in ("Suspicions", "Screening", "Markers of harm"):
        assert hidden not in {row["title"] for row in page.context["rows"]}
    assert staff_client(Role.SUPPORT).get(PAGE).status_code == 403
