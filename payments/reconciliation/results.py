"""What the engine's tables say when the stages are done: rows for the report and the database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from payments.files.words import FileKind
from payments.reconciliation.banks import BankLine, StatementKey
from payments.reconciliation.booking import Due
from payments.reconciliation.inputs import Scope
from payments.reconciliation.matching import Balance, Matching
from payments.reconciliation.matching_sql import ENTRIES_MAX, ROWS_MAX
from payments.reconciliation.policy import CATEGORIES
from payments.reconciliation.report import Category, Control, Line, Position
from payments.reconciliation.rows import batch_name, row_name

AT_ONCE: Final = 2_000
#: Every break, in one order for the database, the report and all runs.
_ORDER: Final = "ORDER BY kind, provider, currency, booked_at, id"


def found_breaks(matching: Matching, scope: Scope) -> Iterator[list[tuple[Any, ...]]]:
    """Breaks in the columns of `breaks.COLUMNS`."""
    accounts = [one.account for one in scope.accounts]
    query = f"""SELECT id, kind, side, provider, currency, category, lid, transfer::VARCHAR,
        payment_id::VARCHAR, psp_ref, merchant_ref, payout_id, bank_ref, psp_file, psp_row,
        bank_file, bank_row, ledger_minor, psp_gross_minor, psp_currency, fee_minor, net_minor,
        bank_minor, difference_minor, status, detail, booked_at, settled_at, is_test, facts, beside
        FROM kept {_ORDER}"""  # noqa: S608  (fixed words)
    for part in matching.stream(query, AT_ONCE):
        yield [
            (
                *row[:6],
                entry_name(row[6], accounts),
                *row[7:26],
                _aware(row[26]),
                _aware(row[27]),
                *row[28:],
            )
            for row in part
        ]


def lines(matching: Matching, scope: Scope) -> Iterator[Line]:
    """Breaks as lines of the report."""
    accounts = [one.account for one in scope.accounts]
    resolved = {(one.break_id, one.facts): one for one in scope.resolved}
    query = f"""SELECT id, facts, side, kind, greatest(0, date_diff('day', booked_at::DATE,
            DATE '{scope.as_of.astimezone(UTC).date()}')), lid, psp_ref, merchant_ref, payout_id,
        bank_ref, currency, ledger_minor, psp_gross_minor, psp_currency, fee_minor, net_minor,
        bank_minor, difference_minor, booked_at, settled_at
        FROM kept {_ORDER}"""  # noqa: S608  (a date and fixed words)
    for part in matching.stream(query, AT_ONCE):
        for row in part:
            remark = scope.remarks.get(row[0])
            made = resolved.get((row[0], row[1]))
            yield Line(
                side=row[2],
                category=row[3],
                age_days=row[4],
                ledger_entry_id=entry_name(row[5], accounts),
                psp_ref=row[6],
                merchant_ref=row[7],
                payout_id=row[8],
                bank_ref=row[9],
                currency=row[10],
                ledger_minor=row[11],
                psp_gross_minor=row[12],
                psp_currency=row[13],
                fee_minor=row[14],
                net_minor=row[15],
                bank_minor=row[16],
                difference_minor=row[17],
                booked_at=row[18],
                settled_at=row[19],
                status="resolved" if made else ("in_transit" if row[3] == "timing" else "open"),
                assignee=remark.assignee if remark else "",
                proposer=made.proposer if made else (remark.proposer if remark else ""),
                approver=made.approver if made else "",
                note=remark.note if remark else "",
            )


def positions(
    matching: Matching,
    balances: list[Balance],
    openings: dict[int, int],
) -> list[Position]:
    """Each provider and currency, in that order."""
    moved: dict[int, dict[str, int]] = {}
    for place, cat, minor in matching.rows(
        "SELECT place, cat, sum(amount)::BIGINT FROM l ANTI JOIN early USING (id)"
        " WHERE booked_at >= $since"
        " GROUP BY ALL ORDER BY ALL",
        since=matching.window_from,
    ):
        moved.setdefault(place, {})[CATEGORIES[cat]] = minor
    found = []
    for balance in balances:
        place = matching.place(balance.place)
        found.append(
            Position(
                provider=place.provider,
                currency=place.currency,
                opening_minor=openings[place.number],
                moved={name: moved.get(place.number, {}).get(name, 0) for name in CATEGORIES},
                closing_minor=balance.ledger_minor,
                provider_closing_minor=balance.provider_minor,
                named=balance.named,
            )
        )
    return found


def bank_lines(matching: Matching, scope: Scope) -> list[BankLine]:
    """Every booked line of every statement in scope, and what it is if the books do not have it."""
    paths = [str(one.path) for one in scope.input_files() if one.kind == FileKind.BANK.value]
    if not paths:
        return []
    return [
        BankLine(StatementKey(*row[:4]), row[4], row[5], (row[6], row[7]), row[8])
        for row in matching.rows(
            f"""SELECT f.sha256, r.account, r.currency, r.statement_no, r.amount_minor, r.booked_on,
                f.file_no, r.row_no, coalesce(k.name, y.name, 'unmatched_bank_line')
            FROM read_parquet($paths, filename = true) r JOIN files f ON f.path = r.filename
            LEFT JOIN (SELECT bank_file, bank_row, CASE WHEN bool_or(is_resolved) THEN 'resolved'
                ELSE min(kind) END AS name FROM kept WHERE side = 'bank' GROUP BY ALL) k
                ON k.bank_file = f.sha256 AND k.bank_row = r.row_no
            LEFT JOIN (SELECT bid, CASE WHEN bool_or(is_off) THEN 'batch_sum'
                ELSE 'payout_to_book' END AS name FROM st GROUP BY bid) y
                ON y.bid = f.file_no::BIGINT * {ROWS_MAX} + r.row_no
            WHERE r.status = 'BOOK' ORDER BY f.file_no, r.row_no""",  # noqa: S608  (a number)
            paths=paths,
        )
    ]


def categories(matching: Matching) -> list[Category]:
    """What happened in the window, on both sides."""
    return [
        Category(provider, currency, CATEGORIES[cat], *map(int, figures))
        for provider, currency, cat, *figures in matching.rows(
            """SELECT s.provider, s.currency, cat, sum(ln), sum(lm), sum(pn), sum(pm) FROM (
                SELECT place, cat, count(*) AS ln, sum(amount) AS lm, 0 AS pn, 0 AS pm
                FROM l ANTI JOIN early USING (id) WHERE booked_at >= $since GROUP BY ALL
                UNION ALL
                SELECT place, cat, 0, 0, count(*), sum(amount) FROM p
                WHERE booked_at >= $since GROUP BY ALL
            ) JOIN places s USING (place) GROUP BY ALL ORDER BY s.provider, s.currency, cat""",
            since=matching.window_from,
        )
    ]


def controls(matching: Matching) -> list[Control]:
    """Lines per kind and currency, and what they differ by together."""
    return [
        Control(kind, currency, count, minor)
        for kind, currency, count, minor in matching.rows(
            "SELECT kind, currency, count(*), sum(difference_minor)::BIGINT FROM kept"
            " GROUP BY ALL ORDER BY kind, currency"
        )
    ]


def due(matching: Matching) -> Iterator[Due]:
    """What may be booked now, in one order."""
    files = dict(matching.rows("SELECT file_no, sha256 FROM files"))

    def name(pid: int) -> str:
        return row_name(files[pid // ROWS_MAX], pid % ROWS_MAX)

    for part in matching.stream(
        """SELECT s.provider, s.currency, d.amount, d.pid FROM fees_due d
        JOIN places s USING (place) ORDER BY d.pid""",
        AT_ONCE,
    ):
        for provider, currency, minor, pid in part:
            yield Due(provider, currency, minor, name(pid))
    for provider, currency, minor, pid, payout_id, bank in matching.rows(
        """SELECT s.provider, s.currency, d.amount, d.pid, d.payout_id, d.bank FROM payouts_due d
        JOIN places s USING (place) ORDER BY d.pid"""
    ):
        row = batch_name(payout_id) if payout_id else name(pid)
        yield Due(provider, currency, minor, row, bank)


def matched(matching: Matching) -> dict[int, int]:
    """Pairs by the stage that found them."""
    return dict(matching.rows("SELECT stage, count(*) FROM pairs GROUP BY stage ORDER BY stage"))


def entry_name(lid: int | None, accounts: list[int]) -> str:
    """An entry of the ledger as everybody names it: account and sequence."""
    if lid is None:
        return ""
    return f"{accounts[lid // ENTRIES_MAX]}:{lid % ENTRIES_MAX}"


def _aware(at: datetime | None) -> datetime | None:
    return None if at is None else at.replace(tzinfo=UTC)
