"""Deposits and withdrawals by day, method and provider; what still waits and how long; countries.

A payment counts on the gaming day on which it was asked for. Where it stood at an instant is read
from its steps, which never change, and not from its row, which does: the same report asked again
is the same. Test accounts are in none of it, but for the lines of single payments, which say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from audit.one_view import fetched
from backoffice import reports
from backoffice.finance.report_shape import SHARE_PARTS, Cell, Column, Reach, Report, Span
from payments.reconciliation.policy import current_policy
from payments.states import DEPOSIT_WAITS, WITHDRAWAL_WAITS, DepositState, WithdrawalState

#: What a payment without a known instrument is counted under.
UNKNOWN_METHOD: Final = "not told"
#: Ends without the money: what was refused, given up, or came back.
FAILED: Final = (
    DepositState.FAILED.value, DepositState.CANCELED.value, DepositState.EXPIRED.value,
    DepositState.REFUND_DUE.value, WithdrawalState.REJECTED.value, WithdrawalState.RETURNED.value,
)  # fmt: skip

_ASKED_FOR: Final = """
WITH asked AS (
    SELECT d.id, 'deposit' AS direction, d.player_id, d.provider, d.provider_ref, d.currency,
        d.amount_minor, d.created_at, d.instrument_id
    FROM payments_deposit d WHERE d.created_at >= %(since)s AND d.created_at < %(until)s
    UNION ALL
    SELECT w.id, 'withdrawal', w.player_id, w.provider, w.provider_ref, w.currency,
        w.amount_minor, w.created_at, coalesce(w.instrument_id, o.instrument_id)
    FROM payments_withdrawal w LEFT JOIN payments_deposit o ON o.id = w.source_deposit_id
    WHERE w.created_at >= %(since)s AND w.created_at < %(until)s
), stood AS (
    SELECT t.payment_id, (array_agg(t.after ORDER BY t.at DESC, t.id DESC))[1] AS state,
        bool_or(t.after = 'succeeded') AS was_credited
    FROM payments_transition t
    WHERE t.at >= %(since)s AND t.at < %(as_of)s
        AND t.payment_id IN (SELECT id FROM asked)
    GROUP BY t.payment_id
), known AS (
    SELECT a.*, coalesce(s.state, 'created') AS state,
        CASE WHEN s.was_credited OR s.state = 'paid' THEN 'done'
            WHEN s.state = ANY(%(failed)s) OR s.state = 'refunded' THEN 'failed'
            ELSE 'waits' END AS came_to,
        coalesce(nullif(i.kind, ''), %(unknown)s) AS method, coalesce(i.brand, '') AS brand,
        coalesce(i.country, '') AS country, p.is_test, p.country AS home
    FROM asked a
    LEFT JOIN stood s ON s.payment_id = a.id
    LEFT JOIN payments_instrument i ON i.id = a.instrument_id
    JOIN accounts_player p ON p.user_id = a.player_id
)
"""
_FLOWS: Final = f"""
{_ASKED_FOR}
SELECT (%(days)s::date[])[width_bucket(created_at, %(sinces)s::timestamptz[])] AS day, direction,
    provider, method, currency, count(*),
    count(*) FILTER (WHERE came_to = 'done'), count(*) FILTER (WHERE came_to = 'failed'),
    count(*) FILTER (WHERE came_to = 'waits'), sum(amount_minor)::bigint,
    coalesce(sum(amount_minor) FILTER (WHERE came_to = 'done'), 0)::bigint
FROM known WHERE NOT is_test GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
"""  # noqa: S608  (fixed words)
_COUNTRIES: Final = f"""
{_ASKED_FOR}
SELECT country, provider, method, currency, count(*), count(DISTINCT player_id),
    count(*) FILTER (WHERE came_to = 'done'),
    coalesce(sum(amount_minor) FILTER (WHERE came_to = 'done'), 0)::bigint,
    count(*) FILTER (WHERE country <> '' AND country <> home)
FROM known WHERE NOT is_test AND direction = 'deposit'
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""  # noqa: S608  (fixed words)
_PAYMENTS: Final = f"""
{_ASKED_FOR}
SELECT created_at, direction, id::text, player_id, provider, coalesce(provider_ref, ''), method,
    brand, country, currency, amount_minor, state, CASE WHEN is_test THEN 'yes' ELSE 'no' END
FROM known ORDER BY created_at, id
"""  # noqa: S608  (fixed words)
#: What may have waited then: what waits now, and what moved since.
_WAITING: Final = """
WITH maybe AS (
    SELECT d.id, 'deposit' AS direction, d.player_id, d.provider, d.currency, d.amount_minor,
        d.created_at
    FROM payments_deposit d WHERE d.created_at < %(as_of)s
        AND (d.state = ANY(%(deposit_waits)s) OR d.changed_at >= %(as_of)s)
    UNION ALL
    SELECT w.id, 'withdrawal', w.player_id, w.provider, w.currency, w.amount_minor, w.created_at
    FROM payments_withdrawal w WHERE w.created_at < %(as_of)s
        AND (w.state = ANY(%(withdrawal_waits)s) OR w.changed_at >= %(as_of)s)
), stood AS (
    SELECT m.*, s.after AS state, s.at AS since,
        floor(extract(epoch FROM %(as_of)s::timestamptz - m.created_at) / 86400)::int AS age
    FROM maybe m JOIN accounts_player p ON p.user_id = m.player_id AND NOT p.is_test
    CROSS JOIN LATERAL (SELECT t.after, t.at FROM payments_transition t
        WHERE t.payment_id = m.id AND t.at < %(as_of)s ORDER BY t.at DESC, t.id DESC LIMIT 1) s
)
SELECT s.direction, s.state, s.provider, s.currency,
    (%(ages)s::text[])[width_bucket(s.age, %(marks)s::int[]) + 1] AS age, count(*),
    sum(s.amount_minor)::bigint, count(*) FILTER (WHERE s.since + u.most < %(as_of)s),
    min(s.created_at)
FROM stood s
JOIN unnest(%(directions)s::text[], %(states)s::text[], %(waits)s::interval[])
    AS u (direction, state, most) ON u.direction = s.direction AND u.state = s.state
GROUP BY 1, 2, 3, 4, width_bucket(s.age, %(marks)s::int[])
ORDER BY 1, 2, 3, 4, width_bucket(s.age, %(marks)s::int[])
"""


def _asked(span: Span) -> dict[str, Any]:
    days, sinces = reports.day_marks(span.first, span.last)
    return {
        "days": days, "sinces": sinces, "since": span.since, "until": span.until,
        "as_of": span.as_of, "failed": list(FAILED), "unknown": UNKNOWN_METHOD,
    }  # fmt: skip


def flow_rows(span: Span) -> Iterator[tuple[object, ...]]:
    """Per day, direction, provider and method: how many, what came of them, and the share."""
    for row in fetched(_FLOWS, _asked(span)):
        *facts, tried, done, failed, waits, asked_minor, done_minor = row
        yield *facts, tried, done, failed, waits, share(done, failed), asked_minor, done_minor


def share(done: int, failed: int) -> int | None:
    """Of what came to an end, how much succeeded, in ten-thousandths, rounded down; None of
    nothing."""
    return None if done + failed == 0 else done * SHARE_PARTS // (done + failed)


def waiting_rows(span: Span) -> Iterator[tuple[object, ...]]:
    """What had not come to its end at the instant, by age."""
    waits = [("deposit", state.value, most) for state, most in DEPOSIT_WAITS.items()]
    waits += [("withdrawal", state.value, most) for state, most in WITHDRAWAL_WAITS.items()]
    buckets = current_policy().buckets
    directions, states, most = zip(*waits, strict=True)
    yield from fetched(_WAITING, {
        "as_of": span.as_of,
        "deposit_waits": [state.value for state in DEPOSIT_WAITS],
        "withdrawal_waits": [state.value for state in WITHDRAWAL_WAITS],
        "directions": list(directions), "states": list(states), "waits": list(most),
        "ages": [one.name for one in buckets],
        "marks": [one.least for one in buckets[1:]],
    })  # fmt: skip


def country_rows(span: Span) -> Iterator[tuple[object, ...]]:
    """Deposits by the country that issued what was paid with."""
    yield from fetched(_COUNTRIES, _asked(span))


def payment_rows(span: Span) -> Iterator[tuple[object, ...]]:
    """Every payment that was asked for on the days."""
    yield from fetched(_PAYMENTS, _asked(span))


FLOWS: Final = Report(
    "payments-by-day",
    "Deposits and withdrawals",
    "Asked for on each gaming day, by method and provider, and what came of them until the"
    " instant. The share is of those that came to an end. Test accounts are left out.",
    (
        Column("day", "Gaming day", Cell.DAY),
        Column("direction", "Direction"),
        Column("provider", "Provider"),
        Column("method", "Method"),
        Column("currency", "Currency"),
        Column("asked_for", "Asked for", Cell.COUNT, is_total=True),
        Column("succeeded", "Succeeded", Cell.COUNT, is_total=True),
        Column("failed", "Failed", Cell.COUNT, is_total=True),
        Column("waiting", "Waiting", Cell.COUNT, is_total=True),
        Column("success_share", "Success", Cell.SHARE),
        Column("asked_amount", "Asked", Cell.MONEY, is_total=True),
        Column("succeeded_amount", "Moved", Cell.MONEY, is_total=True),
    ),
    flow_rows,
)
WAITING: Final = Report(
    "pending-payments",
    "Pending payments by age",
    "Payments that had not come to their end at an instant, by age in whole days since they were"
    " asked for. Overdue: longer in their state than players are told. Test accounts are left out.",
    (
        Column("direction", "Direction"),
        Column("state", "State"),
        Column("provider", "Provider"),
        Column("currency", "Currency"),
        Column("age_days", "Age in days"),
        Column("payments", "Payments", Cell.COUNT, is_total=True),
        Column("amount", "Amount", Cell.MONEY, is_total=True),
        Column("overdue", "Overdue", Cell.COUNT, is_total=True),
        Column("oldest_since", "The oldest since", Cell.INSTANT),
    ),
    waiting_rows,
    Reach.INSTANT,
)
COUNTRIES: Final = Report(
    "deposits-by-country",
    "Deposits by country of the instrument",
    "Deposits asked for on the days, by the country that issued the card or account as its provider"
    " tells it; how many came from another country than their player lives in. Test accounts are"
    " left out.",
    (
        Column("country", "Country"),
        Column("provider", "Provider"),
        Column("method", "Method"),
        Column("currency", "Currency"),
        Column("asked_for", "Asked for", Cell.COUNT, is_total=True),
        Column("players", "Players", Cell.COUNT),
        Column("succeeded", "Succeeded", Cell.COUNT, is_total=True),
        Column("succeeded_amount", "Moved", Cell.MONEY, is_total=True),
        Column("from_elsewhere", "Not where they live", Cell.COUNT, is_total=True),
    ),
    country_rows,
)
PAYMENTS: Final = Report(
    "payments",
    "Single payments",
    "Every payment asked for on the days with where it stood at the instant. Test accounts are"
    " marked, and in the totals.",
    (
        Column("at", "Asked (UTC)", Cell.INSTANT),
        Column("direction", "Direction"),
        Column("payment", "Payment"),
        Column("player", "Player"),
        Column("provider", "Provider"),
        Column("provider_ref", "Provider's reference"),
        Column("method", "Method"),
        Column("brand", "Brand"),
        Column("country", "Country"),
        Column("currency", "Currency"),
        Column("amount", "Amount", Cell.MONEY, is_total=True),
        Column("state", "State"),
        Column("test_account", "Test account"),
    ),
    payment_rows,
    is_long=True,
)
