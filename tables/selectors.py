"""Reading the live game for pages and the API. No locks, no decisions.

Nothing here tells a result before a page's own picture can show it: see `tables.reveal`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from math import isqrt
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from audit.database_clock import database_now
from kernel.clock import epoch_ms
from kernel.ids import PlayerId
from kernel.refusal import Refused
from ledger import accounts
from tables import reveal, wording
from tables.bets.slips import BettingCode
from tables.models import Incident, Round, Table, TableLimits, TableStatus
from tables.phases import BETTING, FINISHED
from tables.push.account_state import STATUS
from tables.rules import roulette

#: Results shown beside the table; statistics count more of them.
RESULTS_SHOWN = 15
RESULTS_COUNTED = 500


@dataclass(frozen=True, slots=True)
class LimitRow:
    label: str
    min_minor: int
    max_minor: int


@dataclass(frozen=True, slots=True)
class TableCard:
    """A table as the lobby and the table page show it, in one currency."""

    id: str
    name: str
    rules_name: str
    currency: str
    status: str
    limits: tuple[LimitRow, ...]
    min_minor: int
    max_minor: int


@dataclass(frozen=True, slots=True)
class RoundNow:
    """The round in play, or the last one."""

    id: UUID
    number: int
    phase: str
    phase_label: str
    closes_at: datetime
    closes_in_ms: int
    result: int | None
    result_sources: tuple[str, ...]
    can_bet: bool


class ResultShown(NamedTuple):
    """A number of the strip; ``was`` is the one that stood before a correction, else None."""

    number: int
    colour: str
    was: int | None


@dataclass(frozen=True, slots=True)
class BetRow:
    """A player's bet: ``returns_minor`` is what it paid, or would pay."""

    code: str
    label: str
    stake_minor: int
    returns_minor: int
    status: str
    currency: str


@dataclass(frozen=True, slots=True)
class PaytableLine:
    label: str
    covers: int
    pays: str
    edge: Fraction
    returns: Fraction


def table(table_id: str) -> Table:
    """The table; ``Refused(UNKNOWN_TABLE)`` when there is none."""
    found = Table.objects.filter(id=table_id).first()
    if found is None:
        raise Refused(BettingCode.UNKNOWN_TABLE, table=table_id[:40])
    return found


def card(found: Table, currency: str) -> TableCard:
    """The table in ``currency``, or in its first one where it is not played in that."""
    rows = list(TableLimits.objects.filter(table=found).order_by("id"))
    row = next((r for r in rows if r.currency == currency), rows[0])
    limits = roulette.Limits.from_dict(row.limits)
    return TableCard(
        id=found.id,
        name=found.name,
        rules_name=wording.rules_name(roulette.ruleset(found.ruleset)),
        currency=row.currency,
        status=found.status,
        limits=tuple(
            LimitRow(wording.kind_name(kind), span.min_minor, span.max_minor)
            for kind, span in limits.positions.items()
        ),
        min_minor=limits.table.min_minor,
        max_minor=limits.table.max_minor,
    )


def newest_round(table_id: str) -> Round | None:
    """The newest round with its table, as it stands: results not held back."""
    rounds = Round.objects.filter(table_id=table_id).select_related("table")
    return rounds.order_by("-number").first()


def round_now(table_id: str) -> RoundNow | None:
    """The newest round as everybody may see it now."""
    found = newest_round(table_id)
    if found is None:
        return None
    now = database_now()
    found = reveal.as_shown(found, now)
    left_ms = epoch_ms(found.closes_at) - epoch_ms(now)
    can_bet = found.phase in BETTING and left_ms > 0
    return RoundNow(
        id=found.id,
        number=found.number,
        phase=found.phase,
        phase_label=wording.phase_label(found.phase),
        closes_at=found.closes_at,
        closes_in_ms=max(0, left_ms) if can_bet else 0,
        result=found.result,
        result_sources=tuple(wording.source_name(source) for source in found.result_sources),
        can_bet=can_bet,
    )


def results(table_id: str, limit: int = RESULTS_SHOWN) -> list[ResultShown]:
    """Official numbers that may be told, newest first, with their colour."""
    numbers = (
        Round.objects.filter(reveal.told(), table_id=table_id)
        .order_by("-number")
        .values_list("result", "corrected_from")[:limit]
    )
    return [
        ResultShown(number, roulette.colour(number).value, was)
        for number, was in numbers
        if number is not None
    ]


def statistics(table_id: str) -> tuple[list[tuple[int, str, int]], int, tuple[int, int]]:
    """How often each number came: rows, spins counted, and the band of a fair wheel.

    The band is the mean ± two standard deviations of a binomial count with p = 1/37, in which a
    number of a fair wheel lies about 95 times in 100.
    """
    numbers = [shown.number for shown in results(table_id, RESULTS_COUNTED)]
    counted = Counter(numbers)
    spins = len(numbers)
    mean = Fraction(spins, 37)
    # Integer square root of the variance in thousandths keeps floats out of it.
    deviation = Fraction(isqrt(spins * 36 * 1_000_000 // (37 * 37)), 1000)
    band = (max(0, round(mean - 2 * deviation)), round(mean + 2 * deviation))
    rows = [(n, roulette.colour(n).value, counted[n]) for n in roulette.NUMBERS]
    return rows, spins, band


def paytable(ruleset: str) -> list[PaytableLine]:
    """The paytable, generated from the very rules that settle."""
    return [
        PaytableLine(
            wording.kind_name(row.kind),
            row.covers,
            f"{row.pays_to_one}:1",
            row.house_edge,
            row.returns,
        )
        for row in roulette.paytable(roulette.ruleset(ruleset))
    ]


def my_bets(player_id: PlayerId, round_id: UUID) -> list[BetRow]:
    """The player's bets in the round, undone ones left out, one row per position.

    Where the result may not be told yet they stand as they were accepted.
    """
    played = Round.objects.select_related("table").get(id=round_id)
    hidden = reveal.is_hidden(played, database_now())
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.position, b.currency, sum(b.stake_minor)::bigint,"
            " sum(o.returned_minor)::bigint, max(o.kind), b.rules_hash"
            " FROM tables_bet b LEFT JOIN tables_bet_outcome o"
            " ON o.bet_id = b.id AND o.bet_accepted_at = b.accepted_at AND o.version = %s"
            " WHERE b.round_id = %s AND b.player_id = %s AND o.kind IS DISTINCT FROM 'undone'"
            " GROUP BY b.position, b.currency, b.rules_hash ORDER BY min(b.accepted_at), 1",
            [played.version, round_id, player_id],
        )
        rows = cursor.fetchall()
    if hidden:
        rows = [
            (code, currency, stake, None, None, rules) for code, currency, stake, *_, rules in rows
        ]
    return [_bet_row(*row) for row in rows]


def _bet_row(
    code: str, currency: str, stake: int, returned: int | None, kind: str | None, rules: str
) -> BetRow:
    status = STATUS[kind]
    if returned is None:
        position = roulette.parse_position(code)
        returned = roulette.payout(
            roulette.ruleset_by_hash(rules), position, stake, position.numbers[0]
        )
    return BetRow(code, wording.position_name(code), stake, returned, status, currency)


def balance_shown(player_id: PlayerId, currency: str) -> int:
    """What may be taken from the player's account, less what would tell a result (minor units).

    Never below zero: who has bet with a payout already is shown an empty account for seconds.
    """
    balance = accounts.balance(accounts.player_cash(player_id, currency))
    return max(0, balance.available_minor - reveal.hidden_payouts(player_id, currency))


@dataclass(frozen=True, slots=True)
class Played:
    """What a player staked and got back, minor units. What still stands counts as staked."""

    staked_minor: int
    won_minor: int

    @property
    def net_minor(self) -> int:
        return self.won_minor - self.staked_minor


def played_since(player_id: PlayerId, since: datetime, currency: str) -> Played:
    """Of bets accepted since; those that were taken back or refunded are left out.

    What was paid for a result that may not be told yet is left out.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(b.stake_minor), 0)::bigint,"
            " coalesce(sum(o.returned_minor), 0)::bigint"
            " FROM tables_bet b JOIN tables_round r ON r.id = b.round_id"
            " LEFT JOIN tables_bet_outcome o ON o.bet_id = b.id"
            "  AND o.bet_accepted_at = b.accepted_at AND o.version = r.version"
            " WHERE b.player_id = %s AND b.accepted_at >= %s AND b.currency = %s"
            " AND coalesce(o.kind, '') NOT IN ('undone', 'refunded')",
            [player_id, since, currency],
        )
        staked, won = cursor.fetchone()
    return Played(staked, won - reveal.hidden_payouts(player_id, currency, since))


def net_since(player_id: PlayerId, since: datetime, currency: str) -> int:
    """Returns minus stakes of bets accepted since; what still stands counts as staked."""
    return played_since(player_id, since, currency).net_minor


def my_rounds(player_id: PlayerId, limit: int) -> list[tuple[Round, int, int, str]]:
    """Rounds the player bet in, newest first, with what was staked and returned, for showing."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.round_id, sum(b.stake_minor)::bigint,"
            " coalesce(sum(o.returned_minor), 0)::bigint, min(b.currency) FROM tables_bet b"
            " JOIN tables_round r ON r.id = b.round_id"
            " LEFT JOIN tables_bet_outcome o ON o.bet_id = b.id AND"
            " o.bet_accepted_at = b.accepted_at AND o.version = r.version WHERE b.player_id = %s"
            " AND o.kind IS DISTINCT FROM 'undone'"
            " GROUP BY b.round_id ORDER BY max(b.accepted_at) DESC LIMIT %s",
            [player_id, limit],
        )
        sums = cursor.fetchall()
    rounds = Round.objects.select_related("table").in_bulk([row[0] for row in sums])
    now = database_now()
    return [
        (reveal.as_shown(rounds[id_], now), staked, _told(rounds[id_], returned, now), currency)
        for id_, staked, returned, currency in sums
    ]


def _told(round_: Round, returned_minor: int, now: datetime) -> int:
    return 0 if reveal.is_hidden(round_, now) else returned_minor


def suspended_reason(table_id: str) -> str | None:
    """Why the table is paused, in words for players; None while it is not."""
    found = table(table_id)
    if found.status != TableStatus.SUSPENDED:
        return None
    incident = Incident.objects.filter(table=found, resolved_at=None).first()
    return wording.fault_text(incident.fault) if incident else wording.fault_text("")


def funds_in_play() -> list[tuple[str, str, int]]:
    """Stakes in unfinished rounds: table, currency, minor units (F38)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT r.table_id, b.currency, sum(b.stake_minor)::bigint FROM tables_round r"
            " JOIN tables_bet b ON b.round_id = r.id WHERE r.phase <> ALL(%s) AND NOT EXISTS"
            " (SELECT FROM tables_bet_outcome o WHERE o.bet_id = b.id"
            "  AND o.bet_accepted_at = b.accepted_at) GROUP BY 1, 2 ORDER BY 1, 2",
            [[phase.value for phase in FINISHED]],
        )
        return [(row[0], row[1], row[2]) for row in cursor.fetchall()]
