"""Money set aside: ``hold`` now, then ``capture`` it in one transfer, ``void`` it or let it expire.

A hold takes no money from its account; it counts against the floor, so that nothing else can take
what it holds. It ends once. The clock is the database's, read after the account is locked: from
``expires_at`` on nothing is captured, whether or not the job has run, while the held amount is
free again once it has (within a minute).

What a person causes (``PERMIT_KINDS``) cannot be held: a permit is worth something only in its own
transaction, and a hold outlives it (docs/decisions/0115). Everything here runs in the caller's
transaction and locks accounts as posting does (rank ACCOUNT). After a refusal nothing has been
written and the transaction is usable.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection

from audit.locks import LockRank, entering
from events import hints
from kernel.ids import AccountId, Actor
from kernel.invariant import ensure
from kernel.refusal import Refused
from ledger.postings import HOLD_MS_MAX, POST_CODES, LedgerCode, Transfer, TransferKind
from ledger.two_people import SHOWN

_PLACE: Final = """
SELECT o_outcome, o_code, o_at, o_expires_at
FROM ledger_place_hold(%s, %s, %s, %s, %s, %s, %s, %s)
"""
_CAPTURE: Final = """
SELECT c.o_outcome, c.o_state, c.o_code, c.o_amount, c.o_batch, c.o_posted_at, h.account, h.credit
FROM ledger_capture_hold(%s, %s, %s) c LEFT JOIN ledger_hold h ON h.id = %s
"""
_VOID: Final = """
SELECT v.o_outcome, v.o_state, v.o_at, h.account
FROM ledger_void_hold(%s, %s) v LEFT JOIN ledger_hold h ON h.id = %s
"""
_OPEN: Final = """
SELECT h.id, h.amount, a.currency, a.owner_ref, h.kind, h.ref, h.at, h.expires_at
FROM ledger_account a JOIN ledger_hold h ON h.account = a.id
WHERE a.held > 0 AND {which} AND NOT EXISTS (SELECT FROM ledger_hold_end e WHERE e.hold = h.id)
ORDER BY h.expires_at, h.id LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Held:
    """An amount that is set aside. ``replayed``: it already was, under the same id."""

    id: UUID
    at: datetime
    expires_at: datetime
    replayed: bool


@dataclass(frozen=True, slots=True)
class Open:
    """A hold that counts against its account now: for what, since when, and until when."""

    id: UUID
    amount_minor: int
    currency: str
    owner: str
    kind: TransferKind
    ref: str
    at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Captured:
    """A hold that became a transfer of ``amount_minor``; what was held beyond that is free."""

    hold: UUID
    amount_minor: int
    batch: int
    posted_at: datetime
    replayed: bool


@dataclass(frozen=True, slots=True)
class Voided:
    """A hold that was let go."""

    hold: UUID
    at: datetime
    replayed: bool


def hold(transfer: Transfer, *, timeout_ms: int, actor: Actor) -> Held:
    """Set aside what ``transfer`` would move, for ``timeout_ms`` (30 days at most).

    The transfer's id is the hold's, and the key of the request: the same again answers
    ``replayed``, whatever became of the hold since. It is judged as if posted now (route,
    currency, closed accounts, floor), and again when it is captured. Locks the debit account.
    Refuses with ``HOLD_NOT_ALLOWED`` (a kind that needs a permit), ``REFUSED_TRANSFER`` (data
    ``post_code``), ``KEY_CONFLICT`` (id used for a hold of something else).
    """
    ensure(transfer.permit is None, "a hold has no permit", transfer=transfer)
    ensure(transfer.group is None, "a hold stands alone", transfer=transfer)
    ensure(0 < timeout_ms <= HOLD_MS_MAX, "a hold ends", timeout_ms=timeout_ms)
    outcome, code, at, expires_at = _call(
        _PLACE,
        [
            transfer.id,
            transfer.debit,
            transfer.credit,
            transfer.amount_minor,
            transfer.kind.value,
            transfer.ref,
            str(actor),
            timeout_ms,
        ],
    )
    if outcome == "not_allowed":
        raise Refused(LedgerCode.HOLD_NOT_ALLOWED, kind=transfer.kind.value, hold=str(transfer.id))
    if outcome not in {"held", "replayed"}:
        raise _refusal(outcome, code, transfer.id)
    hints.accounts_changed({int(transfer.debit)})
    return Held(transfer.id, at, expires_at, outcome == "replayed")


def open_on(account_id: AccountId) -> list[Open]:
    """The holds that make up the account's ``held``, the first to end first. Takes no lock.

    One whose time is over stays until the job has ended it, since its amount counts as long.
    """
    return _open("a.id = %s", [account_id])


def open_ones() -> list[Open]:
    """The same of every account, up to `two_people.SHOWN` of them."""
    return _open("true", [])


def _open(which: str, params: list[Any]) -> list[Open]:
    with connection.cursor() as cursor:
        cursor.execute(_OPEN.format(which=which), [*params, SHOWN])
        return [
            Open(id_, amount, currency, owner, TransferKind(kind), ref, at, expires_at)
            for id_, amount, currency, owner, kind, ref, at, expires_at in cursor.fetchall()
        ]


def capture(hold_id: UUID, amount_minor: int | None = None, *, actor: Actor) -> Captured:
    """Post ``amount_minor`` of the hold (None: all of it) as its one transfer; free the rest.

    By the rules of ``ledger.posting.post``, under the key ``capture:<hold id>``. The same amount
    again answers ``replayed``. Locks both accounts. Refuses with ``UNKNOWN_HOLD``, ``STALE_HOLD``
    (data ``state``: captured with another amount, voided, expired), ``CAPTURE_ABOVE_HOLD``,
    ``REFUSED_TRANSFER`` (data ``post_code``, such as ``account_closed``; the hold stays), or
    ``KEY_CONFLICT`` (somebody posted under its key).
    """
    ensure(amount_minor is None or type(amount_minor) is int, "money is whole minor units")
    outcome, state, code, amount, batch, posted_at, account, credit = _call(
        _CAPTURE, [hold_id, amount_minor, str(actor), hold_id]
    )
    if outcome == "above_hold":
        raise Refused(LedgerCode.CAPTURE_ABOVE_HOLD, hold=str(hold_id), asked_minor=amount)
    if outcome not in {"captured", "replayed"}:
        raise _refusal(outcome, code, hold_id, state)
    hints.accounts_changed({account, credit})
    return Captured(hold_id, amount, batch, posted_at, outcome == "replayed")


def void(hold_id: UUID, *, actor: Actor) -> Voided:
    """Let go of a hold; again answers ``replayed``. Locks its account.

    Refuses with ``UNKNOWN_HOLD`` or ``STALE_HOLD`` (data ``state``: captured, expired).
    """
    outcome, state, at, account = _call(_VOID, [hold_id, str(actor), hold_id])
    if outcome not in {"voided", "replayed"}:
        raise _refusal(outcome, None, hold_id, state)
    hints.accounts_changed({account})
    return Voided(hold_id, at, outcome == "replayed")


def expire_due(limit: int = 100) -> list[UUID]:
    """End up to ``limit`` holds whose time is over, the longest overdue first; which they were.

    Locks their accounts in id order. Two at once wait for each other and end each hold once.
    """
    entering(LockRank.ACCOUNT)
    with connection.cursor() as cursor:
        cursor.execute("SELECT o_hold, o_account FROM ledger_expire_holds(%s)", [limit])
        ended = cursor.fetchall()
    if ended:
        hints.accounts_changed({account for _, account in ended})
    return [hold_id for hold_id, _ in ended]


def _call(sql: str, params: list[Any]) -> tuple[Any, ...]:
    entering(LockRank.ACCOUNT)
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        answer: tuple[Any, ...] = cursor.fetchone()
    return answer


def _refusal(outcome: str, code: int | None, hold_id: UUID, state: str | None = None) -> Refused:
    """The refusals that more than one of the functions above knows."""
    if outcome == "refused" and code is not None:
        post_code = POST_CODES[code].value
        return Refused(
            LedgerCode.REFUSED_TRANSFER, index=0, post_code=post_code, transfer=str(hold_id)
        )
    if outcome == "stale":
        return Refused(LedgerCode.STALE_HOLD, hold=str(hold_id), state=state)
    ensure(outcome in {"unknown", "conflict"}, "an outcome that is known", outcome=outcome)
    known = LedgerCode.UNKNOWN_HOLD if outcome == "unknown" else LedgerCode.KEY_CONFLICT
    return Refused(known, hold=str(hold_id))
