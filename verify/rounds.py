"""The check of rounds: each is settled again from its sealed bets and its result.

What every bet returns is worked out by `verify.roulette` and compared with sealed outcomes; both
are compared with the sealed books: each stake came from its player, each return went to its player
once, nothing else left or entered the round's escrow but the house's own money, and nothing is left
in it. Numbers of a table's rounds have no gap, so no round can be left out.

The first thing that is wrong is named with its row. Rounds are held one at a time (one row of a
round of thousands of bets has megabytes), and movements of money by buckets on the disk: memory
grows with accounts and rounds, not with bets.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from sys import intern
from typing import Any, BinaryIO

from verify.export import Export, Listed
from verify.findings import Code, Finding, Spoiled
from verify.roulette import RULES, returned
from verify.signed import one_spelling
from verify.spool import BUCKETS, Once, Spool, bucket_of

#: Money of a round may be in the books so long before the round's end is under a seal: the last
#: chunk and the end are moments apart, a minute passes until the next seal.
UNSEALED_MAX = timedelta(hours=1)
_CORRECTING = re.compile(r"^correct:round:[0-9a-f-]{36}:v(\d+):")
_PAYS = {"paid": "payout", "refunded": "refund", "undone": "stake_undo"}


@dataclass(frozen=True, slots=True)
class _Account:
    currency: str
    kind: str
    owner: str


@dataclass(frozen=True, slots=True)
class _Transfer:
    """One movement into or out of an escrow, with its batch's key and time."""

    id: str
    debit: _Account
    credit: _Account
    amount: int
    kind: str
    ref: str
    key: str
    at: datetime

    @property
    def into(self) -> bool:
        return self.credit.kind == "escrow"

    @property
    def escrow(self) -> _Account:
        return self.credit if self.into else self.debit

    @property
    def other(self) -> _Account:
        return self.debit if self.into else self.credit


@dataclass(slots=True)
class _Seen:
    """What is known of the rounds before this row."""

    #: By round: where its versions' rows begin in the file, and the row of its last one.
    versions: dict[str, list[int]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    numbers: defaultdict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))


class _Wrong(Exception):
    """What is wrong with a round: a code and words."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def check_rounds(export: Export, listed: Listed) -> Iterator[Finding]:
    """Findings about the rounds of the export: none, or the first."""
    try:
        _check(export, listed.name)
    except Spoiled as spoiled:
        yield spoiled.finding


def _check(export: Export, source: str) -> None:
    seen = _Seen()
    with export.opened(source, "rows.jsonl") as file, Spool() as bets, Spool() as money:
        _read_all(export, source, seen, file, Once(bets))
        with _Placed(source, None):
            _spool_money(export, money)
        horizon = export.made_at() - UNSEALED_MAX
        first, unsealed = _check_buckets(source, seen, file, money, horizon)
    if first is not None:
        raise Spoiled(first)
    with _Placed(source, None):
        _check_numbers(seen)
        if unsealed:
            raise _Wrong(Code.ROUND_MISSING, f"{min(unsealed)} pays and is under no seal")


def _read_all(export: Export, source: str, seen: _Seen, file: BinaryIO, bets: Once) -> None:
    """Every row by its own rules; a bet of two rounds is named first, whatever comes after it."""
    try:
        for row, start, line in export.placed_rows(source):
            with _Placed(source, row):
                _read(seen, json.loads(line), (row, start), file, bets)
    finally:
        twice = bets.first_repeated()
        if twice is not None:
            detail = "a bet of this round is in another round too"
            raise Spoiled(Finding(source, Code.BET_CHANGED, detail, twice.row))


def _check_buckets(
    source: str, seen: _Seen, file: BinaryIO, money: Spool, horizon: datetime
) -> tuple[Finding | None, list[str]]:
    """The finding of the earliest row, if any, and escrows that pay for rounds under no seal."""
    rounds = defaultdict(list)
    for id_ in seen.versions:
        rounds[bucket_of(f"round:{id_}")].append(id_)
    first: Finding | None = None
    unsealed: list[str] = []
    for bucket in range(BUCKETS):
        moved = _moved(money, bucket)
        for id_ in rounds[bucket]:
            try:
                with _Placed(source, seen.rows[id_]):
                    versions = [_row_at(file, start) for start in seen.versions[id_]]
                    _check_money(versions, moved.pop(f"round:{id_}", []), horizon)
            except Spoiled as spoiled:
                found = spoiled.finding
                if first is None or (found.row or 0) < (first.row or 0):
                    first = found
        unsealed += [owner for owner, ones in moved.items() if _pays(ones, horizon)]
    return first, unsealed


def _row_at(file: BinaryIO, start: int) -> dict[str, Any]:
    file.seek(start)
    return dict(json.loads(file.readline()))


class _Placed:
    """Turns what is wrong inside it into a finding at one row."""

    def __init__(self, source: str, row: int | None) -> None:
        self._source, self._row = source, row

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _Wrong):
            raise Spoiled(Finding(self._source, error.code, str(error), self._row)) from error
        if isinstance(error, KeyError | TypeError | ValueError | IndexError):
            detail = f"cannot be read: {error!r}"
            raise Spoiled(Finding(self._source, Code.UNREADABLE, detail, self._row)) from error


def _read(
    seen: _Seen, row: dict[str, Any], at: tuple[int, int], file: BinaryIO, bets: Once
) -> None:
    """One version of one round: its own rules, and that it continues what came before."""
    id_, (place, start) = row["round"], at
    before = [_row_at(file, one) for one in seen.versions.get(id_, [])]
    if row["version"] != len(before) + 1 or (
        before and {before[0]["phase"], row["phase"]} != {"settled"}
    ):
        detail = f"version {row['version']} of round {id_} stands after {len(before)}"
        raise _Wrong(Code.VERSION_MISSING, detail)
    _check_result(row)
    _check_bets(row)
    for bet in row["bets"]:
        bets.use(str(bet[0]), place, by=id_)
    if before:
        if before[0]["bets"] != row["bets"]:
            raise _Wrong(Code.BET_CHANGED, f"bets of round {id_} differ between its versions")
    elif seen.numbers[row["table"]].setdefault(row["number"], place) != place:
        raise _Wrong(Code.ROUND_MISSING, f"{row['table']} has two rounds {row['number']}")
    _check_outcomes(row, before[-1] if before else None)
    seen.versions.setdefault(id_, []).append(start)
    seen.rows[id_] = place


def _check_result(row: dict[str, Any]) -> None:
    if row["rules"] not in RULES:
        raise _Wrong(Code.RULES_UNKNOWN, f"rules {row['rules']} are not known here")
    if row["phase"] == "settled":
        if type(row["result"]) is not int or not 0 <= row["result"] <= 36:
            raise _Wrong(Code.RESULT_WRONG, f"settled on {row['result']!r}")
        if row["official"] is None or not row["sources"]:
            raise _Wrong(Code.RESULT_WRONG, "settled without an official result and its sources")
        if row["sources"] != ["manual"] and len(set(row["sources"])) < 2:
            raise _Wrong(Code.RESULT_WRONG, f"one source alone: {row['sources']}")
    elif row["phase"] != "voided":
        raise _Wrong(Code.RESULT_WRONG, f"ended as {row['phase']!r}")


def _end_of_betting(row: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(row["closed"] or row["official"] or row["finished"])


def _check_bets(row: dict[str, Any]) -> None:
    known: set[str] = set()
    opened, closed = datetime.fromisoformat(row["opened"]), _end_of_betting(row)
    for id_, _, _, stake, _, accepted, _, rules in row["bets"]:
        if id_ in known:
            raise _Wrong(Code.BET_CHANGED, f"bet {id_} stands twice")
        known.add(id_)
        if type(stake) is not int or stake <= 0 or rules != row["rules"]:
            raise _Wrong(Code.BET_CHANGED, f"bet {id_} has no stake, or rules of its own")
        if not opened <= datetime.fromisoformat(accepted) <= closed:
            raise _Wrong(Code.BET_OUT_OF_TIME, f"bet {id_} was not accepted while betting was open")


def _check_outcomes(row: dict[str, Any], before: dict[str, Any] | None) -> None:
    """Each bet has one outcome, and it is what the rules say."""
    bets = {bet[0]: bet for bet in row["bets"]}
    known: set[str] = set()
    undone = {one[0] for one in (before or row)["outcomes"] if one[1] == "undone"}
    for id_, kind, minor, transfer, at in row["outcomes"]:
        if id_ not in bets:
            raise _Wrong(Code.UNKNOWN_BET_PAID, f"an outcome of an unknown bet {id_}")
        if id_ in known:
            raise _Wrong(Code.PAYOUT_TWICE, f"bet {id_} has two outcomes")
        known.add(id_)
        if (kind == "undone") != (id_ in undone):
            raise _Wrong(Code.OUTCOME_DIFFERS, f"bet {id_} was undone in one version only")
        if (
            before is None
            and kind == "undone"
            and datetime.fromisoformat(at) > _end_of_betting(row)
        ):
            raise _Wrong(Code.BET_OUT_OF_TIME, f"bet {id_} was undone after the close")
        expected = _expected(row, bets[id_], kind)
        if (kind, minor) != expected or (transfer is None) != (minor == 0):
            detail = f"bet {id_} is {kind} {minor}; by the rules {expected[0]} {expected[1]}"
            raise _Wrong(Code.OUTCOME_DIFFERS, detail)
    left = sorted(set(bets) - known)
    if left:
        raise _Wrong(Code.BET_WITHOUT_OUTCOME, f"bet {left[0]} has no outcome")


def _expected(row: dict[str, Any], bet: list[Any], kind: str) -> tuple[str, int]:
    _, _, position, stake, *_ = bet
    if kind == "undone":
        return kind, stake
    if row["phase"] == "voided":
        return "refunded", stake
    minor = returned(row["rules"], position, stake, row["result"])
    return ("paid", minor) if minor else ("lost", 0)


def _spool_money(export: Export, money: Spool) -> None:
    """Movements of every escrow in the order of the books, by the escrow's owner."""
    accounts: dict[int, list[str]] = {}
    for _, line in export.rows("ledger_accounts"):
        one = json.loads(line)
        accounts[one["id"]] = [intern(one["currency"]), intern(one["kind"]), one["owner"]]
    for _, line in export.rows("ledger"):
        batch = json.loads(line)
        for _, id_, debit, credit, amount, kind, ref, *_ in batch["transfers"]:
            for side in {debit, credit}:
                _, of, owner = accounts[side]
                if of == "escrow":
                    ends = (accounts[debit], accounts[credit])
                    fields = [owner, id_, *ends, amount, kind, ref, batch["key"], batch["at"]]
                    money.put(owner, one_spelling(fields) + b"\n")


def _moved(money: Spool, bucket: int) -> dict[str, list[_Transfer]]:
    """The movements of one bucket, by the escrow's owner."""
    found: defaultdict[str, list[_Transfer]] = defaultdict(list)
    for line in money.lines(bucket):
        owner, id_, debit, credit, amount, kind, ref, key, at = json.loads(line)
        ends = (_Account(*debit), _Account(*credit))
        when = datetime.fromisoformat(at)
        found[owner].append(_Transfer(id_, *ends, amount, kind, ref, key, when))
    return found


def _check_money(versions: list[dict[str, Any]], moved: list[_Transfer], horizon: datetime) -> None:
    """Every movement of the round's escrow is explained, and none is missing."""
    moved = [one for one in moved if not _in_progress(one, len(versions), horizon)]
    by_id = {one.id: one for one in moved}
    bets = {bet[0]: bet for bet in versions[0]["bets"]}
    explained = {_stake(bet, by_id) for bet in bets.values()}
    for version in versions:
        for outcome in version["outcomes"]:
            if outcome[3] is not None:
                explained.add(_paid(bets[outcome[0]], outcome, by_id, version["version"]))
    for one in moved:
        if one.id not in explained:
            _check_unnamed(one, bets, versions[0]["table"])
    _check_paybacks(versions, moved, bets)
    left: defaultdict[str, int] = defaultdict(int)
    for one in moved:
        left[one.escrow.currency] += one.amount if one.into else -one.amount
    for currency, minor in sorted(left.items()):
        if minor:
            raise _Wrong(Code.ESCROW_NOT_EMPTY, f"escrow keeps {minor} {currency}")


def _in_progress(one: _Transfer, versions: int, horizon: datetime) -> bool:
    """Whether it belongs to a correction whose end is not under a seal yet."""
    key = _CORRECTING.match(one.key)
    return key is not None and int(key[1]) > versions and one.at >= horizon


def _stake(bet: list[Any], by_id: dict[str, _Transfer]) -> str:
    id_, player, _, stake, currency, _, transfer, _ = bet
    one = by_id.get(transfer)
    if one is None or (one.kind, one.into, one.amount, one.ref, one.other) != (
        "stake", True, stake, f"bet:{id_}", _Account(currency, "player_cash", f"player:{player}")
    ):  # fmt: skip
        raise _Wrong(Code.BET_WITHOUT_STAKE, f"no stake of {stake} {currency} for bet {id_}")
    return one.id


def _paid(bet: list[Any], outcome: list[Any], by_id: dict[str, _Transfer], version: int) -> str:
    id_, player, _, _, currency, *_ = bet
    _, kind, minor, transfer, _ = outcome
    one = by_id.get(transfer)
    to = _Account(currency, "player_cash", f"player:{player}")
    kinds = {_PAYS[kind]} if version == 1 else {_PAYS[kind], "correction"}
    if (
        one is None
        or one.kind not in kinds
        or (one.into, one.amount, one.ref, one.other) != (False, minor, f"bet:{id_}", to)
    ):
        detail = f"the books do not pay {minor} {currency} for bet {id_}"
        raise _Wrong(Code.PAYOUT_DIFFERS, detail)
    return one.id


def _check_unnamed(one: _Transfer, bets: dict[str, list[Any]], table: str) -> None:
    """A movement that no bet names: the house's money, or what a correction takes back."""
    house = one.other.kind == "house" and one.other.owner == f"table:{table}"
    if one.kind == "house_sweep" and house:
        return
    if one.kind == "correction" and house:
        return
    players = {f"player:{bet[1]}" for bet in bets.values()}
    person = one.other.kind in {"player_cash", "receivable"} and one.other.owner in players
    if one.kind == "correction" and one.into and person:
        return
    bet = one.ref.partition(":")[2]
    if one.into:
        raise _Wrong(Code.STAKE_WITHOUT_BET, f"transfer {one.id} is in escrow for no bet")
    if one.ref.startswith("bet:") and bet in bets:
        raise _Wrong(Code.PAYOUT_TWICE, f"transfer {one.id} pays bet {bet} once more")
    raise _Wrong(Code.UNKNOWN_BET_PAID, f"transfer {one.id} pays what is no bet of the round")


def _check_paybacks(
    versions: list[dict[str, Any]], moved: list[_Transfer], bets: dict[str, list[Any]]
) -> None:
    """What corrections took back of each bet is what it had been paid; no more from its player."""
    due = _due_back(versions)
    # Per player and currency: what the house bore of earlier payouts, less what it got again.
    borne: defaultdict[tuple[str, str], int] = defaultdict(int)
    for one in moved:
        if one.kind != "correction" or not one.into:
            continue
        id_ = one.ref.partition(":")[2] if one.ref.startswith("bet:") else ""
        if id_ in bets:
            _take_back(one, f"player:{bets[id_][1]}", borne)
            due[id_] -= one.amount
        elif one.other.kind != "house":
            borne[one.other.owner, one.other.currency] -= one.amount
    for id_, minor in sorted(due.items()):
        if minor:
            raise _Wrong(Code.PAYBACK_DIFFERS, f"bet {id_}: {minor} too little was taken back")
    for (owner, currency), minor in sorted(borne.items()):
        if minor < 0:
            raise _Wrong(Code.PAYBACK_DIFFERS, f"{owner} gave {-minor} {currency} for nothing")


def _due_back(versions: list[dict[str, Any]]) -> defaultdict[str, int]:
    """Per bet, what its changed outcomes had paid."""
    due: defaultdict[str, int] = defaultdict(int)
    for old, new in pairwise(versions):
        now = {one[0]: one[2] for one in new["outcomes"]}
        for id_, _, minor, *_ in old["outcomes"]:
            due[id_] += minor if minor != now[id_] else 0
    return due


def _take_back(one: _Transfer, owner: str, borne: defaultdict[tuple[str, str], int]) -> None:
    if one.other.kind == "house":
        borne[owner, one.other.currency] += one.amount
    elif one.other.owner != owner:
        raise _Wrong(Code.PAYBACK_DIFFERS, f"{one.other.owner} pays back a bet of {owner}")


def _check_numbers(seen: _Seen) -> None:
    for table, numbers in sorted(seen.numbers.items()):
        missing = set(range(1, max(numbers) + 1)) - set(numbers)
        if missing:
            raise _Wrong(Code.ROUND_MISSING, f"round {min(missing)} of {table} is under no seal")


def _pays(moved: list[_Transfer], horizon: datetime) -> bool:
    """Whether a round that is under no seal has paid: one in play has not."""
    return any(one.kind in {"payout", "refund", "correction"} and one.at < horizon for one in moved)
