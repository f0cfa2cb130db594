"""Sessions of play and checks of reality, as rows: begun, gone on, looked at, ended.

The session lies in the player's standing, under the lock that every decision takes, so that all
tables and devices see one. Sessions that are over are kept in `PlaySession`, for limits of time and
for the player to see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.db import connection, transaction

from audit.database_clock import database_now
from audit.record import Subject, record, register
from compliance import play_rules
from compliance.jurisdictions import in_force_codes, profile
from compliance.limit_arithmetic import Window
from compliance.models import Standing
from compliance.play_rules import NOTED_EVERY, Play
from compliance.standing import (
    StandingNow,
    lock_standing,
    lock_standings,
    microseconds,
    read_standing,
    read_standings,
)
from kernel.arrays import array_of
from kernel.ids import Actor, PlayerId, new_id
from kernel.refusal import Refused

LOOKED: Final = register("play.check_looked_at", "Check of reality looked at")
CHOSEN: Final = register("play.check_interval_chosen", "Interval of checks of reality chosen")

#: Sessions ended per transaction of the sweep.
SWEEP_BATCH: Final = 500
#: The shortest interval a player may choose: below it a check would be all there is.
CHECK_EVERY_LEAST: Final = timedelta(minutes=5)


class PlayCode(StrEnum):
    """Why an interval was not taken."""

    CHECK_TOO_OFTEN = "check_too_often"
    CHECK_TOO_RARE = "check_too_rare"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a check of reality told the player, minor units of the currency."""

    elapsed_s: int
    staked_minor: int
    won_minor: int
    net_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class PlayNow:
    """The session that goes on, as pages show it."""

    since: datetime
    check_due_at: datetime
    is_check_due: bool


def visit(player_id: PlayerId) -> PlayNow | None:
    """Somebody opens a table: their session goes on or begins. None for who does not play.

    A session that has lasted its longest, or waits for its check to be looked at, is not kept alive
    by looking.
    Locks the player only where there is something to write, once a minute at most.
    """
    standing = read_standing(player_id)
    if standing is None:
        return None
    now = database_now()
    if _needs_note(standing, now):
        with transaction.atomic():
            standing = lock_standing(player_id)
            now = database_now()
            if _needs_note(standing, now):
                note([standing], now)
                standing = read_standing(player_id) or standing
    return current(standing, now)


def seen(player_id: PlayerId) -> PlayNow | None:
    """The player's session, for pages that show it and are no play themselves."""
    standing = read_standing(player_id)
    return None if standing is None else current(standing, database_now())


def running_since(player_ids: Sequence[PlayerId]) -> dict[PlayerId, datetime]:
    """Since when those of these players who are in a session have been playing. One statement."""
    now = database_now()
    return {
        one.player_id: play.since
        for one in read_standings(player_ids)
        if (play := one.play) is not None
        and play_rules.goes_on(play, now, one.policy(now).play_policy)
    }


def current(standing: StandingNow, now: datetime) -> PlayNow | None:
    """The session that goes on at ``now``; None where there is none."""
    play, policy = standing.play, standing.policy(now).play_policy
    if play is None or not play_rules.goes_on(play, now, policy):
        return None
    return PlayNow(play.since, play.check_due_at, play_rules.is_check_due(play, now, policy))


def _needs_note(standing: StandingNow, now: datetime) -> bool:
    play, policy = standing.play, standing.policy(now).play_policy
    if play is None or not play_rules.goes_on(play, now, policy):
        return True
    if play_rules.over_until(play, now, policy) is not None:
        return False
    if play_rules.is_check_due(play, now, policy):
        return False
    return now - play.seen_at >= NOTED_EVERY


def note(acted: Sequence[StandingNow], now: datetime) -> None:
    """These players act at ``now``: sessions go on, or others begin. Needs their locks.

    Two statements at most, none where everybody was noted within the last minute.
    """
    changed: list[tuple[PlayerId, Play]] = []
    ended: list[tuple[PlayerId, Play]] = []
    fresh_us = microseconds(now - NOTED_EVERY)
    for one in acted:
        if one.play_seen_us is not None and one.play_seen_us > fresh_us:
            continue
        play, policy = one.play, one.policy(now).play_policy
        after = play_rules.joined(play, now, one.check_every_s, policy)
        changed.append((one.player_id, after))
        if play is not None and after.since != play.since:
            ended.append((one.player_id, play))
    _keep_ended(ended)
    _write(changed)


def look_at_check(
    player_id: PlayerId, *, due_at: datetime, shown: Shown, actor: Actor
) -> PlayNow | None:
    """The player has looked at the check that fell due at ``due_at``: betting goes on.

    The same check again, or one that is not due, changes nothing. Locks the player. Audited with
    what was shown. Returns the session as it is now.
    """
    with transaction.atomic():
        standing = lock_standing(player_id)
        now = database_now()
        play, policy = standing.play, standing.policy(now).play_policy
        due = play is not None and play_rules.is_check_due(play, now, policy)
        if play is None or not due or play.check_due_at != due_at:
            return current(standing, now)
        after = play_rules.acknowledged(play, now, standing.check_every_s, policy)
        _write([(player_id, after)])
        record(
            LOOKED,
            actor=actor,
            subject=Subject("player", str(player_id)),
            component="compliance",
            after={
                "since": play.since.isoformat(),
                "due_at": due_at.isoformat(),
                "next_due_at": after.check_due_at.isoformat(),
                **asdict(shown),
            },
        )
    return PlayNow(after.since, after.check_due_at, is_check_due=False)


def choose_interval(player_id: PlayerId, *, every: timedelta, actor: Actor) -> None:
    """Have checks come ``every`` so often. Rarer ones begin after the next.

    Refuses with ``CHECK_TOO_OFTEN``, ``CHECK_TOO_RARE`` (beyond the policy's longest) or
    ``NO_STANDING``. Locks the player. Audited.
    """
    with transaction.atomic():
        standing = lock_standing(player_id)
        now = database_now()
        policy = standing.policy(now).play_policy
        if every < min(CHECK_EVERY_LEAST, policy.check_longest):
            raise Refused(PlayCode.CHECK_TOO_OFTEN, least_s=_seconds(CHECK_EVERY_LEAST))
        if every > policy.check_longest:
            raise Refused(PlayCode.CHECK_TOO_RARE, longest_s=_seconds(policy.check_longest))
        Standing.objects.filter(pk=player_id).update(check_every_s=_seconds(every))
        if standing.play is not None:
            after = play_rules.rescheduled(standing.play, now, _seconds(every), policy)
            _write([(player_id, after)])
        record(
            CHOSEN,
            actor=actor,
            subject=Subject("player", str(player_id)),
            component="compliance",
            before={"every_s": standing.check_every_s},
            after={"every_s": _seconds(every)},
        )


def seconds_played(asked: Sequence[tuple[StandingNow, Window]], now: datetime) -> list[int]:
    """Seconds of play of each player in each window, in order, the session that goes on included.

    One statement; none where nothing is asked.
    """
    if not asked:
        return []
    earliest = min(span.starts_at for _one, span in asked)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT player_id, started_at, ended_at FROM compliance_playsession"
            " WHERE player_id = ANY(%s::text::bigint[]) AND ended_at > %s",
            [array_of({one.player_id for one, _span in asked}), earliest],
        )
        rows = cursor.fetchall()
    sessions: dict[PlayerId, list[tuple[datetime, datetime]]] = {}
    for player_id, started_at, ended_at in rows:
        sessions.setdefault(player_id, []).append((started_at, ended_at))
    return [
        play_rules.seconds_in(
            [*sessions.get(one.player_id, ()), *_running(one, now)], span.starts_at, span.ends_at
        )
        for one, span in asked
    ]


def _running(standing: StandingNow, now: datetime) -> list[tuple[datetime, datetime]]:
    """The session in the standing: up to now while it goes on, else up to its last act."""
    play = standing.play
    if play is None:
        return []
    goes_on = play_rules.goes_on(play, now, standing.policy(now).play_policy)
    return [(play.since, now if goes_on else play.seen_at)]


def end_paused_sessions() -> int:
    """Note down sessions whose pause has ended them, in batches; returns how many. Swept."""
    done = 0
    for code in in_force_codes(database_now().date()):
        while batch := _end_batch(code):
            done += batch
    return done


def _end_batch(code: str) -> int:
    now = database_now()
    pause = profile(code, now.date()).play_policy.ends_after
    ids = list(
        Standing.objects.filter(
            jurisdiction=code, play_since__isnull=False, play_seen_at__lte=now - pause
        ).values_list("pk", flat=True)[:SWEEP_BATCH]
    )
    if not ids:
        return 0
    with transaction.atomic():
        ended = [
            (one.player_id, one.play)
            for one in lock_standings([PlayerId(pk) for pk in ids]).values()
            if one.play is not None and now - one.play.seen_at >= pause
        ]
        _keep_ended(ended)
        Standing.objects.filter(pk__in=[int(player_id) for player_id, _play in ended]).update(
            play_since=None, play_seen_at=None, check_due_at=None
        )
    return len(ended)


def _keep_ended(ended: Sequence[tuple[PlayerId, Play]]) -> None:
    if not ended:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_playsession (id, player_id, started_at, ended_at)"
            " SELECT * FROM unnest(%s::text::uuid[], %s::text::bigint[],"
            " %s::text::timestamptz[], %s::text::timestamptz[])",
            [
                array_of(new_id() for _one in ended),
                array_of(player_id for player_id, _play in ended),
                array_of(play.since for _player_id, play in ended),
                array_of(play.seen_at for _player_id, play in ended),
            ],
        )


def _write(changed: Sequence[tuple[PlayerId, Play]]) -> None:
    if not changed:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE compliance_standing s SET play_since = p.since, play_seen_at = p.seen_at,"
            " check_due_at = p.due_at FROM unnest(%s::text::bigint[], %s::text::timestamptz[],"
            " %s::text::timestamptz[], %s::text::timestamptz[]) AS p (id, since, seen_at, due_at)"
            " WHERE s.player_id = p.id",
            [
                array_of(player_id for player_id, _play in changed),
                array_of(play.since for _player_id, play in changed),
                array_of(play.seen_at for _player_id, play in changed),
                array_of(play.check_due_at for _player_id, play in changed),
            ],
        )


def _seconds(some: timedelta) -> int:
    return some // timedelta(seconds=1)
