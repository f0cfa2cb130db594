"""Checks moving: by the player, by the house, by officers; and what the gate says of each."""

from __future__ import annotations

from datetime import date, timedelta

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from accounts.models import User
from audit.database_clock import database_now
from audit.models import AuditEvent
from compliance import gate
from compliance.gate import GateCode, GateRequest, Purpose
from compliance.kyc import reminders, reviews, states, sweeps
from compliance.kyc.models import KycCheck, KycReview, KycTransition
from compliance.kyc.moves import KycCode, ensure_checks, newest_move
from compliance.kyc.policies import kyc_policy
from compliance.kyc.states import MOVES, Kind, State, Subject
from compliance.models import Standing
from kernel.ids import new_id
from kernel.money import Money
from notices.models import Notice
from tests import house
from tests.flows import kyc_steps as kyc
from tests.flows import staff_steps
from tests.flows.kyc_steps import ZONE, code_of, news

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


def gate_says(player, purpose: Purpose = Purpose.WITHDRAWAL) -> GateCode | None:
    with transaction.atomic():
        asked = GateRequest(new_id(), player, purpose, Money(100, "EUR"))
        return gate.decide([asked], now=database_now())[0].code


def history(player, subject: Subject = Subject.IDENTITY) -> list[str]:
    rows = KycTransition.objects.filter(player_id=player, subject=subject.value)
    return [row.to_state for row in rows]


def turn_back(owner: psycopg.Connection, player, **columns: str) -> None:
    """Times of the player's checks as if they had passed, written by the owner of the tables."""
    for name, value in columns.items():
        owner.execute(
            f"UPDATE compliance_kyc_check SET {name} = {value} WHERE player_id = %s",  # noqa: S608  (fixed words of this file)
            [player],
        )


def test_the_whole_way_opens_the_withdrawal_and_nothing_before_does():
    player, officer = player_in("MT"), staff_steps.officer()
    assert sweeps.begin_checks() == 1
    assert gate_says(player) is GateCode.NOT_VERIFIED
    kyc.hand_in(player, fields=kyc.FIELDS | {"mrz": ZONE})
    assert gate_says(player) is GateCode.NOT_VERIFIED
    assert sweeps.look_at_documents() == 1
    check = kyc.check(player)
    assert (check.state, check.awaits) == (State.REVIEW, "officer")
    assert timedelta(hours=23) < check.due_at - database_now() <= timedelta(hours=24)
    kyc.verify(player, Subject.AGE, by=officer)
    assert gate_says(player) is GateCode.NOT_VERIFIED
    kyc.verify(player, by=officer)
    assert gate_says(player) is None
    expected = ["started", "documents", "auto_checked", "review", "verified"]
    assert history(player) == history(player, Subject.AGE) == expected
    assert news(player) == ["received", "verified"]
    assert User.objects.get(pk=player).name == "Anna Maria Eriksson"
    standing = Standing.objects.get(pk=player)
    assert (standing.age_verified, standing.identity_verified) == (True, True)


def test_the_house_compares_zone_account_and_words():
    player = house.player()
    kyc.hand_in(player, fields=kyc.FIELDS | {"mrz": ZONE})
    sweeps.look_at_documents()
    seen = KycTransition.objects.get(
        player_id=player, subject="identity", to_state="auto_checked"
    ).data["findings"]
    assert seen == {
        "zone": "ok",
        "name": "ok",
        "birth": "ok",
        "number": "ok",
        "expiry": "ok",
        "face": "unknown",
        "scan": "ok",
        "seen_elsewhere": "ok",
    }


def test_a_document_that_another_account_sent_is_pointed_out():
    content, first, second = kyc.card(), house.player(), house.player()
    kyc.hand_in(first, {Kind.FRONT: content})
    kyc.hand_in(second, {Kind.FRONT: content})
    sweeps.look_at_documents()
    row = KycTransition.objects.get(player_id=second, subject="identity", to_state="auto_checked")
    assert row.data["findings"]["seen_elsewhere"] == "fail"


def test_a_check_moves_by_its_history_and_the_table_of_moves_alone(owner):
    player = house.player()
    with transaction.atomic():
        ensure_checks(player, [Subject.IDENTITY])
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        KycCheck.objects.filter(player_id=player).update(state="verified")
    insert = (
        "INSERT INTO compliance_kyc_transition (id, player_id, subject, from_state, to_state,"
        " cause, actor_kind, actor_id, awaits, policy, review_id)"
        " VALUES (%s, %s, 'identity', %s, %s, 'attack', 'staff', '1', '', 'p', %s)"
    )

    def attempt(before, after, review=None):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(insert, [new_id(), player, before, after, review])

    for before, after, words in [
        ("none", "verified", "no check moves"),
        ("review", "verified", "is in none"),
        ("started", "documents", "is in none"),
    ]:
        with pytest.raises(DatabaseError, match=words):
            attempt(before, after)
    kyc.in_review(player)
    with pytest.raises(DatabaseError, match="nobody decided"):
        attempt("review", "verified")
    other = house.player()
    kyc.in_review(other)
    decided = kyc.verify(other, by=staff_steps.officer())
    with pytest.raises(DatabaseError, match="nobody decided"):
        attempt("review", "verified", decided.id)
    assert kyc.check(player).state == State.REVIEW
    for statement in (
        "UPDATE compliance_kyc_transition SET cause = 'x'",
        "DELETE FROM compliance_kyc_transition",
        "TRUNCATE compliance_kyc_transition",
        "DELETE FROM compliance_kyc_document",
        "UPDATE compliance_kyc_document SET sha256 = repeat('0', 64)",
        "DELETE FROM compliance_kyc_check",
        "UPDATE compliance_kyc_review SET first_by = first_by",
        "DELETE FROM compliance_kyc_review",
        "UPDATE compliance_kyc_declaration SET subject = 'age'",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute(statement)


def test_the_databases_table_of_moves_is_the_codes():
    with connection.cursor() as cursor:
        cursor.execute("SELECT from_state, to_state FROM compliance_kyc_move")
        assert {(State(a), State(b)) for a, b in cursor.fetchall()} == MOVES
    reached = {after for _, after in MOVES} | {State.NONE}
    assert reached == set(State) == set(states.AWAITS)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"birth": date(1990, 3, 1)}, KycCode.BIRTH_DIFFERS),
        ({"birth": None}, KycCode.NOT_A_DATE),
        ({"expires_on": None}, KycCode.NO_EXPIRY),
        ({"expires_on": date(2020, 2, 29)}, KycCode.DOCUMENT_EXPIRED),
        ({"note": "  "}, KycCode.NO_NOTE),
        ({"reason": "unreadable"}, KycCode.UNKNOWN_REASON),
        ({"verdict": "perhaps"}, KycCode.UNKNOWN_REASON),
        ({"seen": ""}, KycCode.STALE),
    ],
)
def test_an_officer_cannot_verify_what_does_not_fit(changes, code):
    player, officer = house.player(), staff_steps.officer()
    kyc.in_review(player)
    assert code_of(lambda: kyc.verify(player, by=officer, **changes)) == code
    assert kyc.check(player).state == State.REVIEW
    assert not Standing.objects.get(pk=player).identity_verified
    assert KycReview.objects.filter(player_id=player).count() == 0


def test_a_rejection_says_why_and_another_try_is_a_new_attempt():
    player, officer = house.player(), staff_steps.officer()
    kyc.in_review(player)
    kyc.reject(player, by=officer)
    last = KycTransition.objects.filter(player_id=player, to_state="rejected").get()
    assert (last.reason, last.text) == ("unreadable", "The picture is blurred.")
    assert news(player)[-1] == "rejected"
    kyc.hand_in(player)
    assert (kyc.check(player).attempt, kyc.check(player).state) == (2, State.DOCUMENTS)
    assert kyc.check(player, Subject.AGE).attempt == 1
    assert code_of(lambda: kyc.hand_in(player)) == KycCode.NOT_OPEN


def test_more_is_asked_for_with_a_sentence_and_what_came_stays():
    player, officer = house.player(), staff_steps.officer()
    kyc.in_review(player)
    reviews.want_more(
        player,
        Subject.IDENTITY,
        newest_move(player, Subject.IDENTITY),
        text="The back, please.",
        actor=officer,
    )
    check = kyc.check(player)
    assert (check.state, check.awaits, check.attempt) == (State.STARTED, "player", 1)
    assert timedelta(days=6) < check.due_at - database_now() <= timedelta(days=7)
    assert kyc.check(player, Subject.AGE).state == State.STARTED
    assert news(player) == ["received", "more"]
    kyc.hand_in(player, {Kind.BACK: kyc.card()})
    assert kyc.check(player).state == State.DOCUMENTS
    assert {one.kind for one in kyc.documents(player)} == {Kind.FRONT, Kind.BACK}


def test_two_officers_decide_where_the_policy_asks_and_never_one_twice():
    player, first, second = player_in("GB"), staff_steps.officer(), staff_steps.officer()
    kyc.in_review(player)
    review = kyc.verify(player, by=first)
    assert (review.outcome, kyc.check(player).state) == ("waits", State.REVIEW)
    assert not Standing.objects.get(pk=player).identity_verified
    assert code_of(lambda: kyc.verify(player, by=second)) == KycCode.WAITS_FOR_SECOND

    def agree(by):
        kyc.agree(player, by=by)

    assert code_of(lambda: agree(first)) == KycCode.SAME_PERSON
    with (
        pytest.raises(DatabaseError, match="two_people"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE compliance_kyc_review SET outcome = 'decided', second_by = first_by")
    agree(second)
    assert kyc.check(player).state == State.VERIFIED
    assert Standing.objects.get(pk=player).identity_verified
    assert code_of(lambda: agree(second)) == KycCode.NOTHING_WAITS
    kinds = AuditEvent.objects.filter(subject_id=str(player)).values_list("kind", flat=True)
    assert {"kyc.review_proposed", "kyc.review_decided"} <= set(kinds)


def test_a_second_officer_who_disagrees_says_why_and_it_is_reviewed_anew():
    player, first, second = player_in("GB"), staff_steps.officer(), staff_steps.officer()
    kyc.in_review(player)
    kyc.verify(player, by=first)

    def disagree(note):
        kyc.agree(player, by=second, is_agreed=False, note=note)

    assert code_of(lambda: disagree(" ")) == KycCode.NO_NOTE
    disagree("The photo is another person.")
    assert kyc.check(player).state == State.REVIEW
    assert kyc.verify(player, by=second).outcome == "waits"
    rows = KycReview.objects.filter(player_id=player).order_by("first_at")
    assert [row.outcome for row in rows] == ["disagreed", "waits"]


def test_a_document_that_shows_a_child_stops_play_and_deposits_at_once():
    player, officer = house.player(balance_minor=1_000), staff_steps.officer()
    kyc.in_review(player)
    young = database_now().date() - timedelta(days=17 * 365)
    assert code_of(lambda: kyc.verify(player, Subject.AGE, by=officer, birth=young)) == (
        KycCode.BIRTH_DIFFERS
    )
    assert gate_says(player, Purpose.BET) is None
    kyc.reject(player, Subject.AGE, by=officer, reason="under_age", birth=young)
    assert gate_says(player, Purpose.BET) is GateCode.UNDER_AGE
    assert gate_says(player, Purpose.DEPOSIT) is GateCode.UNDER_AGE
    assert gate_says(player, Purpose.WITHDRAWAL) is None


def test_the_time_to_verify_counts_from_registration_and_is_reminded_of(owner):
    player = player_in("DE")
    assert sweeps.begin_checks() == 1
    created = Standing.objects.get(pk=player).created_at
    assert kyc.check(player).due_at == created + timedelta(hours=72)
    assert Standing.objects.get(pk=player).verify_by == created + timedelta(hours=72)
    assert sweeps.remind() == 0
    for hours_left, told in ((23, 1), (22, 0), (5, 1), (4, 0)):
        due = f"clock_timestamp() + interval '{hours_left} hours'"
        turn_back(owner, player, due_at=due)
        # time moved, so what was noted moved with it
        owner.execute(
            "UPDATE compliance_kyc_check SET reminded_until = CASE WHEN reminded_until IS NULL"
            " THEN NULL ELSE %s END WHERE player_id = %s",
            [
                database_now() - timedelta(minutes=1)
                if told
                else database_now() + timedelta(hours=3),
                player,
            ],
        )
        if told:
            owner.execute(
                "UPDATE compliance_kyc_check SET reminded_until = due_at - %s::interval"
                " WHERE player_id = %s",
                ["24 hours" if hours_left > 6 else "6 hours", player],
            )
        assert sweeps.remind() == told, hours_left
    turn_back(owner, player, due_at="clock_timestamp() - interval '1 second'")
    assert sweeps.expire() == 2
    assert kyc.check(player).state == State.EXPIRED
    assert news(player) == ["reminder", "reminder", "overdue"]
    kyc.hand_in(player)
    assert kyc.check(player).state == State.DOCUMENTS


def test_unverified_play_ends_with_the_time_to_verify_and_withdrawal_by_policy_alone():
    player = house.player()
    assert gate_says(player, Purpose.BET) is None
    Standing.objects.filter(pk=player).update(verify_by=database_now() + timedelta(minutes=1))
    assert gate_says(player, Purpose.BET) is None
    Standing.objects.filter(pk=player).update(verify_by=database_now())
    assert gate_says(player, Purpose.BET) is GateCode.NOT_VERIFIED
    assert gate_says(player, Purpose.DEPOSIT) is GateCode.NOT_VERIFIED
    assert gate_says(player, Purpose.WITHDRAWAL) is None
    Standing.objects.filter(pk=player).update(age_verified=True, identity_verified=True)
    assert gate_says(player, Purpose.BET) is None


def test_what_was_verified_counts_until_its_document_runs_out(owner):
    player, officer = player_in("MT"), staff_steps.officer()
    kyc.in_review(player)
    kyc.verify(player, Subject.AGE, by=officer)
    kyc.verify(player, by=officer, expires_on=database_now().date() + timedelta(days=20))
    assert gate_says(player) is None
    assert sweeps.expire() == 0
    assert (sweeps.remind(), sweeps.remind()) == (1, 0)
    turn_back(owner, player, expires_on="current_date - 1")
    owner.execute(
        "UPDATE compliance_kyc_check SET expires_on = NULL"
        " WHERE subject = 'age' AND player_id = %s",
        [player],
    )
    assert sweeps.expire() == 1
    assert kyc.check(player).state == State.EXPIRED
    assert kyc.check(player, Subject.AGE).state == State.VERIFIED
    assert gate_says(player) is GateCode.NOT_VERIFIED
    assert news(player) == ["received", "verified", "expires_soon", "expired"]
    kyc.hand_in(player)
    assert (kyc.check(player).state, kyc.check(player).attempt) == (State.DOCUMENTS, 2)


def test_an_officer_may_ask_for_the_source_of_funds_and_two_decide_it():
    player, first, second = house.player(), staff_steps.officer(), staff_steps.officer()
    kyc.ask(player, Subject.FUNDS, by=first, text="Your last payslip.")
    assert kyc.check(player, Subject.FUNDS).state == State.STARTED
    kyc.hand_in(player, {Kind.FUNDS: kyc.pdf(2)}, Subject.FUNDS, fields={"source": "salary"})
    sweeps.look_at_documents()
    kyc.verify(player, Subject.FUNDS, by=first)
    kyc.agree(player, Subject.FUNDS, by=second)
    check = kyc.check(player, Subject.FUNDS)
    assert check.state == State.VERIFIED
    assert 364 <= (check.expires_on - database_now().date()).days <= 367


def test_compliance_hears_of_a_second_officer_who_is_late_also_where_the_first_one_was(
    owner, monkeypatch
):
    player, first = player_in("GB"), staff_steps.officer()
    kyc.in_review(player)
    turn_back(owner, player, due_at="clock_timestamp() - interval '1 second'")
    assert (sweeps.alarm(), sweeps.alarm()) == (2, 0)  # identity and age: the first officer is late
    kyc.verify(player, by=first)
    assert kyc.proposal(player)
    assert sweeps.alarm() == 0  # the second one has time
    within = kyc_policy("GB", database_now().date()).second_within
    later = database_now() + within
    monkeypatch.setattr(reminders, "database_now", lambda: later)
    assert (sweeps.alarm(), sweeps.alarm()) == (1, 0)
    events = AuditEvent.objects.filter(kind="kyc.review_overdue").order_by("at")
    waits_for = [event.after["waits_for"] for event in events]
    assert waits_for == ["house", "house", "second officer"]
    told = Notice.objects.filter(kind="verification_overdue", person_id=int(first.id))
    assert told.count() == 3


def test_a_first_officer_in_time_is_not_late_and_a_disagreement_makes_it_somebodys_turn_again(
    owner,
):
    player, first, other = player_in("GB"), staff_steps.officer(), staff_steps.officer()
    kyc.in_review(player)
    kyc.verify(player, by=first)
    turn_back(owner, player, due_at="clock_timestamp() - interval '1 second'")
    KycCheck.objects.filter(player_id=player).exclude(subject="identity").update(
        alarmed_at=database_now()
    )
    assert sweeps.alarm() == 0  # the second officer has their own time
    kyc.agree(player, by=other, is_agreed=False, note="Another face.")
    assert (sweeps.alarm(), sweeps.alarm()) == (1, 0)
    assert AuditEvent.objects.get(kind="kyc.review_overdue").after["waits_for"] == "house"


def test_compliance_hears_once_of_a_check_that_nobody_decided(owner):
    player, officer = house.player(), staff_steps.officer()
    kyc.in_review(player)
    assert sweeps.alarm() == 0
    turn_back(owner, player, due_at="clock_timestamp() - interval '1 second'")
    assert (sweeps.alarm(), sweeps.alarm()) == (2, 0)
    told = Notice.objects.filter(kind="verification_overdue", person_id=int(officer.id))
    assert told.count() == 2
