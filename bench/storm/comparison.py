"""The provider's record against ours: each payment, each dispute, each player, in both directions.

All that the provider knows is read from its own file, and all that we know from the ledger and the
payments' rows. Sums that agree may hide two mistakes, so nothing is compared by sums alone.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from django.db import connection

from compliance import freezing
from kernel.ids import PlayerId
from payments.disputes.models import ProviderDispute
from payments.models import Deposit, Withdrawal
from payments.states import DepositState, WithdrawalState

#: One row per transfer and account that says whose money it is, from the account's view. What
#: the ledger books of fees and settlements is the business of reconciliation, not of events.
_LEDGER_SQL: Final = """
SELECT t.ref, t.kind, a.kind, a.owner_ref, a.currency,
       CASE WHEN t.credit = a.id THEN t.amount ELSE -t.amount END
FROM ledger_transfer t JOIN ledger_account a ON a.id IN (t.debit, t.credit)
WHERE t.kind NOT IN ('psp_fee', 'psp_settlement') AND t.ref <> 'test'
    AND (a.kind IN ('player_cash', 'player_held', 'receivable')
         OR a.owner_ref = 'psp:simulated')
"""
_OF_DISPUTES: Final = frozenset({"dispute", "dispute_won"})
_D, _W = DepositState, WithdrawalState
#: What of ours may stand for what the provider says; `unknown` to it: it never heard of it.
SAME: Final[dict[str, frozenset[str]]] = {
    "requires_action": frozenset({_D.REQUIRES_ACTION}),
    "processing": frozenset({_D.PROCESSING}),
    "succeeded": frozenset({_D.SUCCEEDED, _D.REFUND_DUE, _D.DISPUTED, _D.WON, _D.LOST}),
    "failed": frozenset({_D.FAILED, _W.FAILED}),
    "canceled": frozenset({_D.CANCELED}),
    "expired": frozenset({_D.EXPIRED}),
    "refunded": frozenset({_D.REFUNDED, _D.WON, _D.LOST}),
    "submitted": frozenset({_W.SUBMITTED}),
    "in_transit": frozenset({_W.IN_TRANSIT}),
    "paid": frozenset({_W.PAID}),
    "returned": frozenset({_W.RETURNED}),
    "unknown": frozenset({_D.FAILED, _W.FAILED, _W.REJECTED, _W.RISK_REVIEW}),
}


@dataclass(slots=True)
class Theirs:
    """The provider's record. Amounts in minor units, towards us positive."""

    payments: dict[str, dict[str, Any]] = field(default_factory=dict)  # by our reference
    disputes: dict[str, dict[str, Any]] = field(default_factory=dict)  # by their id
    #: By our reference, currency and whether a dispute moved it.
    moved: dict[tuple[str, str, bool], int] = field(default_factory=lambda: defaultdict(int))


def read(memory: Path) -> Theirs:
    """All that the provider remembers, in its file."""
    found = Theirs()
    with sqlite3.connect(f"file:{memory}?mode=ro", uri=True) as db:
        for one in _bodies(db, "SELECT body FROM object WHERE id GLOB 'pay_*' OR id GLOB 'out_*'"):
            found.payments[one["merchant_reference"]] = one
        for one in _bodies(db, "SELECT body FROM object WHERE id GLOB 'dsp_*'"):
            found.disputes[one["id"]] = one
        for one in _bodies(db, "SELECT body FROM line WHERE type <> 'payout'"):
            where = (one["merchant_reference"], one["currency"], one["type"] in _OF_DISPUTES)
            found.moved[where] += one["gross_minor"]
    return found


def _bodies(db: sqlite3.Connection, sql: str) -> Iterator[dict[str, Any]]:
    for (body,) in db.execute(sql):
        yield json.loads(body)


def money(theirs: Theirs) -> dict[str, int]:
    """Minor units that differ, by what they are about; empty where nothing does."""
    ours = _Ours()
    players, aside, disputed = _expected(theirs, ours)
    apart = {
        "payments": _apart(theirs.moved, ours.moved),
        "players": _apart(players, ours.players),
        "set aside": _apart(aside, ours.aside),
        "disputed": _apart(disputed, ours.disputed),
        "gone back": _gone_back_apart(theirs),
    }
    return {name: minor for name, minor in apart.items() if minor}


class _Ours:
    """The ledger's, as `Theirs` has it, and how it lies on the accounts on our side."""

    def __init__(self) -> None:
        self.moved: dict[tuple[str, str, bool], int] = defaultdict(int)
        self.players: dict[tuple[str, str], int] = defaultdict(int)
        self.aside: dict[str, int] = defaultdict(int)
        self.disputed: dict[str, int] = defaultdict(int)
        self.credited: set[str] = set()
        with connection.cursor() as cursor:
            cursor.execute(_LEDGER_SQL)
            for ref, why, kind, owner, currency, minor in cursor.fetchall():
                self._add(ref.removeprefix("payment:"), why, (kind, owner, currency), int(minor))

    def _add(self, ref: str, why: str, account: tuple[str, str, str], minor: int) -> None:
        kind, owner, currency = account
        if kind == "psp_clearing":
            self.moved[ref, currency, why == "dispute"] -= minor
        elif kind == "suspense":
            self.aside[currency] += minor
        elif kind == "chargebacks":
            self.disputed[currency] += minor
        elif kind in {"player_cash", "player_held", "receivable"}:
            self.players[owner.removeprefix("player:"), currency] += minor
        if why == "deposit":
            self.credited.add(ref)


def _expected(
    theirs: Theirs, ours: _Ours
) -> tuple[dict[tuple[str, str], int], dict[str, int], dict[str, int]]:
    """What each player has of the provider's money, what is set aside, and what banks took."""
    players: dict[tuple[str, str], int] = defaultdict(int)
    aside: dict[str, int] = defaultdict(int)
    disputed: dict[str, int] = defaultdict(int)
    whose = {
        str(ref): str(player_id)
        for table in (Deposit, Withdrawal)
        for ref, player_id in table.objects.values_list("pk", "player_id")
    }
    deposits = {str(ref) for ref in Deposit.objects.values_list("pk", flat=True)}
    for (ref, currency, is_dispute), minor in theirs.moved.items():
        if is_dispute:
            disputed[currency] += minor
        elif ref in deposits and ref not in ours.credited:
            aside[currency] += minor
        else:
            players[whose.get(ref, "nobody"), currency] += minor
    return players, aside, disputed


def _apart(theirs: dict[Any, int], ours: dict[Any, int]) -> int:
    """What differs in all, whichever of the two knows of it."""
    return sum(abs(theirs.get(key, 0) - ours.get(key, 0)) for key in theirs.keys() | ours.keys())


def _gone_back_apart(theirs: Theirs) -> int:
    """Of each deposit that came: what went back of it by refunds and payouts."""
    came = ("succeeded", "refunded")
    return sum(
        abs(refunded_minor - said["refunded_minor"] - said["paid_back_minor"])
        for ref, refunded_minor in Deposit.objects.values_list("pk", "refunded_minor")
        if (said := theirs.payments.get(str(ref))) is not None and said["status"] in came
    )


def differing(theirs: Theirs) -> Counter[str]:
    """Payments and disputes that are something else on each side, by what they say."""
    return _payments_differing(theirs) + _disputes_differing(theirs)


def _payments_differing(theirs: Theirs) -> Counter[str]:
    left = dict(theirs.payments)
    found: Counter[str] = Counter()
    for table in (Deposit, Withdrawal):
        name = table.__name__.lower()
        for one in table.objects.all():
            told = left.pop(str(one.pk), None)
            said = "unknown" if told is None else str(told["status"])
            if one.state not in SAME[said] and not _is_kept_back(one.state, said, one.player_id):
                found[f"{name} {one.state}, there {said}"] += 1
            if told is not None and (told["amount_minor"], told["currency"], told["id"]) != (
                *(one.amount_minor, one.currency),
                one.provider_ref,
            ):
                found[f"{name} of another amount or reference"] += 1
    found.update(f"not ours, there {said['status']}" for said in left.values())
    return found


def _is_kept_back(state: str, said: str, player_id: int) -> bool:
    """Agreed to, and not handed over while a deposit of the player is disputed."""
    waits = said == "unknown" and state in {WithdrawalState.APPROVED, WithdrawalState.UNKNOWN}
    return waits and freezing.stops_payout(PlayerId(player_id))


def _disputes_differing(theirs: Theirs) -> Counter[str]:
    left = dict(theirs.disputes)
    found: Counter[str] = Counter()
    for one in ProviderDispute.objects.all():
        told = left.pop(one.provider_ref, None)
        said = "unknown" if told is None else str(told["status"])
        if said != one.state:
            found[f"dispute {one.state}, there {said}"] += 1
        elif told is not None and (told["amount_minor"], told["currency"]) != (
            *(one.amount_minor, one.currency),
        ):
            found["dispute of another amount"] += 1
    found.update(f"dispute not ours, there {said['status']}" for said in left.values())
    return found
