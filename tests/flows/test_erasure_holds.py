"""What holds an erasure: money, what is under way, cases for their own years, an exclusion."""

from __future__ import annotations

import hashlib
import json
from datetime import date, timedelta

import psycopg
import pytest
from django.db import connection

from accounts.models import User
from audit.database_clock import database_now
from backoffice.data_rights import deciding, erasing
from backoffice.data_rights.deciding import Decision
from backoffice.data_rights.erasing import Progress
from backoffice.data_rights.requests import DataCode, State
from compliance import cases, exclusion
from compliance.case_states import CaseKind
from compliance.cases import Matter, Officer
from compliance.closing import ClosingCode
from compliance.models import Reservation, Standing
from compliance.own_register import digests, entries
from compliance.own_register.matching import Known
from compliance.screening import screening
from compliance.screening.names import normal
from kernel.ids import Actor, PlayerId, new_id
from kernel.refusal import Refused
from notices.models import Notice
from payments.disputes.models import ProviderDispute
from payments.messages import provider_events
from payments.models import Deposit, Instrument, ProviderEvent, Withdrawal
from tables.bets.betting import place_batch
from tables.bets.slips import Receipt, place_bets
from tests import house
from tests.flows import kyc_steps as kyc
from tests.flows.erasure_steps import EVERY_CLASS, GRANTED, ask, closed, grant, officers
from tests.flows.screening_steps import general, load, named
from tests.flows.test_erasure import (
    BORN,
    PLAN,
    _own_places,
    anna,
    done,
    refused_by_database,
    reversed_deposit,
    where,
)

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F111")]
__all__ = ["_own_places"]


@pytest.mark.parametrize("what", ["money", "deposit_in_flight", "payment", "bet"])
def test_money_payments_and_bets_hold_the_whole_erasure(what):
    if what == "bet":
        pit = house.pit()
        player = house.player(balance_minor=5_000)
        pit.open_round()
        slip = place_bets(
            player, pit.table.id, key=new_id().hex, currency="EUR", stakes=[("red", 5_000)]
        )
        assert isinstance(place_batch(pit.table.id, [slip])[0], Receipt)
    else:
        player = house.player(balance_minor=1 if what == "money" else 0)
    if what == "payment":
        Deposit.objects.create(
            player_id=player, provider="simulated", key="k", amount_minor=500, currency="EUR"
        )
    if what == "deposit_in_flight":
        Reservation.objects.create(
            ref=new_id(), player_id=player, currency="EUR", amount_minor=5, at=database_now()
        )
    one, two = officers()
    request = ask(player)
    deciding.propose(request.reference, GRANTED, key="propose-1", actor=one)
    with pytest.raises(Refused) as refused:
        deciding.agree(request.reference, note="x", key="agree-1", actor=two)
    hold = {"money": "money_open", "bet": "bet_open"}.get(what, "payment_under_way")
    assert (refused.value.code, refused.value.data["hold"]) == (DataCode.HELD, hold)
    assert Standing.objects.get(pk=player).status == "active"
    assert erasing.of_player(player) == []


def test_a_frozen_account_is_not_erased():
    player = house.player()
    Standing.objects.filter(pk=player).update(status="suspended")
    with pytest.raises(Refused) as refused:
        grant(player)
    assert refused.value.code is ClosingCode.SUSPENDED
    assert erasing.of_player(player) == []


def test_an_open_case_holds_its_classes_and_lets_the_others_go(owner):
    player = anna()
    officer = Officer(officers()[0], sees_hidden=True)
    cases.open_case(
        Matter(CaseKind.SUSPICION, player, "Structuring", "Three deposits."), key="k", who=officer
    )
    closed(owner, player, "6 years")
    grant(player)
    gone = done(player)
    assert gone == {"marketing", "own_register"}
    held = {item.key: item.hold for item in erasing.of_player(player) if item.done_at is None}
    assert held == dict.fromkeys(set(EVERY_CLASS) - gone, "case_open")
    assert erasing.run() == Progress(0, len(held))
    case_closed(owner, "0 days")
    assert erasing.run() == Progress(0, len(held))  # closed just now: it is kept for five years
    kept = {item.key: item.hold for item in erasing.of_player(player) if item.done_at is None}
    assert kept == dict.fromkeys(held, "case_kept")
    assert "compliance_case.subject" in where(owner, "Structuring")
    case_closed(owner, "1827 days")
    assert erasing.run() == Progress(len(held), 0)
    assert done(player) == set(EVERY_CLASS)
    assert where(owner, "Structuring") == []
    assert erasing.run() == Progress(0, 0)


def case_closed(owner: psycopg.Connection, ago: str) -> None:
    owner.execute("ALTER TABLE compliance_case DISABLE TRIGGER USER")
    owner.execute(
        "UPDATE compliance_case SET state = 'closed', closed_at = clock_timestamp() - %s::interval",
        [ago],
    )
    owner.execute("ALTER TABLE compliance_case ENABLE TRIGGER USER")


def test_a_complaint_closed_lately_holds_its_letters_payments_and_name(owner):
    player = anna()
    matter = Matter(CaseKind.COMPLAINT, player, "Late payout", "It took a week.")
    cases.open_case(matter, key="k", who=Officer(officers()[0], sees_hidden=True))
    case_closed(owner, "4 years")
    closed(owner, player, "6 years")
    grant(player)
    kept = {item.key: item.hold for item in erasing.of_player(player) if item.done_at is None}
    assert kept == dict.fromkeys(("cases", "identity", "payments"), "case_kept")


def test_the_database_deletes_no_case_before_its_own_date_also_while_it_erases(owner):
    player = anna()
    matter = Matter(CaseKind.SUSPICION, player, "Structuring", "Three deposits.")
    cases.open_case(matter, key="k", who=Officer(officers()[0], sees_hidden=True))
    case_closed(owner, "4 years")
    owner.execute(
        "INSERT INTO compliance_watch_case (id, reference, player_id, family, state, opened_by,"
        " closed_at) SELECT gen_random_uuid(), 'ABCD-2345', %s, 'harm', 'recorded', 'staff:1',"
        " now() - interval '4 years'",
        [player],
    )
    owner.execute("SELECT set_config('faro.erasing', %s, false)", [str(player)])
    for table in ("compliance_case_event", "compliance_case", "compliance_watch_case"):
        refused_by_database(owner, f"DELETE FROM {table}", [], "five years")  # noqa: S608  (fixed)
    owner.execute("SELECT set_config('faro.erasing', '', false)")


def test_an_excluded_person_is_recognised_after_their_name_is_gone(owner):
    player = anna()
    until = database_now() + timedelta(days=400)
    exclusion.self_exclude(player, until=until, actor=Actor.player(player), reason="enough")
    closed(owner, player, "6 years")
    grant(player)
    assert done(player) == set(EVERY_CLASS) - {"own_register"}
    assert where(owner, "Eriksson") == []
    for name in ("Anna Maria Eriksson", "ERIKSSON, Anna", "Anna Eriksson"):
        found = entries.excluded_like([name], BORN)
        assert [(one.player_id, one.is_same) for one in found] == [(player, True)]
    assert entries.excluded_like(["Anna Svensson"], BORN) == []
    assert entries.excluded_like(["Anna Maria Eriksson"], date(1985, 3, 13)) == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT digest FROM compliance_register_digest")
        assert {len(row[0]) for row in cursor.fetchall()} == {64}
    owner.execute("ALTER TABLE compliance_standing DISABLE TRIGGER USER")  # years later
    owner.execute(
        "UPDATE compliance_standing SET excluded_at = now() - interval '900 days',"
        " excluded_until = now() - interval '500 days', exclusion_holds = false"
        " WHERE player_id = %s",
        [player],
    )
    owner.execute("ALTER TABLE compliance_standing ENABLE TRIGGER USER")
    assert entries.excluded_like(["Anna Maria Eriksson"], BORN) == []


def test_a_new_key_of_the_house_still_recognises_them(owner, settings):
    player = anna()
    until = database_now() + timedelta(days=400)
    exclusion.self_exclude(player, until=until, actor=Actor.player(player), reason="enough")
    closed(owner, player, "6 years")
    grant(player)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-secret-key-0123456789-abcdefghijklmnop-ABCDEFGHIJ"
    assert [one.player_id for one in entries.excluded_like(["Anna Eriksson"], BORN)] == [player]


def status_becomes(owner: psycopg.Connection, status: str) -> None:
    owner.execute("ALTER TABLE compliance_standing DISABLE TRIGGER USER")
    owner.execute("UPDATE compliance_standing SET status = %s", [status])
    owner.execute("ALTER TABLE compliance_standing ENABLE TRIGGER USER")


def test_money_that_moves_after_the_plan_moves_the_days_as_far(owner):
    player = anna()
    kyc.hand_in(player)
    closed(owner, player, "4 years")
    grant(player)
    planned = {item.key: item.due_at for item in erasing.of_player(player)}
    ended = erasing.ended_at(player)
    status_becomes(owner, "active")
    house.fund(player, 500)  # what a bank sent back, long after the account was closed
    status_becomes(owner, "closed")
    reversed_deposit(player, 500)
    moved = erasing.ended_at(player) - ended
    assert moved > timedelta(days=4 * 365)
    now = {item.key: item.due_at for item in erasing.of_player(player)}
    assert now == {key: day + moved for key, day in planned.items()}
    plan = erasing.of_player(player)[0].erasure_id
    # as if the years of the plan had passed meanwhile
    owner.execute("ALTER TABLE backoffice_erasure_item DISABLE TRIGGER USER")
    owner.execute("UPDATE backoffice_erasure_item SET due_at = due_at - interval '2 years'")
    owner.execute("ALTER TABLE backoffice_erasure_item ENABLE TRIGGER USER")
    assert erasing.run() == Progress(0, 0)
    with pytest.raises(psycopg.Error, match="not before"):
        owner.execute("SELECT backoffice_erase(%s, 'payments')", [plan])
    assert "payments" not in done(player)


def excluded_and_erased(owner: psycopg.Connection, name: str) -> PlayerId:
    player = named(name, BORN)
    until = database_now() + timedelta(days=400)
    exclusion.self_exclude(player, until=until, actor=Actor.player(player), reason="enough")
    closed(owner, player, "6 years")
    grant(player)
    assert "identity" in done(player)
    return player


def recognised(name: str) -> list[PlayerId]:
    return [one.player_id for one in entries.excluded_like([name], BORN)]


def test_of_two_names_one_with_a_word_more_both_are_recognised(owner):
    person = Known((normal("Anna Maria Eriksson"), normal("Anna Eriksson")), BORN)
    player = named("Anna Maria Eriksson", BORN)
    until = database_now() + timedelta(days=400)
    exclusion.self_exclude(player, until=until, actor=Actor.player(player), reason="enough")
    assert digests.keep(player, person) == 3 + 1
    assert digests.keep(player, person) == 3 + 1
    closed(owner, player, "6 years")
    grant(player)
    for name in ("Anna Eriksson", "Anna Karin Eriksson", "Maria Anna Eriksson", "Anna Maria"):
        assert recognised(name) == [player]
    for name in ("Anna", "Karin Maria", "Karin Maria Eriksson"):
        assert recognised(name) == []


def test_of_a_name_of_seven_words_any_two_and_any_more_recognise(owner):
    player = excluded_and_erased(owner, "Ana Beatriz Costa Dias Esteves Yara Zanetti")
    for name in ("Yara Zanetti", "Ana Zanetti", "Costa Yara Zanetti", "Zanetti Ana Beatriz Costa"):
        assert recognised(name) == [player]
    whole = "Ana Beatriz Costa Dias Esteves Yara Zanetti"
    assert recognised(whole) == recognised(f"{whole} Xavier") == [player]
    assert recognised("Zanetti") == recognised("Ana Xavier Zanetti") == []


def test_an_exclusion_until_they_come_back_ends_for_the_erased_after_seven_years(owner):
    player = excluded_and_erased(owner, "Anna Eriksson")
    for ago, is_known in (("2550 days", True), ("2560 days", False)):
        owner.execute("ALTER TABLE compliance_standing DISABLE TRIGGER USER")
        owner.execute(
            "UPDATE compliance_standing SET excluded_at = now() - interval '20 years',"
            " excluded_until = now() - %s::interval, exclusion_holds = true",
            [ago],
        )
        owner.execute("ALTER TABLE compliance_standing ENABLE TRIGGER USER")
        assert recognised("Anna Eriksson") == ([player] if is_known else [])
        assert (erasing.hold(player, "own_register") == "still_excluded") is is_known
    owner.execute("ALTER TABLE backoffice_erasure_item DISABLE TRIGGER USER")
    owner.execute("UPDATE backoffice_erasure_item SET due_at = now() WHERE class = 'own_register'")
    owner.execute("ALTER TABLE backoffice_erasure_item ENABLE TRIGGER USER")
    assert erasing.run().erased == 1
    assert done(player) == set(EVERY_CLASS)
    assert owner.execute("SELECT count(*) FROM compliance_register_digest").fetchone()[0] == 0


def test_between_two_steps_of_an_erasure_a_cleared_hit_does_not_come_back(owner):
    load(general())
    player, other = named("Anna Maria Eriksson", BORN), named("Anna Maria Eriksson", BORN)
    closed(owner, player, "6 years")
    reference = ask(player).reference
    one, two = officers()
    deciding.propose(reference, GRANTED, key="propose", actor=one)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(erasing, "_due_of", lambda plan: [("screening", erasing.ended_at(player))])
        deciding.agree(reference, note="x", key="agree", actor=two)
    assert done(player) == {"screening"}
    assert User.objects.get(pk=player).name == "Anna Maria Eriksson"
    screening.run()
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT player_id FROM compliance_screening_check")
        assert cursor.fetchall() == [(int(other),)]


def test_what_a_part_keeps_stays_until_its_day_and_so_does_the_name(owner):
    player = anna()
    closed(owner, player, "6 years")
    kept = {"notices": date(2099, 1, 1), "payments": date(2098, 1, 1)}
    answered = grant(player, Decision("part", "claims", "Some of it stays.", "A claim.", kept))
    assert answered.state is State.PART
    assert done(player) == set(EVERY_CLASS) - {"notices", "payments", "identity"}
    left = {item.key: item.due_at.date() for item in erasing.of_player(player) if not item.done_at}
    assert left == {**kept, "identity": date(2099, 1, 1)}
    assert Notice.objects.filter(person_id=player, kind="case_news").exists()
    assert User.objects.get(pk=player).name == "Anna Maria Eriksson"
    assert erasing.run() == Progress(0, 0)  # the general periods are over and end it no sooner


def test_the_database_takes_no_plan_that_is_sooner_than_what_a_part_keeps(owner, database):
    player = anna()
    closed(owner, player, "6 years")
    kept = {"notices": date(2099, 1, 1)}
    grant(player, Decision("part", "claims", "Some of it stays.", "A claim.", kept))
    plan = erasing.of_player(player)[0].erasure_id
    with psycopg.connect(database.app_url, autocommit=True) as app:
        refused_by_database(app, "SELECT backoffice_erase(%s, 'notices')", [plan], "not before")
        other = new_id()
        app.execute(PLAN, [other, player, "retention", None, None])
        sql = "INSERT INTO backoffice_erasure_item VALUES (%s, %s, clock_timestamp())"
        for key in ("notices", "identity"):
            refused_by_database(app, sql, [other, key], "two officers keep")


def test_what_providers_sent_goes_with_its_payment_and_strangers_events_with_age(owner):
    player = anna()
    deposit = Deposit.objects.get(player_id=player)
    said = {"another": {"shape": "than the simulated one's"}}
    for event, payment, years in (("own", deposit.id, 6), ("old", new_id(), 6), ("new", None, 4)):
        owner.execute(
            "INSERT INTO payments_providerevent (id, provider, event_id, payment_id, payload,"
            " received_at, applied_at, outcome, attempts) VALUES (%s, 'x', %s, %s, %s,"
            " now() - make_interval(years => %s), now(), '', 0)",
            [new_id(), event, payment, json.dumps(said), years],
        )
    assert provider_events.forget_strangers() == 1
    closed(owner, player, "6 years")
    grant(player)
    left = dict(ProviderEvent.objects.values_list("event_id", "payload"))
    assert left == {"own": {}, "old": {}, "new": said}


def test_cards_and_what_banks_said_of_disputes_go_with_the_payments(owner):
    player = anna()
    deposit = Deposit.objects.get(player_id=player)
    Instrument.objects.create(
        player_id=player,
        provider="simulated",
        token="tok_1",
        kind="card",
        brand="Visa",
        last4="4242",
        country="MT",
        holder="Anna E",
        fingerprint="fp_1",
    )
    ProviderDispute.objects.create(
        provider="simulated",
        provider_ref="dp_1",
        deposit=deposit,
        player_id=player,
        amount_minor=1,
        currency="EUR",
        reason="says Anna",
        state="lost",
        is_booked_here=True,
        due_at=database_now(),
        closed_at=database_now(),
        closed_by="staff:1",
        closed_note="About Anna.",
    )
    closed(owner, player, "6 years")
    grant(player)
    card, dispute = Instrument.objects.get(), ProviderDispute.objects.get()
    assert (card.token, card.fingerprint, card.holder, card.last4, card.country) == (
        *(f"erased:{card.pk}", "", "", "", ""),
    )
    assert (dispute.provider_ref, dispute.reason, dispute.closed_note) == (
        *(f"erased:{dispute.pk}", "", "(erased)"),
    )


def written_by_officers(owner, player, deposit, request):
    """Two approvals and a rejection of the request, and the verdict on a reviewed deposit."""
    found = new_id()
    policy = hashlib.sha256(b"a policy").hexdigest()
    owner.execute(
        "INSERT INTO payments_withdrawal_policy (sha256, name, text) VALUES (%s, 'x', 'a policy')",
        [policy],
    )
    owner.execute(
        "INSERT INTO payments_assessment (id, request_id, player_id, policy_sha256, people,"
        " reasons, risk, risk_reasons, facts)"
        " VALUES (%s, %s, %s, %s, 1, '{}', 'allow', '{}', '{}')",
        [found, request, player, policy],
    )
    for actor, verdict, reason in (
        ("staff:1", "approve", ""),
        ("staff:2", "reject", "Anna lied"),
        ("system:payments", "approve", "a policy"),
    ):
        owner.execute(
            "INSERT INTO payments_approval (id, request_id, player_id, assessment_id, actor,"
            " verdict, reason) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [new_id(), request, player, found, actor, verdict, reason],
        )
    hold = new_id()  # over long ago, so that no money is in it
    owner.execute(
        "INSERT INTO ledger_hold (id, account, credit, amount, kind, ref, actor, fingerprint, at,"
        " expires_at) VALUES (%s, 1, 2, 1, 'x', '', 'x', sha256('x'), now(), now() + '1s')",
        [hold],
    )
    owner.execute(
        "INSERT INTO ledger_hold_end (hold, outcome, actor, at) VALUES (%s, 'expired', 'x', now())",
        [hold],
    )
    owner.execute(
        "INSERT INTO payments_fraud_review (deposit_id, player_id, amount_minor, currency, reasons,"
        " hold_id, due_at) VALUES (%s, %s, 1, 'EUR', '{x}', %s, now())",
        [deposit, player, hold],
    )
    owner.execute(
        "INSERT INTO payments_fraud_verdict (deposit_id, verdict, by_actor, reason)"
        " VALUES (%s, 'release', 'staff:1', 'Anna explained it')",
        [deposit],
    )


def test_what_officers_wrote_about_payments_goes_with_them_and_never_else(owner):
    player = anna()
    deposit, request = Deposit.objects.get(player_id=player).pk, new_id()
    Withdrawal.objects.create(
        id=request,
        request_id=request,
        player_id=player,
        provider="simulated",
        key="w",
        amount_minor=5_000,
        currency="EUR",
        state="rejected",
        reason="Anna lied",
    )
    written_by_officers(owner, player, deposit, request)
    for table in ("payments_approval", "payments_fraud_verdict"):
        with pytest.raises(psycopg.errors.RestrictViolation, match="append_only"):
            owner.execute(f"UPDATE {table} SET reason = 'x'")  # noqa: S608  (our own tables)
    closed(owner, player, "6 years")
    grant(player)
    words = owner.execute("SELECT actor, verdict, reason FROM payments_approval ORDER BY actor")
    assert words.fetchall() == [
        ("staff:1", "approve", ""),
        ("staff:2", "reject", "(erased)"),
        ("system:payments", "approve", "a policy"),
    ]
    verdicts = owner.execute("SELECT verdict, by_actor, reason FROM payments_fraud_verdict")
    assert verdicts.fetchall() == [("release", "staff:1", "(erased)")]
    assert Withdrawal.objects.get().reason == ""
