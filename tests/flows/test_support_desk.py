"""The support desk from sign-in to the done thing, and what it refuses."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test import Client

from accounts.models import UnlockCode, User
from accounts.roles import Role
from audit.database_clock import database_now
from backoffice.support import acts
from compliance import caller_check, cases
from compliance.case_states import CaseKind
from compliance.models import Case
from kernel.ids import new_id
from notices.models import Notice
from tests import house
from tests.flows.accounts_steps import (
    audit_kinds,
    fail_to_sign_in,
    is_signed_in,
    keep_mail_here,
    latest_code,
    mails_to,
    make_player,
    sign_in,
    sign_up,
)
from tests.flows.case_steps import complaint, officer, step
from tests.flows.staff_steps import make_staff, sign_in_staff, staff_client
from tests.flows.support_steps import act, identify, one_who_played, say, text_of

pytestmark = pytest.mark.feature("F115")


@pytest.fixture(autouse=True)
def _mail(database, settings):
    keep_mail_here(settings)


@pytest.fixture
def desk() -> Client:
    """A browser in which a member of support has signed in, second factor included."""
    return sign_in_staff(make_staff(Role.SUPPORT))


# -- the way in ------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.COMPLIANCE])
def test_support_and_compliance_work_at_the_desk(role):
    assert staff_client(role).get("/support/").status_code == 200


@pytest.mark.parametrize(
    "role",
    [Role.PRESENTER, Role.PIT_BOSS, Role.FINANCE, Role.AUDITOR, Role.ADMINISTRATOR],
)
def test_other_roles_are_refused_at_each_address_of_the_desk(role):
    anna = house.player()
    case, browser = complaint(anna), staff_client(role)
    for address in ("", f"players/{anna}/", "cases/", f"cases/{case.reference}/", "api/cases"):
        assert browser.get(f"/support/{address}").status_code == 403, address
    posted = browser.post(f"/support/players/{anna}/act/sessions/")
    assert posted.status_code == 403


def test_a_visitor_and_a_player_do_not_enter():
    anna = make_player()
    browser = Client()
    assert browser.get("/support/").status_code == 302
    assert browser.get("/support/api/cases").status_code == 401
    assert browser.get("/support/api/cases/K7M-QX3P").status_code == 401
    sign_in(browser)
    assert browser.get(f"/support/players/{anna}/").status_code == 302
    assert browser.get("/support/api/cases").status_code == 401  # nobody at the staff's door


def test_without_the_second_factor_nothing_opens():
    browser = staff_client(Role.SUPPORT, verified=False)
    assert browser.get("/support/").status_code == 302
    assert browser.get("/support/api/cases").status_code == 403


# -- finding ---------------------------------------------------------------------------------------


def test_a_player_is_found_by_number_address_and_name_and_each_search_is_recorded(desk):
    anna = make_player("anna@example.org")
    User.objects.filter(pk=anna).update(name="Anna Berger")
    for query in (str(anna), "ANNA@example", "berger"):
        page = desk.get("/support/", {"q": query})
        assert [one.player_id for one in page.context["found"].players] == [anna], query
        assert "anna@example.org" not in text_of(page).replace(f'value="{query}"', "")
        assert "a•••@e•••.org" in text_of(page)
    assert audit_kinds("support.") == ["support.searched"] * 3


SHORT, NOBODY = "At least", "Nobody fits."


@pytest.mark.parametrize(
    ("query", "words"),
    [("ab", SHORT), ("x", SHORT), ("nobody@nowhere.example", NOBODY), ("9" * 40, NOBODY)],
)
def test_a_search_that_finds_nobody_says_so(desk, query, words):
    make_player()
    page = desk.get("/support/", {"q": query})
    assert (page.status_code, page.context["found"].players) == (200, ())
    assert words in text_of(page)


def test_a_search_shows_twenty_and_says_that_there_are_more(desk):
    for number in range(22):
        make_player(f"many{number:02d}@example.org")
    found = desk.get("/support/", {"q": "many0"})
    assert found.context["found"].players == ()  # a name, and nobody has one
    User.objects.filter(player__isnull=False).update(name="Somebody")
    found = desk.get("/support/", {"q": "somebody"}).context["found"]
    assert (len(found.players), found.more) == (20, True)


def test_staff_are_not_found(desk):
    finn = make_staff(Role.FINANCE, email="finn@example.org")
    assert desk.get("/support/", {"q": "finn@"}).context["found"].players == ()
    assert desk.get(f"/support/players/{finn.pk}/").status_code == 404


# -- who is calling --------------------------------------------------------------------------------


def test_before_the_caller_is_identified_the_page_shows_nothing_of_the_player(desk):
    anna = make_player("anna@example.org", date_of_birth=date(1990, 2, 28), country="DE")
    page = text_of(desk.get(f"/support/players/{anna}/"))
    for hidden in ("anna@example.org", "1990", "28 February", "Germany", "0.00"):
        assert hidden not in page, hidden
    assert "Not identified" in page
    assert audit_kinds("support.") == ["support.player_opened"]


def test_two_right_answers_open_the_page_and_the_data_itself_is_never_shown(desk):
    anna = house.player(balance_minor=50_000)
    assert say(desk, anna, "date_of_birth", "28.2.1990") == "Right."
    assert "Not identified" in text_of(desk.get(f"/support/players/{anna}/"))
    today = User.objects.get(pk=anna).created_at
    assert say(desk, anna, "signed_up", f"{today.month}/{today.year}") == "Right."
    page = text_of(desk.get(f"/support/players/{anna}/"))
    assert "Identified" in page
    assert "€500.00" in page
    assert "1990" not in page
    assert audit_kinds("support.identity") == ["support.identity_asked"] * 2


def test_one_right_answer_twice_is_one_answer(desk):
    anna = house.player()
    for _ in range(3):
        say(desk, anna, "date_of_birth", "1990-02-28")
    assert "Not identified" in text_of(desk.get(f"/support/players/{anna}/"))


def test_three_wrong_answers_lock_the_desk_for_that_player_for_everybody(desk):
    anna, ben = house.player(), house.player()
    for wrong in ("1990-02-27", "28.3.1990", "tomorrow"):
        assert say(desk, anna, "date_of_birth", wrong) == "Wrong."
    assert "locked" in say(desk, anna, "date_of_birth", "1990-02-28")
    other = staff_client(Role.SUPPORT)
    assert "desk_locked" in say(other, anna, "date_of_birth", "1990-02-28")
    assert say(other, ben, "date_of_birth", "1990-02-28") == "Right."
    assert audit_kinds("support.identity_locked") == ["support.identity_locked"]
    assert not caller_check.caller_now(anna, 1).is_identified


def test_a_lock_also_takes_back_what_was_right_before(desk):
    anna = house.player()
    identify(desk, anna)
    other = staff_client(Role.SUPPORT)
    for _ in range(3):
        say(other, anna, "last_deposit", "12345")
    assert "Locked" in text_of(desk.get(f"/support/players/{anna}/"))
    refused = desk.post(f"/support/players/{anna}/act/sessions/", follow=True)
    assert "desk_locked" in text_of(refused)


def answers_ago(owner, *minutes: float) -> None:
    """Wrong answers for the desk's player, each so many minutes ago, newest first."""
    owner.execute("ALTER TABLE compliance_caller_answer DISABLE TRIGGER USER")
    owner.execute(
        "UPDATE compliance_caller_answer a SET at = clock_timestamp() - m.ago * interval '1 minute'"
        " FROM (SELECT id, (%s::float[])[row_number() OVER (ORDER BY at DESC)] AS ago"
        " FROM compliance_caller_answer) m WHERE m.id = a.id",
        [list(minutes)],
    )


def test_the_lock_lasts_half_an_hour_from_the_third_wrong_answer(desk, owner):
    anna = house.player()
    for _ in range(3):
        say(desk, anna, "last_deposit", "12345")
    answers_ago(owner, 20, 35, 45)  # the first of them alone would have been over long ago
    locked = caller_check.caller_now(anna, 1).locked_until
    assert timedelta(minutes=9) < locked - database_now() < timedelta(minutes=10)
    answers_ago(owner, 31, 32, 33)
    assert caller_check.caller_now(anna, 1).locked_until is None
    answers_ago(owner, 1, 20, 40)  # three, but not within half an hour
    assert caller_check.caller_now(anna, 1).locked_until is None


def test_without_the_date_of_birth_nobody_is_identified(desk):
    anna = house.player()
    today = User.objects.get(pk=anna).created_at
    assert say(desk, anna, "signed_up", f"{today.month}/{today.year}") == "Right."
    assert say(desk, anna, "last_deposit", "0") == "Right."
    assert "the date of birth must be one" in text_of(desk.get(f"/support/players/{anna}/"))
    assert say(desk, anna, "date_of_birth", "28.2.1990") == "Right."
    assert "Identified" in text_of(desk.get(f"/support/players/{anna}/"))


def test_the_same_form_sent_twice_is_judged_once(desk):
    anna, key = house.player(), new_id().hex
    for _ in range(4):
        assert say(desk, anna, "date_of_birth", "1.1.2000", key=key) == "Wrong."
    assert say(desk, anna, "date_of_birth", "28.2.1990") == "Right."


def test_an_hour_later_the_caller_is_a_stranger_again(desk, owner):
    anna = house.player()
    identify(desk, anna)
    owner.execute("ALTER TABLE compliance_caller_answer DISABLE TRIGGER USER")
    owner.execute("UPDATE compliance_caller_answer SET at = at - interval '31 minutes'")
    assert "Not identified" in text_of(desk.get(f"/support/players/{anna}/"))


# -- helping ---------------------------------------------------------------------------------------


def test_a_held_player_gets_a_code_that_the_desk_never_sees(desk):
    anna = make_player("anna@example.org")
    phone = Client()
    fail_to_sign_in(phone, 3)
    sign_in(phone)
    assert not is_signed_in(phone)
    answer = desk.post(f"/support/players/{anna}/act/unlock/", follow=True)
    code = latest_code()
    assert code not in text_of(answer)
    assert UnlockCode.objects.filter(user_id=anna).count() == 1
    assert "anna@example.org" not in str(dict(desk.session.items()))
    phone.post("/account/unlock/code/", {"code": code})
    sign_in(phone)
    assert is_signed_in(phone)
    assert audit_kinds("support.unlock") == ["support.unlock_sent"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_event WHERE after::text LIKE %s", [f"%{code}%"])
        assert cursor.fetchone()[0] == 0


def test_no_code_leaves_that_is_not_recorded(desk, monkeypatch):
    anna = make_player("anna@example.org")
    monkeypatch.setattr(acts, "_audit", lambda *_a, **_k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        desk.post(f"/support/players/{anna}/act/unlock/")
    assert mails_to("anna@example.org") == []
    assert not UnlockCode.objects.exists()


def test_the_desk_mails_no_more_codes_than_anybody(desk):
    anna = make_player("anna@example.org")
    for _ in range(4):
        answer = desk.post(f"/support/players/{anna}/act/unlock/", follow=True)
    assert "Too many mails" in text_of(answer)
    assert len(mails_to("anna@example.org")) == 3
    assert audit_kinds("support.unlock") == ["support.unlock_sent"] * 3


def test_somebody_who_never_typed_the_code_learns_how_to_get_a_new_one(desk, settings):
    settings.NOTICES_SEND = "inline"
    sign_up(Client(), email="new@example.org", country="MT")
    new = User.objects.get(email="new@example.org")
    before = len(mails_to("new@example.org"))
    answer = desk.post(f"/support/players/{new.pk}/act/verification/", follow=True)
    assert "finish the sign-up" in text_of(answer)
    assert "Finish your sign-up" in mails_to("new@example.org")[before:][0]
    phone = Client()
    sign_in(phone, "new@example.org")
    phone.post("/account/confirm-email/", {"code": latest_code("new@example.org")})
    assert is_signed_in(phone)


def test_a_confirmed_address_needs_no_mail(desk):
    anna = make_player()
    answer = desk.post(f"/support/players/{anna}/act/verification/", follow=True)
    assert "already_verified" in text_of(answer)
    assert mails_to() == []


def test_sessions_end_only_for_an_identified_caller(desk):
    anna = make_player()
    phone = Client()
    sign_in(phone)
    refused = desk.post(f"/support/players/{anna}/act/sessions/", follow=True)
    assert "caller_not_identified" in text_of(refused)
    assert is_signed_in(phone)
    with_standing = house.player()
    identify(desk, with_standing)
    tablet = Client()
    sign_in(tablet, User.objects.get(pk=with_standing).email, "correct horse battery staple")
    assert is_signed_in(tablet)
    done = desk.post(f"/support/players/{with_standing}/act/sessions/", follow=True)
    assert "Sessions ended: 1." in text_of(done)
    assert not is_signed_in(tablet)
    assert audit_kinds("support.sessions") == ["support.sessions_ended"]


def test_an_unknown_act_and_a_player_that_is_not_there_are_not_found(desk):
    anna = make_player()
    assert desk.post(f"/support/players/{anna}/act/credit/").status_code == 404
    assert desk.get("/support/players/999999/").status_code == 404
    assert desk.get(f"/support/players/{anna}/act/unlock/").status_code == 405


# -- a round as the player saw it ------------------------------------------------------------------


def test_the_desk_sees_a_round_as_its_player_saw_it(desk):
    anna, played = one_who_played()
    address = f"/support/players/{anna}/rounds/{played.id}/"
    refused = desk.get(address, follow=True)
    assert "caller_not_identified" in text_of(refused)
    assert "€99.00" not in text_of(refused)
    born = "1990-02-28"
    say(desk, anna, "date_of_birth", born)
    say(desk, anna, "last_deposit", "0")
    page = desk.get(address)
    own = Client()
    sign_in(own, User.objects.get(pk=anna).email, "correct horse battery staple")
    his = own.get(f"/rounds/{played.id}/").context
    for name in ("bets", "balance_before_minor", "balance_after_minor", "round", "events"):
        assert page.context[name] == his[name], name
    text = text_of(page)
    for shown in ("5 red", "€1.00", "€2.00", "€100.00", "€101.00", "Sources that agree"):
        assert shown in text, shown
    assert audit_kinds("support.round") == ["support.round_opened"]


def test_a_round_in_which_the_player_had_no_bet_is_not_found(desk):
    _anna, played = one_who_played()
    ben = house.player()
    identify(desk, ben)
    assert desk.get(f"/support/players/{ben}/rounds/{played.id}/").status_code == 404


# -- cases -----------------------------------------------------------------------------------------


def test_support_opens_a_dispute_for_an_identified_caller_and_answers_it(desk):
    anna, played = one_who_played()
    say(desk, anna, "date_of_birth", "1990-02-28")
    say(desk, anna, "last_deposit", "0")
    opened = desk.post(
        f"/support/players/{anna}/rounds/{played.id}/dispute/",
        {"text": "The ball lay in 7.", "key": new_id().hex},
        follow=True,
    )
    case = Case.objects.get()
    assert (case.kind, case.round_id, len(case.bets)) == ("dispute", played.id, 1)
    assert case.opened_by.startswith("staff:")
    assert case.reference in text_of(opened)
    act(desk, case, "take")
    act(desk, case, "acknowledge")
    act(desk, case, "answer", text="The clip shows 5.", outcome="rejected")
    case.refresh_from_db()
    assert (case.state, case.outcome) == ("answered", "rejected")
    assert Notice.objects.filter(person_id=anna, kind="case_news").count() == 3


def test_a_stranger_who_disputes_a_round_is_not_told_whether_the_player_was_in_it(desk):
    anna, played = one_who_played()
    ben = house.player()
    form = {"text": "The ball lay in 7.", "key": new_id().hex}
    told = []
    for player in (anna, ben):
        answer = desk.post(f"/support/players/{player}/rounds/{played.id}/dispute/", form)
        assert "caller_not_identified" in text_of(answer)
        told.append((answer.status_code, "The ball lay in 7." in text_of(answer)))
    assert told == [(409, True), (409, True)]
    assert Case.objects.count() == 0
    assert audit_kinds("support.")[-2:] == ["support.player_opened"] * 2


def test_without_an_identified_caller_no_case_is_opened(desk):
    anna = house.player()
    form = {"kind": "complaint", "subject": "Late", "text": "Where?", "key": new_id().hex}
    answer = desk.post(f"/support/players/{anna}/cases/", form, follow=True)
    assert "caller_not_identified" in text_of(answer)
    assert Case.objects.count() == 0


def test_the_queue_puts_what_is_due_first_on_top_and_shows_what_is_late(desk, owner):
    anna = house.player()
    first, second = complaint(anna, subject="First"), complaint(anna, subject="Second")
    owner.execute("ALTER TABLE compliance_case DISABLE TRIGGER compliance_case_change")
    owner.execute(
        "UPDATE compliance_case SET due_at = clock_timestamp() - interval '1 hour' WHERE id = %s",
        [second.id],
    )
    rows = desk.get("/support/cases/").context["cases"]
    assert [row["reference"] for row in rows] == [second.reference, first.reference]
    assert [row["is_overdue"] for row in rows] == [True, False]
    late = desk.get("/support/cases/", {"show": "overdue"}).context["cases"]
    assert [row["reference"] for row in late] == [second.reference]
    assert desk.get("/support/").context["overdue"] == 1


def test_two_who_act_on_one_case_at_once_are_told(desk):
    anna = house.player()
    case, other = complaint(anna), staff_client(Role.SUPPORT)
    seen = case.version
    act(desk, case, "acknowledge", seen=seen)
    answer = act(other, case, "close", seen=seen, text="Nonsense")
    assert "case_stale" in text_of(answer)
    assert Case.objects.get(pk=case.pk).state == "acknowledged"


def test_an_incomplete_form_is_shown_again_and_changes_nothing(desk):
    case = complaint(house.player())
    page = act(desk, case, "close")
    assert page.status_code == 422
    assert page.context["close_form"].errors["text"]
    assert Case.objects.get(pk=case.pk).state == "opened"


# -- what the desk must not learn ------------------------------------------------------------------


@pytest.mark.feature("F68")
def test_nothing_tells_the_desk_that_there_is_a_hidden_case(desk):
    """Byte for byte: with a hidden case each page and answer is what it is without one."""
    anna, played = one_who_played()
    say(desk, anna, "date_of_birth", "1990-02-28")
    say(desk, anna, "last_deposit", "0")
    plain = complaint(anna)
    unknown = "QQQ-QQQQ"

    def everything(reference: str) -> dict[str, str]:
        found = {}
        for address in (
            *("", f"players/{anna}/", f"players/{anna}/rounds/{played.id}/", "cases/"),
            *("cases/?show=overdue", "cases/?show=closed", "cases/?show=unassigned"),
            *("cases/?page=2", f"cases/{plain.reference}/", "api/cases"),
            *(f"api/cases/{plain.reference}", f"cases/{reference}/", f"api/cases/{reference}"),
        ):
            answer = desk.get(f"/support/{address}")
            found[address.replace(reference, "?")] = f"{answer.status_code} {bare(answer)}"
        for name in ("acknowledge", "note", "close", "nonsense"):
            answer = desk.post(
                f"/support/cases/{reference}/{name}/", {"key": "k" * 32, "seen": 1, "text": "x"}
            )
            found[name] = f"{answer.status_code} {bare(answer)}".replace(reference, "?")
        form = {"subject": "S", "text": "T", "key": new_id().hex, "kind": "suspicion"}
        refused = desk.post(f"/support/players/{anna}/cases/", form)
        found["new"] = f"{refused.status_code} {bare(refused)}"
        return {name: text.replace(reference, "?") for name, text in found.items()}

    before = everything(unknown)
    cora = officer(Role.COMPLIANCE, sees_hidden=True)
    hidden = complaint(
        anna, cora, kind=CaseKind.SUSPICION, subject="Structuring", round_id=played.id
    )
    cases.note(step(plain), "Watch this one: structuring.", cora, confidential=True)
    after = everything(hidden.reference)
    assert after == before
    assert before["cases/?/"].startswith("404 ")
    assert before["new"].startswith("422 ")


def bare(answer) -> str:
    """A page without what differs between two loads of it anyway."""
    text = answer.content.decode()
    text = re.sub(r'name="(csrfmiddlewaretoken|key)" value="[^"]+"', "", text)
    text = re.sub(r'value="[0-9a-f]{32}"', "", text)
    return re.sub(r'nonce="[^"]+"|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}', "", text)


@pytest.mark.feature("F68")
def test_compliance_sees_the_hidden_case_and_the_confidential_note():
    anna = house.player()
    cora = officer(Role.COMPLIANCE, sees_hidden=True)
    hidden = complaint(anna, cora, kind=CaseKind.SUSPICION, subject="Structuring")
    cases.note(step(hidden), "Three accounts.", cora, confidential=True)
    browser = staff_client(Role.COMPLIANCE)
    assert "Structuring" in text_of(browser.get("/support/cases/"))
    page = text_of(browser.get(f"/support/cases/{hidden.reference}/"))
    assert "Three accounts." in page
    assert "must not learn" in page
    listed = browser.get("/support/api/cases").json()
    assert [one["reference"] for one in listed] == [hidden.reference]
