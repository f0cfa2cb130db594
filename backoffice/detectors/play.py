"""Rules about play: SQL over bets, slips, limits and cases."""

from __future__ import annotations

from typing import Final

#: Pairs that something links: a browser, an address, an instrument. What many players share (a
#: network of many homes, or a browser with hundreds) links nobody. Pairs are looked at only where
#: they are linked: without a link two strangers who bet against each other are chance, and there
#: are millions of pairs.
_LINKED: Final = """
link AS (
    SELECT DISTINCT x.player_id AS a, y.player_id AS b
    FROM compliance_trait x JOIN compliance_trait y
      ON y.kind = x.kind AND y.value = x.value AND y.player_id > x.player_id
    WHERE x.first_at <= %(now)s AND y.first_at <= %(now)s AND (x.kind, x.value) IN (
        SELECT kind, value FROM compliance_trait GROUP BY kind, value
        HAVING count(*) BETWEEN 2 AND CASE kind WHEN 'address' THEN %(players_max)s ELSE 200 END)
), who AS (SELECT a AS player_id FROM link UNION SELECT b FROM link)
"""
#: What each of them staked in a round, and on which side of the three even chances.
_STAKES: Final = """
stake AS (
    SELECT b.player_id, b.round_id, b.currency, min(b.accepted_at) AS at,
           sum(b.stake_minor) AS total, coalesce(sum(o.returned_minor), 0) AS returned,
           sum(CASE b.position WHEN 'red' THEN b.stake_minor WHEN 'black' THEN -b.stake_minor
               ELSE 0 END) AS colour,
           sum(CASE b.position WHEN 'even' THEN b.stake_minor WHEN 'odd' THEN -b.stake_minor
               ELSE 0 END) AS parity,
           sum(CASE b.position WHEN 'low' THEN b.stake_minor WHEN 'high' THEN -b.stake_minor
               ELSE 0 END) AS half
    FROM tables_bet b JOIN who USING (player_id)
    LEFT JOIN LATERAL (SELECT kind, returned_minor FROM tables_bet_outcome WHERE bet_id = b.id
        AND bet_accepted_at = b.accepted_at ORDER BY version DESC LIMIT 1) o ON true
    WHERE b.accepted_at > %(since)s AND b.accepted_at <= %(now)s
      AND o.kind IS DISTINCT FROM 'undone' AND o.kind IS DISTINCT FROM 'refunded'
    GROUP BY 1, 2, 3
)
"""


def _against(chance: str) -> str:
    """Whether the two stood against each other on ``chance`` with nearly the same stake."""
    return (
        f"(x.{chance} * y.{chance} < 0 AND abs(abs(x.{chance}) - abs(y.{chance})) * 100"
        f" <= (abs(x.{chance}) + abs(y.{chance})) * %(tolerance_percent)s)"
    )


_JOINT: Final = f"""
joint AS (
    SELECT l.a, l.b, x.currency, x.round_id, x.at, x.total AS a_total, y.total AS b_total,
           x.returned - x.total AS a_net, y.returned - y.total AS b_net,
           {_against("colour")} OR {_against("parity")} OR {_against("half")} AS is_against
    FROM link l JOIN stake x ON x.player_id = l.a
    JOIN stake y ON y.player_id = l.b AND y.round_id = x.round_id AND y.currency = x.currency
), pair AS (
    SELECT a, b, currency, count(*) AS rounds, count(*) FILTER (WHERE is_against) AS against,
           sum(a_net) FILTER (WHERE is_against) AS a_net,
           sum(b_net) FILTER (WHERE is_against) AS b_net,
           sum(a_total) AS a_total, sum(b_total) AS b_total,
           (array_agg(round_id ORDER BY at DESC) FILTER (WHERE is_against))[1:50] AS found
    FROM joint GROUP BY a, b, currency
    HAVING count(*) >= %(rounds_min)s
       AND count(*) FILTER (WHERE is_against) * 100 >= count(*) * %(opposite_percent)s
)
"""  # noqa: S608  (fixed words alone)

OPPOSITE_BETTING: Final = f"""
WITH {_LINKED}, {_STAKES}, {_JOINT}
SELECT DISTINCT ON (a) a AS player_id, ARRAY[b] AS others, currency, rounds, against,
       a_total::bigint AS staked_minor, b_total::bigint AS other_staked_minor, found AS rounds_found
FROM pair ORDER BY a, rounds DESC
"""  # noqa: S608  (fixed words alone)

ONE_SIDED_PAIR: Final = f"""
WITH {_LINKED}, {_STAKES}, {_JOINT}
SELECT CASE WHEN a_net < b_net THEN a ELSE b END AS player_id,
       ARRAY[CASE WHEN a_net < b_net THEN b ELSE a END] AS others, currency, rounds, against,
       (-least(a_net, b_net))::bigint AS lost_minor, greatest(a_net, b_net)::bigint AS won_minor,
       found AS rounds_found
FROM pair
WHERE -least(a_net, b_net) >= (%(amounts)s::jsonb ->> currency)::bigint
  AND greatest(a_net, b_net) * 100 >= -least(a_net, b_net) * %(gain_percent)s
ORDER BY 1
"""  # noqa: S608  (fixed words alone)


def _both(one: str, other: str) -> str:
    return (
        f"(least({one}, {other}) > 0 AND abs({one} - {other}) * 100"
        f" <= ({one} + {other}) * %(tolerance_percent)s)"
    )


def _staked_on(position: str) -> str:
    return f"sum(CASE position WHEN '{position}' THEN stake_minor ELSE 0 END) AS {position}"


BOTH_SIDES: Final = f"""
WITH stake AS (
    SELECT player_id, round_id, currency, min(accepted_at) AS at, sum(stake_minor) AS total,
           {_staked_on("red")}, {_staked_on("black")}, {_staked_on("even")}, {_staked_on("odd")},
           {_staked_on("low")}, {_staked_on("high")}
    FROM tables_bet b WHERE accepted_at > %(since)s AND accepted_at <= %(now)s AND NOT EXISTS (
        SELECT FROM tables_bet_outcome o WHERE o.bet_id = b.id
          AND o.bet_accepted_at = b.accepted_at AND o.kind = 'undone')
    GROUP BY 1, 2, 3
), judged AS (
    SELECT *, {_both("red", "black")} OR {_both("even", "odd")} OR {_both("low", "high")} AS is_both
    FROM stake
)
SELECT player_id, currency, count(*)::int AS rounds, count(*) FILTER (WHERE is_both)::int AS both,
       sum(total)::bigint AS staked_minor,
       (array_agg(round_id ORDER BY at DESC) FILTER (WHERE is_both))[1:50] AS rounds_found
FROM judged GROUP BY player_id, currency
HAVING count(*) FILTER (WHERE is_both) >= %(rounds_min)s
   AND count(*) FILTER (WHERE is_both) * 100 >= count(*) * %(share_percent)s
ORDER BY player_id
"""  # noqa: S608  (fixed words alone)

#: Ten minutes in which something was staked count whole: nobody bets each minute.
TIME_PLAYED: Final = """
SELECT player_id,
       (count(DISTINCT date_bin('10 minutes', accepted_at, 'epoch')) * 10)::int AS minutes,
       min(accepted_at)::text AS first_bet, max(accepted_at)::text AS last_bet
FROM tables_slip WHERE accepted_at > %(since)s AND accepted_at <= %(now)s
GROUP BY player_id
HAVING count(DISTINCT date_bin('10 minutes', accepted_at, 'epoch')) * 10 >= %(minutes_min)s
ORDER BY player_id
"""

#: Nights in the zone of the player's jurisdiction; ``zones`` is JSON by jurisdiction.
NIGHT_PLAY: Final = """
WITH local AS (
    SELECT b.player_id, b.stake_minor,
           b.accepted_at AT TIME ZONE (%(zones)s::jsonb ->> s.jurisdiction) AS at
    FROM tables_bet b JOIN compliance_standing s ON s.player_id = b.player_id
    WHERE b.accepted_at > %(since)s AND b.accepted_at <= %(now)s
), judged AS (
    SELECT *, extract(hour FROM at) >= %(from_hour)s
              AND extract(hour FROM at) < %(to_hour)s AS night
    FROM local
)
SELECT player_id, count(DISTINCT at::date) FILTER (WHERE night)::int AS nights,
       (100 * count(*) FILTER (WHERE night) / count(*))::int AS share_percent
FROM judged GROUP BY player_id
HAVING count(DISTINCT at::date) FILTER (WHERE night) >= %(nights_min)s
   AND count(*) FILTER (WHERE night) * 100 >= count(*) * %(share_percent)s
ORDER BY player_id
"""

LIMITS_LOOSENED: Final = """
SELECT player_id, count(*)::int AS raised,
       string_agg(DISTINCT kind || ' per ' || period, ', ') AS which
FROM compliance_limitchange
WHERE act = 'increase' AND at > %(since)s AND at <= %(now)s AND actor LIKE 'player:%%'
GROUP BY player_id HAVING count(*) >= %(times_min)s ORDER BY player_id
"""

CONTACTS: Final = """
SELECT player_id, count(*)::int AS contacts, string_agg(DISTINCT kind, ', ') AS kinds
FROM compliance_case
WHERE kind <> 'suspicion' AND opened_by LIKE 'player:%%' AND opened_at > %(since)s
  AND opened_at <= %(now)s
GROUP BY player_id HAVING count(*) >= %(times_min)s ORDER BY player_id
"""
