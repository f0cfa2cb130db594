"""People who pay in and out, dispute and have things returned, whatever does not answer."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import httpx
from django.db import Error, connections

from bench.storm.processes import Processes
from compliance.models import Standing
from kernel.ids import Actor, PlayerId, new_id
from kernel.money import Money
from kernel.refusal import Refused
from ledger import accounts
from payments.models import Deposit, Withdrawal
from payments.paying_in import deposits
from payments.paying_out import withdrawals
from payments.states import DepositState, WithdrawalState
from tests import house
from tests.flows.payout_steps import STAFF, at_work

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
#: What they do, and how often of a hundred.
ACTS: Final = (("deposit", 55), ("withdraw", 30), ("dispute", 4), ("decide", 3), ("return_", 8))
_Answer = TypeVar("_Answer")


def make(count: int) -> list[tuple[PlayerId, str]]:
    """Grown and known players, each with their currency; and staff who agree to withdrawals."""
    at_work()
    people = []
    for n in range(count):
        currency = CURRENCIES[n % len(CURRENCIES)]
        player = house.player(currency=currency)
        Standing.objects.filter(pk=player).update(age_verified=True, identity_verified=True)
        people.append((player, currency))
    return people


@dataclass(slots=True)
class Crowd:
    """Some of the people, in one process."""

    processes: Processes
    people: list[tuple[PlayerId, str]]

    def act_until(self, is_over: Callable[[], bool]) -> None:
        while not is_over():
            player, currency = CHANCE.choice(self.people)
            name = _chosen(ACTS)
            act: Callable[[PlayerId, str], None] = getattr(self, name)
            with suppress(Refused, httpx.HTTPError):
                act(player, currency)
        connections.close_all()

    def deposit(self, player: PlayerId, currency: str) -> None:
        """Asked for until it is answered, under one key; then the provider's pages."""
        key, amount = new_id().hex, Money(CHANCE.randint(1_000, 20_000), currency)
        made = insist(
            lambda: deposits.start(
                player_id=player, amount=amount, key=key, actor=Actor.player(player)
            )
        )
        if made.redirect_url:
            self._pay(made.redirect_url)

    def _pay(self, page: str) -> None:
        answer = httpx.post(page, data={"instrument": _chosen(WAYS)}, trust_env=False)
        if answer.status_code == 303 and "/challenge/" in answer.headers["location"]:
            bank = str(httpx.URL(page).join(answer.headers["location"]))
            action = _chosen((("approve", 90), ("fail", 5), ("cancel", 5)))
            httpx.post(bank, data={"action": action}, trust_env=False)

    def withdraw(self, player: PlayerId, currency: str) -> None:
        """Part of what is there, agreed to by as many as it takes."""
        there = insist(lambda: accounts.balance(accounts.player_cash(player, currency)))
        if there.available_minor < 200:
            return
        key, actor = new_id().hex, Actor.player(player)
        amount = Money(CHANCE.randint(100, there.available_minor), currency)
        made = insist(
            lambda: withdrawals.request(player_id=player, amount=amount, key=key, actor=actor)
        )
        for staff in STAFF:
            agree = partial(withdrawals.approve, made.request_id, actor=staff)
            made = insist(agree)
            if made.state != WithdrawalState.RISK_REVIEW:
                return

    def dispute(self, player: PlayerId, currency: str) -> None:
        """The bank of a card takes a payment back, or part of it."""
        captured = insist(
            lambda: list(
                Deposit.objects.filter(
                    player_id=player, currency=currency, state=DepositState.SUCCEEDED
                )[:20]
            )
        )
        if captured:
            one = CHANCE.choice(captured)
            minor = CHANCE.randint(1, one.amount_minor)
            self.processes.ask(
                "POST", "/simulate/disputes", {"payment": one.provider_ref, "amount_minor": minor}
            )

    def decide(self, _player: PlayerId, _currency: str) -> None:
        """A bank decides a dispute that is open."""
        opened = self._objects("disputes")
        waiting = [one for one in opened if one["status"] == "opened"]
        if waiting:
            outcome = CHANCE.choice(("won", "lost"))
            self.processes.ask("POST", f"/simulate/disputes/{waiting[0]['id']}/{outcome}", {})

    def _objects(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.processes.ask("GET", f"/simulate/newest/{kind}")["found"]
        return found

    def return_(self, player: PlayerId, currency: str) -> None:
        """The person's bank returns what was paid."""
        paid = insist(
            lambda: list(
                Withdrawal.objects.filter(
                    player_id=player, currency=currency, state=WithdrawalState.PAID
                )[:20]
            )
        )
        if paid:
            ref = CHANCE.choice(paid).provider_ref or ""
            self.processes.ask("POST", f"/simulate/payouts/{ref}/returned", {})


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
