"""The check of the books: they are replayed from their sealed batches alone.

In the order of batches every transfer is between two known accounts of one currency, is used once,
moves something, and leaves no account below its floor. (That every currency sums to zero follows:
each transfer gives what it takes.) The rules are written here a second time, on purpose: this
program shares none with what it checks.
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from verify.export import Export, Listed
from verify.findings import Code, Finding, Spoiled
from verify.spool import Once, Spool, mark

ACCOUNTS_SOURCE = "ledger_accounts"
#: Kinds of account that never go below zero: other people's money, and stakes in play.
FLOOR_AT_ZERO = frozenset({"player_cash", "player_held", "escrow", "bonus", "jackpot", "tips"})


@dataclass(slots=True)
class _Books:
    """What is known so far: accounts by number, balances in minor units, ids used."""

    accounts: dict[int, tuple[str, str]]
    used: Once
    balances: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))


def check_ledger(export: Export, listed: Listed) -> Iterator[Finding]:
    """Findings about the books of the export: none, or the first.

    Memory grows with accounts and a little with batches (their places in the file), not with
    transfers: batches are read one at a time, ids that must not repeat are kept on the disk.
    """
    try:
        with Spool() as spool:
            _replay(export, listed.name, _Books(dict(_accounts(export)), Once(spool)))
    except Spoiled as spoiled:
        yield spoiled.finding


def _replay(export: Export, source: str, books: _Books) -> None:
    """Batches are sealed as they commit and replayed as they were numbered."""
    ids, starts, rows = array("q"), array("Q"), array("Q")
    for row, start, line in export.placed_rows(source):
        ids.append(_parsed(line, source, row)["id"])
        starts.append(start)
        rows.append(row)
    try:
        with export.opened(source, "rows.jsonl") as file:
            for place in sorted(range(len(ids)), key=ids.__getitem__):
                file.seek(starts[place])
                row = rows[place]
                batch = _parsed(file.readline(), source, row)
                try:
                    _apply(books, batch, row)
                except (_Wrong, KeyError, TypeError, ValueError) as wrong:
                    finding = Finding(source, Code.BOOKS_WRONG, str(wrong), row=row)
                    raise Spoiled(finding) from wrong
    finally:  # whatever was wrong later: an id that was used before comes first
        _check_used(export, source, books.used, (rows, starts))


def _check_used(
    export: Export, source: str, used: Once, places: tuple[Sequence[int], Sequence[int]]
) -> None:
    """``places`` are rows, and where each begins in the file."""
    found = used.first_repeated()
    if found is None:
        return
    with export.opened(source, "rows.jsonl") as file:
        rows, starts = places
        file.seek(starts[bisect_left(rows, found.row)])
        batch = _parsed(file.readline(), source, found.row)
    ids = [str(one[1]) for one in batch["transfers"]]
    named = next(id_ for id_ in ids if mark(id_) == found.mark)
    detail = f"transfer {named} is used twice"
    raise Spoiled(Finding(source, Code.BOOKS_WRONG, detail, row=found.row))


class _Wrong(Exception):
    """What is wrong with a batch, in words."""


def _apply(books: _Books, batch: dict[str, Any], row: int) -> None:
    transfers = batch["transfers"]
    if batch["n"] != len(transfers):
        raise _Wrong(f"batch {batch['id']} counts {batch['n']} of {len(transfers)} transfers")
    before = 0
    for item, id_, debit, credit, amount, *_ in transfers:
        if item <= before:
            raise _Wrong(f"transfer {id_} stands out of its order")
        before = item
        books.used.use(str(id_), row)
        _move(books, id_, debit, credit, amount)


def _move(books: _Books, id_: str, debit: int, credit: int, amount: int) -> None:
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
    known: dict[tuple[str, str], tuple[str, str]] = {}
    for row, line in export.rows(ACCOUNTS_SOURCE):
        account = _parsed(line, ACCOUNTS_SOURCE, row)
        one = (account["currency"], account["kind"])
        yield account["id"], known.setdefault(one, one)


def _parsed(line: bytes, source: str, row: int) -> dict[str, Any]:
    try:
        found = json.loads(line)
        if not isinstance(found["id"], int):
            raise TypeError("a number is expected")
    except (ValueError, KeyError, TypeError) as error:
        raise Spoiled(Finding(source, Code.UNREADABLE, f"{error}", row=row)) from error
    return dict(found)
