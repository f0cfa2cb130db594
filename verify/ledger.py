"""The check of the books: they are replayed from their sealed batches alone.

In the order of batches every transfer is between two known accounts of one currency, is used once,
moves something, and leaves no account below its floor. (That every currency sums to zero follows:
each transfer gives what it takes.) The rules are written here a second time, on purpose: this
program shares none with what it checks.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from verify.export import Export, Listed
from verify.findings import Code, Finding, Spoiled

ACCOUNTS_SOURCE = "ledger_accounts"
#: Kinds of account that never go below zero: other people's money, and stakes in play.
FLOOR_AT_ZERO = frozenset({"player_cash", "player_held", "escrow", "bonus", "jackpot", "tips"})


@dataclass(slots=True)
class _Books:
    """What is known so far: accounts by number, balances in minor units, ids used."""

    accounts: dict[int, tuple[str, str]]
    balances: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    used: set[str] = field(default_factory=set)


def check_ledger(export: Export, listed: Listed) -> Iterator[Finding]:
    """Findings about the books of the export: none, or the first.

    Holds every batch in memory, since batches are sealed as they commit and replayed as they were
    numbered.
    """
    try:
        _replay(export, listed.name)
    except Spoiled as spoiled:
        yield spoiled.finding


def _replay(export: Export, source: str) -> None:
    books = _Books(dict(_accounts(export)))
    batches = []
    for row, line in enumerate(export.lines(source, "rows.jsonl"), 1):
        batch = _parsed(line, source, row)
        batches.append((batch["id"], row, batch))
    for _, row, batch in sorted(batches, key=lambda one: one[:2]):
        try:
            _apply(books, batch)
        except (_Wrong, KeyError, TypeError, ValueError) as wrong:
            raise Spoiled(Finding(source, Code.BOOKS_WRONG, str(wrong), row=row)) from wrong


class _Wrong(Exception):
    """What is wrong with a batch, in words."""


def _apply(books: _Books, batch: dict[str, Any]) -> None:
    transfers = batch["transfers"]
    if batch["n"] != len(transfers):
        raise _Wrong(f"batch {batch['id']} counts {batch['n']} of {len(transfers)} transfers")
    before = 0
    for item, id_, debit, credit, amount, *_ in transfers:
        if item <= before:
            raise _Wrong(f"transfer {id_} stands out of its order")
        before = item
        _move(books, id_, debit, credit, amount)


def _move(books: _Books, id_: str, debit: int, credit: int, amount: int) -> None:
    if id_ in books.used:
        raise _Wrong(f"transfer {id_} is used twice")
    books.used.add(id_)
    if type(amount) is not int or amount <= 0 or debit == credit:
        raise _Wrong(f"transfer {id_} moves nothing")
    if debit not in books.accounts or credit not in books.accounts:
        raise _Wrong(f"transfer {id_} names an unknown account")
    currency, kind = books.accounts[debit]
    if books.accounts[credit][0] != currency:
        raise _Wrong(f"transfer {id_} joins two currencies")
    books.balances[debit] -= amount
    books.balances[credit] += amount
    if kind in FLOOR_AT_ZERO and books.balances[debit] < 0:
        raise _Wrong(f"transfer {id_} leaves account {debit} at {books.balances[debit]}")


def _accounts(export: Export) -> Iterator[tuple[int, tuple[str, str]]]:
    for row, line in enumerate(export.lines(ACCOUNTS_SOURCE, "rows.jsonl"), 1):
        account = _parsed(line, ACCOUNTS_SOURCE, row)
        yield account["id"], (account["currency"], account["kind"])


def _parsed(line: bytes, source: str, row: int) -> dict[str, Any]:
    try:
        found = json.loads(line)
        if not isinstance(found["id"], int):
            raise TypeError("a number is expected")
    except (ValueError, KeyError, TypeError) as error:
        raise Spoiled(Finding(source, Code.UNREADABLE, f"{error}", row=row)) from error
    return dict(found)
