"""No spoilers: whatever is not pushed waits with a result until a page's own picture can show it.

A picture is up to ``Table.latency_bound_ms`` behind the table. Until the result of a round is so
old, lobby, history, API, round pages and the first HTML of a table show the round as being checked,
and count nothing that would tell its number: results, statistics, payouts in balance and net.
Pushed frames say ``reveal_at`` instead and the page waits by itself (docs/push.md). It is a matter
of experience, not of security: betting is closed by then, and the ledger never waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from datetime import datetime, timedelta
from typing import Final

from django.db import connection
from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, Q, Value
from django.db.models.functions import Now

from events import public_lag
from kernel.ids import PlayerId
from tables.floor_plan import stream_name
from tables.models import Round, Table
from tables.phases import Phase

#: A condition on ``tables_round r JOIN tables_table t``: its result is not to be told yet.
HIDDEN_SQL: Final = (
    "r.official_at > clock_timestamp() - t.latency_bound_ms * interval '1 millisecond'"
)


def is_hidden(round_: Round, now: datetime) -> bool:
    """Whether the round has a result that may not be told at ``now``."""
    if round_.official_at is None:
        return False
    return now < round_.official_at + timedelta(milliseconds=round_.table.latency_bound_ms)


def as_shown(round_: Round, now: datetime) -> Round:
    """``round_``, or a copy that is still being checked where its result may not be told.

    For showing only: never save it.
    """
    if not is_hidden(round_, now):
        return round_
    shown = copy(round_)
    shown.phase = Phase.RESULT_PENDING.value
    shown.result = None
    shown.result_sources = []
    shown.official_at = shown.finished_at = None
    shown.corrected_from = shown.corrected_at = None
    return shown


def told() -> Q:
    """Rounds with a result that may be told now, by the database's clock."""
    lag = ExpressionWrapper(
        F("table__latency_bound_ms") * Value(timedelta(milliseconds=1)),
        output_field=DurationField(),
    )
    until = ExpressionWrapper(Now() - lag, output_field=DateTimeField())
    return Q(result__isnull=False, official_at__lte=until)


def hidden_payouts(player_id: PlayerId, currency: str, since: datetime | None = None) -> int:
    """Minor units that rounds paid the player whose result may not be told yet.

    With ``since`` only of bets accepted from then on.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(o.returned_minor), 0)::bigint FROM tables_round r"  # noqa: S608  (constants)
            " JOIN tables_table t ON t.id = r.table_id"
            " JOIN tables_bet b ON b.round_id = r.id AND b.player_id = %s AND b.currency = %s"
            " JOIN tables_bet_outcome o ON o.bet_id = b.id AND o.bet_accepted_at = b.accepted_at"
            "  AND o.version = r.version"
            f" WHERE {HIDDEN_SQL} AND o.kind = 'paid'"
            " AND b.accepted_at >= coalesce(%s, '-infinity'::timestamptz)",
            [player_id, currency, since],
        )
        return int(cursor.fetchone()[0])


def fresh_results(table_id: str, player_ids: Sequence[PlayerId]) -> dict[PlayerId, datetime]:
    """Per player who bet on it: when the newest result was official that may not be told yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.player_id, max(r.official_at) FROM tables_round r"  # noqa: S608  (constants)
            " JOIN tables_table t ON t.id = r.table_id JOIN tables_bet b ON b.round_id = r.id"
            f" WHERE r.table_id = %s AND {HIDDEN_SQL} AND b.player_id = ANY(%s) GROUP BY 1",
            [table_id, list(player_ids)],
        )
        return dict(cursor.fetchall())


def lag_public_streams() -> None:
    """Have `/api/streams/t:…/events` lag by each table's bound."""
    public_lag.set_lag(stream_name(""), lag_ms)


def lag_ms(name: str) -> int:
    """How far the public events of a table's stream lag behind."""
    found = (
        Table.objects.filter(id=name.removeprefix(stream_name("")))
        .values_list("latency_bound_ms", flat=True)
        .first()
    )
    return 0 if found is None else found
