"""What players did with money, told by the apps that did it, in the transaction that did it.

Facts are inserted, never added to a shared row: recording one locks nothing, so it may stand
anywhere in a transaction, before or after the ledger's posting. `fold` later sums them into days
(for windows cut at midnights) and quarters of an hour (for the others). Whoever reads adds both
kinds of rows in one statement (`totals`), so the sum is exact at every moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from django.db import connection, transaction

from audit.together import Kept, Statement, run_together
from compliance.jurisdictions import profile
from compliance.limit_arithmetic import Period, Used, Window, first_day, gaming_day, quarter
from compliance.models import QuarterTotal, Standing
from kernel.arrays import array_of, array_of_texts, common_and_rest
from kernel.ids import PlayerId
from kernel.invariant import ensure
from kernel.money import Money

#: Facts folded per call: some 50 ms of work, so that a fold never holds up a worker.
FOLD_BATCH_MAX: Final = 5_000
#: Advisory lock that lets one fold run at a time (folds alone write day totals).
FOLD_LOCK: Final = 6_000_001
#: Twice the longest window that is summed up by quarters.
QUARTERS_KEPT: Final = timedelta(days=62)


class FactKind(StrEnum):
    """What can be told. STAKE_RETURNED: undone or refunded; PAID_OUT: with the stake, gross.

    PAID_BACK: a payout that a correction took back; it lessens what was paid out. CAME_BACK: a
    withdrawal that the bank returned; it lessens what was withdrawn.
    """

    STAKED = "staked"
    STAKE_RETURNED = "stake_returned"
    PAID_OUT = "paid_out"
    PAID_BACK = "paid_back"
    DEPOSITED = "deposited"
    WITHDRAWN = "withdrawn"
    CAME_BACK = "came_back"


class Fact(NamedTuple):
    """Something that happened to ``player_id``'s money at ``at`` (aware), ``amount`` positive."""

    player_id: PlayerId
    kind: FactKind
    amount: Money
    at: datetime


#: What a day on which nothing happened comes to.
NOTHING: Final = Used()


@dataclass(frozen=True, slots=True)
class Span:
    """A question for `totals`: what did this player do in this currency since a window began?"""

    player_id: PlayerId
    currency: str
    window: Window


def record(facts: Sequence[Fact]) -> None:
    """Write ``facts`` in the caller's transaction, in one statement. Takes no row lock."""
    ensure(bool(connection.in_atomic_block), "facts are recorded inside a transaction")
    if not facts:
        return
    run_together([recording(facts)])


def recording(facts: Sequence[Fact]) -> Statement:
    """What `record` does, for whoever writes more in the same message; one fact at least."""
    ensure(all(fact.amount.minor > 0 for fact in facts), "facts have positive amounts")
    currency, currencies = common_and_rest([fact.amount.currency for fact in facts])
    kind, kinds = common_and_rest([fact.kind.value for fact in facts])
    instants = {fact.at for fact in facts}
    return (
        _RECORD_SQL,
        [
            *(currency, kind, facts[0].at),
            array_of(fact.player_id for fact in facts),
            currencies,
            kinds,
            array_of(fact.amount.minor for fact in facts),
            array_of(fact.at for fact in facts) if len(instants) > 1 else "{}",
        ],
    )


#: Of a column that is the same all the way only ``c`` is told (`common_and_rest`).
_RECORD_SQL: Final = Kept("""
INSERT INTO compliance_freshfact (player_id, currency, kind, amount_minor, at)
SELECT f.player_id, coalesce(f.currency, c.currency), coalesce(f.kind, c.kind), f.amount_minor,
    coalesce(f.at, c.at)
FROM (SELECT %s::text AS currency, %s::text AS kind, %s::timestamptz AS at) c,
    unnest(%s::text::bigint[], %s::text::text[], %s::text::text[], %s::text::bigint[],
        %s::text::timestamptz[]) AS f (player_id, currency, kind, amount_minor, at)
""")


#: The sums of a day and of a quarter; each is a column ``<name>_minor``, in this order.
SUMS: Final = ("staked", "returned", "paid_out", "deposited", "withdrawn")
#: What each kind adds to, and with which sign. Nothing else says it: what is folded is made of
#: this, and so is every statement that adds facts which are not folded yet.
COUNTS: Final[Mapping[FactKind, tuple[str, int]]] = {
    FactKind.STAKED: ("staked", 1),
    FactKind.STAKE_RETURNED: ("returned", 1),
    FactKind.PAID_OUT: ("paid_out", 1),
    FactKind.PAID_BACK: ("paid_out", -1),
    FactKind.DEPOSITED: ("deposited", 1),
    FactKind.WITHDRAWN: ("withdrawn", 1),
    FactKind.CAME_BACK: ("withdrawn", -1),
}
ensure(COUNTS.keys() == set(FactKind), "every kind of fact counts somewhere")


def fresh(row: str, **signs: int) -> str:
    """SQL: what the fact ``row`` adds to these sums together, each with its sign.

    ``fresh("f", staked=1, returned=-1)`` is what it adds to a wager.
    """
    ensure(set(signs) <= set(SUMS), "facts add to sums that there are", sums=sorted(signs))
    parts = [
        f"WHEN '{kind.value}' THEN {'-' if sign * signs[name] < 0 else ''}{row}.amount_minor"
        for kind, (name, sign) in COUNTS.items()
        if name in signs
    ]
    return f"CASE {row}.kind {' '.join(parts)} ELSE 0 END"


#: What limits on bets count: the stakes that stand, and against losses what was paid on them.
WAGER: Final[Mapping[str, int]] = {"staked": 1, "returned": -1}
PAID: Final[Mapping[str, int]] = {"paid_out": 1}


def _all_fresh(row: str) -> str:
    """SQL: every sum of a fact, in their order."""
    return ", ".join(f"{fresh(row, **{name: 1})} AS {name}" for name in SUMS)


def _all_summed(row: str) -> str:
    """SQL: the same of a row of sums."""
    return ", ".join(f"{row}.{name}_minor AS {name}" for name in SUMS)


_ADDED: Final = ", ".join(f"sum({name})::bigint" for name in SUMS)
_TOTALS_SQL: Final = f"""
WITH span AS (
    SELECT * FROM unnest(%s::text::integer[], %s::text::bigint[], %s::text::text[],
        %s::text::date[], %s::text::timestamptz[])
        AS s(n, player_id, currency, first_day, starts_at)
)
SELECT n, {_ADDED}
FROM (
    SELECT s.n, {_all_summed("d")}
    FROM span s JOIN compliance_daytotal d USING (player_id, currency)
    WHERE d.day >= s.first_day
    UNION ALL
    SELECT s.n, {_all_summed("q")}
    FROM span s JOIN compliance_quartertotal q USING (player_id, currency)
    WHERE s.first_day IS NULL AND q.starts_at >= s.starts_at
    UNION ALL
    SELECT s.n, {_all_fresh("f")}
    FROM span s JOIN compliance_freshfact f USING (player_id, currency)
    WHERE f.at >= s.starts_at
) AS one GROUP BY n
"""  # noqa: S608  (fixed words alone)


def _used(sums: Sequence[int]) -> Used:
    return Used(**{f"{name}_minor": minor for name, minor in zip(SUMS, sums, strict=True)})


def totals(spans: Sequence[Span]) -> list[Used]:
    """What was used in each span, in order; one statement. Deposits in flight are not in it."""
    found = [Used()] * len(spans)
    if not spans:
        return found
    with connection.cursor() as cursor:
        cursor.execute(
            _TOTALS_SQL,
            [
                array_of(range(len(spans))),
                array_of(span.player_id for span in spans),
                array_of_texts(span.currency for span in spans),
                array_of(span.window.first_day for span in spans),
                array_of(span.window.starts_at for span in spans),
            ],
        )
        for n, *sums in cursor.fetchall():
            found[n] = _used(sums)
    return found


_BY_DAY_SQL: Final = f"""
SELECT day, {_ADDED} FROM (
    SELECT d.day, {_all_summed("d")} FROM compliance_daytotal d
    WHERE d.player_id = %(player)s AND d.currency = %(currency)s
      AND d.day BETWEEN %(first)s AND %(last)s
    UNION ALL
    SELECT (f.at AT TIME ZONE %(zone)s)::date, {_all_fresh("f")} FROM compliance_freshfact f
    WHERE f.player_id = %(player)s AND f.currency = %(currency)s
) one WHERE day BETWEEN %(first)s AND %(last)s GROUP BY day
"""  # noqa: S608  (fixed words alone)


def by_day(
    player_id: PlayerId, currency: str, zone: str, first: date, last: date
) -> dict[date, Used]:
    """What the player did on each gaming day of ``zone`` from ``first`` to ``last``, both included.

    For people to look at, exact as it is read; days without anything are absent. One statement,
    without a lock.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _BY_DAY_SQL,
            {
                "player": player_id,
                "currency": currency,
                "zone": zone,
                "first": first,
                "last": last,
            },
        )
        return {day: _used(sums) for day, *sums in cursor.fetchall()}


_PERIODS: Final = (Period.DAY, Period.WEEK, Period.MONTH)

#: Table, the column of its key that is a time, and that column's type.
_DAYS: Final = ("compliance_daytotal", "day", "date")
_QUARTERS: Final = ("compliance_quartertotal", "starts_at", "timestamptz")
_UPSERT_SQL: Final = f"""
INSERT INTO {{0}} AS d (player_id, currency, {{1}}, {", ".join(f"{name}_minor" for name in SUMS)})
SELECT * FROM unnest(%s::bigint[], %s::text[], %s::{{2}}[],
    {", ".join(["%s::bigint[]"] * len(SUMS))})
ON CONFLICT (player_id, currency, {{1}}) DO UPDATE SET
    {", ".join(f"{name}_minor = d.{name}_minor + excluded.{name}_minor" for name in SUMS)}
"""  # noqa: S608  (fixed words alone)
Row = tuple[int, str, str, int, datetime]
Sums = dict[tuple[int, str, Any], list[int]]


def fold(at_most: int = FOLD_BATCH_MAX) -> int:
    """Sum up to ``at_most`` fresh facts into their gaming days and quarters; returns how many.

    One transaction: a reader sees each fact either fresh or folded. Does nothing while another
    fold runs (advisory lock); only performance depends on it, never a decision.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [FOLD_LOCK])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(
            "DELETE FROM compliance_freshfact WHERE id IN"
            " (SELECT id FROM compliance_freshfact ORDER BY id LIMIT %s)"
            " RETURNING player_id, currency, kind, amount_minor, at",
            [at_most],
        )
        rows: list[Row] = cursor.fetchall()
        if rows:
            days = _summed(rows, _day_of(rows))
            _add(_DAYS, days)
            _add_windows(days)
            _add(_QUARTERS, _summed(rows, lambda _player_id, at: quarter(at)))
    return len(rows)


def forget_old_quarters(now: datetime) -> int:
    """Remove quarters that no window reaches any more; returns how many."""
    removed, _kinds = QuarterTotal.objects.filter(starts_at__lt=now - QUARTERS_KEPT).delete()
    return removed


def _add(table: tuple[str, str, str], sums: Sums) -> None:
    keys = sorted(sums)
    with connection.cursor() as cursor:
        cursor.execute(
            _UPSERT_SQL.format(*table),
            [
                *([key[part] for key in keys] for part in range(3)),
                *([sums[key][column] for key in keys] for column in range(len(SUMS))),
            ],
        )


#: Each window: later days begin it anew, days within it add to it, earlier ones leave it alone.
_WINDOW_SQL: Final = """
INSERT INTO compliance_windowtotal AS d (player_id, currency, day, week, month, day_wager_minor,
    day_paid_minor, week_wager_minor, week_paid_minor, month_wager_minor, month_paid_minor)
SELECT p, c, day, week, month, wager, paid, wager, paid, wager, paid
FROM unnest(%s::bigint[], %s::text[], %s::date[], %s::date[], %s::date[], %s::bigint[],
    %s::bigint[]) AS f (p, c, day, week, month, wager, paid)
ON CONFLICT (player_id, currency) DO UPDATE SET
""" + ", ".join(
    f"{name} = greatest(d.{name}, excluded.{name}), "
    + ", ".join(
        f"{name}_{sum_}_minor = CASE WHEN excluded.{name} > d.{name}"
        f" THEN excluded.{name}_{sum_}_minor WHEN excluded.{name} = d.{name}"
        f" THEN d.{name}_{sum_}_minor + excluded.{name}_{sum_}_minor"
        f" ELSE d.{name}_{sum_}_minor END"
        for sum_ in ("wager", "paid")
    )
    for name in ("day", "week", "month")
)


def _add_windows(days: Sums) -> None:
    """Days that were summed, added to the newest windows: day after day, as one row takes one."""
    for day in sorted({key[2] for key in days}):
        keys = sorted(key for key in days if key[2] == day)
        with connection.cursor() as cursor:
            cursor.execute(
                _WINDOW_SQL,
                [
                    [key[0] for key in keys],
                    [key[1] for key in keys],
                    *([first_day(period, day)] * len(keys) for period in _PERIODS),
                    [_summed_up(days[key], WAGER) for key in keys],
                    [_summed_up(days[key], PAID) for key in keys],
                ],
            )


def _summed_up(sums: Sequence[int], signs: Mapping[str, int]) -> int:
    return sum(sign * sums[SUMS.index(name)] for name, sign in signs.items())


def _summed(rows: Sequence[Row], when: Callable[[int, datetime], date | datetime]) -> Sums:
    """Sums per player, currency and whatever ``when`` says of a player's instant."""
    sums: Sums = {}
    for player_id, currency, kind, amount_minor, at in rows:
        name, sign = COUNTS[FactKind(kind)]
        key = (player_id, currency, when(player_id, at))
        sums.setdefault(key, [0] * len(SUMS))[SUMS.index(name)] += sign * amount_minor
    return sums


def _day_of(rows: Sequence[Row]) -> Callable[[int, datetime], date]:
    """The gaming day of an instant in the jurisdiction of a player of ``rows``."""
    places = dict(
        Standing.objects.filter(pk__in={row[0] for row in rows}).values_list("pk", "jurisdiction")
    )

    def day(player_id: int, at: datetime) -> date:
        ensure(player_id in places, "facts are about players with a standing", player=player_id)
        return gaming_day(at, profile(places[player_id], at.date()).zone)

    return day
