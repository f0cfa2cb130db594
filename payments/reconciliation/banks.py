"""Our accounts at banks in the books, against what their statements close with.

Once per account and currency, as of the instant at which the newest statement before the run's
closes: balance of the books + everything named = closing balance. A statement closes with its last
day, at midnight UTC. Lines and entries of one amount are partners, the oldest first, since every
payout is booked with its line's amount; what has none is named. Over all statements whose lines are
there, whatever the run's window: what is left over of a year ago is left over still.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any, Final, NamedTuple

from django.db import connection

from kernel.refusal import Refused
from payments.files.models import BankStatement, SourceFile
from payments.files.words import FileKind, FileState
from payments.reconciliation import ledger_side
from payments.reconciliation.policy import Policy
from payments.reconciliation.report import BankPosition
from payments.reconciliation.words import ReconciliationCode

#: So many entries without a line are listed one by one; all of them are in the sum.
ENTRIES_MAX: Final = 200
#: What the bank opened its first statement with beyond what the books had then.
BEFORE: Final = "before_first_statement"
#: Balances that did not meet, of statements that were taken in spite of it.
GAP: Final = "statement_gap"
#: A line that the books have, by an entry after the statement closed.
SINCE: Final = "booked_since"
#: An entry that no line stands for.
NOT_AT_BANK: Final = "not_at_bank"
#: Kinds of lines that nobody claims.
UNCLAIMED: Final = frozenset({"unmatched_bank_line", "timing", "resolved"})

_ACCOUNTS: Final = """
SELECT a.id, substr(a.owner_ref, 6), a.currency FROM ledger_account a
WHERE a.kind = 'bank' AND substr(a.owner_ref, 6) = ANY (%s)
    AND EXISTS (SELECT FROM ledger_entry e WHERE e.account = a.id AND e.posted_at < %s)
"""
_ENTRIES: Final = """
SELECT seq, -amount, posted_at FROM ledger_entry
WHERE account = %s AND posted_at >= %s AND posted_at < %s ORDER BY seq
"""


class StatementKey(NamedTuple):
    """What a line of a file says about the statement that it stands in."""

    sha256: str
    account: str
    currency: str
    statement_no: str


class BankLine(NamedTuple):
    """A booked line: ``name`` is what it is where the books have no entry for it."""

    key: StatementKey
    minor: int
    booked_on: date
    row: tuple[int, int]
    name: str


class Entry(NamedTuple):
    """An entry of the account, seen from us."""

    seq: int
    minor: int
    posted_at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """What the statements of an account in one currency say, those of all its numbers together.

    ``is_cut``: there were earlier ones, whose lines are gone.
    """

    since: datetime
    closed_at: datetime
    opening_minor: int
    jumps_minor: int
    closing_minor: int
    keys: frozenset[StatementKey]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class BankAccount:
    """An account of the books, its entries since the first statement, and what statements tell of
    it; ``told`` is None where there is none, and the balance then is as of the run."""

    bank: str
    currency: str
    account: int
    told: Told | None
    books_minor: int
    before_minor: int
    entries: tuple[Entry, ...]

    def facts(self) -> list[Any]:
        """All of it that is not in the files, for the digest of what a run depends on."""
        entries = json.dumps([(seq, minor, at.isoformat()) for seq, minor, at in self.entries])
        return [
            *(self.bank, self.currency, self.books_minor, self.before_minor),
            *(self.told is not None and self.told.is_cut,),
            hashlib.sha256(entries.encode()).hexdigest(),
        ]


def names(provider: str, policy: Policy) -> list[str]:
    """The accounts that a run speaks of: of one provider those that no other pays to as well."""
    others = {
        bank
        for one in policy.providers.values()
        if provider and one.name != provider
        for bank in one.banks
    }
    mine = [policy.providers[provider]] if provider else policy.providers.values()
    return sorted({bank for one in mine for bank in one.banks} - others)


def gather(banks: Sequence[str], found: Sequence[SourceFile], as_of: datetime) -> list[BankAccount]:
    """The accounts, by name and currency; in the run's snapshot."""
    told = _told(banks, found, as_of)
    with connection.cursor() as cursor:
        cursor.execute(_ACCOUNTS, [list(banks), as_of])
        ours = {(bank, currency): account for account, bank, currency in cursor.fetchall()}
        accounts = []
        for place in sorted(ours.keys() | told.keys()):
            said, account = told.get(place), ours.get(place, 0)
            until = as_of if said is None else said.closed_at
            since = as_of if said is None else said.since
            books, before = ledger_side.balances_before([(account, until), (account, since)])
            cursor.execute(_ENTRIES, [account, since, as_of])
            entries = tuple(Entry(*row) for row in cursor.fetchall())
            bank, currency = place
            accounts.append(BankAccount(bank, currency, account, said, books, before, entries))
    return accounts


def positions(
    accounts: Sequence[BankAccount], lines: Sequence[BankLine], policy: Policy
) -> list[BankPosition]:
    """Each account and currency with all that it differs by. Refuses with ``DOES_NOT_ADD_UP`` where
    a part of that has no name."""
    found = []
    for one in accounts:
        if one.told is None:
            found.append(BankPosition(one.bank, one.currency, None, one.books_minor, None, {}, ()))
            continue
        mine = [line for line in lines if line.key in one.told.keys]
        position = _position(one, one.told, mine, timedelta(days=policy.margin_days))
        if position.drift_minor:
            raise Refused(
                ReconciliationCode.DOES_NOT_ADD_UP,
                account=f"bank {one.bank} {one.currency}",
                drift=position.drift_minor,
            )
        found.append(position)
    return found


def _position(
    one: BankAccount, told: Told, lines: Sequence[BankLine], margin: timedelta
) -> BankPosition:
    named = Counter({BEFORE: told.opening_minor - one.before_minor, GAP: told.jumps_minor})
    waiting: dict[int, deque[Entry]] = defaultdict(deque)
    for entry in one.entries:
        waiting[entry.minor].append(entry)
    for line in sorted(lines, key=lambda it: (it.name in UNCLAIMED, it.booked_on, it.row)):
        if not waiting[line.minor]:
            named[line.name] += line.minor
        elif waiting[line.minor].popleft().posted_at >= told.closed_at:
            named[SINCE] += line.minor
    # What was booked in the first days may stand for a line of before, where there were any.
    sure = told.since + margin if told.is_cut else told.since
    alone = []
    for entry in sorted(entry for left in waiting.values() for entry in left):
        if entry.posted_at < sure:
            named[BEFORE] -= entry.minor
        elif entry.posted_at < told.closed_at:
            named[NOT_AT_BANK] -= entry.minor
            alone.append((f"{one.account}:{entry.seq}", entry.minor))
    return BankPosition(
        bank=one.bank,
        currency=one.currency,
        closed_at=told.closed_at,
        books_minor=one.books_minor,
        closing_minor=told.closing_minor,
        named={name: minor for name, minor in sorted(named.items()) if minor},
        entries=tuple(alone[:ENTRIES_MAX]),
    )


def _told(
    banks: Sequence[str], found: Sequence[SourceFile], as_of: datetime
) -> dict[tuple[str, str], Told]:
    """By account and currency, what statements say that had closed by ``as_of``."""
    there = {one.sha256 for one in found if one.kind == FileKind.BANK.value}
    every = list(
        BankStatement.objects.select_related("file").filter(
            file__source__in=banks, file__state=FileState.ACCEPTED.value
        )
    )
    # Lines say which statement of a file they are of, and not which page: a number closes whole.
    open_ = {_key(one) for one in every if one.closed_on >= as_of.astimezone(UTC).date()}
    series: dict[tuple[str, str], dict[str, list[BankStatement]]] = {}
    cut = set()
    for one in every:
        place = (one.file.source, one.currency)
        if _key(one) in open_:
            continue
        if one.file.sha256 in there:
            series.setdefault(place, {}).setdefault(one.account, []).append(one)
        else:
            cut.add(place)
    return {place: _sums(told, is_cut=place in cut) for place, told in series.items()}


def _sums(every: dict[str, list[BankStatement]], *, is_cut: bool) -> Told:
    rows = [sorted(one, key=_order) for one in every.values()]
    return Told(
        since=_midnight(min(one[0].opened_on for one in rows)),
        closed_at=_midnight(max(one[-1].closed_on for one in rows) + timedelta(days=1)),
        opening_minor=sum(one[0].opening_minor for one in rows),
        jumps_minor=sum(
            after.opening_minor - before.closing_minor
            for one in rows
            for before, after in pairwise(one)
        ),
        closing_minor=sum(one[-1].closing_minor for one in rows),
        keys=frozenset(_key(it) for one in rows for it in one),
        is_cut=is_cut,
    )


def _key(one: BankStatement) -> StatementKey:
    return StatementKey(one.file.sha256, one.account, one.currency, one.statement_no)


def _order(one: BankStatement) -> tuple[date, int, int, str]:
    return one.closed_on, one.sequence or 0, one.page, one.file.sha256


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
