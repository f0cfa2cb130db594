"""The ledger's words, pure: kinds, transfers, codes, fingerprints.

Owns what a transfer is and when two requests are the same request. Knows no database: the lists
here have their twins in ``ledger/sql`` and a test compares them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from kernel.ids import AccountId
from kernel.invariant import ensure

#: Transfers in one call. Batches of 1,000 to 10,000 cost about the same per transfer, and a larger
#: one holds its locks for longer than a closing round may wait.
TRANSFERS_MAX: Final = 10_000
#: Most minor units in one transfer: 10,000 of them still fit a PostgreSQL ``bigint``.
AMOUNT_MINOR_MAX: Final = 100_000_000_000_000

#: A hold ends by itself after so long at most: 30 days, longer than any dispute may wait unseen.
HOLD_MS_MAX: Final = 30 * 24 * 3_600_000

_REF = re.compile(r"[\x20-\x7e]{0,200}")


class AccountKind(StrEnum):
    """What an account is for. BONUS, JACKPOT and TIPS are reserved."""

    PLAYER_CASH = "player_cash"
    PLAYER_HELD = "player_held"
    RECEIVABLE = "receivable"
    ESCROW = "escrow"
    HOUSE = "house"
    PSP_CLEARING = "psp_clearing"
    PSP_FEES = "psp_fees"
    BANK = "bank"
    CHARGEBACKS = "chargebacks"
    ADJUSTMENTS = "adjustments"
    SUSPENSE = "suspense"
    BONUS = "bonus"
    JACKPOT = "jackpot"
    TIPS = "tips"


class TransferKind(StrEnum):
    """Why money moves. Which accounts each may join is the table ``ledger_route``."""

    STAKE = "stake"
    STAKE_UNDO = "stake_undo"
    PAYOUT = "payout"
    REFUND = "refund"
    HOUSE_SWEEP = "house_sweep"
    DEPOSIT = "deposit"
    DEPOSIT_REVERSAL = "deposit_reversal"
    WITHDRAWAL_HOLD = "withdrawal_hold"
    WITHDRAWAL_RELEASE = "withdrawal_release"
    WITHDRAWAL_PAID = "withdrawal_paid"
    WITHDRAWAL_RETURNED = "withdrawal_returned"
    PSP_FEE = "psp_fee"
    PSP_SETTLEMENT = "psp_settlement"
    DISPUTE = "dispute"
    CHARGEBACK = "chargeback"
    DEBT_SETTLED = "debt_settled"
    DEBT_WRITTEN_OFF = "debt_written_off"
    CORRECTION = "correction"
    SUSPENSE = "suspense"
    ADJUSTMENT = "adjustment"


#: What a person causes, and therefore what the gate must have permitted.
PERMIT_KINDS: Final = frozenset(
    {TransferKind.STAKE, TransferKind.DEPOSIT, TransferKind.WITHDRAWAL_HOLD}
)


class PostCode(StrEnum):
    """What became of one transfer. Everything but ``POSTED`` moved nothing."""

    POSTED = "posted"
    BELOW_FLOOR = "below_floor"
    UNKNOWN_ACCOUNT = "unknown_account"
    CURRENCY_MISMATCH = "currency_mismatch"
    ACCOUNT_CLOSED = "account_closed"
    NOT_POSITIVE = "not_positive"
    SAME_ACCOUNT = "same_account"
    PERMIT_MISSING = "permit_missing"
    PERMIT_INVALID = "permit_invalid"
    PERMIT_EXCEEDED = "permit_exceeded"
    DUPLICATE_ID = "duplicate_id"
    GROUP_FAILED = "group_failed"
    ROUTE_NOT_ALLOWED = "route_not_allowed"
    TOO_LARGE = "too_large"
    NOT_APPROVED = "not_approved"
    NOT_OF_ROUND = "not_of_round"


#: The codes by the number under which ``ledger_batch.codes`` stores them. Append only.
POST_CODES: Final = tuple(PostCode)


class LedgerCode(StrEnum):
    """Why a whole call was refused."""

    KEY_CONFLICT = "key_conflict"
    REFUSED_TRANSFER = "refused_transfer"
    TOO_MANY_TRANSFERS = "too_many_transfers"
    UNKNOWN_ACCOUNT = "ledger_unknown_account"
    ACCOUNT_NOT_EMPTY = "account_not_empty"
    HOLD_NOT_ALLOWED = "hold_not_allowed"
    UNKNOWN_HOLD = "unknown_hold"
    STALE_HOLD = "stale_hold"
    CAPTURE_ABOVE_HOLD = "capture_above_hold"


@dataclass(frozen=True, slots=True)
class Transfer:
    """``amount_minor`` from ``debit`` to ``credit``; its ``id`` is used once, for ever.

    ``ref`` names what it is for (``bet:<id>``, printable ASCII, at most 200). Items of one
    ``group`` succeed or fail together in ``try_post``.
    """

    id: UUID
    debit: AccountId
    credit: AccountId
    amount_minor: int
    kind: TransferKind
    ref: str
    permit: UUID | None = None
    group: int | None = None

    def __post_init__(self) -> None:
        ensure(type(self.amount_minor) is int, "money is counted in whole minor units")
        ensure(_REF.fullmatch(self.ref) is not None, "a ref is short printable ASCII", ref=self.ref)


def fingerprint(mode: str, kind: str, transfers: Sequence[Transfer]) -> bytes:
    """SHA-256 over everything that makes a request the same request.

    Permits are left out: a retry asks the gate again and is given a fresh one, and it must still
    find the answer of the first attempt. The actor is left out too: whoever repeats the request
    gets that answer.
    """
    lines = [f"{mode}\x1f{kind}\x1f{len(transfers)}"]
    lines += [
        f"{t.id}\x1f{t.debit}\x1f{t.credit}\x1f{t.amount_minor}\x1f{t.kind}\x1f{t.ref}\x1f{t.group}"
        for t in transfers
    ]
    return hashlib.sha256("\x1e".join(lines).encode()).digest()


def derived_id(purpose: str, of: UUID) -> UUID:
    """The one transfer id for ``purpose`` of the thing ``of``: the same on every attempt.

    A payout under ``derived_id("payout", bet_id)`` cannot happen twice, whatever the batch key.
    UUID version 8 (RFC 9562 §5.8): keeps the 48-bit time prefix of a version 7 ``of``, so that ids
    made together lie together in their index; the rest is SHA-256 of purpose and id.
    """
    digest = hashlib.sha256(f"{purpose}\x1f{of}".encode()).digest()
    value = (of.int >> 80) << 80 | int.from_bytes(digest[:10])
    value = value & ~(0xF << 76) | 0x8 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def groups_together(transfers: Sequence[Transfer]) -> list[int]:
    """Positions of ``transfers`` in the order in which they are decided.

    The given order, except that a group's items follow its first item.
    """
    first: dict[int, int] = {}
    for position, transfer in enumerate(transfers):
        if transfer.group is not None:
            first.setdefault(transfer.group, position)

    def place(position: int) -> tuple[int, int]:
        group = transfers[position].group
        return (position if group is None else first[group], position)

    return sorted(range(len(transfers)), key=place)
