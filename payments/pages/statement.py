"""A player's statement of account: a period by their own calendar, equal to the ledger to the cent.

It is the account of their cash: what they can play or withdraw. Money on its way out has left it
and stands beside it. The period is fixed when it is asked for (`ledger.statements.Span`): lines
that are posted while it is read are not in it, so opening plus every line is closing, always.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from audit.spreadsheet import csv_bytes
from compliance.play_safely.activity import Activity, activity
from compliance.standing import StandingNow
from kernel.ids import AccountId
from kernel.money import Money
from kernel.refusal import Refused
from ledger import accounts, statements
from ledger.statements import Line, Period, Span
from payments.words import wording

#: Lines on a page of the statement; a file has them all.
LINES_PER_PAGE: Final = 100
#: Days that exist in every zone, before the first entry and beyond the last.
FIRST_DAY: Final = date(2000, 1, 1)
LAST_DAY: Final = date(2999, 12, 30)


class StatementCode(StrEnum):
    """Why there is no such statement."""

    NOT_A_PERIOD = "not_a_period"


@dataclass(frozen=True, slots=True)
class Days:
    """From the first day to the last, both included, by the player's calendar."""

    first: date
    last: date

    def period(self, zone: str) -> Period:
        """The instants of these days: midnight to midnight, 23 to 25 hours a day."""
        at = ZoneInfo(zone)
        return Period(
            datetime.combine(self.first, time(0), at),
            datetime.combine(self.last + timedelta(days=1), time(0), at),
        )


@dataclass(frozen=True, slots=True)
class Sum:
    """One kind of movement in the period, in words."""

    words: str
    came_minor: int
    went_minor: int
    count: int


@dataclass(frozen=True, slots=True)
class Statement:
    """The whole of a period. ``ever``: paid in and taken out since the account was opened."""

    days: Days
    zone: str
    currency: str
    account_id: AccountId
    within: Span
    sums: tuple[Sum, ...]
    held_minor: int
    ever: Activity
    made_at: datetime

    @property
    def came_minor(self) -> int:
        return sum(one.came_minor for one in self.sums)

    @property
    def went_minor(self) -> int:
        return sum(one.went_minor for one in self.sums)

    @property
    def lines_count(self) -> int:
        return sum(one.count for one in self.sums)


def days_named(first: str, last: str, today: date) -> Days:
    """The days that two texts name (``2026-11-01``); empty ones are this month up to today.

    Refuses with ``NOT_A_PERIOD`` what is no day, far away, or ends before it begins.
    """
    try:
        begins = date.fromisoformat(first) if first else today.replace(day=1)
        ends = date.fromisoformat(last) if last else max(today, begins)
    except ValueError:
        raise Refused(StatementCode.NOT_A_PERIOD) from None
    if not FIRST_DAY <= begins <= ends <= LAST_DAY:
        raise Refused(StatementCode.NOT_A_PERIOD)
    return Days(begins, ends)


def today(standing: StandingNow, now: datetime) -> date:
    """The calendar day where the player's profile is at home."""
    return now.astimezone(ZoneInfo(standing.policy(now).zone)).date()


def read(standing: StandingNow, days: Days, now: datetime) -> Statement:
    """The player's statement of ``days`` as of ``now``. Reads only, locks nothing."""
    zone = standing.policy(now).zone
    cash = accounts.player_cash(standing.player_id, standing.currency)
    held = accounts.player_held(standing.player_id, standing.currency)
    period = days.period(zone)
    within = statements.span(cash, period)
    return Statement(
        days=days,
        zone=zone,
        currency=standing.currency,
        account_id=cash,
        within=within,
        sums=tuple(
            Sum(wording.line_text(one.kind), one.came_minor, one.went_minor, one.count)
            for one in statements.totals(cash, within)
        ),
        held_minor=statements.balance_at(held, min(period.until or now, now)),
        ever=activity(standing, 1, now),
        made_at=now,
    )


def page(found: Statement, before_seq: int | None) -> tuple[list[Line], int | None]:
    """Lines of one page, newest first, and what to ask for the next with; None where none is."""
    within = found.within
    before = within.last_seq + 1 if before_seq is None else min(before_seq, within.last_seq + 1)
    asked = statements.statement(found.account_id, before_seq=before, limit=LINES_PER_PAGE + 1)
    lines = [line for line in asked if line.seq >= within.first_seq]
    more = len(lines) > LINES_PER_PAGE
    lines = lines[:LINES_PER_PAGE]
    return lines, lines[-1].seq if more else None


def csv_pieces(found: Statement) -> Iterator[bytes]:
    """The statement as CSV (RFC 4180), oldest first: opening balance, every line, closing balance.

    Amounts are decimal text with a point, times are local with their offset from UTC.
    """
    begins, ends = (text.isoformat() for text in (found.days.first, found.days.last))
    yield csv_bytes(
        [
            ["at", "what", "reference", "amount", "balance", "currency"],
            [begins, _("Opening balance"), "", "", *_stands(found, found.within.opening_minor)],
        ]
    )
    for piece in statements.all_lines(found.account_id, found.within):
        yield csv_bytes([_row(found, line) for line in piece])
    yield csv_bytes(
        [[ends, _("Closing balance"), "", "", *_stands(found, found.within.closing_minor)]]
    )


def json_pieces(found: Statement) -> Iterator[bytes]:
    """The statement as one JSON object, its lines oldest first; written as it is read."""
    head = json.dumps(as_data(found), ensure_ascii=False, separators=(",", ":"))
    yield f'{head[:-1]},"lines":['.encode()
    between = ""
    for piece in statements.all_lines(found.account_id, found.within):
        text = ",".join(
            json.dumps(line_data(found, line), ensure_ascii=False, separators=(",", ":"))
            for line in piece
        )
        yield f"{between}{text}".encode()
        between = ","
    yield b"]}"


def as_data(found: Statement) -> dict[str, Any]:
    """All of the statement but its lines, in plain values."""
    return {
        "from": found.days.first.isoformat(),
        "to": found.days.last.isoformat(),
        "zone": found.zone,
        "currency": found.currency,
        "made_at": found.made_at.isoformat(),
        "opening_minor": found.within.opening_minor,
        "came_minor": found.came_minor,
        "went_minor": found.went_minor,
        "closing_minor": found.within.closing_minor,
        "on_its_way_out_minor": found.held_minor,
        "totals": [
            {
                "what": one.words,
                "came_minor": one.came_minor,
                "went_minor": one.went_minor,
                "count": one.count,
            }
            for one in found.sums
        ],
        "lifetime_deposited_minor": found.ever.lifetime_deposited_minor,
        "lifetime_went_back_minor": found.ever.lifetime_went_back_minor,
        "lifetime_withdrawn_minor": found.ever.lifetime_withdrawn_minor,
        "lifetime_net_deposits_minor": found.ever.lifetime_net_minor,
    }


def line_data(found: Statement, line: Line) -> dict[str, Any]:
    """One line in plain values."""
    return {
        "at": line.posted_at.astimezone(ZoneInfo(found.zone)).isoformat(),
        "kind": line.kind.value,
        "what": wording.line_text(line.kind),
        "ref": line.ref,
        "amount_minor": line.amount_minor,
        "balance_minor": line.balance_after_minor,
    }


def _row(found: Statement, line: Line) -> list[str]:
    return [
        line.posted_at.astimezone(ZoneInfo(found.zone)).isoformat(),
        wording.line_text(line.kind),
        line.ref,
        Money(line.amount_minor, found.currency).decimal(),
        *_stands(found, line.balance_after_minor),
    ]


def _stands(found: Statement, minor: int) -> list[str]:
    return [Money(minor, found.currency).decimal(), found.currency]
