"""The player says that something is wrong, and follows what becomes of it."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from compliance import cases
from compliance.case_states import CaseKind, Outcome
from compliance.models import Case, CaseEvent
from kernel.ids import PlayerId, new_id
from notices.models import Notice
from tables.bets.betting import place_batch
from tables.bets.slips import place_bets
from tests import house
from tests.flows.accounts_steps import sign_in
from tests.flows.case_steps import complaint, officer, step

pytestmark = [pytest.mark.feature("F115"), pytest.mark.usefixtures("database")]


def browser_of(player_id: PlayerId, language: str = "") -> Client:
    browser = Client(headers={"accept-language": language or "en"})
    email = User.objects.get(pk=player_id).email
    sign_in(browser, email, "correct horse battery staple")
    return browser


def text_of(answer) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


def a_round(player_id: PlayerId):
    pit = house.pit()
    pit.open_round()
    stakes = [("red", 100), ("straight:17", 50)]
    slip = place_bets(player_id, "alexandria", key=new_id().hex, currency="EUR", stakes=stakes)
    place_batch("alexandria", [slip])
    return pit.play(5)


def test_a_player_disputes_a_round_from_its_page_and_gets_a_reference():
    anna = house.player(balance_minor=10_000)
    played, browser = a_round(anna), browser_of(anna)
    address = f"/rounds/{played.id}/dispute/"
    assert f'href="{address}"' in text_of(browser.get(f"/rounds/{played.id}/"))
    assert "Within 24 hours" in text_of(browser.get(address))
    form = {"text": "The ball lay in 7.", "key": new_id().hex}
    opened = browser.post(address, form, follow=True)
    case = Case.objects.get()
    assert (case.kind, case.player_id, case.round_id) == ("dispute", anna, played.id)
    assert len(case.bets) == 2
    assert f"Your reference is {case.reference}" in text_of(opened)
    browser.post(address, form)
    assert Case.objects.count() == 1
    assert case.reference in text_of(browser.get("/account/cases/"))
    assert Notice.objects.filter(person_id=anna, kind="case_news").count() == 1


def test_nobody_disputes_a_round_without_a_bet_in_it():
    anna, ben = house.player(balance_minor=10_000), house.player()
    played, browser = a_round(anna), browser_of(ben)
    address = f"/rounds/{played.id}/dispute/"
    assert browser.get(address).status_code == 404
    posted = browser.post(address, {"text": "Mine!", "key": new_id().hex})
    assert posted.status_code == 404
    assert Case.objects.count() == 0
    assert browser.get(f"/rounds/{new_id()}/dispute/").status_code == 404


@pytest.mark.feature("F83")
def test_a_report_of_cheating_is_one_press_from_the_help_page():
    anna = house.player()
    browser = browser_of(anna)
    assert 'href="/account/cases/new/?kind=cheat_report"' in text_of(browser.get("/help/"))
    page = browser.get("/account/cases/new/?kind=cheat_report")
    assert page.context["form"]["kind"].value() == "cheat_report"
    form = {
        "kind": "cheat_report",
        "subject": "The presenter touched the ball",
        "text": "Table Alexandria, at nine.",
        "key": new_id().hex,
    }
    browser.post("/account/cases/new/", form)
    case = Case.objects.get()
    assert case.kind == "cheat_report"
    assert [one.reference for one in cases.visible(officer(Role.SUPPORT))] == [case.reference]


@pytest.mark.parametrize(
    "changes",
    [{"text": ""}, {"subject": ""}, {"kind": "suspicion"}, {"kind": "dispute"}, {"key": ""}],
)
def test_an_incomplete_form_is_shown_again_and_opens_nothing(changes):
    browser = browser_of(house.player())
    form = {"kind": "complaint", "subject": "Late", "text": "Where?", "key": new_id().hex}
    answer = browser.post("/account/cases/new/", form | changes)
    assert answer.status_code == 422
    assert Case.objects.count() == 0


def test_a_visitor_signs_in_first():
    answer = Client().get("/account/cases/new/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/account/login/")


def test_the_player_reads_the_answer_contests_it_and_gets_a_final_letter():
    anna, sofia = house.player(), officer(Role.SUPPORT)
    browser, case = browser_of(anna), complaint(anna)
    cases.acknowledge(step(case), sofia)
    cases.note(step(case), "Sounds honest.", sofia, confidential=False)
    cases.answer(step(case), "Sent on Monday.", Outcome.REJECTED, sofia)
    address = f"/account/cases/{case.reference}/"
    page = text_of(browser.get(address))
    assert "Sent on Monday." in page
    assert "We see it differently." in page
    assert "Sounds honest." not in page
    reply = {"text": "It is not here.", "key": new_id().hex}
    for _ in range(2):
        assert "We have your message." in text_of(
            browser.post(f"{address}reply/", reply, follow=True)
        )
    assert CaseEvent.objects.filter(case_id=case.pk, kind="contested").count() == 1
    cases.answer(step(case), "Your bank has it.", Outcome.REJECTED, sofia)
    cases.final_letter(step(case), "We stay with it.", sofia)
    page = text_of(browser.get(address))
    assert "dispute body of the demonstration" in page
    assert "reply/" not in page
    refused = browser.post(f"{address}reply/", reply | {"key": new_id().hex}, follow=True)
    assert "This case is closed." in text_of(refused)


def test_another_players_case_and_a_hidden_one_are_not_found():
    anna, ben = house.player(), house.player()
    cora = officer(Role.COMPLIANCE, sees_hidden=True)
    theirs = complaint(anna)
    hidden = complaint(ben, cora, kind=CaseKind.SUSPICION)
    browser = browser_of(ben)
    reply = {"text": "Hello", "key": new_id().hex}
    for reference in (theirs.reference, hidden.reference, "ABC-DEFG", "x" * 60):
        assert browser.get(f"/account/cases/{reference}/").status_code == 404
        assert browser.post(f"/account/cases/{reference}/reply/", reply).status_code == 404
    assert "No cases" in text_of(browser.get("/account/cases/"))


def test_the_players_pages_speak_german():
    anna = house.player(balance_minor=10_000)
    played, browser = a_round(anna), browser_of(anna, "de")
    assert "Mit dieser Runde stimmt etwas nicht" in text_of(browser.get(f"/rounds/{played.id}/"))
    assert "Ihre Fälle" in text_of(browser.get("/me/"))
    page = text_of(browser.get(f"/rounds/{played.id}/dispute/"))
    assert "Was ist geschehen?" in page
    case = complaint(anna)
    assert "Beschwerde" in text_of(browser.get(f"/account/cases/{case.reference}/"))
