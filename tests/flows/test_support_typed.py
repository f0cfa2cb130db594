"""At the desk nothing that was typed is lost, and nothing is chosen by itself."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.roles import Role
from backoffice.support.forms import NewCaseForm
from compliance import cases
from compliance.case_states import CaseKind
from compliance.models import Case
from kernel.ids import new_id
from notices.models import Notice
from tests import house
from tests.flows.accounts_steps import keep_mail_here
from tests.flows.case_steps import complaint, officer, step
from tests.flows.staff_steps import make_staff, sign_in_staff, staff_client
from tests.flows.support_steps import act, one_who_played, say, text_of

pytestmark = pytest.mark.feature("F115")


@pytest.fixture(autouse=True)
def _mail(database, settings):
    keep_mail_here(settings)


@pytest.fixture
def desk() -> Client:
    """A browser in which a member of support has signed in, second factor included."""
    return sign_in_staff(make_staff(Role.SUPPORT))


def test_words_typed_on_a_stale_page_are_still_there_to_be_sent_again(desk):
    anna = house.player()
    case = complaint(anna)
    act(desk, case, "acknowledge")
    seen = Case.objects.get(pk=case.pk).version
    cases.write_as_player(anna, case.reference, "It has come.", key="k1")
    page = act(desk, case, "answer", seen=seen, text="A long answer.", outcome="rejected")
    assert page.status_code == 409
    form = page.context["answer_form"]
    assert (form["text"].value(), form["outcome"].value()) == ("A long answer.", "rejected")
    assert int(form["seen"].value()) == Case.objects.get(pk=case.pk).version
    assert "case_stale" in text_of(page)
    assert "It has come." in text_of(page)
    again = {name: form[name].value() for name in ("key", "seen", "text", "outcome")}
    desk.post(f"/support/cases/{case.reference}/answer/", again)
    assert Case.objects.get(pk=case.pk).state == "answered"


def test_words_for_a_case_that_somebody_closed_meanwhile_are_shown(desk):
    case = complaint(house.player())
    seen = case.version
    act(desk, case, "close", text="Withdrawn")
    page = act(desk, case, "note", seen=seen, text="A long note.")
    assert page.status_code == 409
    assert "A long note." in text_of(page)


def test_words_of_a_new_case_survive_a_lapsed_half_hour(desk):
    anna = house.player()
    form = {"kind": "complaint", "subject": "Late", "text": "A long story.", "key": new_id().hex}
    page = desk.post(f"/support/players/{anna}/cases/", form)
    assert page.status_code == 409
    assert "caller_not_identified" in text_of(page)
    assert "A long story." in text_of(page)
    assert Case.objects.count() == 0


def test_an_incomplete_dispute_is_shown_again_with_its_words(desk):
    anna, played = one_who_played()
    say(desk, anna, "date_of_birth", "1990-02-28")
    say(desk, anna, "last_deposit", "0")
    sent = {"key": "", "text": "The ball was touched."}
    page = desk.post(f"/support/players/{anna}/rounds/{played.id}/dispute/", sent)
    assert page.status_code == 422
    assert page.context["dispute_form"]["text"].value() == "The ball was touched."
    assert Case.objects.count() == 0


def test_nothing_is_chosen_for_somebody_who_did_not_choose(desk):
    case = complaint(house.player())
    act(desk, case, "acknowledge")
    page = act(desk, case, "answer", text="Thank you.", outcome="")
    assert page.status_code == 422
    assert page.context["answer_form"].fields["outcome"].choices[0][0] == ""
    assert Case.objects.get(pk=case.pk).state == "acknowledged"
    assert NewCaseForm().fields["kind"].choices[0][0] == ""


def test_a_closed_case_opens_the_round_no_more(desk):
    anna, played = one_who_played()
    case = complaint(anna, kind=CaseKind.DISPUTE, round_id=played.id)
    address = f"/support/players/{anna}/rounds/{played.id}/"
    assert desk.get(address).status_code == 200
    act(desk, case, "close", text="Withdrawn")
    assert desk.get(address).status_code == 302


@pytest.mark.feature("F68")
def test_a_hidden_case_from_before_is_read_by_compliance_and_its_page_speaks_to_nobody():
    anna, browser = house.player(), staff_client(Role.COMPLIANCE)
    cora = officer(Role.COMPLIANCE, sees_hidden=True)
    old = complaint(anna, cora, kind=CaseKind.SUSPICION, subject="Structuring")
    page = text_of(browser.get(f"/support/cases/{old.reference}/"))
    assert "Structuring" in page
    for wrong in ("Tell the player", "the player reads it", "The player learns", "Ask the player"):
        assert wrong not in page, wrong
    assert "Nobody is told" in page
    assert not Notice.objects.filter(person_id=anna).exists()


@pytest.mark.feature("F68")
def test_the_desk_offers_and_takes_no_suspicion_from_compliance_either():
    anna, browser = house.player(), staff_client(Role.COMPLIANCE)
    assert "uspicion" not in browser.get(f"/support/players/{anna}/").content.decode()
    form = {"kind": "suspicion", "subject": "Structuring", "text": "T", "key": new_id().hex}
    assert browser.post(f"/support/players/{anna}/cases/", form).status_code == 422
    assert not Case.objects.exists()


def test_a_page_of_cases_asks_once_for_names(desk):
    anna, sofia = house.player(), officer(Role.SUPPORT)
    for number in range(8):
        case = complaint(anna, subject=f"Matter {number}")
        cases.assign(step(case), int(sofia.actor.id), sofia)
    with CaptureQueriesContext(connection) as asked:
        desk.get("/support/cases/")
    by_user = [one["sql"] for one in asked if 'FROM "accounts_user" WHERE' in one["sql"]]
    assert len(by_user) <= 3  # who is signed in, and the names
