"""Every state of every payment answers five questions, in each language, and says it once."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.template.loader import render_to_string
from django.utils import translation

from audit.database_clock import database_now
from kernel.ids import Actor, ActorKind, new_id
from notices.models import Delivery, Notice
from payments import listing
from payments.models import Deposit, Withdrawal
from payments.states import (
    DEPOSIT_STEPS,
    DEPOSIT_WAITS,
    WITHDRAWAL_STEPS,
    WITHDRAWAL_WAITS,
    DepositState,
    WithdrawalState,
)
from payments.steps import begin, move_deposit, move_withdrawal
from payments.words import declines, explaining, telling
from payments.words.state_words import (
    DEPOSIT_AHEAD,
    DEPOSITS,
    WITHDRAWAL_AHEAD,
    WITHDRAWALS,
    Whom,
)
from tests import house

pytestmark = pytest.mark.feature("F67")

PROVIDER = Actor.system("test")
EVERY = [(Deposit, state) for state in DepositState] + [
    (Withdrawal, state) for state in WithdrawalState
]


def way_to(state, steps, first):
    """The states on the shortest way to ``state``, as the table allows it."""
    ways = {first: []}
    for one in ways_in_order(ways, steps):
        if one == state:
            return ways[one]
    raise AssertionError(f"no step leads to {state}")


def ways_in_order(ways, steps):
    waiting = list(ways)
    while waiting:
        one = waiting.pop(0)
        yield one
        for after in sorted(steps[one]):
            if after not in ways:
                ways[after] = [*ways[one], after]
                waiting.append(after)


def made(kind, state, player, reason=""):
    """A payment that came to ``state`` step by step, its player told on the way."""
    payment = kind(
        id=new_id(),
        player_id=player,
        provider="simulated",
        key=new_id().hex,
        amount_minor=5_000,
        currency="EUR",
    )
    is_deposit = kind is Deposit
    begin(payment, "deposit" if is_deposit else "withdrawal", actor=PROVIDER)
    move = move_deposit if is_deposit else move_withdrawal
    first = DepositState.CREATED if is_deposit else WithdrawalState.REQUESTED
    for after in way_to(state, DEPOSIT_STEPS if is_deposit else WITHDRAWAL_STEPS, first):
        if after is WithdrawalState.APPROVED:
            agreed(payment)
        move(payment, after, actor=PROVIDER, cause="test", reason=reason)
    payment.refresh_from_db()
    return payment


def agreed(withdrawal):
    """What the database wants to see before it lets a withdrawal be approved."""
    assessment, policy = new_id(), hashlib.sha256(b"a policy").hexdigest()
    request, player = withdrawal.request_id, withdrawal.player_id
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payments_withdrawal_policy (sha256, name, text)"
            " VALUES (%s, 'test', 'a policy')"
            " ON CONFLICT DO NOTHING",
            [policy],
        )
        cursor.execute(
            "INSERT INTO payments_assessment (id, request_id, player_id, policy_sha256, people,"
            " reasons, risk, risk_reasons, facts)"
            " VALUES (%s, %s, %s, %s, 0, '{}', 'allow', '{}', '{}')",
            [assessment, request, player, policy],
        )
        cursor.execute(
            "INSERT INTO payments_approval (id, request_id, player_id, assessment_id, actor,"
            " verdict, reason) VALUES (%s, %s, %s, %s, 'system:test', 'approve', 'test')",
            [new_id(), request, player, assessment],
        )


@pytest.mark.parametrize(("kind", "state"), EVERY)
def test_every_state_answers_all_five_questions_in_both_languages(database, kind, state):
    payment = made(kind, state, house.player())
    waits = state in (DEPOSIT_WAITS if kind is Deposit else WITHDRAWAL_WAITS)
    answers = {}
    for language in ("en", "de"):
        with translation.override(language):
            found = explaining.shown(payment, database_now())
            answers[language] = (found.words, found.awaited, found.whom, found.can_do)
            assert all(answers[language]), (state, language)
            assert found.by_when == (payment.expected_by if waits else payment.changed_at)
            assert found.is_waiting is waits
            assert (found.expected_by is not None) is waits, "pending without a due time"
            assert [one.state for one in explaining.timeline(payment)].count("now") == waits
    assert all(a != b for a, b in zip(answers["en"], answers["de"], strict=True)), answers
    assert (answers["en"][2] == "Nobody: it is finished") is not waits


@pytest.mark.parametrize(("kind", "state"), EVERY)
def test_whoever_is_waited_for_is_named_exactly_while_something_is(kind, state):
    known = (DEPOSITS if kind is Deposit else WITHDRAWALS)[state]
    waits = state in (DEPOSIT_WAITS if kind is Deposit else WITHDRAWAL_WAITS)
    assert (known.whom is not Whom.NOBODY) is waits
    ahead = (DEPOSIT_AHEAD if kind is Deposit else WITHDRAWAL_AHEAD).get(state)
    assert (ahead is not None) is waits


def test_what_is_ahead_is_what_the_tables_allow():
    for ahead, steps in ((DEPOSIT_AHEAD, DEPOSIT_STEPS), (WITHDRAWAL_AHEAD, WITHDRAWAL_STEPS)):
        for state, coming in ahead.items():
            for after in coming:
                assert after in reachable(state, steps), (state, after)


def reachable(state, steps):
    return set(ways_in_order({state: []}, steps))


def test_lists_know_where_each_state_stands_once():
    for stands, states in (
        (listing.DEPOSIT_STANDS, DepositState),
        (listing.WITHDRAWAL_STANDS, WithdrawalState),
    ):
        found = [state for group in stands.values() for state in group]
        assert sorted(found) == sorted(states)


def test_a_late_payment_says_so_and_asks_nothing_of_the_player(database):
    payment = made(Withdrawal, WithdrawalState.IN_TRANSIT, house.player())
    late = explaining.shown(payment, payment.expected_by + timedelta(seconds=1))
    assert late.is_late
    assert "we are looking into it" in late.can_do
    assert not explaining.shown(payment, payment.expected_by - timedelta(seconds=1)).is_late


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_decline_code_has_a_reason_and_a_remedy_and_unknown_ones_general_words(language):
    with translation.override(language):
        general = declines.why("zz_nobody_knows")
        assert str(general.happened)
        assert str(general.can_do)
        for code in declines.CODES:
            why = declines.why(code.upper())
            assert str(why.happened), code
            assert str(why.can_do), code
            assert str(why.happened) != str(general.happened), code
    for watched in ("lost_card", "stolen_card", "fraudulent", "pickup_card", "", "declined"):
        assert declines.why(watched) is general


def test_a_declined_deposit_says_why_and_what_to_do_next(database):
    failed = made(Deposit, DepositState.FAILED, house.player(), reason="insufficient_funds")
    found = explaining.shown(failed, database_now())
    assert found.words == (
        "There was not enough money on the card or account. The payment was declined. Nothing was"
        " charged."
    )
    assert found.can_do == "Pay in a smaller amount, or in another way."
    assert explaining.timeline(failed)[-1].words.startswith("There was not enough money")


def test_why_staff_said_no_is_not_told(database):
    no = made(Withdrawal, WithdrawalState.REJECTED, house.player(), reason="looks like fraud")
    words = str(explaining.shown(no, database_now())) + str(explaining.timeline(no))
    assert "fraud" not in words


def test_the_timeline_is_what_happened_what_is_awaited_and_what_comes(database):
    sent = made(Withdrawal, WithdrawalState.IN_TRANSIT, house.player())
    steps = [(one.state, one.title) for one in explaining.timeline(sent)]
    assert steps == [
        ("done", "You asked for it"),
        ("done", "Our check began"),
        ("done", "Approved"),
        ("done", "Sent to your bank"),
        ("now", "Waiting for your bank"),
        ("next", "Paid to you"),
    ]


# -- what the player is told -----------------------------------------------------------------------


def told(player):
    found = Notice.objects.filter(person_id=player).order_by("created_at")
    return [(one.kind, one.context["state"]) for one in found]


@pytest.mark.parametrize(("kind", "state"), EVERY)
def test_what_moves_money_or_ends_is_told_once_in_inbox_and_mail(database, kind, state):
    player = house.player()
    news = telling.DEPOSIT_NEWS if kind is Deposit else telling.WITHDRAWAL_NEWS
    made(kind, state, player, reason="expired_card")
    last = [one for one in told(player) if one[1] == state]
    assert last == ([(news[state], state)] if state in news else [])
    for notice in Notice.objects.filter(person_id=player):
        channels = Delivery.objects.filter(notice=notice).values_list("channel", flat=True)
        assert sorted(channels) == ["email", "inbox"]


def test_a_step_that_is_rolled_back_told_nobody(database):
    player = house.player()
    paying = made(Deposit, DepositState.PROCESSING, player)
    with transaction.atomic():
        move_deposit(paying, DepositState.SUCCEEDED, actor=PROVIDER, cause="test")
        assert told(player) == [("deposit_arrived", "succeeded")]
        transaction.set_rollback(True)
    assert told(player) == []


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_notice_reads_well_in_every_state_it_is_told_of(language):
    every = {(kind, "deposit", state) for state, kind in telling.DEPOSIT_NEWS.items()}
    every |= {(kind, "withdrawal", state) for state, kind in telling.WITHDRAWAL_NEWS.items()}
    every |= {(kind, "deposit", state) for state, kind in telling.DISPUTE_NEWS.items()}
    every.add(("deposit_needs_you", "deposit", DepositState.REQUIRES_ACTION))
    every.add(("deposit_freed", "deposit", DepositState.SUCCEEDED))
    every |= {("payment_late", way, DepositState.UNKNOWN) for way in ("deposit", "withdrawal")}
    with translation.override(language):
        for kind, direction, state in every:
            context = {
                "payment_id": "x", "direction": direction, "amount_minor": 5_000,
                "currency": "EUR", "state": str(state), "reason": "expired_card", "case": "ABC-1",
            }  # fmt: skip
            for part in ("subject.txt", "body.txt", "body.html"):
                text = render_to_string(f"notices/{kind}/{part}", context)
                assert text.strip(), (kind, part)
                assert not re.search(r"{{|{%|%\(", text), text
            assert re.search(r"50[.,]00", text), text


def test_a_payment_page_that_opened_late_is_told_and_one_that_opened_at_once_is_not(database):
    player = house.player()
    made(Deposit, DepositState.REQUIRES_ACTION, player)
    assert told(player) == []
    unknown = made(Deposit, DepositState.UNKNOWN, player)
    move_deposit(unknown, DepositState.REQUIRES_ACTION, actor=PROVIDER, cause="asked")
    assert told(player) == [("deposit_needs_you", "requires_action")]


@pytest.mark.parametrize("end", [DepositState.WON, DepositState.LOST])
def test_a_dispute_that_a_provider_tells_of_is_told_and_one_that_people_enter_is_theirs_to_tell(
    database, end
):
    player, bank = house.player(), Actor(ActorKind.PROVIDER, "simulated")
    by_people = made(Deposit, DepositState.SUCCEEDED, player)
    move_deposit(by_people, DepositState.DISPUTED, actor=Actor.staff(1), cause="dispute dp_1")
    assert told(player) == [("deposit_arrived", "succeeded")]
    reported = made(Deposit, DepositState.SUCCEEDED, player)
    move_deposit(reported, DepositState.DISPUTED, actor=bank, cause="event evt_1")
    move_deposit(reported, end, actor=bank, cause="event evt_2")
    assert told(player)[2:] == [
        ("deposit_disputed", "disputed"),
        ("deposit_dispute_over", str(end)),
    ]


def test_what_went_back_in_part_and_what_is_late_is_told_with_its_sums_and_its_case(database):
    player = house.player()
    paid = made(Deposit, DepositState.SUCCEEDED, player)
    telling.went_back(paid, 1_200)
    telling.is_late(paid, "ABC-DEFG")
    part, late = Notice.objects.filter(person_id=player).order_by("created_at")[1:]
    text = render_to_string("notices/deposit_went_back/body.txt", part.context)
    assert "€12.00 of your deposit of €50.00 went back" in text
    assert "case ABC-DEFG" in render_to_string("notices/payment_late/body.txt", late.context)
