"""Officers decide what they saw; what they asked for in vain stops play; ages said wrong heal."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction

from audit.database_clock import database_now
from audit.models import AuditEvent
from compliance import gate, sign_up
from compliance.gate import GateCode, GateRequest, Purpose
from compliance.kyc import moves, reviews, sweeps
from compliance.kyc.moves import ASKED, KycCode, Step, newest_move
from compliance.kyc.policies import kyc_policy
from compliance.kyc.reviews import Decision
from compliance.kyc.states import Kind, State, Subject
from compliance.models import Standing
from compliance.standing import lock_standing
from kernel.ids import new_id
from kernel.money import Money
from tests import house
from tests.flows import kyc_steps as kyc
from tests.flows import staff_steps
from tests.flows.kyc_steps import code_of

pytestmark = [
    pytest.mark.feature("F108"),
    pytest.mark.feature("F112"),
    pytest.mark.usefixtures("database"),
]


@pytest.fixture(autouse=True)
def _vault(tmp_path):
    with kyc.own_vault(tmp_path / "documents"):
        yield


def player_in(jurisdiction: str):
    player = house.player()
    Standing.objects.filter(pk=player).update(jurisdiction=jurisdiction)
    return player


def gate_says(player, purpose: Purpose) -> GateCode | None:
    with transaction.atomic():
        asked = GateRequest(new_id(), player, purpose, Money(100, "EUR"))
        return gate.decide([asked], now=database_now())[0].code


def test_what_moved_since_the_page_was_loaded_is_not_decided():
    player, officer = house.player(), staff_steps.officer()
    kyc.in_review(player)
    seen = newest_move(player, Subject.IDENTITY)
    reviews.want_more(player, Subject.IDENTITY, seen, text="The back.", actor=officer)
    kyc.hand_in(player, {Kind.BACK: kyc.card()})
    sweeps.look_at_documents()
    assert kyc.check(player).attempt == 1
    for act in (
        lambda: kyc.verify(player, by=officer, seen=seen),
        lambda: kyc.reject(player, by=officer, seen=seen),
        lambda: reviews.want_more(player, Subject.IDENTITY, seen, text="More.", actor=officer),
    ):
        assert code_of(act) == KycCode.STALE
    assert kyc.check(player).state == State.REVIEW


def test_nothing_is_asked_anew_while_it_is_under_way_or_a_proposal_waits():
    player, officer = player_in("GB"), staff_steps.officer()
    assert code_of(
        lambda: reviews.ask_for(player, Subject.FUNDS, "x", text="y", actor=officer)
    ) == (KycCode.STALE)
    kyc.ask(player, Subject.ADDRESS, by=officer)
    assert code_of(lambda: kyc.ask(player, Subject.ADDRESS, by=officer)) == KycCode.STALE
    kyc.in_review(player)
    assert code_of(lambda: kyc.ask(player, Subject.IDENTITY, by=officer)) == KycCode.STALE
    kyc.verify(player, by=officer)
    assert code_of(lambda: kyc.ask(player, Subject.IDENTITY, by=officer)) == (
        KycCode.WAITS_FOR_SECOND
    )
    check = kyc.check(player)
    step = Step(State.STARTED, cause="more was asked for", actor=officer)
    with pytest.raises(DatabaseError, match="a proposal waits"), transaction.atomic():
        moves.move(lock_standing(player), check, step, database_now())
    assert kyc.check(player).state == State.REVIEW


def test_a_second_officer_agrees_to_the_proposal_they_saw_and_to_no_later_one():
    player, first, second = player_in("GB"), staff_steps.officer(), staff_steps.officer()
    kyc.in_review(player)
    kyc.reject(player, by=first)
    seen = kyc.proposal(player)
    kyc.agree(player, by=second, is_agreed=False, note="It can be read.")
    kyc.verify(player, by=first)
    assert code_of(lambda: kyc.agree(player, by=second, review_id=seen)) == KycCode.STALE
    assert code_of(lambda: kyc.agree(player, by=second, review_id="")) == KycCode.STALE
    assert kyc.check(player).state == State.REVIEW
    kyc.agree(player, by=second)
    assert kyc.check(player).state == State.VERIFIED


def test_a_document_that_ran_out_before_the_second_agreed_verifies_nobody(owner):
    player, first, second = player_in("GB"), staff_steps.officer(), staff_steps.officer()
    kyc.in_review(player)
    kyc.verify(player, by=first, expires_on=database_now().date() + timedelta(days=1))
    owner.execute("ALTER TABLE compliance_kyc_review DISABLE TRIGGER USER")
    owner.execute("UPDATE compliance_kyc_review SET expires_on = current_date - 1")
    owner.execute("ALTER TABLE compliance_kyc_review ENABLE TRIGGER USER")
    assert code_of(lambda: kyc.agree(player, by=second)) == KycCode.DOCUMENT_EXPIRED
    assert not Standing.objects.get(pk=player).identity_verified


def test_under_age_is_said_with_the_date_that_shows_it():
    player, officer = house.player(), staff_steps.officer()
    kyc.in_review(player)
    of_age_on = Standing.objects.get(pk=player).of_age_on

    def say(**changes):
        return kyc.reject(player, Subject.AGE, by=officer, reason="under_age", **changes)

    assert code_of(lambda: say(birth=None)) == KycCode.NOT_A_DATE
    assert code_of(lambda: say(birth=kyc.BIRTH)) == KycCode.NOT_UNDER_AGE
    assert Standing.objects.get(pk=player).of_age_on == of_age_on
    kyc.ask(player, Subject.FUNDS, by=officer)
    kyc.hand_in(player, {Kind.FUNDS: kyc.pdf()}, Subject.FUNDS, fields={"source": "salary"})
    sweeps.look_at_documents()
    young = database_now().date() - timedelta(days=17 * 365)
    asked = Decision(Subject.FUNDS, newest_move(player, Subject.FUNDS), "reject", "under_age", "x")
    assert code_of(lambda: reviews.decide(player, asked, actor=officer)) == KycCode.UNKNOWN_REASON
    say(birth=young)
    assert gate_says(player, Purpose.BET) is GateCode.UNDER_AGE


def test_an_age_that_was_said_wrong_heals_when_the_second_disagrees():
    player, first, second = player_in("GB"), staff_steps.officer(), staff_steps.officer()
    kyc.in_review(player)
    registered = Standing.objects.get(pk=player).of_age_on
    young = database_now().date() - timedelta(days=10 * 365)
    for one in (Subject.AGE, Subject.IDENTITY):
        kyc.reject(player, one, by=first, reason="under_age", birth=young)
    assert Standing.objects.get(pk=player).of_age_on > database_now().date()
    kyc.agree(player, Subject.AGE, by=second, is_agreed=False, note="It says 1990.")
    assert Standing.objects.get(pk=player).of_age_on > database_now().date()
    kyc.agree(player, by=second, is_agreed=False, note="It says 1990.")
    assert Standing.objects.get(pk=player).of_age_on == registered
    assert (
        AuditEvent.objects.filter(
            kind="kyc.registered_age_restored", subject_id=str(player), actor_id=second.id
        ).count()
        == 1
    )


def test_an_age_that_was_said_wrong_heals_when_the_age_is_verified():
    player, officer = house.player(), staff_steps.officer()
    kyc.in_review(player)
    registered = Standing.objects.get(pk=player).of_age_on
    young = database_now().date() - timedelta(days=10 * 365)
    for one in (Subject.AGE, Subject.IDENTITY):
        kyc.reject(player, one, by=officer, reason="under_age", birth=young)
    kyc.in_review(player)
    kyc.verify(player, Subject.AGE, by=officer)
    assert Standing.objects.get(pk=player).of_age_on == registered
    assert gate_says(player, Purpose.BET) is None


@pytest.mark.parametrize(
    ("steps", "is_over"),
    [
        ([], False),
        ([(ASKED, "started"), ("late", "expired")], True),
        ([("the player began", "started"), ("late", "expired")], False),
        ([(ASKED, "started"), ("x", "review"), ("no", "rejected")], True),
        ([(ASKED, "started"), ("late", "expired"), ("the player began", "started")], True),
        ([(ASKED, "started"), ("late", "expired"), (ASKED, "started")], False),
        ([(ASKED, "started"), ("late", "expired"), ("yes", "verified")], False),
        ([(ASKED, "started"), ("yes", "verified"), ("over", "expired")], False),
    ],
)
def test_what_was_asked_for_and_did_not_come_is_overdue_until_it_is_verified(steps, is_over):
    assert moves.is_overdue(steps) is is_over


def test_asked_for_documents_that_do_not_come_stop_play_and_deposits_and_no_withdrawal(
    owner, monkeypatch
):
    player, officer = house.player(balance_minor=1_000), staff_steps.officer()
    kyc.ask(player, Subject.ADDRESS, by=officer)
    assert gate_says(player, Purpose.BET) is None
    owner.execute("UPDATE compliance_kyc_check SET due_at = now() - interval '1 second'")
    assert sweeps.expire() == 1
    assert gate_says(player, Purpose.BET) is GateCode.DOCUMENTS_OVERDUE
    assert gate_says(player, Purpose.DEPOSIT) is GateCode.DOCUMENTS_OVERDUE
    assert gate_says(player, Purpose.WITHDRAWAL) is None
    fields = {"street": "1 Way", "place": "Town", "issued_on": database_now().date().isoformat()}
    kyc.hand_in(player, {Kind.ADDRESS: kyc.pdf()}, Subject.ADDRESS, fields=fields)
    sweeps.look_at_documents()
    assert gate_says(player, Purpose.BET) is GateCode.DOCUMENTS_OVERDUE
    kyc.verify(player, Subject.ADDRESS, by=officer)
    assert gate_says(player, Purpose.BET) is None


def test_whoever_hands_in_before_the_sweep_has_the_same_time_to_verify(monkeypatch):
    monkeypatch.setattr(sign_up, "kyc_policy", lambda _code, on: kyc_policy("DE", on))
    player = house.player()
    standing = Standing.objects.get(pk=player)
    late = standing.verify_by - standing.created_at - timedelta(hours=72)
    assert abs(late) < timedelta(minutes=1)
    kyc.hand_in(player, {Kind.BACK: kyc.card()})
    assert kyc.check(player).due_at == standing.verify_by
    assert sweeps.begin_checks() == 0
    assert Standing.objects.get(pk=player).verify_by == standing.verify_by


def test_a_document_counts_on_its_last_day_by_the_players_own_calendar(monkeypatch):
    player, officer = house.player(), staff_steps.officer()
    kyc.in_review(player)
    with transaction.atomic():
        today = moves.local_day(lock_standing(player), database_now())
    kyc.verify(player, Subject.AGE, by=officer)
    yesterday = today - timedelta(days=1)
    assert code_of(lambda: kyc.verify(player, by=officer, expires_on=yesterday)) == (
        KycCode.DOCUMENT_EXPIRED
    )
    kyc.verify(player, by=officer, expires_on=today)
    assert sweeps.expire() == 0
    monkeypatch.setattr(sweeps, "database_now", lambda: database_now() + timedelta(days=1))
    assert sweeps.expire() == 1
