"""A player, an account at the fake Stripe, and events brought to our door."""

from __future__ import annotations

from datetime import date, timedelta

from django.test import Client

from audit.database_clock import database_now
from compliance import limits, sign_up
from kernel.clock import SystemClock, epoch_ms
from kernel.ids import Actor, PlayerId
from kernel.money import Money
from ledger import accounts
from payments import polling
from payments.models import Deposit, Withdrawal
from payments.paying_in import deposits
from tests.fakes.stripe.events import SECRET, bytes_of, signature

URL = "/payments/webhooks/stripe/"


def player() -> PlayerId:
    ada = sign_up.register_player(
        email="ada@example.com",
        password="long enough for anybody 77",
        date_of_birth=date(1990, 5, 17),
        country="MT",
        currency="EUR",
        actor=Actor.system("test"),
    )
    limits.answer(ada, actor=Actor.player(ada), now=database_now())
    return ada


def begin(ada: PlayerId, minor: int = 5_000, key: str = "k") -> Deposit:
    return deposits.start(
        player_id=ada,
        amount=Money(minor, "EUR"),
        key=key,
        actor=Actor.player(ada),
        return_base="https://casino.example/cashier/deposits/",
    )


def now_s() -> int:
    return epoch_ms(SystemClock().now()) // 1000


def bring(event: dict, header: str | None = None, *secrets: str, age_s: int = 0) -> int:
    """Deliver one event as Stripe does; the status of our answer."""
    body = bytes_of(event)
    made = signature(body, now_s() - age_s, *(secrets or (SECRET,)))
    answer = Client().post(
        URL,
        body,
        content_type="application/json; charset=utf-8",
        headers={"Stripe-Signature": made if header is None else header},
    )
    return answer.status_code


def sweep() -> polling.Sweep:
    past = database_now() - timedelta(seconds=1)
    Deposit.objects.exclude(poll_at=None).update(poll_at=past)
    Withdrawal.objects.exclude(poll_at=None).update(poll_at=past)
    return polling.sweep()


def funds(ada: PlayerId) -> tuple[int, int]:
    cash, held = accounts.player_cash(ada, "EUR"), accounts.player_held(ada, "EUR")
    return accounts.balance(cash).posted_minor, accounts.balance(held).posted_minor
