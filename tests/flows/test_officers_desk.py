"""One page with every queue and its due times, each to those alone whose work it is."""

from __future__ import annotations

import pytest

from accounts.roles import Role
from compliance import cases
from compliance.case_states import CaseKind
from compliance.cases import Matter, Officer
from compliance.screening import hits, screening
from kernel.ids import Actor
from tests import house
from tests.flows.screening_steps import load, named
from tests.flows.staff_steps import staff_client

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F112")]
PAGE = "/admin/officers/"


def rows(client) -> dict[str, tuple[int, int, bool]]:
    found = client.get(PAGE).context["rows"]
    return {
        row["title"]: (row["tally"].count, row["tally"].late, row["tally"].first is not None)
        for row in found
    }


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


def test_a_hundred_and_one_of_a_kind_are_counted_as_that_and_not_as_a_page_of_a_hundred(owner):
    players = [house.player() for _ in range(2)]
    load()
    named("Vladimir Putin")
    screening.run()
    owner.execute(
        "INSERT INTO compliance_screening_hit (id, player_id, entry_id, facts_digest, list_id,"
        " matcher, level, score, name_score, listed_name, birth, country, due_at)"
        " SELECT gen_random_uuid(), player_id, entry_id, 'copy ' || n, list_id, matcher, level,"
        " score, name_score, listed_name, birth, country, now() - interval '1 hour'"
        " FROM compliance_screening_hit, generate_series(1, 100) n"
    )
    owner.execute(
        "INSERT INTO compliance_likeness (id, player_id, excluded_id, score, name_score, birth,"
        " by_browser, by_instrument, due_at) SELECT gen_random_uuid(), %s, %s, 900, 900, 'same',"
        " false, false, now() + interval '1 day'",
        players,
    )
    found = rows(staff_client(Role.COMPLIANCE))
    assert found["Screening hits"] == (101, 100, True)
    assert found["Accounts like an excluded person's"] == (1, 0, True)
    assert len(hits.waiting()) == 100


def test_an_auditor_learns_of_no_suspicion_there():
    page = staff_client(Role.AUDITOR).get(PAGE)
    assert page.status_code == 200
    for hidden in ("Suspicions", "Screening", "Markers of harm"):
        assert hidden not in {row["title"] for row in page.context["rows"]}
    assert staff_client(Role.SUPPORT).get(PAGE).status_code == 403
