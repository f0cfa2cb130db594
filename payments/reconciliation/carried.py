"""What a run carries along of breaks: all that must be read again for the same breaks to be found.

A break is about an entry, a row, a line or a payout; it is what it is because of a partner, or for
want of one. So for each break everything that it stands on is read, however old it is: its own
entry and row, those that it is a duplicate of, what was booked of the row by itself, the adjustment
that resolved it, and of a payout all rows that name it. Without that, the same break would come
back as another one, or the balances would lack what has no name any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import Q

from ledger.postings import TransferKind, derived_id
from payments.reconciliation.models import Break
from payments.reconciliation.policy import Policy
from payments.reconciliation.rows import batch_name, row_name, row_uuid
from payments.reconciliation.words import BreakKind

Row = tuple[str, int]
Payout = tuple[str, str]
_PAYOUT: Final = "payout"
#: Breaks that have a partner, which may lie before everything that is read of the window.
_PAIRED: Final = (
    *(BreakKind.AMOUNT, BreakKind.CURRENCY, BreakKind.DUPLICATE, BreakKind.STATUS),
    *(BreakKind.FEE, BreakKind.FX, BreakKind.BATCH_SUM),
)


class _Kept(NamedTuple):
    """A break, as far as it says what to read. In the order of the query."""

    provider: str
    category: str
    transfer_id: UUID | None
    payout_id: str
    psp_file: str
    psp_row: int | None
    bank_file: str
    bank_row: int | None
    beside: str
    booked_at: datetime


@dataclass
class _Found:
    rows: set[Row] = field(default_factory=set)
    transfers: set[str] = field(default_factory=set)
    payouts: set[Payout] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Carried:
    """What is read again. ``known_…`` is what breaks of now are about, which are reported; the rest
    is read for their sake, and for the sake of breaks that cleared lately."""

    known_rows: tuple[Row, ...]
    known_transfers: tuple[str, ...]
    known_payouts: tuple[Payout, ...]
    rows: tuple[Row, ...]
    transfers: tuple[str, ...]
    payouts: tuple[Payout, ...]
    #: The oldest of what stands in the books, by provider.
    oldest: dict[str, datetime]

    def facts(self) -> list[list[Any]]:
        """All of it, for the digest of what a run depends on."""
        return [
            [list(one) if isinstance(one, tuple) else one for one in part]
            for part in (
                *(self.known_rows, self.known_transfers, self.known_payouts),
                *(self.rows, self.transfers, self.payouts),
            )
        ]


def gather(
    provider: str,
    as_of: datetime,
    window_from: datetime,
    policy: Policy,
    adjustments: Iterable[str],
) -> Carried:
    """Breaks that earlier runs found and that stood at ``as_of``, with all that they stand on."""
    earlier = Break.objects.filter(first_run__as_of__lt=as_of)
    if provider:
        earlier = earlier.filter(provider__in=[provider, ""])
    # One that this very instant cleared stood before: the same run again depends on the same.
    standing = Q(cleared_run=None) | Q(cleared_run__as_of__gte=as_of)
    outer = window_from - timedelta(days=policy.margin_days)
    old = Q(booked_at__lt=window_from)
    known = _listed(earlier.filter(standing & (old | Q(kind__in=[one.value for one in _PAIRED]))))
    cleared = _listed(
        earlier.filter(cleared_run__as_of__lt=as_of, cleared_run__as_of__gte=outer).filter(old)
    )
    mine, all_of_it = _Found(), _Found()
    oldest: dict[str, datetime] = {}
    for one in known:
        _add(mine, one)
        if one.transfer_id is not None:
            before = oldest.get(one.provider, one.booked_at)
            oldest[one.provider] = min(before, one.booked_at)
    for one in (*known, *cleared):
        _add(all_of_it, one)
        _add_beside(all_of_it, one)
    return Carried(
        known_rows=tuple(sorted(mine.rows)),
        known_transfers=tuple(sorted(mine.transfers)),
        known_payouts=tuple(sorted(mine.payouts)),
        rows=tuple(sorted(all_of_it.rows)),
        transfers=tuple(sorted(all_of_it.transfers | set(adjustments))),
        payouts=tuple(sorted(all_of_it.payouts)),
        oldest=oldest,
    )


def _listed(found: Any) -> list[_Kept]:
    return [_Kept(*row) for row in found.order_by("id").values_list(*_Kept._fields)]


def _add(found: _Found, one: _Kept) -> None:
    """What the break is about itself."""
    if one.transfer_id is not None:
        found.transfers.add(str(one.transfer_id))
    if one.psp_row is not None:
        found.rows.add((one.psp_file, one.psp_row))
    if one.bank_row is not None:
        found.rows.add((one.bank_file, one.bank_row))
    if one.category == _PAYOUT and one.payout_id:
        found.payouts.add((one.provider, one.payout_id))


def _add_beside(found: _Found, one: _Kept) -> None:
    """What it is a duplicate of, and what may have been booked of their rows and its payout."""
    transfer, _, row = one.beside.partition("/")
    sha256, _, number = row.partition(":")
    if transfer:
        found.transfers.add(transfer)
    names = []
    if sha256 and number:
        found.rows.add((sha256, int(number)))
        names.append(row_name(sha256, int(number)))
    if one.psp_row is not None:
        names.append(row_name(one.psp_file, one.psp_row))
    if one.category == _PAYOUT and one.payout_id:
        names.append(batch_name(one.payout_id))
    for name in names:
        for kind in (TransferKind.PSP_FEE, TransferKind.PSP_SETTLEMENT):
            made = derived_id(f"reconciliation:{kind.value}", row_uuid(one.provider, name))
            found.transfers.add(str(made))
