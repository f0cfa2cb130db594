"""Instruments, payments of the past and rules in force, as steps for tests of fraud."""

from __future__ import annotations

from datetime import timedelta

from audit.database_clock import database_now
from kernel.ids import new_id
from kernel.money import Money
from payments.fraud.decide import Moment, Purpose, Question
from payments.models import Deposit, Instrument


def card(player, *, fingerprint="", country="", **ago) -> Instrument:
    """A card of this player, first seen so long ago."""
    seen = database_now() - timedelta(**ago)
    return Instrument.objects.create(
        player_id=player,
        provider="simulated",
        token=f"tok_{new_id().hex}",
        kind="card",
        brand="Play",
        last4="4242",
        country=country,
        fingerprint=fingerprint or f"fp_{new_id().hex}",
        first_seen=seen,
        last_used=seen,
    )


def paid_with(instrument: Instrument, minor=1_000, *, state="succeeded", **ago) -> Deposit:
    """A deposit of so long ago with this instrument."""
    return Deposit.objects.create(
        player_id=instrument.player_id,
        provider="simulated",
        key=new_id().hex,
        amount_minor=minor,
        currency="EUR",
        state=state,
        instrument=instrument,
        created_at=database_now() - timedelta(**ago),
        changed_at=database_now() - timedelta(**ago),
    )


def asks(player, minor=1_000, *, currency="EUR", instrument=None, moment=Moment.ASKED) -> Question:
    """A deposit that is asked for now."""
    return Question(
        ref=new_id(),
        player_id=player,
        purpose=Purpose.DEPOSIT,
        amount=Money(minor, currency),
        moment=moment,
        fingerprint="" if instrument is None else instrument.fingerprint,
        issuer="" if instrument is None else instrument.country,
    )


def asks_out(player, minor=1_000) -> Question:
    """A withdrawal that is asked for now."""
    return Question(
        ref=new_id(),
        player_id=player,
        purpose=Purpose.WITHDRAWAL,
        amount=Money(minor, "EUR"),
    )
