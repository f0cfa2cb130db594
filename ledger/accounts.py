"""Accounts: opening, closing, and reading a balance. Knows no players, rounds or providers: an
account belongs to an ``owner_ref`` such as ``player:17``, and who that is, is others' business."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection

from audit.locks import LockRank, entering
from audit.together import Kept, Rows, Statement
from kernel.arrays import array_of, array_of_texts
from kernel.ids import AccountId, PlayerId, RoundId, TableId
from kernel.invariant import ensure
from kernel.money import Money, scale
from kernel.refusal import Refused
from ledger.postings import AccountKind, LedgerCode

#: What names an account: its kind, its owner and its currency.
AccountName = tuple[AccountKind, str, str]

_ENSURE: Final = """
SELECT o_kind, o_owner, o_currency, o_id
FROM ledger_ensure_accounts(%s::text::text[], %s::text::text[], %s::text::text[])
"""
_FIND: Final = Kept("""
SELECT a.kind, a.owner_ref, a.currency, a.id
FROM unnest(%s::text::text[], %s::text::text[], %s::text::text[]) AS w (kind, owner_ref, currency)
CROSS JOIN LATERAL (SELECT a.kind, a.owner_ref, a.currency, a.id FROM ledger_account a
    WHERE a.kind = w.kind AND a.owner_ref = w.owner_ref AND a.currency = w.currency LIMIT 1) a
""")


@dataclass(frozen=True, slots=True)
class Balance:
    """Minor units: ``available`` is what may still be taken, posted less held."""

    posted_minor: int
    held_minor: int
    available_minor: int
    currency: str

    @property
    def available(self) -> Money:
        return Money(self.available_minor, self.currency)


def ensure_accounts(names: Iterable[AccountName]) -> dict[AccountName, AccountId]:
    """The accounts of ``names``, opened where they do not exist.

    Idempotent and safe under concurrency. Takes no lock when all exist; otherwise it may wait for
    a rival that is just opening the same account. Refuses an unlisted currency with
    ``MoneyCode.UNKNOWN_CURRENCY``.
    """
    wanted = sorted(set(names))
    for _, _, currency in wanted:
        scale(currency)
    found = _accounts(*asking(wanted))
    if len(found) < len(wanted):
        found = _accounts(_ENSURE, _columns(wanted))
    ensure(len(found) == len(wanted), "every account asked for exists", wanted=len(wanted))
    return found


def asking(names: Collection[AccountName]) -> Statement:
    """A row for each of these accounts that exists, whatever the currency; takes no lock."""
    return _FIND, _columns(names)


def of_rows(rows: Rows) -> dict[AccountName, AccountId]:
    """What `asking` found, by name."""
    return {
        (AccountKind(kind), owner, currency): AccountId(id_) for kind, owner, currency, id_ in rows
    }


def ensure_account(kind: AccountKind, owner_ref: str, currency: str) -> AccountId:
    """The one account of this kind, owner and currency, opened if need be (see above)."""
    name = (kind, owner_ref, currency)
    return ensure_accounts([name])[name]


def player_cash(player_id: PlayerId, currency: str) -> AccountId:
    """A player's own money. Never below zero."""
    return ensure_account(AccountKind.PLAYER_CASH, f"player:{player_id}", currency)


def player_held(player_id: PlayerId, currency: str) -> AccountId:
    """A player's money on its way out. Never below zero."""
    return ensure_account(AccountKind.PLAYER_HELD, f"player:{player_id}", currency)


def receivable(player_id: PlayerId, currency: str) -> AccountId:
    """What a player owes the house: negative while owed."""
    return ensure_account(AccountKind.RECEIVABLE, f"player:{player_id}", currency)


def escrow(round_id: RoundId, currency: str) -> AccountId:
    """The stakes of one round until it is settled. Never below zero, and zero at the end."""
    return ensure_account(AccountKind.ESCROW, f"round:{round_id}", currency)


def house(table_id: TableId, currency: str) -> AccountId:
    """The house's result at one table."""
    return ensure_account(AccountKind.HOUSE, f"table:{table_id}", currency)


def psp_clearing(provider: str, currency: str) -> AccountId:
    """Money that a payment provider holds for us: negative by what it has yet to pay out."""
    return ensure_account(AccountKind.PSP_CLEARING, f"psp:{provider}", currency)


def psp_fees(provider: str, currency: str) -> AccountId:
    """What a payment provider has cost: negative by what it kept."""
    return ensure_account(AccountKind.PSP_FEES, f"psp:{provider}", currency)


def bank(name: str, currency: str) -> AccountId:
    """The house's own money at a bank, by the account's name here: negative by what lies there."""
    return ensure_account(AccountKind.BANK, f"bank:{name}", currency)


def disputed(provider: str, currency: str) -> AccountId:
    """What a provider took back of deposits and nobody else bears: negative by it."""
    return ensure_account(AccountKind.CHARGEBACKS, f"psp:{provider}", currency)


def balance(account_id: AccountId) -> Balance:
    """The balance as last committed (or as this transaction sees it). Takes no lock: whether
    money is there is decided by posting. Refuses with ``UNKNOWN_ACCOUNT``."""
    return balances([account_id])[account_id]


def balances(account_ids: Iterable[AccountId]) -> dict[AccountId, Balance]:
    """As :func:`balance`, for many in one query."""
    wanted = sorted(set(account_ids))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, posted, held, currency FROM ledger_account WHERE id = ANY (%s::bigint[])",
            [wanted],
        )
        found = {
            AccountId(id_): Balance(posted, held, posted - held, currency)
            for id_, posted, held, currency in cursor.fetchall()
        }
    for account_id in wanted:
        if account_id not in found:
            raise Refused(LedgerCode.UNKNOWN_ACCOUNT, account=account_id)
    return found


def close(account_id: AccountId) -> None:
    """Close an empty account for ever; closing it again changes nothing. Locks the account.

    Refuses with ``ACCOUNT_NOT_EMPTY`` or ``UNKNOWN_ACCOUNT``.
    """
    entering(LockRank.ACCOUNT)
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_close_account(%s)", [account_id])
        outcome = cursor.fetchone()[0]
    if outcome == "unknown":
        raise Refused(LedgerCode.UNKNOWN_ACCOUNT, account=account_id)
    if outcome == "not_empty":
        raise Refused(LedgerCode.ACCOUNT_NOT_EMPTY, account=account_id)


def _columns(names: Collection[AccountName]) -> list[str]:
    return [
        array_of(kind.value for kind, _, _ in names),
        array_of_texts(owner for _, owner, _ in names),
        array_of_texts(currency for _, _, currency in names),
    ]


def _accounts(sql: str, columns: Any) -> dict[AccountName, AccountId]:
    with connection.cursor() as cursor:
        cursor.execute(sql, columns)
        return of_rows(cursor.fetchall())
