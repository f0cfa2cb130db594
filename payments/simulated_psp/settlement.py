"""Closing a day: the balance goes to the operator's bank, and two files say how it came about.

The movements, the payouts, the numbers and the files are kept in one transaction and the files are
then put into their folder, each under its name only when it is whole; a process that is killed in
between puts them there when it starts again.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any, Final

from kernel.clock import SystemClock
from kernel.money import Money, scale
from payments.simulated_psp import settlement_file, statement_file
from payments.simulated_psp.desk import Desk, now_ms
from payments.simulated_psp.file_faults import (
    BANK_OFF_MINOR,
    UNKNOWN_LINE_MINOR,
    Row,
    Spoiled,
    spoil,
)
from payments.simulated_psp.statement_file import Line, Statement
from payments.simulated_psp.store import new_object_id
from payments.simulated_psp.wire import Answer

#: How the bank names whoever paid in.
NAME: Final = "SIMULATED PSP"
SATURDAY: Final = 5
#: By so much wrong control totals and a wrong opening balance are wrong.
OFF_MINOR: Final = 1


class Settlement:
    """Pays out and writes files into ``folder``; ``account`` is the operator's at the bank."""

    def __init__(self, desk: Desk, folder: Path | None, account: str) -> None:
        self._desk, self._folder, self._account = desk, folder, account

    async def run(self, every_s: int) -> None:
        """Close every ``every_s`` seconds in which something happened, or each business day."""
        while self._folder is not None:
            await asyncio.sleep(every_s or seconds_left(SystemClock().now()))
            if self._desk.store.open_totals():
                self.close()

    def close(self) -> Answer:
        """Close now, also where nothing happened; answers what was paid and written."""
        if self._folder is None:
            raise Answer(400, {"error": "no_files_folder"})
        at_ms = now_ms()
        with self._desk.store.together():
            said = self._close(at_ms)
        self.put_files()
        return Answer(200, said)

    def _close(self, at_ms: int) -> dict[str, Any]:
        store = self._desk.store
        lines = [_row(line, at_ms) for line in store.open_lines()]
        earliest_ms = min((line["created_ms"] for line in lines), default=at_ms)
        first_ms = store.count("closed_ms") or earliest_ms
        spoiled = spoil(lines, self._desk.faults)
        for row in spoiled.rows:
            row["net_minor"] = _net_minor(row)
        payouts = self._pay_out(spoiled, at_ms)
        store.settle(spoiled.withheld, "forgotten")
        store.set_count("closed_ms", at_ms)
        settled = [row for row in spoiled.rows if row["payout_id"]]
        return {
            "settlement": self._keep_settlement(settled, (first_ms, at_ms)),
            "bank": self._keep_statement(payouts, spoiled.planted, at_ms),
            "payouts": [
                {"id": row["payout_id"], "currency": row["currency"], "minor": -row["net_minor"]}
                for row in payouts
            ],
            "planted": spoiled.planted,
        }

    def _pay_out(self, spoiled: Spoiled, at_ms: int) -> list[Row]:
        """One payout per currency of all that it has; nothing where what it has is nothing.

        Below zero it is taken from the operator's account instead.
        """
        store, payouts = self._desk.store, []
        by_currency = defaultdict(list)
        for row in spoiled.rows:
            by_currency[row["net_currency"]].append(row)
        for currency, rows in sorted(by_currency.items()):
            net_minor = sum(row["net_minor"] for row in rows)
            if net_minor == 0:
                continue
            payout = _payout_row(currency, -net_minor, at_ms)
            for row in (*rows, payout):
                row["payout_id"] = payout["payout_id"]
            store.book(payout)
            store.settle([row["row_id"] for row in (*rows, payout)], payout["payout_id"])
            payouts.append(payout)
        spoiled.rows.extend(payouts)
        return payouts

    def _keep_settlement(self, rows: list[Row], period_ms: tuple[int, int]) -> str:
        store, faults = self._desk.store, self._desk.faults
        number = store.count("settlement") + 1 + faults.take("file_sequence_gap")
        store.set_count("settlement", number)
        name = f"simulated-settlement-{number:06d}.csv"
        off_minor = OFF_MINOR if faults.take("file_wrong_totals") else 0
        body = settlement_file.written(
            rows, period_ms=period_ms, sequence=number, off_minor=off_minor
        )
        store.keep_file(name, body)
        return name

    def _keep_statement(self, payouts: list[Row], planted: list[dict[str, Any]], at_ms: int) -> str:
        """The bank's file: every currency the account ever had, its next number without a gap."""
        store, lines = self._desk.store, self._bank_lines(payouts, planted)
        currencies = sorted({*store.counts("bank_number:"), *lines})
        if not currencies:
            return ""
        statements = [self._statement(currency, lines[currency]) for currency in currencies]
        number = store.count("bank") + 1
        store.set_count("bank", number)
        name = f"house-bank-{number:06d}.camt053.xml"
        body = statement_file.written(self._account, statements, at_ms=at_ms, number=number)
        store.keep_file(name, body)
        return name

    def _bank_lines(
        self, payouts: list[Row], planted: list[dict[str, Any]]
    ) -> dict[str, list[Line]]:
        lines: dict[str, list[Line]] = defaultdict(list)
        faults = self._desk.faults
        for row in payouts:
            minor, reference, currency = -row["net_minor"], row["payout_id"], row["currency"]
            if faults.take("bank_other_amount"):
                minor -= BANK_OFF_MINOR
                said = {"payout_id": reference, "currency": currency}
                off = {"fault": "bank_other_amount", "difference_minor": -BANK_OFF_MINOR}
                planted.append(off | said)
            words = f"Payout {reference}"
            lines[currency].append(Line(Money(minor, currency), reference, NAME, words))
        if payouts and faults.take("bank_unknown_line"):
            unknown = Money(UNKNOWN_LINE_MINOR, payouts[0]["currency"])
            line = Line(unknown, "NOTPROVIDED", "A. N. OTHER", "Invoice 4711")
            lines[unknown.currency].append(line)
            about = {"currency": unknown.currency, "gross_minor": unknown.minor}
            planted.append({"fault": "bank_unknown_line"} | about)
        return lines

    def _statement(self, currency: str, lines: list[Line]) -> Statement:
        store, faults = self._desk.store, self._desk.faults
        number = store.count(f"bank_number:{currency}") + 1 + faults.take("bank_sequence_gap")
        opening_minor = store.count(f"bank_balance:{currency}")
        statement = Statement(currency, number, opening_minor, lines)
        store.set_count(f"bank_number:{currency}", number)
        store.set_count(f"bank_balance:{currency}", statement.closing_minor)
        if faults.take("bank_wrong_opening"):
            return Statement(currency, number, opening_minor + OFF_MINOR, lines)
        return statement

    def put_files(self) -> None:
        """Put what is kept and not there yet into the folder; readers meet whole files only."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        for name, body in self._desk.store.unwritten():
            fresh = self._folder / f".{name}.part"
            fresh.write_bytes(body)
            os.replace(fresh, self._folder / name)
            self._desk.store.written(name)


def seconds_left(now: datetime) -> int:
    """Until the end of the present business day in UTC: the next midnight after a weekday."""
    ends = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
    while (ends - timedelta(days=1)).weekday() >= SATURDAY:
        ends += timedelta(days=1)
    return int((ends - now).total_seconds()) + 1


def _row(line: dict[str, Any], at_ms: int) -> Row:
    more = {
        "payout_id": "",
        "net_currency": line["currency"],
        "fx_rate": "",
        "settled_ms": at_ms,
        "net_minor": 0,
    }
    return line | more


def _net_minor(row: Row) -> int:
    """Gross less fee; exchanged by the row's rate, half up, where it names one."""
    net = int(row["gross_minor"] - row["fee_minor"])
    if not row["fx_rate"]:
        return net
    digits = scale(row["net_currency"]) - scale(row["currency"])
    exact = net * Fraction(row["fx_rate"]) * Fraction(10) ** digits
    return floor(exact + Fraction(1, 2))


def _payout_row(currency: str, gross_minor: int, at_ms: int) -> Row:
    line = {
        "row_id": new_object_id("row"),
        "type": "payout",
        "payment_ref": "",
        "merchant_reference": "",
        "dispute_ref": "",
        "currency": currency,
        "gross_minor": gross_minor,
        "fee_minor": 0,
        "created_ms": at_ms,
    }
    named = {"payout_id": new_object_id("po"), "net_minor": gross_minor}
    return _row(line, at_ms) | named
