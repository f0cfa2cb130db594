"""Asking about one's data: from the account and by a mailed link, in time, told, taken back."""

from __future__ import annotations

import re
from datetime import timedelta

import psycopg
import pytest
from django.core import mail
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from audit.database_clock import database_now
from audit.models import AuditEvent
from backoffice.data_rights import deciding, erasing, links, requests
from backoffice.data_rights.deciding import Decision
from backoffice.data_rights.requests import CameBy, DataCode, Kind, State
from casino.log_lines import cut_query
from compliance import cases
from compliance.case_states import CaseKind
from compliance.cases import Matter, Officer
from compliance.models import Standing
from kernel.ids import PlayerId, new_id
from kernel.refusal import Refused
from notices.models import Notice
from tests import house
from tests.flows.erasure_steps import GRANTED, ask, closed, grant, officers
from tests.flows.staff_steps import make_staff, staff_client
from tests.flows.test_my_data import rows, signed_in, taken

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F111")]
PAGE = "/account/data/"
FORMER = "/data/"


def email(player: PlayerId) -> str:
    return User.objects.get(pk=player).email


def code(act, *args, **named) -> str:
    with pytest.raises(Refused) as refused:
        act(*args, **named)
    return str(refused.value.code)


def link_of(outbox: list) -> str:
    found = re.search(r"http://testserver(/data/link/\S+)", outbox[-1].body)
    assert found is not None
    return found[1]


@pytest.fixture
def _mail_here(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    mail.outbox = []


# --- from the account


def test_a_player_asks_for_a_correction_and_reads_what_became_of_it():
    player = house.player()
    browser = signed_in(player)
    page = browser.get(PAGE).content.decode()
    assert "Your data" in page
    sent = {"correct-key": new_id().hex, "correct-text": "My name is <Anna>."}
    answer = browser.post(f"{PAGE}ask/correct/", sent, follow=True)
    [request] = requests.of_player(player)
    assert f"Your reference is {request.reference}" in answer.content.decode()
    assert (request.kind, request.came_by, request.state) == (
        Kind.CORRECT,
        CameBy.ACCOUNT,
        State.OPEN,
    )
    month = request.due_at - request.asked_at
    assert timedelta(days=28) <= month <= timedelta(days=31)
    assert browser.post(f"{PAGE}ask/correct/", sent).status_code == 302  # the same form again
    assert len(requests.of_player(player)) == 1
    told = Notice.objects.filter(person_id=player, kind="data_request_news")
    assert [one.context for one in told] == [{"reference": request.reference}]
    one, _ = officers()
    deciding.answer(
        request.reference, Decision("granted", told="Done.", note="ID seen."), key="k", actor=one
    )
    page = browser.get(PAGE).content.decode()
    assert "Granted" in page
    assert "Done." in page
    assert "ID seen." not in page
    assert told.all().count() == 2
    audited = AuditEvent.objects.filter(kind__startswith="data.").order_by("at")
    assert [one.kind for one in audited] == ["data.asked", "data.decided"]
    assert all("Anna" not in str(one.after) and not one.reason for one in audited)


def test_a_copy_has_what_was_asked_and_answered_and_not_what_officers_say():
    player = house.player()
    request = ask(player, Kind.CORRECT, "My name is Anna.")
    part = ask(player)
    one, _ = officers()
    decision = Decision("part", "is_right", "Half of it.", "Inner words.")
    deciding.answer(request.reference, decision, key="k-1", actor=one)
    deciding.propose(part.reference, GRANTED, key="k-2", actor=one)
    archive = taken(signed_in(player))
    found = {row["reference"]: row for row in rows(archive, "data_requests.jsonl")}
    assert found[request.reference]["your_words"] == "My name is Anna."
    assert [row["text"] for row in found[request.reference]["answers"]] == ["Half of it."]
    assert found[part.reference]["answers"] == []
    assert b"Inner words." not in archive.read("data_requests.jsonl")


def test_what_a_player_writes_is_kept_under_their_key(owner):
    player = house.player()
    request = ask(player, Kind.CORRECT, "My name is Anna.")
    assert requests.text_of(request) == "My name is Anna."
    [row] = owner.execute("SELECT personal FROM backoffice_data_request").fetchall()
    assert b"Anna" not in bytes(row[0])


def test_asking_needs_a_fresh_proof_and_a_box_that_is_ticked(settings):
    player = house.player()
    browser = signed_in(player)
    unticked = browser.post(f"{PAGE}ask/erase/", {"erase-key": new_id().hex, "erase-text": ""})
    assert unticked.status_code == 422
    assert requests.of_player(player) == []
    session = browser.session
    session["account_authentication_methods"] = []
    session.save()
    sent = {"erase-key": new_id().hex, "erase-sure": "on"}
    assert browser.post(f"{PAGE}ask/erase/", sent).status_code == 302
    assert requests.of_player(player) == []
    assert browser.post(f"{PAGE}ask/nothing/", sent).status_code == 404
    assert Client().post(f"{PAGE}ask/erase/", sent).status_code == 302


def test_bad_words_are_refused_and_one_of_a_kind_waits():
    player = house.player()
    assert code(ask, player, Kind.CORRECT, "  ") == DataCode.TEXT_MISSING
    assert code(ask, player, Kind.ERASE, "x" * 2_001) == DataCode.TEXT_TOO_LONG
    ask(player, Kind.ERASE, "Zoë\x00")
    assert code(ask, player, Kind.ERASE) == DataCode.ALREADY_ASKED
    assert [requests.text_of(one) for one in requests.of_player(player)] == ["Zoë\ufffd"]
    assert code(requests.ask, PlayerId(999_999), Kind.ERASE, "", key="k") == "no_standing"


def test_a_player_takes_their_own_request_back_and_nobody_elses():
    ada, bob = house.player(), house.player()
    request = ask(ada)
    one, two = officers()
    deciding.propose(request.reference, GRANTED, key="k-1", actor=one)
    address = f"{PAGE}{request.reference}/withdraw/"
    assert signed_in(bob).post(address, {"key": new_id().hex}).status_code == 404
    assert requests.find(request.reference).state is State.PROPOSED
    browser = signed_in(ada)
    browser.post(address, {"key": new_id().hex})
    assert requests.find(request.reference).state is State.WITHDRAWN
    again = deciding.agree
    assert code(again, request.reference, note="x", key="k-2", actor=two) == DataCode.REQUEST_OVER
    assert Standing.objects.get(pk=ada).status == "active"
    assert erasing.of_player(ada) == []
    assert "Taken back" in browser.get(PAGE).content.decode()


def test_a_proposal_is_not_told_before_it_is_decided():
    player = house.player()
    request = ask(player)
    one, _ = officers()
    part = Decision("refused", "claims", "There is a claim.", "Lawyer says so.")
    deciding.propose(request.reference, part, key="k", actor=one)
    page = signed_in(player).get(PAGE).content.decode()
    assert "In our hands" in page
    assert "There is a claim." not in page
    assert "Lawyer" not in page


# --- time


def test_it_is_extended_once_by_two_months_with_a_word_to_the_person(database):
    player = house.player()
    request = ask(player, Kind.CORRECT, "Wrong.")
    one, two = officers()
    assert (
        code(deciding.extend, request.reference, told=" ", key="k-0", actor=one) == "reason_missing"
    )
    more = deciding.extend(request.reference, told="Many papers.", key="k-1", actor=one)
    assert timedelta(days=58) < more.due_at - request.due_at < timedelta(days=63)
    assert "Many papers." in signed_in(player).get(PAGE).content.decode()
    assert (
        code(deciding.extend, request.reference, told="More.", key="k-2", actor=two)
        == DataCode.NOT_EXTENDABLE
    )
    other = ask(house.player(), Kind.COPY)
    with psycopg.connect(database.app_url, autocommit=True) as db:
        for months in (3, -1):
            with pytest.raises(psycopg.errors.RestrictViolation, match="two months"):
                db.execute(
                    "INSERT INTO backoffice_data_word (id, request_id, no, step, told, by_staff,"
                    " due_at, key) VALUES (gen_random_uuid(), %s, 1, 'extended', 'x', %s,"
                    " %s::timestamptz + make_interval(months => %s), 'k')",
                    [other.id, int(one.id), other.due_at, months],
                )


def test_a_late_request_is_told_to_officers_once_and_stands_in_what_waits(owner):
    request = ask(house.player(), Kind.COPY)
    officer = make_staff(Role.COMPLIANCE)
    assert deciding.alarm_overdue() == 0
    owner.execute("ALTER TABLE backoffice_data_request DISABLE TRIGGER USER")
    owner.execute(
        "UPDATE backoffice_data_request SET asked_at = asked_at - interval '40 days',"
        " due_at = due_at - interval '40 days'"
    )
    owner.execute("ALTER TABLE backoffice_data_request ENABLE TRIGGER USER")
    assert deciding.alarm_overdue() == 1
    assert deciding.alarm_overdue() == 0
    told = Notice.objects.filter(person_id=officer.pk, kind="officers_overdue")
    assert [one.context["reference"] for one in told] == [str(request.id)]
    page = staff_client(Role.COMPLIANCE).get("/admin/officers/").content.decode()
    assert "Requests about data" in page
    assert "1 late" in page


# --- the desk


def test_two_officers_answer_at_the_desk_and_a_refusal_keeps_the_words():
    player = house.player()
    request = ask(player, Kind.ERASE, "Please <forget> me.")
    one, two = staff_client(Role.COMPLIANCE), staff_client(Role.COMPLIANCE)
    at = f"/admin/data/{request.reference}/"
    assert request.reference in one.get("/admin/data/").content.decode()
    page = one.get(at).content.decode()
    assert "Please &lt;forget&gt; me." in page
    fields = {"key": new_id().hex, "verdict": "part", "code": "", "told": "Some.", "note": "x"}
    refused = one.post(f"{at}propose/", fields)
    assert refused.status_code == 409
    assert "data_code_missing" in refused.content.decode()
    assert "Some." in refused.content.decode()
    fields |= {"code": "kept_by_law"}
    refused = one.post(f"{at}propose/", fields)
    assert (refused.status_code, "data_keeps_missing" in refused.content.decode()) == (409, True)
    fields |= {"keeps": ["payments", "cases"], "until": "2099-01-01"}
    done = one.post(f"{at}propose/", fields, follow=True)
    assert "keeps Payments until 2099-01-01" in done.content.decode()
    assert "waits for a second officer" in done.content.decode()
    own = one.post(f"{at}agree/", {"key": new_id().hex, "note": "y"})
    assert (own.status_code, "same_person" in own.content.decode()) == (409, True)
    decided = two.post(f"{at}agree/", {"key": new_id().hex, "note": "y"}, follow=True)
    assert "granted in part" in decided.content.decode()
    assert "Account and identity" in decided.content.decode()
    assert Standing.objects.get(pk=player).status == "closed"
    assert two.post(f"{at}nothing/", fields).status_code == 404
    assert two.get("/admin/data/AAA-AAAA/").status_code == 404


def test_others_do_not_decide_and_an_auditor_reads_no_words():
    request = ask(house.player(), Kind.ERASE, "Secret words.")
    at = f"/admin/data/{request.reference}/"
    auditor = staff_client(Role.AUDITOR)
    page = auditor.get(at)
    assert page.status_code == 200
    assert "Secret words." not in page.content.decode()
    assert auditor.post(f"{at}propose/", {}).status_code == 403
    for role in (Role.SUPPORT, Role.FINANCE, Role.PIT_BOSS, Role.ADMINISTRATOR):
        assert staff_client(role).get(at).status_code == 403
    finance = officers()[0].__class__.staff(make_staff(Role.FINANCE, key=None).pk)
    assert (
        code(deciding.propose, request.reference, GRANTED, key="k", actor=finance) == "not_allowed"
    )


# --- former customers


@pytest.mark.usefixtures("_mail_here")
def test_a_former_customer_asks_by_a_link_that_works_once(owner):
    player = house.player()
    closed(owner, player, "1 day")
    visitor = Client()
    sent = visitor.post(FORMER, {"email": email(player).upper()})
    assert sent.status_code == 200
    address = link_of(mail.outbox)
    assert visitor.get(address).status_code == 200
    assert visitor.post(address, {"kind": "correct", "text": ""}).status_code == 422
    assert requests.of_player(player) == []
    unsure = visitor.post(address, {"kind": "erase", "text": ""})
    assert (unsure.status_code, requests.of_player(player)) == (422, [])
    answer = visitor.post(address, {"kind": "erase", "text": "", "sure": "on"})
    [request] = requests.of_player(player)
    assert request.reference in answer.content.decode()
    assert (request.kind, request.came_by) == (Kind.ERASE, CameBy.LINK)
    for method in (visitor.get, visitor.post):
        gone = method(address)
        assert (gone.status_code, "This link is over" in gone.content.decode()) == (410, True)
    assert len(requests.of_player(player)) == 1
    visitor.post(FORMER, {"email": email(player)})
    assert request.reference in visitor.get(link_of(mail.outbox)).content.decode()


@pytest.mark.usefixtures("_mail_here")
def test_whoever_can_sign_in_gets_no_link_and_the_database_takes_none(database):
    player = house.player()
    answer = Client().post(FORMER, {"email": email(player)})
    assert answer.status_code == 200
    assert "/account/data/" in mail.outbox[0].body
    assert "/data/link/" not in mail.outbox[0].body
    with (
        psycopg.connect(database.app_url, autocommit=True) as db,
        pytest.raises(psycopg.errors.RestrictViolation, match="needs no link"),
    ):
        db.execute(
            "INSERT INTO backoffice_data_link (id, player_id, token_hash, expires_at)"
            " VALUES (%s, %s, %s, now() + interval '1 hour')",
            [new_id(), player, "a" * 64],
        )


def test_a_links_token_is_in_no_log_line():
    address = links.address("secret-token")
    line = cut_query(None, "", {"request": f"GET {address}"})
    assert "secret" not in line["request"]
    assert line["request"] == "GET /data/link/"


@pytest.mark.usefixtures("_mail_here")
def test_the_page_says_the_same_of_every_address_and_only_the_mail_differs(owner):
    player, live = house.player(), house.player()
    closed(owner, player, "1 day")
    visitor = Client()
    known = visitor.post(FORMER, {"email": email(player)})
    signing_in = visitor.post(FORMER, {"email": email(live)})
    unknown = visitor.post(FORMER, {"email": "nobody@example.org"})
    bare = re.compile(rb'name="csrfmiddlewaretoken" value="[^"]*"|nonce="[^"]*"')
    assert (known.status_code, bare.sub(b"", known.content)) == (
        unknown.status_code,
        bare.sub(b"", unknown.content),
    )
    assert bare.sub(b"", signing_in.content) == bare.sub(b"", unknown.content)
    told = [[email(player)], [email(live)], ["nobody@example.org"]]
    assert [one.to for one in mail.outbox] == told
    assert "/data/link/" in mail.outbox[0].body
    assert "/data/link/" not in mail.outbox[1].body
    assert "/data/" not in mail.outbox[2].body


@pytest.mark.usefixtures("_mail_here")
def test_a_fourth_link_within_six_hours_is_refused_for_known_and_unknown_alike():
    player = house.player()
    for address in (email(player), "nobody@example.org"):
        answers = [Client().post(FORMER, {"email": address}).status_code for _ in range(4)]
        assert answers == [200, 200, 200, 429]
    assert len(mail.outbox) == 6


@pytest.mark.usefixtures("_mail_here")
def test_a_link_is_over_after_an_hour_and_cannot_be_used_again_in_the_database(database, owner):
    player = house.player()
    closed(owner, player, "1 day")
    Client().post(FORMER, {"email": email(player)})
    address = link_of(mail.outbox)
    owner.execute("ALTER TABLE backoffice_data_link DISABLE TRIGGER USER")
    owner.execute(
        "UPDATE backoffice_data_link SET made_at = made_at - interval '1 hour',"
        " expires_at = expires_at - interval '1 hour'"
    )
    owner.execute("ALTER TABLE backoffice_data_link ENABLE TRIGGER USER")
    assert Client().get(address).status_code == 410
    with psycopg.connect(database.app_url, autocommit=True) as db:
        with pytest.raises(psycopg.errors.RestrictViolation, match="once and in time"):
            db.execute("UPDATE backoffice_data_link SET used_at = NULL")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute("UPDATE backoffice_data_link SET expires_at = now() + interval '1 hour'")
    assert requests.of_player(player) == []


@pytest.mark.usefixtures("_mail_here")
def test_who_was_erased_gets_no_link(owner):
    player = house.player()
    address = email(player)
    closed(owner, player, "6 years")
    grant(player)
    mail.outbox.clear()
    Client().post(FORMER, {"email": address})
    Client().post(FORMER, {"email": f"erased-{player}@erased.invalid"})
    assert ["No account" in one.subject for one in mail.outbox] == [True, True]


def test_a_granted_erasure_shows_what_is_gone_and_what_has_its_day(owner):
    player = house.player()
    grant(player)
    from backoffice.players import data_words

    [row] = data_words.rows(requests.of_player(player))
    titles = [(step["state"], step["title"]) for step in row["steps"]]
    assert titles[:2] == [("done", "You asked"), ("done", "Granted")]
    assert titles[2:] == [("done", "Erased"), ("next", "Being erased"), ("next", "To be erased")]
    gone, in_hand, later = row["steps"][2:]
    assert gone["words"] == "Consent to offers."
    assert in_hand["words"].startswith("Devices and browsers, Our notices to you. ")
    assert in_hand["at"] is None
    assert "Name, e-mail address and date of birth" in later["words"]
    assert later["at"] > database_now() + timedelta(days=5 * 365)
    assert "money laundering" not in str(row).lower()


@pytest.mark.parametrize("ago", ["1 day", "6 years"])
def test_a_hidden_case_changes_nothing_of_what_the_person_reads(owner, ago):
    from backoffice.players import data_words

    plain, suspected = house.player(), house.player()
    matter = Matter(CaseKind.SUSPICION, suspected, "Structuring", "Three deposits.")
    cases.open_case(matter, key="k", who=Officer(officers()[0], sees_hidden=True))
    read = []
    for player in (plain, suspected):
        closed(owner, player, ago)
        grant(player)
        [row] = data_words.rows(requests.of_player(player))
        read.append(
            [
                (one["state"], one["title"], one["words"], one["at"] and one["at"].date())
                for one in row["steps"]
            ]
        )
    assert read[0] == read[1]
    assert sum(item.done_at is None for item in erasing.of_player(suspected)) > 0
