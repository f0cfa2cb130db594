"""Why a table may not open a round now. Pure: the facts and the time in, coded reasons out.

Everything that must hold before a round opens is here and nowhere else: the transaction that opens
rounds, the presenter's console and the floor all show this one list. `opening_facts` reads the
facts. The database holds its own last word on presenter and inspection (migration 0008).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from kernel.clock import epoch_ms


class OpeningCode(StrEnum):
    """Why no round opens."""

    TABLE_CLOSED = "table_closed"
    TABLE_SUSPENDED = "table_suspended"
    SWITCHED_OFF = "switched_off"
    NO_DEVICE = "no_device"
    DEVICE_SILENT = "device_silent"
    DEVICE_FAULTY = "device_faulty"
    BALL_IN_PLAY = "ball_in_play"
    NO_PRESENTER = "no_presenter"
    PRESENTER_LEAVING = "presenter_leaving"
    NOT_A_PRESENTER = "not_a_presenter"
    LICENCE_MISSING = "licence_missing"
    LICENCE_EXPIRED = "licence_expired"
    TRAINING_MISSING = "training_missing"
    TRAINING_EXPIRED = "training_expired"
    GAME_NOT_AUTHORISED = "game_not_authorised"
    GAME_AUTHORISATION_EXPIRED = "game_authorisation_expired"
    NOT_INSPECTED = "not_inspected"
    INSPECTION_FAILED = "inspection_failed"
    EQUIPMENT_CHANGED = "equipment_changed"
    RULES_NOT_PUBLISHED = "rules_not_published"
    RULES_DIFFER = "rules_differ"


Fact = str | int | None


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that stands against opening, with what a message needs."""

    code: OpeningCode
    data: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Paper:
    """An authorisation that was not revoked. ``game`` is "" for a licence."""

    kind: str
    game: str
    valid_from: datetime
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class Presenter:
    """Who is on shift. ``employed``: still active staff, in the presenter's role."""

    id: int
    employed: bool
    leaving: bool
    papers: tuple[Paper, ...]


@dataclass(frozen=True, slots=True)
class DeviceSeen:
    """A device whose silence stops the table."""

    id: str
    last_seen_at: datetime | None
    fault: str
    ball_in_play: bool


@dataclass(frozen=True, slots=True)
class Inspected:
    """The newest inspection of the table. ``covers``: the equipment in service is what it saw."""

    passed: bool
    valid_until: datetime
    covers: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """Hashes of the rules: the engine's now, and those published with the text for players.

    ``shown_now`` is what is shown now, ``shown_published`` what was when it was published, and
    ``text_published`` is taken again over the published text as it is stored.
    """

    engine: str
    shown_now: str
    engine_published: str | None
    shown_published: str | None
    text_published: str | None


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What is known of a table before it opens a round."""

    status: str
    game: str
    silence: timedelta
    switched_off: tuple[str, ...]
    devices: tuple[DeviceSeen, ...]
    presenter: Presenter | None
    inspected: Inspected | None
    rules: Rules


#: What a presenter needs, each with the words for none at all and for one that has run out.
_NEEDED: Final = (
    ("licence", OpeningCode.LICENCE_MISSING, OpeningCode.LICENCE_EXPIRED),
    ("training", OpeningCode.TRAINING_MISSING, OpeningCode.TRAINING_EXPIRED),
    ("game", OpeningCode.GAME_NOT_AUTHORISED, OpeningCode.GAME_AUTHORISATION_EXPIRED),
)


def why_not(facts: TableFacts, now: datetime) -> tuple[Reason, ...]:
    """Everything that stands against opening a round at ``now``; empty: open it."""
    return (
        *_of_the_house(facts),
        *of_the_devices(facts.devices, facts.silence, now),
        *_of_the_presenter(facts, now),
        *of_the_table(facts.inspected, facts.rules, now),
    )


def of_the_table(inspected: Inspected | None, rules: Rules, now: datetime) -> tuple[Reason, ...]:
    """What stands against opening the table itself, whoever would present at it."""
    return (*_of_the_inspection(inspected, now), *of_the_rules(rules))


def lacking(papers: Iterable[Paper], game: str, now: datetime) -> tuple[Reason, ...]:
    """What a presenter with these ``papers`` lacks to present ``game`` at ``now``."""
    held = list(papers)
    found = []
    for kind, missing, expired in _NEEDED:
        wanted = "" if kind == "licence" else game
        of_kind = [paper for paper in held if (paper.kind, paper.game) == (kind, wanted)]
        begun = [paper for paper in of_kind if paper.valid_from <= now]
        if any(now < paper.valid_until for paper in begun):
            continue
        if begun:
            last = max(paper.valid_until for paper in begun)
            found.append(Reason(expired, {"game": wanted, "until": epoch_ms(last)}))
        else:
            found.append(Reason(missing, {"game": wanted}))
    return tuple(found)


def of_the_devices(
    devices: Iterable[DeviceSeen], silence: timedelta, now: datetime
) -> tuple[Reason, ...]:
    """Every device was heard lately, reports no fault, and no ball is in play.

    After a suspension an earlier ball may still run; its number must not meet the next round.
    """
    seen = list(devices)
    if not seen:
        return (Reason(OpeningCode.NO_DEVICE),)
    found = []
    for device in seen:
        if device.last_seen_at is None or device.last_seen_at <= now - silence:
            found.append(Reason(OpeningCode.DEVICE_SILENT, {"device": device.id}))
        elif device.fault:
            found.append(
                Reason(OpeningCode.DEVICE_FAULTY, {"device": device.id, "fault": device.fault})
            )
        elif device.ball_in_play:
            found.append(Reason(OpeningCode.BALL_IN_PLAY, {"device": device.id}))
    return tuple(found)


def _of_the_house(facts: TableFacts) -> Iterable[Reason]:
    if facts.status == "suspended":
        yield Reason(OpeningCode.TABLE_SUSPENDED)
    elif facts.status != "open":
        yield Reason(OpeningCode.TABLE_CLOSED)
    for scope in facts.switched_off:
        yield Reason(OpeningCode.SWITCHED_OFF, {"scope": scope})


def _of_the_presenter(facts: TableFacts, now: datetime) -> Iterable[Reason]:
    presenter = facts.presenter
    if presenter is None:
        return (Reason(OpeningCode.NO_PRESENTER),)
    found = [] if presenter.employed else [Reason(OpeningCode.NOT_A_PRESENTER)]
    if presenter.leaving:
        found.append(Reason(OpeningCode.PRESENTER_LEAVING))
    return (*found, *lacking(presenter.papers, facts.game, now))


def _of_the_inspection(inspected: Inspected | None, now: datetime) -> Iterable[Reason]:
    if inspected is None or inspected.valid_until <= now:
        return (Reason(OpeningCode.NOT_INSPECTED),)
    if not inspected.passed:
        return (Reason(OpeningCode.INSPECTION_FAILED, {"note": inspected.note}),)
    return () if inspected.covers else (Reason(OpeningCode.EQUIPMENT_CHANGED),)


def of_the_rules(rules: Rules) -> Iterable[Reason]:
    """The text that was published is the one that is shown, and both are the engine's."""
    if rules.engine_published is None:
        return (Reason(OpeningCode.RULES_NOT_PUBLISHED, {"engine": rules.engine}),)
    if rules.engine_published != rules.engine:
        data: dict[str, Fact] = {"published": rules.engine_published, "engine": rules.engine}
        return (Reason(OpeningCode.RULES_DIFFER, data),)
    if not rules.shown_published == rules.text_published == rules.shown_now:
        return (
            Reason(
                OpeningCode.RULES_DIFFER,
                {"published": rules.shown_published, "shown": rules.shown_now},
            ),
        )
    return ()
