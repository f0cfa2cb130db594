"""One table of the floor as its card shows it: the same parts for the page and for each poll.

The server writes each part of a card once, from one template, so that what the script puts in and
what a page without a script shows cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.template.loader import render_to_string

from kernel.clock import epoch_ms
from streaming.addresses import poster_url
from streaming.health import PictureState
from tables.devices.devices import Health
from tables.floor import words
from tables.floor.floor import DeviceNow, Floor, Level, TableNow, opens_late
from tables.phases import BETTING, Phase

PARTS: Final = ("top", "facts", "foot")
_NEEDS_LOOK: Final = frozenset(
    {Health.LATE, Health.NEVER_HEARD, Health.SILENT, Health.FAULTY},
)


def card(table: TableNow, now: datetime) -> dict[str, Any]:
    """What the templates of a card are filled with."""
    return {
        "id": table.table.id,
        "name": table.table.name,
        "game": table.table.game,
        "level": table.level.name.lower(),
        "phase": table.phase.value if table.phase else "",
        "phase_words": words.phase(table.round, table.phase),
        "clock": _clock(table, now),
        "round": table.round.number if table.round else None,
        "presenter": table.shift.presenter.get_short_name() if table.shift else "no presenter",
        "results": table.results,
        "stakes": table.stakes,
        "bets": sum(stake.bets for stake in table.stakes),
        "playing": table.playing,
        "devices": [_device(one) for one in table.devices],
        "video": _video(table),
        "poster": poster_url(table.table.id),
        "can_suspend": table.can_be_stopped,
        "incidents": [
            {
                "id": one.id,
                "words": words.fault(one.fault),
                "detail": one.detail,
                "said": words.suspended(table.table.name, one.fault),
            }
            for one in table.incidents
        ],
        "why": why(table, now),
    }


def parts(shown: Mapping[str, Any]) -> dict[str, str]:
    """The card's parts as markup."""
    return {name: render_to_string(f"floor/parts/{name}.html", {"card": shown}) for name in PARTS}


def why(table: TableNow, now: datetime) -> list[str]:
    """What is not as it should be, in words; empty when all is well."""
    said = [f"Stopped by switch: {words.scope(scope)}" for scope in table.stopped_by]
    if table.level is not Level.SHUT and not table.has_runner:
        said.append("No process runs this table")
    if table.lacks_picture and table.level is not Level.SHUT:
        has_been = table.picture.state is PictureState.STOPPED
        said.append("The picture has stopped" if has_been else "There is no picture")
    said += [words.against(one) for one in table.against]
    if opens_late(table, now) and table.has_runner and not (table.stopped_by or table.against):
        said.append("The next round does not open")
    return said


def badges(floor: Floor) -> list[dict[str, str]]:
    """The exceptions of the whole floor, counted for its head. A closed table is none."""
    staffed = [one for one in floor.tables if one.level is not Level.SHUT]
    stopped = sum(one.level is Level.STOPPED for one in staffed)
    needing = sum(_needs_you(one, floor.at) for one in staffed)
    ill = sum(any(d.health in _NEEDS_LOOK for d in one.devices) for one in staffed)
    slow = sum(one.is_picture_slow or one.lacks_picture for one in staffed)
    idle = sum(one.level is Level.LOOK and opens_late(one, floor.at) for one in staffed)
    counted = (
        ("stop", stopped, "suspended"),
        ("stop", needing, "needs you" if needing == 1 else "need you"),
        ("stop", len(floor.switches), "stopped by switch"),
        ("pending", idle, "without a next round"),
        ("pending", ill, "with a device in trouble"),
        ("pending", slow, "slow video" if slow == 1 else "slow videos"),
    )
    return [{"look": look, "words": f"{n} {what}"} for look, n, what in counted if n]


def is_well(floor: Floor) -> bool:
    """Nobody has to look anywhere: by the levels of the cards, whatever the badges count."""
    return not floor.switches and all(one.level <= Level.CALM for one in floor.tables)


def _needs_you(table: TableNow, now: datetime) -> bool:
    """An alarm that no other badge counts: ill devices, switches and pictures have their own."""
    if table.level is not Level.ALARM:
        return False
    is_late = opens_late(table, now) and bool(table.against)
    return bool(table.incidents) or not table.has_runner or is_late


def _clock(table: TableNow, now: datetime) -> dict[str, int] | None:
    """Counts down to the close of betting, or up since the phase began (ms since 1970)."""
    round_ = table.round
    if table.phase is Phase.SUSPENDED:
        if round_ is not None and round_.phase == Phase.SUSPENDED:
            return _counted(round_.phase_at, now, is_down=False)
        opened = [one.opened_at for one in table.incidents]
        at = min(opened) if opened else (round_.phase_at if round_ else now)
        return _counted(at, now, is_down=False)
    if round_ is None or table.phase is None or table.phase in {Phase.SETTLED, Phase.VOIDED}:
        return None
    if table.phase in BETTING:
        return _counted(round_.closes_at, now, is_down=True)
    return _counted(round_.phase_at, now, is_down=False)


def _counted(at: datetime, now: datetime, *, is_down: bool) -> dict[str, Any]:
    gap = at - now if is_down else now - at
    whole = max(
        0, gap // timedelta(seconds=1) + (1 if is_down and gap % timedelta(seconds=1) else 0)
    )
    return {"at": epoch_ms(at), "down": is_down, "text": clock_text(whole, is_down=is_down)}


def clock_text(whole_s: int, *, is_down: bool) -> str:
    """``9 s``, from a minute on ``4:12``, from an hour on ``1:04:12``; alike in floor.js."""
    if whole_s < 60 or is_down:
        return f"{whole_s} s"
    minutes, rest = divmod(whole_s, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def _device(one: DeviceNow) -> dict[str, str]:
    return {
        "id": one.device.id,
        "kind": one.device.kind,
        "health": one.health.value,
        "look": "bad" if one.health in _NEEDS_LOOK else "well",
        "words": words.device(one.device, one.health, one.quiet),
    }


def _video(table: TableNow) -> dict[str, str]:
    picture = table.picture
    if picture.behind is None:
        return {"look": "bad" if table.lacks_picture else "none", "words": "– video"}
    behind = words.seconds(picture.behind)
    is_bad = table.is_picture_slow or picture.state is not PictureState.LIVE
    return {"look": "bad" if is_bad else "well", "words": f"{behind} video"}
