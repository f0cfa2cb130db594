"""Rules about payments: SQL over deposits, withdrawals and the days that compliance keeps."""

from __future__ import annotations

from typing import Final

#: A payment as an alert keeps it.
_PAYMENT: Final = (
    "jsonb_build_object('id', id::text, 'kind', kind, 'amount_minor', amount_minor, 'currency',"
    " currency, 'at', to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'))"
)
#: Deposits that came and stayed, as of the instant.
_DEPOSITS: Final = """
SELECT id, 'deposit' AS kind, player_id, currency, amount_minor, created_at FROM payments_deposit
WHERE state IN ('succeeded', 'disputed', 'won') AND created_at <= %(now)s
"""
_WITHDRAWALS: Final = """
SELECT id, 'withdrawal' AS kind, player_id, currency, amount_minor, created_at
FROM payments_withdrawal
WHERE state NOT IN ('rejected', 'failed', 'returned') AND created_at <= %(now)s
"""

STRUCTURING: Final = f"""
SELECT player_id, currency, count(*)::int AS deposits, sum(amount_minor)::bigint AS total_minor,
       max(amount_minor)::bigint AS largest_minor,
       jsonb_agg({_PAYMENT} ORDER BY created_at) AS payments
FROM ({_DEPOSITS} AND created_at > %(since)s) d
WHERE amount_minor < (%(amounts)s::jsonb ->> currency)::bigint
GROUP BY player_id, currency
HAVING count(*) >= %(count_min)s AND sum(amount_minor) >= (%(amounts)s::jsonb ->> currency)::bigint
   AND max(amount_minor) * 2 >= (%(amounts)s::jsonb ->> currency)::bigint
ORDER BY player_id
"""  # noqa: S608  (fixed words alone)

#: What was staked in the very window, less what came back unplayed. Bet by bet: the sums of days
#: would count what was staked on its first day before it began.
IN_AND_OUT: Final = f"""
WITH paid AS (
    SELECT player_id, currency,
           sum(amount_minor) FILTER (WHERE kind = 'deposit') AS deposited,
           sum(amount_minor) FILTER (WHERE kind = 'withdrawal') AS withdrawn,
           jsonb_agg({_PAYMENT} ORDER BY created_at) AS payments
    FROM ({_DEPOSITS} AND created_at > %(since)s UNION ALL
          {_WITHDRAWALS} AND created_at > %(since)s) p
    GROUP BY player_id, currency
), candidate AS (
    SELECT * FROM paid WHERE deposited >= (%(amounts)s::jsonb ->> currency)::bigint
       AND withdrawn * 100 >= deposited * %(out_percent)s
), staked AS (
    SELECT b.player_id, b.currency, sum(b.stake_minor) AS staked
    FROM candidate c JOIN tables_bet b USING (player_id, currency)
    LEFT JOIN LATERAL (SELECT kind FROM tables_bet_outcome WHERE bet_id = b.id
        AND bet_accepted_at = b.accepted_at AND at <= %(now)s ORDER BY version DESC LIMIT 1) o
        ON true
    WHERE b.accepted_at > %(since)s AND b.accepted_at <= %(now)s
      AND o.kind IS DISTINCT FROM 'undone' AND o.kind IS DISTINCT FROM 'refunded'
    GROUP BY b.player_id, b.currency
)
SELECT player_id, currency, deposited::bigint AS deposited_minor,
       withdrawn::bigint AS withdrawn_minor, coalesce(staked, 0)::bigint AS staked_minor, payments
FROM candidate LEFT JOIN staked USING (player_id, currency)
WHERE coalesce(staked, 0) * 100 < deposited * %(turnover_percent)s ORDER BY player_id
"""  # noqa: S608  (fixed words alone)

DORMANT_BURST: Final = f"""
WITH burst AS (
    SELECT player_id, currency, sum(amount_minor) AS deposited, min(created_at) AS began,
           jsonb_agg({_PAYMENT} ORDER BY created_at) AS payments
    FROM ({_DEPOSITS} AND created_at > %(since)s) d GROUP BY player_id, currency
    HAVING sum(amount_minor) >= (%(amounts)s::jsonb ->> currency)::bigint
), rested AS (
    SELECT b.*, greatest(
        (SELECT max(d.created_at) FROM payments_deposit d
          WHERE d.player_id = b.player_id AND d.created_at <= %(since)s
            AND d.state IN ('succeeded', 'disputed', 'won', 'lost', 'refunded')),
        (SELECT max(t.day)::timestamptz FROM compliance_daytotal t
          WHERE t.player_id = b.player_id AND t.day < (%(since)s)::date AND t.staked_minor > 0),
        (SELECT created_at FROM accounts_player p WHERE p.user_id = b.player_id)) AS last_active
    FROM burst b
)
SELECT player_id, currency, deposited::bigint AS deposited_minor,
       extract(day FROM began - last_active)::int AS days_at_rest, payments
FROM rested WHERE began - last_active >= make_interval(days => %(dormant_days)s)
ORDER BY player_id
"""  # noqa: S608  (fixed words alone)

#: Many at one address are a network of many homes; many with one browser or instrument are not.
SHARED_TRAIT: Final = """
WITH seen AS (
    SELECT value, player_id, first_at FROM compliance_trait
    WHERE kind = %(kind)s AND last_at > %(since)s AND first_at <= %(now)s
), shared AS (
    SELECT value, array_agg(player_id ORDER BY first_at DESC, player_id DESC) AS players
    FROM seen GROUP BY value
    HAVING count(*) >= %(players_min)s
       AND (%(kind)s <> 'address' OR count(*) <= %(players_max)s)
)
SELECT players[1] AS player_id, players[2:200] AS others,
       cardinality(players) AS players, %(kind)s AS trait, left(value, 12) AS trait_hash
FROM shared ORDER BY players[1], cardinality(players) DESC
"""

SPEND: Final = f"""
SELECT player_id, currency, sum(amount)::bigint AS net_minor,
       jsonb_agg({_PAYMENT} ORDER BY created_at) FILTER (WHERE rank <= 50) AS payments
FROM (SELECT *, CASE kind WHEN 'deposit' THEN amount_minor ELSE -amount_minor END AS amount,
             row_number() OVER (PARTITION BY player_id ORDER BY created_at DESC) AS rank
      FROM ({_DEPOSITS} AND created_at > %(since)s UNION ALL
            {_WITHDRAWALS} AND created_at > %(since)s) p) q
GROUP BY player_id, currency HAVING sum(amount) >= (%(amounts)s::jsonb ->> currency)::bigint
ORDER BY player_id
"""  # noqa: S608  (fixed words alone)

SPEND_RISE: Final = f"""
WITH now_paid AS (
    SELECT player_id, currency, sum(amount_minor) AS deposited,
           jsonb_agg({_PAYMENT} ORDER BY created_at) AS payments
    FROM ({_DEPOSITS} AND created_at > %(since)s) d GROUP BY player_id, currency
    HAVING sum(amount_minor) >= (%(amounts)s::jsonb ->> currency)::bigint
), before AS (
    SELECT player_id, currency, sum(amount_minor) / %(weeks)s AS average
    FROM ({_DEPOSITS} AND created_at <= %(since)s
          AND created_at > %(since)s - make_interval(weeks => %(weeks)s)) d
    GROUP BY player_id, currency
)
SELECT player_id, currency, deposited::bigint AS deposited_minor,
       average::bigint AS average_before_minor, payments
FROM now_paid JOIN before USING (player_id, currency)
WHERE deposited * 100 >= average * %(factor_percent)s ORDER BY player_id
"""  # noqa: S608  (fixed words alone)

FAILED_DEPOSITS: Final = f"""
SELECT player_id, count(*)::int AS failed, jsonb_agg({_PAYMENT} ORDER BY created_at) AS payments
FROM (SELECT id, 'failed deposit' AS kind, player_id, currency, amount_minor, created_at
      FROM payments_deposit WHERE state = 'failed' AND created_at > %(since)s
        AND created_at <= %(now)s) p
GROUP BY player_id HAVING count(*) >= %(times_min)s ORDER BY player_id
"""  # noqa: S608  (fixed words alone)

#: Deposits that follow within hours on another of which most was lost meanwhile.
CHASING: Final = f"""
WITH paid AS (
    SELECT *, lag(created_at) OVER w AS before_at, lag(amount_minor) OVER w AS before_minor
    FROM ({_DEPOSITS} AND created_at > %(since)s) d
    WINDOW w AS (PARTITION BY player_id, currency ORDER BY created_at)
), near AS (
    SELECT * FROM paid WHERE created_at - before_at <= make_interval(hours => %(gap_hours)s)
), chased AS (
    SELECT n.* FROM near n JOIN LATERAL (
        SELECT sum(b.stake_minor) - coalesce(sum(o.returned_minor), 0) AS lost
        FROM tables_bet b LEFT JOIN LATERAL (
            SELECT returned_minor FROM tables_bet_outcome WHERE bet_id = b.id
              AND bet_accepted_at = b.accepted_at ORDER BY version DESC LIMIT 1) o ON true
        WHERE b.player_id = n.player_id AND b.currency = n.currency
          AND b.accepted_at > n.before_at AND b.accepted_at <= n.created_at) l
    ON l.lost * 100 >= n.before_minor * %(lost_percent)s
)
SELECT player_id, currency, count(*)::int AS times, sum(amount_minor)::bigint AS deposited_minor,
       jsonb_agg({_PAYMENT} ORDER BY created_at) AS payments
FROM chased GROUP BY player_id, currency HAVING count(*) >= %(times_min)s ORDER BY player_id
"""  # noqa: S608  (fixed words alone)
