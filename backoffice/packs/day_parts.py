"""What an evidence pack says of one gaming day: the game, the books, what went wrong, who acted.

A day is the operator's (`reports.gaming_day_bounds`). A file is about what happened on the day; a
pack of a day that is not over ends at its instant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple
from datetime import date, datetime
from typing import Any, Final

from django.db import connection

from audit import seals
from audit.sealed_sources import AUDIT
from backoffice import reports
from backoffice.packs import day_acts, hidden_acts, sealing
from backoffice.packs.writing import Basis, Lines, Part, Table, asked, fetched_keys
from backoffice.reports import GgrRow
from backoffice.shifts_report import shifts
from ledger.trial_balance import TOTAL, TrialRow, read_trial_balance
from tables.sealed_sources import ROUNDS

#: Rounds that were open on the day, whenever they began or ended, and those corrected on it.
_OF_THE_DAY: Final = """
    r.opened_at < %(until)s AND (r.finished_at IS NULL OR r.finished_at >= %(since)s)
    OR r.id IN (SELECT round_id FROM tables_round_result WHERE at >= %(since)s AND at < %(until)s)
"""
_ROUNDS: Final = f"""
SELECT r.table_id, r.number, r.id, r.phase, r.result, r.result_sources, r.opened_at, r.closed_at,
    r.official_at, r.finished_at, r.void_reason, r.respins, r.version, r.corrected_from,
    r.corrected_at, r.ruleset, r.rules_hash, 'staff:' || s.presenter_id
FROM tables_round r LEFT JOIN tables_shift s ON s.id = r.shift_id
WHERE {_OF_THE_DAY}
ORDER BY r.table_id COLLATE "C", r.number
"""  # noqa: S608  (fixed words)
_STAKED: Final = f"""
SELECT r.table_id, r.number, r.id, b.currency, count(*), count(DISTINCT b.player_id),
    sum(b.stake_minor)::bigint, coalesce(sum(o.returned_minor), 0)::bigint
FROM tables_round r JOIN tables_bet b ON b.round_id = r.id
LEFT JOIN tables_bet_outcome o ON o.bet_id = b.id AND o.bet_accepted_at = b.accepted_at
    AND o.version = r.version
WHERE {_OF_THE_DAY}
GROUP BY r.table_id, r.number, r.id, b.currency ORDER BY r.table_id COLLATE "C", r.number, 4
"""  # noqa: S608  (fixed words)
_TRANSFERS: Final = """
SELECT t.posted_at, t.batch, t.item, t.id, t.kind, t.ref, d.currency, t.amount,
    d.kind || ' ' || d.owner_ref, c.kind || ' ' || c.owner_ref
FROM ledger_transfer t
JOIN ledger_account d ON d.id = t.debit JOIN ledger_account c ON c.id = t.credit
WHERE t.posted_at >= %(since)s AND t.posted_at < %(until)s ORDER BY t.posted_at, t.batch, t.item
"""
_HOUSE: Final = """
SELECT a.currency,
    coalesce(sum(e.amount) FILTER (WHERE a.owner_ref LIKE 'table:%%'), 0)::bigint,
    coalesce(sum(e.amount) FILTER (WHERE a.owner_ref NOT LIKE 'table:%%'), 0)::bigint
FROM ledger_entry e JOIN ledger_account a ON a.id = e.account
WHERE a.kind = 'house' AND e.posted_at >= %(since)s AND e.posted_at < %(until)s
GROUP BY a.currency
"""
_ENDED: Final = """
SELECT id::text, at FROM tables_round_result
WHERE at >= %(since)s AND at < %(until)s ORDER BY at, id
"""

_GGR_COLUMNS: Final = (
    ("day", "gaming day on which the round finished"),
    ("table", "where"),
    ("currency", "of the amounts"),
    ("rounds", "how many had money"),
    ("staked_minor", "without test accounts"),
    ("paid_out_minor", "to winners, corrections included"),
    ("returned_minor", "of voided rounds and undone bets"),
    ("ggr_minor", "staked less paid out and returned"),
    ("test_minor", "the same of test accounts"),
    ("house_minor", "what the table's account received: ggr and test together"),
)
_TRIAL_COLUMNS: Final = (
    ("currency", "of the amounts"),
    ("kind", "of accounts; total: all of the currency"),
    ("accounts", "how many"),
    ("opening_minor", "at the day's begin; credits count positive"),
    ("debits_minor", "taken on the day"),
    ("credits_minor", "given on the day"),
    ("closing_minor", "at its end"),
)


def parts(day: date, as_of: datetime, *, hidden: bool) -> Iterator[Part]:
    """Every file of a day's pack; inside a snapshot."""
    since, ends = reports.gaming_day_bounds(day)
    until = min(ends, as_of)
    of: dict[str, Any] = {"since": since, "until": until, "as_of": as_of}
    of |= hidden_acts.params(hidden=hidden)
    yield Table(
        "day.csv", "The day itself.",
        (("day", "gaming day"), ("zone", "by which it is cut"), ("since", "first instant"),
         ("until", "first instant that is not part of this pack"), ("is_over", "whole")),
        [(day, reports.operator_zone(), since, until, ends <= as_of)],
    )  # fmt: skip
    yield from _figures(day, of)
    yield from _game(day, of)
    yield from day_acts.parts(of, hidden=hidden)
    yield from _seals(of)


def _figures(day: date, of: dict[str, Any]) -> Iterator[Table]:
    revenue = reports.ggr(day, of["as_of"])
    trial = read_trial_balance(of["since"], of["until"])
    yield Table("revenue.csv", "Gross gaming revenue per table and currency, from the books.",
                _GGR_COLUMNS, [astuple(row) for row in revenue], Basis.STORED)  # fmt: skip
    yield Table("trial_balance.csv", "What every kind of account held, gained and lost.",
                _TRIAL_COLUMNS, [astuple(row) for row in trial])  # fmt: skip
    yield Table(
        "agreement.csv",
        "Revenue held against the books. What differs is of rounds that finished on another day"
        " than their money moved: across midnight, and by corrections (corrections.csv).",
        (("currency", "of the amounts"), ("by_rounds_minor", "house_minor of revenue.csv, added"),
         ("by_books_minor", "credits less debits of the house's accounts of tables"),
         ("difference_minor", "books less rounds"),
         ("other_house_minor", "of its other accounts, such as debts written off; with by_books"
          " the house in trial_balance.csv"),
         ("is_balanced", "whether the currency's trial balance is even")),
        _agreement(revenue, trial, _house(of)), Basis.STORED,
    )  # fmt: skip
    yield asked(
        "transfers.csv", "Every movement of money on the day.",
        (("posted_at", "when"), ("batch", "in the books"), ("item", "of the batch"),
         ("transfer", "id"), ("kind", "of transfer"), ("ref", "what for"), ("currency", "of it"),
         ("amount_minor", "moved"), ("from", "account"), ("to", "account")),
        _TRANSFERS, of,
    )  # fmt: skip


def _house(of: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """By currency what the house's accounts of tables received on the day, and its others."""
    with connection.cursor() as cursor:
        cursor.execute(_HOUSE, of)
        return {currency: (tables, others) for currency, tables, others in cursor.fetchall()}


def _agreement(
    revenue: list[GgrRow], trial: list[TrialRow], house: dict[str, tuple[int, int]]
) -> list[tuple[object, ...]]:
    rounds: dict[str, int] = {}
    for row in revenue:
        rounds[row.currency] = rounds.get(row.currency, 0) + row.house_minor
    even = {row.currency: row.is_balanced for row in trial if row.kind == TOTAL}
    return [
        (of, rounds.get(of, 0), tables, tables - rounds.get(of, 0), others, even.get(of, True))
        for of in sorted(rounds.keys() | house.keys() | even.keys())
        for tables, others in [house.get(of, (0, 0))]
    ]  # fmt: skip


def _game(day: date, of: dict[str, Any]) -> Iterator[Table]:
    yield asked(
        "rounds.csv",
        "Rounds that were open on the day or corrected on it, with results and their sources.",
        (("table", "where"), ("number", "there"), ("round", "id"), ("phase", "where it is"),
         ("result", "number"), ("sources", "who said it, as JSON"), ("opened_at", "betting"),
         ("closed_at", "no more bets"), ("official_at", "result"), ("finished_at", "end"),
         ("void_reason", "of a voided one"), ("respins", "how many"),
         ("version", "of the result"), ("corrected_from", "number before"),
         ("corrected_at", "when"), ("rules", "name"), ("rules_sha256", "of them"),
         ("presenter", "on shift")),
        _ROUNDS, of, Basis.STORED,
    )  # fmt: skip
    yield asked(
        "round_money.csv", "What was staked in each and what it returned by its newest result.",
        (("table", "where"), ("number", "there"), ("round", "id"), ("currency", "of it"),
         ("bets", "how many"), ("players", "how many"), ("staked_minor", "in all"),
         ("returned_minor", "in all")),
        _STAKED, of, Basis.STORED,
    )  # fmt: skip
    yield Table(
        "shifts.csv", "Who presented where.",
        (("day", "gaming day"), ("table", "where"), ("presenter", "number of staff"),
         ("name", "as known"), ("began_at", "signed on"), ("began_by", "who"),
         ("ended_at", "signed off"), ("ended_by", "who"), ("rounds", "opened on the day")),
        (astuple(row) for row in shifts(day)), Basis.STORED,
    )  # fmt: skip


def _seals(of: dict[str, Any]) -> Iterator[Part]:
    yield Lines(
        "proofs/rounds.jsonl", "Proof for each end of a round on the day, with all its bets.",
        sealing.proof_lines(ROUNDS, fetched_keys(_ENDED, of)), Basis.STORED,
    )  # fmt: skip
    yield Lines(
        "proofs/audit.jsonl", "Proof for each sealed event of staff_acts.csv"
        " whose words are not left out.",
        sealing.proof_lines(AUDIT, fetched_keys(day_acts.SEALED, of)), Basis.STORED,
    )  # fmt: skip
    for source in seals.sources():
        yield sealing.seal_lines(source, of["since"], of["until"], of["as_of"])
    yield sealing.keys()
