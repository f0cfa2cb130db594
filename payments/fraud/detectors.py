"""Statements of the rules of payments: each a question to ``asked``, which one payment or many are.

``asked`` has one row per payment: ref, purpose, player_id, currency, amount_minor, at, and of its
instrument fingerprint and issuer (empty: not known yet). A statement gives back the rows that it
hits, with ref, player_id and figures. It looks at nothing later than ``at``, so that the same text
decides a payment now and tells what it would have done to those of last year.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PAYMENT_VELOCITY: Final = """
SELECT a.ref, a.player_id, b.before + 1 AS payments
FROM asked a CROSS JOIN LATERAL (
    SELECT count(*)::int AS before FROM (
        SELECT 'deposit' AS purpose, id, player_id, created_at FROM payments_deposit
        UNION ALL
        SELECT 'withdrawal', id, player_id, created_at FROM payments_withdrawal) p
    WHERE p.purpose = a.purpose AND p.player_id = a.player_id AND p.id <> a.ref
      AND p.created_at <= a.at
      AND p.created_at > a.at - make_interval(mins => %(window_minutes)s)) b
WHERE b.before + 1 >= %(count_min)s
"""

AMOUNT_VELOCITY: Final = """
SELECT a.ref, a.player_id, a.currency, a.amount_minor + b.before AS total_minor
FROM asked a CROSS JOIN LATERAL (
    SELECT coalesce(sum(d.amount_minor), 0)::bigint AS before FROM payments_deposit d
    WHERE d.player_id = a.player_id AND d.currency = a.currency AND d.id <> a.ref
      AND d.state NOT IN ('failed', 'canceled', 'expired', 'refunded')
      AND d.created_at <= a.at
      AND d.created_at > a.at - make_interval(hours => %(window_hours)s)) b
WHERE a.amount_minor + b.before >= (%(amounts)s::jsonb ->> a.currency)::bigint
"""

#: By when it was declined; of one that began more than two days before, no decline counts.
DECLINED_AGAIN: Final = """
SELECT a.ref, a.player_id, b.declined
FROM asked a CROSS JOIN LATERAL (
    SELECT count(*)::int AS declined FROM payments_deposit d
    WHERE d.player_id = a.player_id AND d.state = 'failed' AND d.id <> a.ref
      AND d.created_at <= a.at
      AND d.created_at > a.at - make_interval(days => 2, mins => %(window_minutes)s)
      AND d.changed_at <= a.at
      AND d.changed_at > a.at - make_interval(mins => %(window_minutes)s)) b
WHERE b.declined >= %(count_min)s
"""

MANY_INSTRUMENTS: Final = """
SELECT a.ref, a.player_id, b.instruments
FROM asked a CROSS JOIN LATERAL (
    SELECT count(*)::int AS instruments FROM (
        SELECT i.fingerprint FROM payments_deposit d
        JOIN payments_instrument i ON i.id = d.instrument_id
        WHERE d.player_id = a.player_id AND d.created_at <= a.at
          AND d.created_at > a.at - make_interval(days => %(window_days)s)
        UNION SELECT a.fingerprint WHERE a.fingerprint <> '') f) b
WHERE b.instruments >= %(instruments_min)s
"""

INSTRUMENT_OF_OTHERS: Final = """
SELECT a.ref, a.player_id, b.others + 1 AS players
FROM asked a CROSS JOIN LATERAL (
    SELECT count(DISTINCT i.player_id)::int AS others FROM payments_instrument i
    WHERE i.fingerprint = a.fingerprint AND i.player_id <> a.player_id
      AND i.first_seen <= a.at) b
WHERE a.fingerprint <> '' AND b.others + 1 >= %(players_min)s
"""

#: Of any instrument that the player used lately: who is paid out names none of them.
PLAYER_SHARES_INSTRUMENT: Final = """
SELECT a.ref, a.player_id, b.players
FROM asked a CROSS JOIN LATERAL (
    SELECT coalesce(max(s.players), 0)::int AS players FROM (
        SELECT count(DISTINCT o.player_id) AS players
        FROM payments_instrument own
        JOIN payments_instrument o ON o.fingerprint = own.fingerprint AND o.first_seen <= a.at
        WHERE own.player_id = a.player_id AND own.first_seen <= a.at
          AND own.last_used > a.at - make_interval(days => %(window_days)s)
        GROUP BY own.fingerprint) s) b
WHERE b.players >= %(players_min)s
"""

COUNTRY_MISMATCH: Final = """
SELECT a.ref, a.player_id, a.issuer AS issued_in, p.country AS lives_in
FROM asked a JOIN accounts_player p ON p.user_id = a.player_id
WHERE a.issuer <> '' AND a.issuer <> p.country
"""

YOUNG_ACCOUNT: Final = """
SELECT a.ref, a.player_id, a.currency, extract(day FROM a.at - p.created_at)::int AS days_old
FROM asked a JOIN accounts_player p ON p.user_id = a.player_id
WHERE p.created_at > a.at - make_interval(days => %(age_days)s)
  AND a.amount_minor >= (%(amounts)s::jsonb ->> a.currency)::bigint
"""

DISPUTED_BEFORE: Final = """
SELECT a.ref, a.player_id, b.disputed
FROM asked a CROSS JOIN LATERAL (
    SELECT count(*)::int AS disputed FROM payments_transition t
    WHERE t.player_id = a.player_id AND t.direction = 'deposit' AND t.after = 'disputed'
      AND t.at <= a.at AND t.at > a.at - make_interval(days => %(window_days)s)) b
WHERE b.disputed > 0
"""

#: From the books: stakes less what came back unplayed, since the first deposit of the window.
PAID_OUT_UNPLAYED: Final = """
SELECT a.ref, a.player_id, a.currency, d.deposited AS deposited_minor,
       coalesce(s.staked, 0)::bigint AS staked_minor
FROM asked a
CROSS JOIN LATERAL (
    SELECT sum(amount_minor)::bigint AS deposited, min(created_at) AS since
    FROM payments_deposit WHERE player_id = a.player_id AND currency = a.currency
      AND state IN ('succeeded', 'disputed', 'won') AND created_at <= a.at
      AND created_at > a.at - make_interval(days => %(window_days)s)) d
LEFT JOIN LATERAL (
    SELECT -sum(n.amount) AS staked
    FROM ledger_account c
    JOIN ledger_entry n ON n.account = c.id AND n.posted_at >= d.since AND n.posted_at <= a.at
    JOIN ledger_transfer_id i ON i.id = n.transfer
    JOIN ledger_transfer t ON t.batch = i.batch AND t.item = i.item AND t.posted_at = n.posted_at
    WHERE c.kind = 'player_cash' AND c.owner_ref = 'player:' || a.player_id
      AND c.currency = a.currency AND t.kind IN ('stake', 'stake_undo', 'refund')) s ON true
WHERE d.deposited > 0
  AND coalesce(s.staked, 0) * 100 < d.deposited * %(turnover_percent)s
"""

#: Detector → its statement.
STATEMENTS: Final[Mapping[str, str]] = {
    "payment_velocity": PAYMENT_VELOCITY,
    "amount_velocity": AMOUNT_VELOCITY,
    "declined_again": DECLINED_AGAIN,
    "many_instruments": MANY_INSTRUMENTS,
    "instrument_of_others": INSTRUMENT_OF_OTHERS,
    "player_shares_instrument": PLAYER_SHARES_INSTRUMENT,
    "country_mismatch": COUNTRY_MISMATCH,
    "young_account": YOUNG_ACCOUNT,
    "disputed_before": DISPUTED_BEFORE,
    "paid_out_unplayed": PAID_OUT_UNPLAYED,
}
#: Those that know more once the instrument is known, and are asked again then.
BY_INSTRUMENT: Final = frozenset({"many_instruments", "instrument_of_others", "country_mismatch"})
