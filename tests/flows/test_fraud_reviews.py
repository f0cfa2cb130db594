"""Deposits that meet a rule: challenged, not made, or held on their account until decided."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from django.db import transaction

from accounts.rights import RightsCode
from accounts.roles import Role
from audit.database_clock import database_now
from backoffice import watching
from compliance.models import Reservation
from kernel.ids import Actor, ActorKind, PlayerId
from kernel.money import Money
from kernel.refusal import Refused
from ledger import accounts, holds
from notices.models import Notice
from payments import polling
from payments.fraud import hits, review
from payments.fraud.review import ReviewCode, Verdict
from payments.models import Deposit
from payments.paying_in import deposits
from payments.paying_in.refusals import DepositCode
from payments.paying_out import withdrawals
from payments.paying_out.withdrawal_codes import WithdrawalCode
from payments.providers.protocol import Instrument, InstrumentKind, NewDeposit
from payments.states import DepositState
from tests import house
from tests.flows.fraud_steps import card, paid_with
from tests.flows.ledger_steps import assert_books_clean
from tests.flows.staff_steps import make_staff, officer, staff_client
from tests.flows.test_payments_deposits import MemoryProvider
from tests.flows.watching_steps import activate, opened

pytestmark = [pytest.mark.feature("F112")]
PROVIDER = Actor(ActorKind.PROVIDER, "simulated")
FOREIGN = Instrument(
    token="tok_abroad",
    kind=InstrumentKind.CARD,
    fingerprint="fp_abroad",
    brand="Play",
    last4="0007",
    country="BR",
)


class Remembering(MemoryProvider):
    """Remembers what it was asked for, too."""

    def create_deposit(self, wanted: NewDeposit):
        self.wanted = wanted
        return super().create_deposit(wanted)


PSP = Remembering


@pytest.fixture
def psp(psp):
    watching.sync()
    return psp


@pytest.fixture
def anna(psp) -> PlayerId:
    player = house.player()
    opened(player, days=400)
    return player


def start(player, minor=5_000, key="k1") -> Deposit:
    return deposits.start(
        player_id=player, amount=Money(minor, "EUR"), key=key, actor=Actor.player(player)
    )


def arrives(psp, deposit: Deposit, instrument: Instrument | None = None) -> None:
    said = replace(psp.becomes(deposit.provider_ref, DepositState.SUCCEEDED), instrument=instrument)
    deposits.apply(said, cause="event evt_1", actor=PROVIDER, confirmed=True)
    deposit.refresh_from_db()


def money(player) -> tuple[int, int]:
    """What is there, and what of it can be played."""
    found = accounts.balance(accounts.player_cash(player, "EUR"))
    return found.posted_minor, found.available_minor


def due(deposit: Deposit) -> None:
    Deposit.objects.filter(pk=deposit.pk).update(poll_at=database_now() - timedelta(seconds=1))


def refused(act) -> str:
    with pytest.raises(Refused) as caught:
        act()
    return str(caught.value.code)


@pytest.fixture
def held(psp, anna) -> Deposit:
    """A deposit of 6,000 under review."""
    activate("deposit_amounts")
    deposit = start(anna, 600_000)
    arrives(psp, deposit)
    return deposit


def test_without_rules_in_force_nobody_is_stopped(psp, anna):
    deposit = start(anna, 600_000)
    assert psp.wanted.challenge is False
    arrives(psp, deposit, FOREIGN)
    assert (deposit.state, money(anna)) == ("succeeded", (600_000, 600_000))
    assert review.queue() == []
    assert [one.outcome for one in hits.of_payment(deposit.pk)] == ["allow", "allow"]


def test_a_challenge_is_what_the_provider_is_told_to_ask(psp, anna):
    activate("young_and_large")
    opened(anna, days=1)
    start(anna, 99_999)
    assert psp.wanted.challenge is False
    start(anna, 100_000, "k2")
    assert psp.wanted.challenge is True


def test_a_blocked_deposit_is_not_made_and_reserves_nothing(psp, anna):
    activate("deposit_storm")
    for n in range(14):
        arrives(psp, start(anna, 100, f"k{n}"))
    before = (Deposit.objects.count(), len(psp.asked), Reservation.objects.count())
    assert refused(lambda: start(anna, 100, "k99")) == DepositCode.NOT_ACCEPTED
    assert (Deposit.objects.count(), len(psp.asked), Reservation.objects.count()) == before


def test_under_review_the_money_is_there_and_nothing_moves_it(psp, anna, held):
    assert (held.state, money(anna)) == ("succeeded", (600_000, 0))
    (one,) = review.queue()
    assert (one.deposit_id, one.amount, one.reasons) == (
        held.pk,
        Money(600_000, "EUR"),
        ("PAY-AMOUNTS",),
    )
    assert one.due_at - one.opened_at == timedelta(days=1)
    ask_out = partial(
        withdrawals.request,
        player_id=anna, amount=Money(1, "EUR"), key="w", actor=Actor.player(anna),
    )  # fmt: skip
    assert refused(ask_out) == WithdrawalCode.NOT_ENOUGH
    arrives(psp, held)  # again
    assert (len(review.queue()), money(anna)) == (1, (600_000, 0))
    assert_books_clean()


def test_an_instrument_that_is_known_only_then_has_it_held(psp, anna):
    activate("foreign_card")
    deposit = start(anna)
    assert psp.wanted.challenge is False
    arrives(psp, deposit, FOREIGN)
    assert money(anna) == (5_000, 0)
    assert review.find(deposit.pk).reasons == ("PAY-COUNTRY",)


def test_who_was_challenged_for_a_saved_card_has_proved_who_they_are(psp, anna):
    activate("foreign_card")
    saved = card(anna, country="BR", fingerprint="fp_abroad", days=9)
    paid_with(saved, days=9)
    deposit = deposits.start(
        player_id=anna,
        amount=Money(5_000, "EUR"),
        key="k1",
        actor=Actor.player(anna),
        instrument=saved.pk,
    )
    assert psp.wanted.challenge is True
    arrives(psp, deposit)
    assert (money(anna), review.queue()) == ((5_000, 5_000), [])


def test_money_that_came_with_a_card_of_many_is_held_though_it_would_have_been_blocked(psp, anna):
    activate("card_of_many")
    for _ in range(3):
        card(house.player(), fingerprint="fp_abroad")
    deposit = start(anna)
    arrives(psp, deposit, FOREIGN)
    assert (money(anna), len(review.queue())) == ((5_000, 0), 1)


def test_released_it_is_theirs_and_the_decision_stands(psp, anna, held):
    one = officer(Role.FINANCE)
    done = review.decide(held.pk, Verdict.RELEASE, reason="Their own savings.", actor=one)
    assert (done.verdict, done.decided_by, done.reason) == (
        Verdict.RELEASE,
        str(one),
        "Their own savings.",
    )
    assert (money(anna), review.queue()) == ((600_000, 600_000), [])
    again = review.decide(held.pk, Verdict.RELEASE, reason="Again.", actor=officer())
    assert again == done
    assert (
        refused(lambda: review.decide(held.pk, Verdict.RETURN, reason="No.", actor=one))
        == ReviewCode.DECIDED_ALREADY
    )
    assert_books_clean()


def test_returned_it_stays_held_until_the_provider_has_taken_it(psp, anna, held):
    psp.answer = "silent"
    review.decide(held.pk, Verdict.RETURN, reason="Not theirs.", actor=officer())
    due(held)
    assert polling.sweep().deposits == 1
    assert money(anna) == (600_000, 0)
    psp.answer = "ok"
    due(held)
    polling.sweep()
    held.refresh_from_db()
    assert (held.state, money(anna)) == ("refunded", (0, 0))
    assert accounts.balance(accounts.receivable(anna, "EUR")).posted_minor == 0
    assert_books_clean()


@pytest.mark.parametrize(
    ("who", "reason", "code"),
    [
        (Role.SUPPORT, "Because.", RightsCode.NOT_ALLOWED),
        (Role.PIT_BOSS, "Because.", RightsCode.NOT_ALLOWED),
        (Role.FINANCE, "   ", ReviewCode.REASON_MISSING),
    ],
)
def test_nobody_else_decides_and_nobody_without_a_reason(psp, anna, held, who, reason, code):
    for verdict in Verdict:
        act = officer(who)
        assert (
            refused(lambda v=verdict, a=act: review.decide(held.pk, v, reason=reason, actor=a))
            == code
        )
    assert (money(anna), len(review.queue())) == ((600_000, 0), 1)


def test_what_is_not_held_any_more_is_not_decided(psp, anna, held):
    with transaction.atomic():
        holds.void(review.hold_id(held.pk), actor=Actor.system("test"))
    for verdict in Verdict:
        assert (
            refused(lambda v=verdict: review.decide(held.pk, v, reason="Late.", actor=officer()))
            == ReviewCode.NOT_HELD_ANY_MORE
        )
    assert (review.find(held.pk).verdict, review.queue()) == (None, [])
    assert review.open_until(held.pk) is None
    assert review.tally(database_now()).count == 0


def _told(kind: str, person: int) -> list[dict]:
    mine = Notice.objects.filter(kind=kind, person_id=person).order_by("created_at")
    return list(mine.values_list("context", flat=True))


@pytest.fixture
def days_pass(owner):
    """A while goes by for what is held and looked at."""

    def pass_(days: int) -> None:
        ago = timedelta(days=days)
        for table in ("payments_fraud_review", "ledger_hold"):
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        owner.execute("UPDATE payments_fraud_review SET due_at = due_at - %s", [ago])
        owner.execute(
            "UPDATE ledger_hold SET at = at - %s, expires_at = expires_at - %s", [ago, ago]
        )
        for table in ("payments_fraud_review", "ledger_hold"):
            owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")

    return pass_


def test_a_review_that_nobody_decides_is_told_to_staff_in_time_and_to_its_player_when_it_ends(
    psp, anna, held, days_pass
):
    clerk = make_staff(Role.FINANCE, key=None).pk
    polling.sweep()
    assert _told("deposit_review_waits", clerk) == []
    days_pass(2)
    for _ in range(2):
        polling.sweep()
    assert [one["stage"] for one in _told("deposit_review_waits", clerk)] == ["late"]
    days_pass(22)
    for _ in range(2):
        polling.sweep()
    assert [one["stage"] for one in _told("deposit_review_waits", clerk)] == ["late", "ending"]
    assert (money(anna), _told("deposit_freed", anna)) == ((600_000, 0), [])
    days_pass(7)
    with transaction.atomic():
        holds.expire_due()
    for _ in range(2):
        polling.sweep()
    assert money(anna) == (600_000, 600_000)
    assert [one["amount_minor"] for one in _told("deposit_freed", anna)] == [600_000]
    stages = [one["stage"] for one in _told("deposit_review_waits", clerk)]
    assert stages == ["late", "ending", "lapsed"]
    assert review.queue() == []


def test_what_somebody_decided_is_told_to_its_player_alone(psp, anna, held, days_pass):
    clerk = make_staff(Role.FINANCE, key=None).pk
    review.decide(held.pk, Verdict.RELEASE, reason="Theirs.", actor=officer(Role.FINANCE))
    days_pass(40)
    polling.sweep()
    assert [one["amount_minor"] for one in _told("deposit_freed", anna)] == [600_000]
    assert _told("deposit_review_waits", clerk) == []


def test_a_refund_at_the_providers_own_desk_ends_the_hold_and_takes_the_money(psp, anna, held):
    said = psp.becomes(held.provider_ref, DepositState.REFUNDED)
    deposits.apply(said, cause="event evt_2", actor=PROVIDER, confirmed=True)
    assert (money(anna), review.queue()) == ((0, 0), [])
    assert (
        refused(lambda: review.decide(held.pk, Verdict.RELEASE, reason="x", actor=officer()))
        == ReviewCode.NOT_HELD_ANY_MORE
    )
    assert_books_clean()


def test_staff_decide_at_the_page(psp, anna, held):
    desk = staff_client(Role.FINANCE)
    page = desk.get("/admin/reviews/").content.decode()
    assert "6,000.00 EUR" in page
    assert "PAY-AMOUNTS" in page
    page = desk.get(f"/admin/reviews/{held.pk}/").content.decode()
    assert "What the rules said" in page
    address = f"/admin/reviews/{held.pk}/decide/"
    answer = desk.post(address, {"verdict": "release", "reason": " "})
    assert answer.status_code == 409
    assert "Write down why" in answer.content.decode()
    assert desk.post(address, {"verdict": "keep", "reason": "x"}).status_code == 404
    answer = desk.post(address, {"verdict": "release", "reason": "Salary seen."}, follow=True)
    assert "Released: the player has it." in answer.content.decode()
    assert money(anna) == (600_000, 600_000)
    answer = desk.post(address, {"verdict": "return", "reason": "No."})
    assert "Somebody has decided this already." in answer.content.decode()
    assert "Salary seen." in desk.get("/admin/reviews/").content.decode()
