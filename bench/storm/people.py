"""People who pay in and out, dispute, are refunded and leave, whatever does not answer."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar

import httpx
from django.db import Error, connections
from stdnum import iban

from accounts.models import User
from audit.database_clock import database_now
from bench.storm.processes import Processes, client
from compliance import exclusion
from compliance.models import Standing
from kernel.ids import Actor, PlayerId, new_id
from kernel.money import Money
from kernel.refusal import Refused
from ledger import accounts
from payments.fraud import review
from payments.models import Deposit, Instrument, Withdrawal
from payments.paying_in import deposits
from payments.paying_out import payout_accounts, withdrawals
from payments.paying_out.closed_loop import LoopCode
from payments.states import DepositState, WithdrawalState
from tests import house
from tests.flows.payout_steps import STAFF, at_work
from tests.flows.watching_steps import activate

CHANCE: Final = secrets.SystemRandom()
CURRENCIES: Final = ("EUR", "GBP", "SEK")
#: With what they pay, and how often of a hundred.
WAYS: Final = (
    ("visa", 45),
    ("bank", 15),
    ("wallet", 5),
    ("mastercard_3ds", 15),
    ("visa_closed", 8),
    ("visa_abroad", 8),
    ("visa_funds", 4),
)
#: What they, their banks, the provider's desk and our staff do, and how often of a hundred.
ACTS: Final = (
    ("deposit", 50),
    ("withdraw", 24),
    ("dispute", 3),
    ("decide", 4),
    ("return_", 6),
    ("refund", 4),
    ("late", 3),
    ("judge", 4),
    ("leave", 2),
)
#: Every so manieth may leave: the others pay on to the end.
MAY_LEAVE_EVERY: Final = 4
#: And every so manieth begins with money that no deposit brought: it goes out to an account.
BEGINS_WITH_EVERY: Final = 3
BEGINS_WITH_MINOR: Final = 50_000
#: Of a hundred requests so many are refused.
REFUSED_PERCENT: Final = 12
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_Answer = TypeVar("_Answer")


def make(count: int) -> list[tuple[PlayerId, str]]:
    """Grown and known players, each with their currency; and staff who decide."""
    at_work()
    activate("foreign_card")  # holds what it finds until somebody has looked
    people = []
    for n in range(count):
        currency = CURRENCIES[n % len(CURRENCIES)]
        begins_with = 0 if n % BEGINS_WITH_EVERY else BEGINS_WITH_MINOR
        player = house.player(currency=currency, balance_minor=begins_with)
        User.objects.filter(pk=player).update(name=f"{_name()} {_name()}")
        Standing.objects.filter(pk=player).update(age_verified=True, identity_verified=True)
        people.append((player, currency))
    return people


def close_pages() -> None:
    """Everybody leaves the page that is still open; by itself it ends half an hour later."""
    opened = Deposit.objects.filter(state=DepositState.REQUIRES_ACTION).exclude(redirect_url="")
    for page in opened.values_list("redirect_url", flat=True):
        _post(page, action="cancel")


def _name() -> str:
    """Like nobody else's: who is like somebody that left is looked at by people."""
    return "".join(CHANCE.choices(_LETTERS, k=10)).title()


@dataclass(slots=True)
class Crowd:
    """Some of the people, in one process. ``done`` counts what came to its end, by its name."""

    processes: Processes
    people: list[tuple[PlayerId, str]]
    done: Counter[str] = field(default_factory=Counter)

    def act_until(self, is_over: Callable[[], bool]) -> None:
        while not is_over():
            player, currency = CHANCE.choice(self.people)
            name = _chosen(ACTS)
            act: Callable[[PlayerId, str], bool] = getattr(self, name)
            with suppress(Refused, httpx.HTTPError):
                self.done[name] += act(player, currency)
        connections.close_all()

    def deposit(self, player: PlayerId, currency: str) -> bool:
        """Asked for until it is answered, under one key; then the provider's pages."""
        page = self._page(player, currency)
        if page:
            self._pay(page)
        return bool(page)

    def leave(self, player: PlayerId, currency: str) -> bool:
        """Excludes themselves, and pays all the same on the page that was open."""
        if player % MAY_LEAVE_EVERY:
            return False
        page = self._page(player, currency)
        if page:
            insist(partial(_exclude, player))
            self._pay(page)
        return bool(page)

    def _page(self, player: PlayerId, currency: str) -> str:
        key, amount = new_id().hex, Money(CHANCE.randint(1_000, 20_000), currency)
        made = insist(
            lambda: deposits.start(
                player_id=player, amount=amount, key=key, actor=Actor.player(player)
            )
        )
        return made.redirect_url

    def _pay(self, page: str) -> None:
        answer = _post(page, instrument=_chosen(WAYS))
        if answer.status_code == 303 and "/challenge/" in answer.headers["location"]:
            bank = str(httpx.URL(page).join(answer.headers["location"]))
            action = _chosen((("approve", 90), ("fail", 5), ("cancel", 5)))
            _post(bank, action=action)

    def withdraw(self, player: PlayerId, currency: str) -> bool:
        """Part of what is there, agreed to by as many as it takes, or refused."""
        there = insist(lambda: accounts.balance(accounts.player_cash(player, currency)))
        if there.available_minor < 200:
            return False
        amount = Money(CHANCE.randint(100, there.available_minor), currency)
        ask = partial(_request, player, amount, new_id().hex)
        try:
            made = insist(ask)
        except Refused as refused:
            if refused.code != LoopCode.ACCOUNT_NEEDED:
                raise
            insist(partial(_add_account, player))
            made = insist(ask)
        if CHANCE.randrange(100) < REFUSED_PERCENT:
            insist(partial(withdrawals.reject, made.request_id, actor=STAFF[0], reason="a storm"))
            return True
        for staff in STAFF:
            agree = partial(withdrawals.approve, made.request_id, actor=staff)
            made = insist(agree)
            if made.state != WithdrawalState.RISK_REVIEW:
                break
        return True

    def dispute(self, player: PlayerId, _currency: str) -> bool:
        """The bank of a card takes a payment back, or part of it."""
        one = _deposit_in([player], DepositState.SUCCEEDED)
        if one is None:
            return False
        minor = CHANCE.randint(1, one.amount_minor)
        wanted = {"payment": one.provider_ref, "amount_minor": minor}
        self.processes.ask("POST", "/simulate/disputes", wanted)
        return True

    def refund(self, player: PlayerId, currency: str) -> bool:
        """Somebody at the provider's own desk sends part of a payment back, or all of it."""
        one = _deposit_in([player], DepositState.SUCCEEDED, DepositState.WON)
        if one is None:
            return False
        minor = CHANCE.choice((one.amount_minor, CHANCE.randint(1, one.amount_minor)))
        path, wanted = f"/v1/payments/{one.provider_ref}/refunds", {"amount_minor": minor}
        self.processes.ask("POST", path, wanted | {"currency": currency}, new_id().hex)
        return True

    def _everybody(self) -> list[PlayerId]:
        return [player for player, _ in self.people]

    def late(self, _player: PlayerId, _currency: str) -> bool:
        """Money comes of a deposit that had failed, expired or been cancelled."""
        ended = (DepositState.FAILED, DepositState.CANCELED, DepositState.EXPIRED)
        one = _deposit_in(self._everybody(), *ended)
        if one is None:
            return False
        self.processes.ask("POST", f"/simulate/payments/{one.provider_ref}/arrives", {})
        return True

    def judge(self, _player: PlayerId, _currency: str) -> bool:
        """Somebody of staff looks at a deposit that is held for review."""
        waiting = insist(lambda: review.queue(20))
        if not waiting:
            return False
        verdict = CHANCE.choice(tuple(review.Verdict))
        one = CHANCE.choice(waiting).deposit_id
        insist(partial(review.decide, one, verdict, reason="a storm", actor=STAFF[0]))
        return True

    def decide(self, _player: PlayerId, _currency: str) -> bool:
        """A bank decides a dispute that is open."""
        opened = self._objects("disputes")
        waiting = [one for one in opened if one["status"] == "opened"]
        if waiting:
            outcome, one = CHANCE.choice(("won", "lost")), CHANCE.choice(waiting)["id"]
            self.processes.ask("POST", f"/simulate/disputes/{one}/{outcome}", {})
        return bool(waiting)

    def _objects(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.processes.ask("GET", f"/simulate/newest/{kind}")["found"]
        return found

    def return_(self, _player: PlayerId, _currency: str) -> bool:
        """The person's bank returns what was paid."""
        theirs = Withdrawal.objects.filter(player_id__in=self._everybody())
        paid = insist(
            lambda: list(theirs.filter(state=WithdrawalState.PAID).order_by("-created_at")[:20])
        )
        if paid:
            ref = CHANCE.choice(paid).provider_ref or ""
            self.processes.ask("POST", f"/simulate/payouts/{ref}/returned", {})
        return bool(paid)


def _deposit_in(players: list[PlayerId], *states: DepositState) -> Deposit | None:
    """One of these players' newer deposits that is in one of these states, as we know it."""
    theirs = Deposit.objects.filter(player_id__in=players, provider_ref__isnull=False)
    found = insist(lambda: list(theirs.filter(state__in=states).order_by("-created_at")[:20]))
    return CHANCE.choice(found) if found else None


def _request(player: PlayerId, amount: Money, key: str) -> Withdrawal:
    return withdrawals.request(player_id=player, amount=amount, key=key, actor=Actor.player(player))


def _add_account(player: PlayerId) -> None:
    """An account of their own, whose first hours are over."""
    bare = f"DE00{player % 10**18:018d}"
    number = f"DE{iban.calc_check_digits(bare):0>2}{bare[4:]}"
    made = payout_accounts.add(player_id=player, text=number, actor=Actor.player(player))
    Instrument.objects.filter(pk=made.pk).update(usable_from=None)


def _exclude(player: PlayerId) -> None:
    until = database_now() + timedelta(days=400)
    exclusion.self_exclude(player, until=until, actor=Actor.player(player), reason="a storm")


def _post(page: str, **form: str) -> httpx.Response:
    return client().post(page, data=form)


def _chosen(ways: tuple[tuple[str, int], ...]) -> str:
    return CHANCE.choices([name for name, _ in ways], [weight for _, weight in ways])[0]


def insist(act: Callable[[], _Answer]) -> _Answer:
    """Until it is answered: after an error of the database nobody knows what happened."""
    while True:
        try:
            return act()
        except Error:
            connections.close_all()
            time.sleep(0.05)
