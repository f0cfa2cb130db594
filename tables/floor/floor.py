"""The floor as it is now, for those who watch it: every table, whole and at once.

A constant number of statements however many tables there are. Nothing is held back as for players
(`tables.reveal`): staff see a result when it stands. No locks, no decisions.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from audit.database_clock import database_now
from compliance import switches
from kernel.money import Money
from streaming import health as pictures
from streaming.health import Picture, PictureState
from tables.devices import devices
from tables.devices.devices import Health
from tables.floor import opening as floor_opening
from tables.models import Device, Incident, Round, Table, TableHeartbeat, TableStatus
from tables.opening.reasons import Reason
from tables.pages import board
from tables.phases import FINISHED, STOPPABLE, Phase
from tables.presenters.models import Shift
from tables.rules import roulette

RESULTS_ON_CARD: Final = 5
#: The picture may be as late as the table's bound; half of it is worth a look.
SLOW_PICTURE_SHARE: Final = 2
#: A segment ends each second. A camera or encoder that stopped shows at the next look, which is
#: within 3 s of its plug's being pulled (F23).
PICTURE_LATE_AFTER: Final = timedelta(seconds=2)
#: Beyond the pause between two rounds, an open table that opens none is worth a look.
NO_ROUND_GRACE: Final = timedelta(seconds=15)


#: A device like this stops its table, or will.
ILL: Final = frozenset({Health.SILENT, Health.FAULTY, Health.NEVER_HEARD})


class Level(IntEnum):
    """How urgently somebody should look. Normal is quiet."""

    SHUT = 0
    CALM = 1
    LOOK = 2
    ALARM = 3
    STOPPED = 4


@dataclass(frozen=True, slots=True)
class DeviceNow:
    """One device and how it is; ``quiet`` is how long it has said nothing."""

    device: Device
    health: Health
    quiet: timedelta | None


@dataclass(frozen=True, slots=True)
class Stake:
    """Open bets in one currency."""

    bets: int
    amount: Money


@dataclass(frozen=True, slots=True)
class TableNow:
    """Everything about one table that the floor shows."""

    table: Table
    round: Round | None
    results: tuple[tuple[int, str], ...]
    stakes: tuple[Stake, ...]
    playing: int
    shift: Shift | None
    devices: tuple[DeviceNow, ...]
    picture: Picture
    incidents: tuple[Incident, ...]
    has_runner: bool
    stopped_by: tuple[str, ...]
    #: What stands against the next round; asked only while none is played.
    against: tuple[Reason, ...]
    level: Level

    @property
    def phase(self) -> Phase | None:
        """The phase to show; None while the table is closed or has not begun.

        A round that is played shows its own, whatever the table is: after a respin the ball runs
        while the table is still suspended.
        """
        if self.round is not None and self.is_played:
            return Phase(self.round.phase)
        if self.table.status == TableStatus.SUSPENDED:
            return Phase.SUSPENDED
        if self.round is None or self.table.status == TableStatus.CLOSED:
            return None
        return Phase(self.round.phase)

    @property
    def is_played(self) -> bool:
        """A round is on the table, stopped or not: players' stakes hang on it."""
        return self.round is not None and self.round.phase not in FINISHED

    @property
    def can_be_stopped(self) -> bool:
        """Whether a suspension would stop anything."""
        runs = self.round is not None and self.round.phase in STOPPABLE
        return self.table.status == TableStatus.OPEN or runs

    @property
    def is_live(self) -> bool:
        """Whether somebody could bet here now or in a moment."""
        return self.table.status == TableStatus.OPEN and not self.stopped_by and self.has_runner

    @property
    def is_picture_slow(self) -> bool:
        bound = timedelta(milliseconds=self.table.latency_bound_ms)
        behind = self.picture.behind
        if behind is None:
            return False
        return behind >= PICTURE_LATE_AFTER or (bool(bound) and behind * SLOW_PICTURE_SHARE > bound)

    @property
    def lacks_picture(self) -> bool:
        """There should be a picture, and there is none that moves."""
        return bool(settings.STREAM_URL) and self.picture.state is not PictureState.LIVE


@dataclass(frozen=True, slots=True)
class Floor:
    """The whole floor at one instant."""

    at: datetime
    tables: tuple[TableNow, ...]
    rounds_this_hour: int
    switches: tuple[str, ...]

    @property
    def tables_live(self) -> int:
        return sum(table.is_live for table in self.tables)

    @property
    def playing(self) -> int:
        return sum(table.playing for table in self.tables)

    @property
    def in_open_rounds(self) -> list[Money]:
        """Stakes that no result has decided yet, one sum per currency."""
        sums: dict[str, int] = defaultdict(int)
        for table in self.tables:
            for stake in table.stakes:
                sums[stake.amount.currency] += stake.amount.minor
        return [Money(minor, currency) for currency, minor in sorted(sums.items())]

    def worst_first(self) -> list[TableNow]:
        """The worst table first; equals by their place on the floor."""
        return sorted(self.tables, key=lambda one: -one.level)


def floor_now(only: str = "") -> Floor:
    """The floor by the database's clock; of one table where ``only`` names it, and then no row of
    another table is read.
    """
    tables = list(Table.objects.filter(id=only) if only else Table.objects.all())
    ids, now = [one.id for one in tables], database_now()
    newest = {
        found.table_id: found
        for found in Round.objects.filter(table_id__in=ids)
        .order_by("table_id", "-number")
        .distinct("table_id")
    }
    results, stakes, playing = _results(tables), _stakes(ids), board.playing(ids)
    shifts = {
        shift.table_id: shift
        for shift in Shift.objects.filter(table_id__in=ids, ended_at=None).select_related(
            "presenter"
        )
    }
    at_table = _devices_by_table(tables, now)
    incidents: dict[str, list[Incident]] = defaultdict(list)
    for incident in _open_incidents(ids):
        incidents[incident.table_id].append(incident)
    idle = [one for one in tables if _is_idle(one, newest.get(one.id))]
    against = floor_opening.reasons(
        idle, shifts, {key: [d.device for d in some] for key, some in at_table.items()}, now
    )
    runners = TableHeartbeat.objects.filter(table_id__in=ids, expires_at__gt=now)
    alive = set(runners.values_list("table_id", flat=True))
    scopes = {scope for table in tables for scope in _scopes(table)}
    off = switches.disabled_among(scopes | {"all", "deposits", "withdrawals", "sign_up"})
    shown = []
    for table in tables:
        stopped_by = tuple(scope for scope in _scopes(table) if scope in off)
        shown.append(
            _with_level(
                TableNow(
                    table=table,
                    round=newest.get(table.id),
                    results=results.get(table.id, ()),
                    stakes=stakes.get(table.id, ()),
                    playing=playing.get(table.id, 0),
                    shift=shifts.get(table.id),
                    devices=at_table.get(table.id, ()),
                    picture=pictures.picture(Path(settings.STREAM_DIR), table.id, now),
                    incidents=tuple(incidents.get(table.id, ())),
                    has_runner=table.id in alive,
                    stopped_by=stopped_by,
                    against=against.get(table.id, ()),
                    level=Level.CALM,
                ),
                now,
            )
        )
    hour = Round.objects.filter(table_id__in=ids, official_at__gt=now - timedelta(hours=1))
    return Floor(now, tuple(shown), hour.count(), tuple(sorted(off)))


def level_of(table: TableNow, now: datetime) -> Level:
    """How urgently somebody should look at the table. Pure."""
    if table.table.status == TableStatus.SUSPENDED:
        return Level.STOPPED
    if table.table.status == TableStatus.CLOSED and not table.is_played:
        return Level.SHUT
    health = {one.health for one in table.devices}
    is_late = opens_late(table, now)
    alarms = (
        bool(health & ILL),
        bool(table.incidents),
        bool(table.stopped_by),
        not table.has_runner,
        table.lacks_picture,
        is_late and bool(table.against),
    )
    if any(alarms):
        return Level.ALARM
    looks = (Health.LATE in health, table.is_picture_slow, is_late)
    return Level.LOOK if any(looks) else Level.CALM


def opens_late(table: TableNow, now: datetime) -> bool:
    """An open table whose next round is overdue."""
    if table.table.status != TableStatus.OPEN:
        return False
    last = table.round
    if last is None:
        return True
    if last.finished_at is None:
        return False
    pause = timedelta(milliseconds=table.table.intermission_ms)
    return now > last.finished_at + pause + NO_ROUND_GRACE


def _is_idle(table: Table, newest: Round | None) -> bool:
    """Neither stopped nor playing a round: one asks why."""
    is_stopped = table.status == TableStatus.SUSPENDED
    return not is_stopped and (newest is None or newest.phase in FINISHED)


def _with_level(table: TableNow, now: datetime) -> TableNow:
    return replace(table, level=level_of(table, now))


def _scopes(table: Table) -> tuple[str, ...]:
    """The switches that stop play at a table, widest first."""
    return (*switches.ALL_PLAY, f"game:{table.game}", f"table:{table.id}")


def _open_incidents(table_ids: list[str]) -> QuerySet[Incident]:
    open_ones = Incident.objects.filter(table_id__in=table_ids, resolved_at=None)
    return open_ones.select_related("round").order_by("opened_at")


def _devices_by_table(tables: list[Table], now: datetime) -> dict[str, tuple[DeviceNow, ...]]:
    silence = {one.id: timedelta(milliseconds=one.device_silence_ms) for one in tables}
    found: dict[str, list[DeviceNow]] = defaultdict(list)
    in_service = Device.objects.filter(retired_at=None, table_id__in=silence)
    for device in in_service.order_by("table_id", "kind", "id"):
        how = devices.health(device, now, silence[device.table_id])
        quiet = now - device.last_seen_at if device.last_seen_at else None
        found[device.table_id].append(DeviceNow(device, how, quiet))
    return {table_id: tuple(some) for table_id, some in found.items()}


def _results(tables: list[Table]) -> dict[str, tuple[tuple[int, str], ...]]:
    """The last official numbers, newest first, by table: one statement."""
    if not tables:
        return {}
    parts = [
        Round.objects.filter(result__isnull=False, table_id=table.id)
        .order_by("-number")
        .values_list("table_id", "number", "result")[:RESULTS_ON_CARD]
        for table in tables
    ]
    rows = parts[0].union(*parts[1:], all=True) if len(parts) > 1 else parts[0]
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for table_id, number, result in rows:
        if result is not None:  # the filter leaves none of these
            found[table_id].append((number, result))
    return {
        table_id: tuple((n, roulette.colour(n).value) for _, n in sorted(pairs, reverse=True))
        for table_id, pairs in found.items()
    }


def _stakes(table_ids: list[str]) -> dict[str, tuple[Stake, ...]]:
    """Bets that no result has decided, by table and currency: one statement (F38)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT r.table_id, b.currency, count(*), sum(b.stake_minor)::bigint"
            " FROM tables_round r JOIN tables_bet b ON b.round_id = r.id"
            " WHERE r.table_id = ANY(%s) AND r.phase <> ALL(%s)"
            " AND NOT EXISTS (SELECT FROM tables_bet_outcome o"
            "  WHERE o.bet_id = b.id AND o.bet_accepted_at = b.accepted_at)"
            " GROUP BY 1, 2 ORDER BY 1, 2",
            [table_ids, [phase.value for phase in FINISHED]],
        )
        rows = cursor.fetchall()
    found: dict[str, list[Stake]] = defaultdict(list)
    for table_id, currency, bets, minor in rows:
        found[table_id].append(Stake(bets, Money(minor, currency)))
    return {table_id: tuple(some) for table_id, some in found.items()}
