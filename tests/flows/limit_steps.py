"""Steps of the tests about limits and time: a player anywhere, a clock, and the gate's answers."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from compliance import facts, gate, limits
from compliance.gate import GateCode, Purpose
from compliance.limit_arithmetic import LimitKind, Period
from compliance.models import Standing
from kernel.ids import Actor, PlayerId, new_id
from kernel.money import Money
from tests import house

CURRENCIES = {
    "GB": "GBP", "MT": "EUR", "SE": "SEK", "NL": "EUR", "CA-ON": "CAD", "DK": "DKK",
    "US-NJ": "USD", "DE": "EUR", "DEMO": "EUR",
}  # fmt: skip


def player_in(code: str, **standing) -> PlayerId:
    """A verified player of age under this profile, whether this house offers it or not."""
    currency = CURRENCIES[code]
    house.sign_off(code)
    player = house.player(currency=currency)
    Standing.objects.filter(pk=player).update(
        jurisdiction=code,
        age_verified=True,
        identity_verified=True,
        limits_answered_at=None,
        **standing,
    )
    house.admitted_for_ever(player)
    return player


def currency_of(player: PlayerId) -> str:
    return str(Standing.objects.values_list("currency", flat=True).get(pk=player))


def ask(
    player: PlayerId, now: datetime, minor: int = 100, purpose: Purpose = Purpose.BET
) -> gate.Decision:
    """The gate's answer at an instant."""
    amount = Money(minor, currency_of(player))
    with transaction.atomic():
        [answer] = gate.decide([gate.GateRequest(new_id(), player, purpose, amount, ())], now=now)
        if purpose is Purpose.DEPOSIT:  # nothing stays in flight
            limits.release(answer.ref)
    return answer


def code(player: PlayerId, now: datetime, minor: int = 100, purpose: Purpose = Purpose.BET):
    return ask(player, now, minor, purpose).code


def limit(
    player: PlayerId, kind: LimitKind, amount: int | None, period: Period, now: datetime
) -> limits.Change:
    """A limit of so many minor units, or of so many seconds."""
    value: limits.Amount = None
    if amount is not None:
        value = (
            timedelta(seconds=amount)
            if kind is LimitKind.SESSION_TIME
            else Money(amount, currency_of(player))
        )
    return limits.set_limit(
        player, kind=kind, period=period, amount=value, actor=Actor.player(player), now=now
    )


def tell(player: PlayerId, kind: facts.FactKind, minor: int, at: datetime) -> None:
    with transaction.atomic():
        facts.record([facts.Fact(player, kind, Money(minor, currency_of(player)), at)])


def allowed(answer: GateCode | None) -> bool:
    return answer is None
