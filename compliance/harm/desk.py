"""What officers do about a marker of harm: look, write to the player, and record what came of it.

The message goes out as a notice in the transaction that moves the case. Two weeks later the case is
due again: what the player did before and after stands side by side, and the officer says what that
means. All of it are rows of the case.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from django.db import transaction

from audit.database_clock import database_now
from compliance import facts
from compliance.limit_arithmetic import LimitKind, Used, gaming_day
from compliance.notice_kinds import HARM_NOTICES
from compliance.standing import read_standing
from compliance.watching import casework
from compliance.watching.casework import Change, Step, WatchCode
from compliance.watching.models import WatchCase
from compliance.watching.rulebook import Family
from compliance.watching.states import State
from kernel.ids import PlayerId
from kernel.refusal import Refused
from notices.send import notify

HARM: Final = Family.HARM
#: Before and after the message, so long.
SPAN: Final = timedelta(days=14)
#: A change of less than this, in percent, is none.
SAME_PERCENT: Final = 20
WORDS_MAX: Final = 1_000


class Outcome(StrEnum):
    """What came of it, as the officer judges."""

    LESS = "less"
    SAME = "same"
    MORE = "more"
    STOPPED = "stopped"
    USED_TOOLS = "used_tools"


def dismiss(step: Step, text: str) -> WatchCase:
    """Nothing to be concerned about, and why."""
    return casework.act(
        HARM, step, Change("dismissed", State.DISMISSED, text=casework.checked(text))
    )


def speak(step: Step, template: str, words: str) -> WatchCase:
    """Send the player a message: one of the templates, with words of the officer if there are any.

    Refuses with ``WATCH_STEP_NOT_POSSIBLE`` where the template is unknown or the case has moved.
    """
    if template not in HARM_NOTICES:
        raise Refused(WatchCode.STEP, state=template[:40])
    text = words.strip()
    if len(text) > WORDS_MAX:
        raise Refused(WatchCode.TOO_LONG, at_most=WORDS_MAX)
    with transaction.atomic():
        case, is_done = casework.locked(HARM, step)
        if is_done:
            return case
        player_id = PlayerId(case.player_id)
        today = _gaming_day(player_id, database_now())
        before = figures(player_id, today - SPAN, today - timedelta(days=1))
        moved = casework.move(
            case,
            Change("spoken", State.SPOKEN, text, {"template": template, "before": before}),
            step,
        )
        notify(case.player_id, template, {"words": text})
    return moved


def record_outcome(step: Step, outcome: Outcome, text: str) -> WatchCase:
    """Record what came of the message, with the figures before and after it; the case closes."""
    words = casework.checked(text)
    with transaction.atomic():
        case, is_done = casework.locked(HARM, step)
        if is_done:
            return case
        compared = comparison(case)
        if compared is None:
            raise Refused(WatchCode.STEP, state=case.state)
        before, after = compared
        return casework.move(
            case,
            Change(
                "outcome",
                State.RECORDED,
                words,
                {"outcome": outcome.value, "before": before, "after": after},
            ),
            step,
        )


def comparison(case: WatchCase) -> tuple[dict[str, int | str], dict[str, int | str]] | None:
    """Figures of the days before the last message, and from its day on; None before a message."""
    spoken = [event for event in casework.events(case.id) if event.kind == "spoken"]
    if not spoken:
        return None
    last, player_id = spoken[-1], PlayerId(case.player_id)
    first = _gaming_day(player_id, last.at)
    today = _gaming_day(player_id, database_now())
    until = min(today, first + SPAN - timedelta(days=1))  # as many as before it
    return last.data["before"], figures(player_id, first, until)


def figures(player_id: PlayerId, first: date, last: date) -> dict[str, int | str]:
    """Deposits, stakes and net result of these gaming days of the player's, both included, in minor
    units of their currency; days played.
    """
    standing = read_standing(player_id)
    days: list[Used] = []
    if standing is not None:
        zone = standing.policy(database_now()).zone
        days = [*facts.by_day(player_id, standing.currency, zone, first, last).values()]
    return {
        "from": first.isoformat(),
        "to": last.isoformat(),
        "deposited_minor": sum(day.deposited_minor for day in days),
        "staked_minor": sum(day.staked_minor for day in days),
        "net_minor": -sum(day.towards(LimitKind.LOSS) for day in days),
        "days_played": sum(day.staked_minor > 0 for day in days),
    }


def _gaming_day(player_id: PlayerId, at: datetime) -> date:
    """The player's day, as the sums of days are cut."""
    standing = read_standing(player_id)
    return at.date() if standing is None else gaming_day(at, standing.policy(at).zone)


def suggestion(before: dict[str, int | str], after: dict[str, int | str]) -> Outcome:
    """What the figures say, stakes first; days since the message are compared as they are. Pure."""
    then, now = int(before["staked_minor"]), int(after["staked_minor"])
    if now == 0 and int(after["deposited_minor"]) == 0:
        return Outcome.STOPPED
    if now * 100 < then * (100 - SAME_PERCENT):
        return Outcome.LESS
    if now * 100 > then * (100 + SAME_PERCENT):
        return Outcome.MORE
    return Outcome.SAME
