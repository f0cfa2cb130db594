"""The officers' pages: a suspicion, a marker of harm and a rule go their whole way by forms."""

import re

import pytest

from accounts.roles import Role
from backoffice import tasks, watching
from compliance.watching import casework, versions
from compliance.watching.rulebook import Family
from kernel.ids import new_id
from notices.models import Notice
from tests import house
from tests.flows.staff_steps import staff_client
from tests.flows.watching_steps import a_case, activate, deposit

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F112")]


@pytest.fixture
def one(database):
    return staff_client(Role.COMPLIANCE)


@pytest.fixture
def other(database):
    return staff_client(Role.COMPLIANCE)


def send(client, page, name, **fields):
    """The form of the page as it stands, with ``fields`` typed in."""
    shown = client.get(page).content.decode()
    seen = re.search(r'name="seen" value="(\d+)"', shown)
    fields |= {"key": new_id().hex, "seen": seen.group(1) if seen else ""}
    answer = client.post(f"{page}{name}/", fields, follow=True)
    assert answer.status_code in {200, 409}
    return answer.content.decode()


def test_a_suspicion_goes_from_alert_to_report_by_two_officers(one, other):
    case = a_case()
    page = f"/admin/suspicions/{case.reference}/"
    assert case.reference in one.get("/admin/suspicions/").content.decode()
    shown = one.get(page).content.decode()
    for expected in ("AML-STRUCTURING", "5,700.00 EUR", "1,900.00 EUR", "Take it in hand"):
        assert expected in shown
    assert "Done: in hand." in send(one, page, "take")
    assert "Write something first. (watch_text_missing)" in send(
        one, page, "propose", verdict="report", text=" "
    )
    assert "(watch_verdict_missing)" in send(one, page, "propose", text="x")
    assert "Another officer decides." in send(
        one, page, "propose", verdict="report", text="Just <below> the threshold."
    )
    assert "(same_person)" in send(one, page, "approve", text="Yes.")
    assert "Just &lt;below&gt; the threshold." in other.get(page).content.decode()
    assert "Done: to be reported." in send(other, page, "approve", text="Yes.")
    assert "Done: reported." in send(one, page, "file")
    assert "(watch_text_missing)" in send(one, page, "report", reason="")
    file = one.post(f"{page}report/", {"reason": "To file it."})
    assert file["Content-Type"] == "application/xml"
    assert case.reference in file["Content-Disposition"]
    assert b"Just &lt;below&gt; the threshold." in file.content


def test_a_page_that_is_out_of_date_changes_nothing(one, other):
    case = a_case()
    page = f"/admin/suspicions/{case.reference}/"
    send(one, page, "take")
    stale = other.post(f"{page}note/", {"text": "x", "key": "k", "seen": "1"}, follow=True)
    assert stale.status_code == 409
    assert "(watch_case_stale)" in stale.content.decode()
    assert '<textarea rows="4" readonly>x</textarea>' in stale.content.decode()
    assert [event.kind for event in casework.events(case.id)] == ["alert", "taken"]
    assert one.get("/admin/suspicions/NONE-SUCH/").status_code == 404
    assert one.post(f"{page}nothing/").status_code == 404


def test_a_case_is_opened_by_hand(one):
    player = house.player()
    for queue, family in (("/admin/suspicions/", Family.AML), ("/admin/harm/", Family.HARM)):
        fields = {"player": str(player), "text": "The bank called.", "key": "k"}
        answer = one.post(f"{queue}new/", fields, follow=True).content.decode()
        assert "The bank called." in answer
        wrong = one.post(f"{queue}new/", fields | {"player": "x"}, follow=True).content.decode()
        assert "There is no such player. (watch_no_player)" in wrong
        assert len(casework.queue(family)) == 1


@pytest.mark.feature("F106")
def test_a_marker_of_harm_goes_from_alert_to_outcome(one):
    player = house.player()
    for days in (3, 10, 17):
        deposit(player, 50_000, days=days)
    activate("high_spend")
    watching.run()
    (case,) = casework.queue(Family.HARM)
    page = f"/admin/harm/{case.reference}/"
    assert "HARM-SPEND" in one.get(page).content.decode()
    send(one, page, "take")
    assert "Done: message sent, outcome is due." in send(
        one, page, "speak", template="harm_spend", text="Kind regards"
    )
    assert Notice.objects.get(person_id=player).kind == "harm_spend"
    shown = one.get(page).content.decode()
    assert "Before and since the message" in shown
    assert '<option value="stopped" selected>' in shown
    assert "(watch_verdict_missing)" in send(one, page, "record", text="x", outcome="?")
    assert "Done: outcome recorded." in send(one, page, "record", outcome="stopped", text="Quiet.")


def test_a_rule_becomes_active_on_its_page_by_two_officers(one, other):
    player = house.player()
    for days in (1, 2, 3):
        deposit(player, 190_000, days=days)
    watching.sync()
    (found,) = [v for v in versions.everything() if v.rule.code == "structuring"]
    page = f"/admin/watching/{found.id}/"
    assert "in shadow" in one.get("/admin/watching/").content.decode()
    assert "Propose to make it active" not in one.get(page).content.decode()
    assert "this page shows how far it is" in send(one, page, "backtest")
    tasks.try_rules()
    tried = one.get(page).content.decode()
    assert f'<a href="/admin/players/{player}/">{player}</a>' in tried
    assert "Done: proposed." in send(one, page, "propose", reason="Right hits.")
    assert "(same_person)" in send(one, page, "approve", reason="Me again.")
    assert "Done: active." in send(other, page, "approve", reason="Yes.")
    assert "Done: active; somebody would retire it." in send(one, page, "retire", reason="Broken.")
    assert "You would retire it" in one.get(page).content.decode()
    assert "(same_person)" in send(one, page, "retire", reason="Broken.")
    assert "Your colleague would retire it" in other.get(page).content.decode()
    assert "Done: retired." in send(other, page, "retire", reason="So it is.")
