"""Deposits held for review: credited and set aside at once, until somebody has looked.

The hold stands on the player's own cash (`ledger.holds`): they see it and for what, and can neither
play nor withdraw it. Released, it is theirs; returned, it goes back to its source: the provider is
asked until it has taken it, and the money is held as long as that takes (`payments.fraud.returns`).
Who decides needs the right; what was decided is a row that never changes.

A part that goes back lessens the hold: what is left is held anew in the same transaction, so a
review has one hold after another, at most one of which stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from accounts.rights import check_right
from audit.canonical import storable
from audit.database_clock import database_now
from audit.record import Subject, record, register
from compliance.queues import Tally
from kernel.ids import AccountId, Actor, PlayerId
from kernel.money import Money
from kernel.refusal import Refused
from ledger import accounts, holds
from ledger.postings import LedgerCode, Transfer, TransferKind, derived_id
from payments.booking import REF
from payments.fraud.words import Decision
from payments.models import Deposit
from payments.states import DEPOSIT_WAITS, WITH_US, DepositState
from payments.steps import lock_deposit
from payments.words import telling

RIGHT: Final = "payments.review_deposit"
#: As long as a hold may stand; a review that nobody decides frees the money of its own accord. One
#: whose return is decided is held anew.
HELD_FOR: Final = timedelta(days=30)
#: How long the house gives itself.
DUE_AFTER: Final = timedelta(days=1)
REASON_MAX: Final = 2_000
#: Whose money is with us, so that it can be sent back.
RETURNABLE: Final = WITH_US

HELD: Final = register("deposit.held_for_review", "Deposit held for review")
DECIDED: Final = register("deposit.review_decided", "Deposit's review decided")


class ReviewCode(StrEnum):
    """Why a review is not decided."""

    NO_SUCH_REVIEW = "no_such_review"
    DECIDED_ALREADY = "review_decided_already"
    REASON_MISSING = "review_reason_missing"
    NOT_HELD_ANY_MORE = "review_not_held_any_more"
    DISPUTED = "review_deposit_disputed"


class Verdict(StrEnum):
    """What becomes of the money."""

    RELEASE = "release"
    RETURN = "return"


@dataclass(frozen=True, slots=True)
class Review:
    """One deposit under review, and what was decided about it (None: nothing yet)."""

    deposit_id: UUID
    player_id: PlayerId
    amount: Money
    reasons: tuple[str, ...]
    opened_at: datetime
    due_at: datetime
    verdict: Verdict | None
    decided_by: str
    decided_at: datetime | None
    reason: str
    #: When the hold ended: released, taken back, or its time was over.
    ended_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether there is something left to decide."""
        return self.verdict is None and self.ended_at is None


_SQL: Final = """
SELECT r.deposit_id, r.player_id, r.amount_minor, r.currency, r.reasons, r.opened_at, r.due_at,
       v.verdict, v.by_actor, v.at, v.reason, held.ended_at
FROM payments_fraud_review r
"""
#: With the verdict and the holds of a review: until when the last stands, since when none does, and
#: what of it came free because its time was over.
ENDS: Final = """
LEFT JOIN payments_fraud_verdict v ON v.deposit_id = r.deposit_id
JOIN ledger_hold first ON first.id = r.hold_id
CROSS JOIN LATERAL (
    SELECT CASE WHEN bool_and(e.hold IS NOT NULL) THEN max(e.at) END AS ended_at,
        max(h.expires_at) AS until_at,
        coalesce(sum(h.amount) FILTER (WHERE e.outcome = 'expired'), 0)::bigint AS lapsed_minor
    FROM ledger_hold h LEFT JOIN ledger_hold_end e ON e.hold = h.id
    WHERE h.account = first.account AND h.ref = first.ref AND h.kind = first.kind
) held
"""
_WAITS: Final = "v.deposit_id IS NULL AND held.ended_at IS NULL"
_TALLY: Final = f"""
SELECT count(*), count(*) FILTER (WHERE r.due_at < %s), min(r.due_at)
FROM payments_fraud_review r {ENDS} WHERE {_WAITS}
"""  # noqa: S608  (fixed words alone)


def hold_id(deposit_id: UUID) -> UUID:
    """The first hold of a deposit's review."""
    return derived_id("review", deposit_id)


def hold(deposit: Deposit, decision: Decision, actor: Actor) -> None:
    """Set a credited deposit aside for review, in the transaction that credited it. Once."""
    _place(deposit, hold_id(deposit.pk), deposit.amount_minor, HELD_FOR, actor)
    now = database_now()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payments_fraud_review (deposit_id, player_id, amount_minor, currency,"
            " reasons, hold_id, opened_at, due_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            [
                *(deposit.pk, deposit.player_id, deposit.amount_minor, deposit.currency),
                list(decision.reasons),
                hold_id(deposit.pk),
                *(now, now + DUE_AFTER),
            ],
        )
    record(
        HELD,
        actor=actor,
        subject=Subject("deposit", str(deposit.pk)),
        component="payments",
        after={"reasons": ", ".join(decision.reasons), "amount_minor": deposit.amount_minor},
    )


def _place(deposit: Deposit, id_: UUID, minor: int, lasts: timedelta, actor: Actor) -> None:
    holds.hold(
        Transfer(
            id=id_,
            debit=_cash(deposit),
            credit=accounts.psp_clearing(deposit.provider, deposit.currency),
            amount_minor=minor,
            kind=TransferKind.DEPOSIT_REVERSAL,
            ref=f"{REF}{deposit.pk}",
        ),
        timeout_ms=int(lasts.total_seconds() * 1000),
        actor=actor,
    )


def _cash(deposit: Deposit) -> AccountId:
    return accounts.player_cash(PlayerId(deposit.player_id), deposit.currency)


def standing_hold(deposit: Deposit) -> holds.Open | None:
    """The hold of its review that counts against the player's cash now, if one does."""
    kind, ref = TransferKind.DEPOSIT_REVERSAL, f"{REF}{deposit.pk}"
    found = holds.open_on(_cash(deposit))
    return next((one for one in found if one.kind is kind and one.ref == ref), None)


def let_go(deposit: Deposit, *, actor: Actor) -> holds.Open | None:
    """End the hold of a review if it stands; which it was. For whoever books against the money.

    In the caller's transaction, which keeps the account locked: nothing can be played in between.
    Under the deposit's lock.
    """
    found = standing_hold(deposit)
    if found is None:
        return None
    try:
        holds.void(found.id, actor=actor)
    except Refused as refused:
        if refused.code == LedgerCode.STALE_HOLD:
            return None
        raise
    return found


def hold_again(deposit: Deposit, before: holds.Open, gone_minor: int, actor: Actor) -> None:
    """Hold what is left of what ``before`` held, after ``gone_minor`` of it has gone back.

    In the transaction that let go of it. As long as it would have stood; where the return of the
    deposit is decided, for as long as a hold may.
    """
    left_minor = deposit.amount_minor - deposit.refunded_minor
    minor = min(before.amount_minor - gone_minor, left_minor)
    lasts = HELD_FOR if is_to_return(deposit.pk) else before.expires_at - database_now()
    if minor > 0 and lasts >= timedelta(milliseconds=1):
        _place(deposit, derived_id("review", before.id), minor, lasts, actor)


def decide(deposit_id: UUID, verdict: Verdict, *, reason: str, actor: Actor) -> Review:
    """Release the money to its player, or have it returned. Once; repeated it changes nothing.

    Refuses with ``NOT_ALLOWED``, ``NO_SUCH_REVIEW``, ``REASON_MISSING``, ``DECIDED_ALREADY`` (the
    other way), ``NOT_HELD_ANY_MORE`` (its 30 days are over, or it was taken back meanwhile: there
    is nothing left to decide) and, for a return, ``DISPUTED``: the bank has the money, or may take
    it. Locks the deposit, then its player's account. A return keeps the money held until the
    provider has taken it, and where that takes too long a case opens (`payments.overdue`).
    """
    check_right(actor, RIGHT)
    words = storable(reason.strip())[:REASON_MAX]
    if not words:
        raise Refused(ReviewCode.REASON_MISSING)
    with transaction.atomic():
        find(deposit_id)  # refuses before anything is locked
        deposit = lock_deposit(deposit_id)
        known = find(deposit_id)
        if known.verdict is not None:
            if known.verdict is verdict:
                return known
            raise Refused(ReviewCode.DECIDED_ALREADY, verdict=known.verdict.value)
        _write(deposit_id, verdict, actor, words)
        if verdict is Verdict.RELEASE:
            held = let_go(deposit, actor=actor)
            if held is None:
                raise Refused(ReviewCode.NOT_HELD_ANY_MORE)
            telling.freed(deposit, held.amount_minor)
        else:
            _have_returned(deposit, actor)
        record(
            DECIDED,
            actor=actor,
            subject=Subject("deposit", str(deposit_id)),
            component="payments",
            after={"verdict": verdict.value},
            reason=words,
        )
    return find(deposit_id)


def _have_returned(deposit: Deposit, actor: Actor) -> None:
    """The sweep asks the provider at once; until it has, the money is held where it is."""
    if deposit.state not in RETURNABLE:
        raise Refused(ReviewCode.DISPUTED)
    before = let_go(deposit, actor=actor)
    if before is None:
        raise Refused(ReviewCode.NOT_HELD_ANY_MORE)
    hold_again(deposit, before, 0, actor)
    now = database_now()
    deposit.poll_at, deposit.polls = now, 0
    deposit.expected_by = now + DEPOSIT_WAITS[DepositState.REFUND_DUE]
    deposit.save(update_fields=["poll_at", "polls", "expected_by"])


def is_to_return(deposit_id: UUID) -> bool:
    """Whether somebody decided that the deposit goes back to its source."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM payments_fraud_verdict WHERE deposit_id = %s"
            " AND verdict = 'return')",
            [deposit_id],
        )
        return bool(cursor.fetchone()[0])


def kept_back(player_id: PlayerId) -> set[UUID]:
    """The player's deposits that are looked at or are to be returned: no source of a withdrawal."""
    wanted = f"WHERE r.player_id = %s AND (({_WAITS}) OR v.verdict = 'return')"
    return {one.deposit_id for one in _read(wanted, [player_id])}


def _write(deposit_id: UUID, verdict: Verdict, actor: Actor, reason: str) -> None:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO payments_fraud_verdict (deposit_id, verdict, by_actor, reason)"
                " VALUES (%s, %s, %s, %s)",
                [deposit_id, verdict.value, str(actor), reason],
            )
    except IntegrityError as error:
        raise Refused(ReviewCode.DECIDED_ALREADY, verdict="") from error


def find(deposit_id: UUID) -> Review:
    """The review of this deposit. Refuses with ``NO_SUCH_REVIEW``."""
    found = _read("WHERE r.deposit_id = %s", [deposit_id])
    if not found:
        raise Refused(ReviewCode.NO_SUCH_REVIEW)
    return found[0]


def open_until(deposit_id: UUID) -> datetime | None:
    """Until when somebody looks at this deposit; None where nobody has to, or somebody has."""
    found = _read(f"WHERE r.deposit_id = %s AND {_WAITS}", [deposit_id])
    return found[0].due_at if found else None


def queue(limit: int = 100) -> list[Review]:
    """What nobody has decided yet, the oldest first."""
    return _read(f"WHERE {_WAITS} ORDER BY r.due_at, r.deposit_id LIMIT %s", [limit])


def tally(now: datetime) -> Tally:
    """How many wait, how many of them too long."""
    with connection.cursor() as cursor:
        cursor.execute(_TALLY, [now])
        waiting, late, first = cursor.fetchone()
    return Tally(waiting, late, 0, first)


def decided(limit: int = 30) -> list[Review]:
    """What was decided, newest first."""
    return _read("WHERE v.deposit_id IS NOT NULL ORDER BY v.at DESC LIMIT %s", [limit])


def _read(where: str, params: list[Any]) -> list[Review]:
    with connection.cursor() as cursor:
        cursor.execute(f"{_SQL} {ENDS} {where}", params)
        return [
            Review(
                deposit_id=row[0],
                player_id=PlayerId(row[1]),
                amount=Money(row[2], row[3]),
                reasons=tuple(row[4]),
                opened_at=row[5],
                due_at=row[6],
                verdict=None if row[7] is None else Verdict(row[7]),
                decided_by=row[8] or "",
                decided_at=row[9],
                reason=row[10] or "",
                ended_at=row[11],
            )
            for row in cursor.fetchall()
        ]
