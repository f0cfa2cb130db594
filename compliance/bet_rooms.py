"""The tightest limit of each player on bets, for a thousand players in one statement.

What `rooms` says of LOSS and WAGER, worked out where the rows are: a batch of bets reads one row
per player who has limits, and no sums in Python. `tests/flows/test_compliance_oracle.py` holds the
two against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from django.db import connection

from audit.together import Kept, Rows, Statement
from compliance import rooms
from compliance.facts import PAID, WAGER, fresh
from compliance.jurisdictions import Jurisdiction
from compliance.limit_arithmetic import (
    Limit,
    LimitKind,
    Period,
    PeriodKind,
    Room,
    window,
)
from compliance.limit_arithmetic import tightest as tightest_of
from compliance.standing import StandingNow
from kernel.arrays import array_of
from kernel.ids import PlayerId

#: One row per player with a limit. The sums are made once per player and cut by three windows.
#: Each row of a day or a fact adds to the windows that it lies in; limits then pick theirs.
_SQL: Final = Kept(f"""
WITH policy AS MATERIALIZED (
    SELECT * FROM unnest(%(code)s::text::text[], %(day)s::text::date[], %(week)s::text::date[],
        %(month)s::text::date[], %(day_at)s::text::timestamptz[],
        %(week_at)s::text::timestamptz[], %(month_at)s::text::timestamptz[])
        AS p (code, day, week, month, day_at, week_at, month_at)
), operator AS MATERIALIZED (
    SELECT * FROM unnest(%(o_code)s::text::text[], %(o_currency)s::text::text[],
        %(o_kind)s::text::text[], %(o_period)s::text::text[], %(o_amount)s::text::bigint[])
        AS o (code, currency, kind, period, amount)
), player AS MATERIALIZED (
    SELECT * FROM unnest(%(player)s::text::bigint[], %(p_code)s::text::text[],
        %(p_currency)s::text::text[]) AS p (id, code, currency)
), wanted AS MATERIALIZED (
    SELECT p.id, p.code, p.currency, l.kind, l.period,
           CASE WHEN l.pending_at <= %(now)s AND NOT l.needs_confirmation
                THEN l.pending_minor ELSE l.amount_minor END AS amount
    FROM player p JOIN compliance_limit l ON l.player_id = p.id AND l.currency = p.currency
    WHERE l.kind IN ('loss', 'wager')
    UNION ALL
    SELECT p.id, p.code, p.currency, o.kind, o.period, o.amount
    FROM operator o JOIN player p USING (code, currency)
), used AS MATERIALIZED (
    SELECT p.id,
        (CASE WHEN t.day = w.day THEN t.day_wager_minor ELSE 0 END + f.wager_day)::bigint
            AS wager_day,
        (CASE WHEN t.week = w.week THEN t.week_wager_minor ELSE 0 END + f.wager_week)::bigint
            AS wager_week,
        (CASE WHEN t.month = w.month THEN t.month_wager_minor ELSE 0 END + f.wager_month)::bigint
            AS wager_month,
        (CASE WHEN t.day = w.day THEN t.day_paid_minor ELSE 0 END + f.paid_day)::bigint
            AS paid_day,
        (CASE WHEN t.week = w.week THEN t.week_paid_minor ELSE 0 END + f.paid_week)::bigint
            AS paid_week,
        (CASE WHEN t.month = w.month THEN t.month_paid_minor ELSE 0 END + f.paid_month)::bigint
            AS paid_month,
        t.day > w.day AS is_ahead
    FROM (SELECT DISTINCT id, code, currency FROM wanted WHERE amount IS NOT NULL) p
    JOIN policy w USING (code)
    LEFT JOIN compliance_windowtotal t ON t.player_id = p.id AND t.currency = p.currency,
    LATERAL (
        SELECT coalesce(sum(s.wager) FILTER (WHERE s.at >= w.day_at), 0)
                   AS wager_day,
               coalesce(sum(s.wager) FILTER (WHERE s.at >= w.week_at), 0)
                   AS wager_week,
               coalesce(sum(s.wager) FILTER (WHERE s.at >= w.month_at), 0)
                   AS wager_month,
               coalesce(sum(s.paid) FILTER (WHERE s.at >= w.day_at), 0)
                   AS paid_day,
               coalesce(sum(s.paid) FILTER (WHERE s.at >= w.week_at), 0)
                   AS paid_week,
               coalesce(sum(s.paid) FILTER (WHERE s.at >= w.month_at), 0)
                   AS paid_month
        FROM (
            SELECT t.at,
                {fresh("t", **WAGER)} AS wager,
                {fresh("t", **PAID)} AS paid
            FROM compliance_freshfact t WHERE t.player_id = p.id AND t.currency = p.currency
        ) s
    ) f
)
SELECT DISTINCT ON (id) id, kind, period, amount, used, is_ahead FROM (
    SELECT l.id, l.kind, l.period, l.amount, u.is_ahead,
        CASE l.period WHEN 'day' THEN u.wager_day WHEN 'week' THEN u.wager_week
                      ELSE u.wager_month END
        - CASE WHEN l.kind = 'wager' THEN 0 WHEN l.period = 'day' THEN u.paid_day
               WHEN l.period = 'week' THEN u.paid_week ELSE u.paid_month END AS used
    FROM wanted l JOIN used u USING (id) WHERE l.amount IS NOT NULL
) one ORDER BY id, amount - used, amount
""")  # noqa: S608  (fixed words alone)
_CUT: Final = (Period.DAY, Period.WEEK, Period.MONTH)


def tightest(asked: Sequence[StandingNow], now: datetime) -> dict[PlayerId, Room]:
    """The tightest of each player's limits on losses and stakes; players without one are absent.

    One statement for players whose windows are cut at midnights, two for the others.
    """
    statement = asking(asked, now)
    if statement is None:
        return of_rows([], asked, now)
    with connection.cursor() as cursor:
        cursor.execute(*statement)
        return of_rows(cursor.fetchall(), asked, now)


def of_rows(rows: Rows, asked: Sequence[StandingNow], now: datetime) -> dict[PlayerId, Room]:
    """What `tightest` says, of what `asking` found."""
    found: dict[PlayerId, Room] = {}
    limits: dict[tuple[str, str, int], Limit] = {}
    ahead = set()
    for player_id, kind, period, amount, used, is_ahead in rows:
        key = (kind, period, amount)
        if key not in limits:
            limits[key] = Limit(LimitKind(kind), Period(period), amount)
        found[player_id] = Room(limits[key], used)
        if is_ahead:
            ahead.add(player_id)
    counted = {one.player_id for one in _by_calendar(asked, _policies(asked, now))} - ahead
    return found | _one_by_one([one for one in asked if one.player_id not in counted], now)


def _policies(asked: Sequence[StandingNow], now: datetime) -> dict[str, Jurisdiction]:
    return {
        one.jurisdiction: one.policy(now)
        for one in {one.jurisdiction: one for one in asked}.values()
    }


def _by_calendar(
    asked: Sequence[StandingNow], policies: dict[str, Jurisdiction]
) -> list[StandingNow]:
    codes = {code for code, one in policies.items() if one.limit_period_kind is PeriodKind.CALENDAR}
    return [one for one in asked if one.jurisdiction in codes]


def _one_by_one(asked: Sequence[StandingNow], now: datetime) -> dict[PlayerId, Room]:
    """The same by sums per limit: of windows that are no calendar's, or behind the newest."""
    several: dict[PlayerId, list[Room]] = {}
    for one, counted in rooms.of_money(rooms.in_force(asked, rooms.OF_BETS, now), {}):
        several.setdefault(one.player_id, []).append(counted)
    return {
        player_id: room
        for player_id, all_of_them in several.items()
        if (room := tightest_of(all_of_them)) is not None
    }


def asking(asked: Sequence[StandingNow], now: datetime) -> Statement | None:
    """A row for each player with a limit whose windows are cut at midnights; None for nobody.

    The last column says whether the player's newest window lies after ``now``: then it is counted
    by sums.
    """
    policies = _policies(asked, now)
    players = _by_calendar(asked, policies)
    if not players:
        return None
    codes = sorted({one.jurisdiction for one in players})
    windows = [[window(period, now, policies[code].zone) for code in codes] for period in _CUT]
    operator = [
        (code, one.currency, one.limit.kind.value, one.limit.period.value, one.limit.amount_minor)
        for code in codes
        for one in policies[code].operator_limits
        if one.limit.kind in rooms.OF_BETS
    ]
    params: dict[str, Any] = {
        "now": now,
        "code": array_of(codes),
        "player": array_of(one.player_id for one in players),
        "p_code": array_of(one.jurisdiction for one in players),
        "p_currency": array_of(one.currency for one in players),
    }
    for name, row in zip(("day", "week", "month"), windows, strict=True):
        params[name] = array_of(one.first_day for one in row)
        params[f"{name}_at"] = array_of(one.starts_at for one in row)
    for place, name in enumerate(("o_code", "o_currency", "o_kind", "o_period", "o_amount")):
        params[name] = array_of(row[place] for row in operator)
    return _SQL, params
