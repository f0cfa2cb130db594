"""What officers do about a marker of harm: look, write to the player, and record what came of it.

The message goes out as a notice in the transaction that moves the case. Two weeks later the case is
due again: what the player did before and after stands side by side, and the officer says what that
means. All of it are rows of the case.
"""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from django.db import connection, transaction

from audit.database_clock import database_now
from compliance.notice_kinds import HARM_NOTICES
from compliance.watching import casework
from compliance.watching.case_states import State
from compliance.watching.casework import Change, Step, WatchCode
from compliance.watching.models import WatchCase
from compliance.watching.rulebook import Family
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
        today = database_now().date()
        before = figures(PlayerId(case.player_id), today - SPAN, today - timedelta(days=1))
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
    last = spoken[-1]
    first = last.at.date()
    until = min(database_now().date(), first + SPAN - timedelta(days=1))  # as many as before it
    return last.data["before"], figures(PlayerId(case.player_id), first, until)


def figures(player_id: PlayerId, first: date, last: date) -> dict[str, int | str]:
    """Deposits, stakes and net result of these days, both included, in minor units; days played."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(deposited), 0), coalesce(sum(staked), 0),"
            " coalesce(sum(returned), 0), count(DISTINCT day) FILTER (WHERE staked > 0) FROM ("
            " SELECT day, deposited_minor AS deposited, staked_minor AS staked,"
            " returned_minor + paid_out_minor AS returned FROM compliance_daytotal"
            " WHERE player_id = %s AND day BETWEEN %s AND %s UNION ALL"
            " SELECT at::date, CASE kind WHEN 'deposited' THEN amount_minor ELSE 0 END,"
            " CASE kind WHEN 'staked' THEN amount_minor ELSE 0 END,"
            " CASE kind WHEN 'paid_out' THEN amount_minor WHEN 'stake_returned' THEN amount_minor"
            " WHEN 'paid_back' THEN -amount_minor ELSE 0 END FROM compliance_freshfact"
            " WHERE player_id = %s AND at::date BETWEEN %s AND %s) f",
            [player_id, first, last, player_id, first, last],
        )
        deposited, staked, returned, days = cursor.fetchone()
    return {
        "from": first.isoformat(),
        "to": last.isoformat(),
        "deposited_minor": int(deposited),
        "staked_minor": int(staked),
        "net_minor": int(returned) - int(staked),
        "days_played": int(days),
    }


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
