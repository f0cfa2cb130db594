"""Compliance records presenters' papers, a pit boss relieves them, rules are published by name."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts import appointments
from accounts.roles import Role
from audit.database_clock import database_now
from audit.models import AuditEvent
from kernel.ids import Actor
from tables.opening import published_rules
from tables.presenters import shifts
from tables.presenters.models import Authorisation, PublishedRules
from tests import house
from tests.flows.staff_steps import enter, make_staff, staff_client

pytestmark = pytest.mark.usefixtures("database")


def paper(kind: str, game: str = "", number: str = "", days: int = 30) -> dict[str, str]:
    today = database_now().date()
    return {
        "kind": kind,
        "game": game,
        "number": number,
        "first_day": today.isoformat(),
        "last_day": (today + timedelta(days=days)).isoformat(),
    }


@pytest.mark.parametrize("last_day", ["9999-12-31", "0001-01-01", "10000-01-01", "soon", ""])
def test_a_last_day_that_is_none_is_refused_and_no_error(last_day):
    person = house.presenter(papers=())
    form = paper("licence", number="L-7") | {"last_day": last_day}
    answer = staff_client(Role.COMPLIANCE).post(f"/staff/presenters/{person}/authorise", form)
    assert (answer.status_code, "dates_wrong" in answer.content.decode()) == (409, True)
    assert not Authorisation.objects.exists()


@pytest.mark.feature("F22", "F26")
def test_a_pit_boss_relieves_somebody_whose_role_was_taken():
    pit = house.pit()
    appointments.dismiss(pit.presenter, Role.PRESENTER, reason="Left us.", actor=house.TESTER)
    boss = staff_client(Role.PIT_BOSS)
    address = f"/staff/presenters/{pit.presenter}/"
    assert address in boss.get("/staff/presenters/").content.decode()
    answer = boss.post("/staff/shifts/alexandria/relieve", follow=True)
    assert (answer.status_code, answer.redirect_chain[0][0]) == (200, address)
    assert "The presenter is relieved." in answer.content.decode()
    assert shifts.on_shift("alexandria") is None
    assert address not in boss.get("/staff/presenters/").content.decode()
    assert boss.get("/staff/presenters/999999/").status_code == 404


@pytest.mark.feature("F22")
def test_compliance_records_what_a_presenter_needs_and_revokes_it():
    house.pit(presented=False)
    person = house.presenter(papers=())
    desk = staff_client(Role.COMPLIANCE)
    address = f"/staff/presenters/{person}/"
    assert "No valid licence is recorded." in desk.get("/staff/presenters/").content.decode()
    for form in (
        paper("licence", number="L-7"),
        paper("training", "roulette"),
        paper("game", "roulette"),
    ):
        assert desk.post(f"{address}authorise", form).status_code == 302
        assert desk.post(f"{address}authorise", form).status_code == 302  # sent twice
    assert Authorisation.objects.count() == 3
    assert AuditEvent.objects.filter(kind="presenter.authorised").count() == 3
    shifts.sign_on("alexandria", person, Actor.staff(person))
    licence = Authorisation.objects.get(kind="licence")
    untold = desk.post(f"/staff/authorisations/{licence.id}/revoke", {"reason": " "})
    assert (untold.status_code, "reason_missing" in untold.content.decode()) == (409, True)
    desk.post(f"/staff/authorisations/{licence.id}/revoke", {"reason": "withdrawn"})
    licence.refresh_from_db()
    assert licence.revoked_because == "withdrawn"
    told = AuditEvent.objects.get(kind="presenter.revoked")
    assert licence.revoked_by == f"{told.actor_kind}:{told.actor_id}"


@pytest.mark.feature("F22")
@pytest.mark.parametrize(
    ("form", "code"),
    [
        (lambda: paper("licence"), "paper_number_missing"),
        (lambda: paper("licence", "roulette", "L-1"), "unknown_game"),
        (lambda: paper("training", "chess"), "unknown_game"),
        (lambda: paper("diploma", "roulette"), "unknown_kind"),
        (lambda: paper("licence", number="L-1", days=-2), "dates_wrong"),
        (lambda: paper("licence", number="L-1") | {"last_day": "soon"}, "dates_wrong"),
        (lambda: paper("licence", number="L" * 61), "paper_number_missing"),
    ],
)
def test_a_paper_that_says_too_little_is_not_recorded(form, code):
    house.pit(presented=False)
    person = house.presenter(papers=())
    answer = staff_client(Role.ADMINISTRATOR).post(f"/staff/presenters/{person}/authorise", form())
    assert (answer.status_code, code in answer.content.decode()) == (409, True)
    assert not Authorisation.objects.exists()


@pytest.mark.feature("F22")
def test_no_other_role_records_a_paper():
    house.pit(presented=False)
    person = house.presenter(papers=())
    for role in (Role.PRESENTER, Role.PIT_BOSS, Role.SUPPORT, Role.FINANCE, Role.AUDITOR):
        answer = staff_client(role).post(
            f"/staff/presenters/{person}/authorise", paper("licence", number="L-1")
        )
        assert answer.status_code == 403
    assert not Authorisation.objects.exists()


@pytest.mark.feature("F26")
def test_a_pit_boss_relieves_a_presenter_and_others_do_not():
    pit = house.pit()
    for role in (Role.PRESENTER, Role.COMPLIANCE, Role.AUDITOR):
        assert staff_client(role).post("/staff/shifts/alexandria/relieve").status_code == 403
    assert shifts.on_shift("alexandria") is not None
    boss = make_staff(Role.PIT_BOSS)
    assert enter(boss).post("/staff/shifts/alexandria/relieve").status_code == 302
    assert shifts.on_shift("alexandria") is None
    ended = AuditEvent.objects.get(kind="shift.ended")
    assert (ended.actor_id, ended.after["presenter"]) == (str(boss.pk), pit.presenter)
    assert enter(boss).post("/staff/shifts/alexandria/relieve").status_code == 404


@pytest.mark.feature("F41")
def test_rules_are_published_by_somebody_with_the_right_to():
    page = staff_client(Role.AUDITOR).get("/staff/rules/").content.decode()
    assert "The rules of this table are not published." in page
    for role in (Role.AUDITOR, Role.PIT_BOSS):
        assert staff_client(role).post("/staff/rules/european/publish").status_code == 403
    assert not PublishedRules.objects.exists()
    desk = staff_client(Role.COMPLIANCE)
    answer = desk.post("/staff/rules/european/publish", follow=True)
    assert "All three agree." in answer.content.decode()
    assert PublishedRules.objects.get().published_by.startswith("staff:")
    assert desk.post("/staff/rules/nonsense/publish").status_code == 404


@pytest.mark.feature("F41")
def test_rules_are_published_by_command_too():
    make_staff(Role.PIT_BOSS, "boss@example.org")
    make_staff(Role.ADMINISTRATOR, "admin@example.org")
    with pytest.raises(CommandError, match="may not publish"):
        call_command("publish_rules", "--as", "boss@example.org")
    out = StringIO()
    call_command("publish_rules", "--as", "admin@example.org", stdout=out)
    assert len(out.getvalue().splitlines()) == 2
    assert published_rules.newest("european-la-partage") is not None
