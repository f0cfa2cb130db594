"""What a table's console shows at this moment: one small answer, read without locks.

The sensor's number is not in it before the result is official: the presenter reads the wheel with
her own eyes, or two sources would be one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from audit.database_clock import database_now
from kernel.clock import epoch_ms
from tables.console import console
from tables.console import words as console_words
from tables.devices import devices
from tables.models import Device, Incident, Round, Table, TableStatus
from tables.opening import facts as opening_facts
from tables.opening.reasons import Reason
from tables.phases import BETTING, Phase
from tables.presenters import shifts
from tables.presenters.models import Shift
from tables.rules import roulette

RESULTS_SHOWN: Final = 6
#: In these the table waits for the ball: the one lit key is Start.
_AWAITS_BALL: Final = frozenset({Phase.CLOSING_SOON, Phase.NO_MORE_BETS, Phase.NO_SPIN})


def read(table: Table, viewer_id: int) -> dict[str, Any]:
    """The state of the table's console for the presenter who looks, as plain JSON values."""
    now = database_now()
    rounds = list(Round.objects.filter(table=table).order_by("-number")[: RESULTS_SHOWN + 2])
    newest = rounds[0] if rounds else None
    current = newest if newest is not None and newest.finished_at is None else None
    shift = shifts.on_shift(table.id)
    reasons = () if current is not None else _reasons(table, now)
    fault = _fault(table)
    says = console_words.says(table, newest, reasons, fault)
    return {
        "now": epoch_ms(now),
        "status": table.status,
        "round": None if current is None else _round(current),
        "newest": None if newest is None else newest.number,
        "says": {
            "phase": says.phase,
            "glyph": says.glyph,
            "next": says.next,
            "detail": says.detail,
        },
        "acts": sorted(_acts(table, current, shift, viewer_id)),
        "lit": "launch" if current is not None and current.phase in _AWAITS_BALL else None,
        "results": _results(rounds),
        "devices": _devices(table, now),
        "players": 0 if newest is None else _players(newest),
        "presenter": _presenter(shift, viewer_id),
        "reasons": [
            {"code": reason.code.value, "words": console_words.reason_words(reason)}
            for reason in reasons
        ],
        "more_reasons": console_words.more_reasons(reasons),
    }


def _reasons(table: Table, now: datetime) -> tuple[Reason, ...]:
    return opening_facts.reasons(table, now)


def _fault(table: Table) -> str:
    if table.status != TableStatus.SUSPENDED:
        return ""
    found = Incident.objects.filter(table=table, resolved_at=None).first()
    return "" if found is None else found.fault


def _round(round_: Round) -> dict[str, Any]:
    return {
        "number": round_.number,
        "phase": round_.phase,
        "spin": round_.respins,
        "at": epoch_ms(round_.phase_at),
        "opened_at": epoch_ms(round_.opened_at),
        "closes_at": epoch_ms(round_.closes_at) if round_.phase in BETTING else None,
    }


def _acts(table: Table, round_: Round | None, shift: Shift | None, viewer_id: int) -> set[str]:
    """The keys that do something now for the one who looks."""
    if shift is None or shift.presenter_id != viewer_id:
        return set()
    return {kind.value for kind in console.open_acts(round_, table.status)}


def _results(rounds: list[Round]) -> list[dict[str, Any]]:
    told = [round_ for round_ in rounds if round_.result is not None][:RESULTS_SHOWN]
    return [
        {
            "round": round_.number,
            "number": round_.result,
            "colour": roulette.colour(round_.result or 0).value,
        }
        for round_ in told
    ]


def _devices(table: Table, now: datetime) -> list[dict[str, str]]:
    silence = timedelta(milliseconds=table.device_silence_ms)
    kept = Device.objects.filter(table=table, retired_at=None).exclude(kind="console")
    return [
        {
            "name": device.kind.title(),
            "health": (how := devices.health(device, now, silence)).value,
            "words": console_words.HEALTH[how],
        }
        for device in kept.order_by("-kind", "id")
    ]


def _players(round_: Round) -> int:
    """People with a bet in the round."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(DISTINCT player_id) FROM tables_bet WHERE round_id = %s", [round_.id]
        )
        return int(cursor.fetchone()[0])


def _presenter(shift: Shift | None, viewer_id: int) -> dict[str, Any] | None:
    if shift is None:
        return None
    return {
        "name": shift.presenter.get_short_name(),
        "mine": shift.presenter_id == viewer_id,
        "leaving": shift.leaving_at is not None,
        "since": epoch_ms(shift.began_at),
    }
