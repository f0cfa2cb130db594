"""What the page "Play safely" says of a player's own activity, and whom to call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts import players
from compliance.closing_views import ClosingForm
from compliance.models import Status
from compliance.play_safely import help_lines
from compliance.play_safely.activity import SPANS, Activity, activity
from compliance.play_safely.chart import Chart, chart
from compliance.standing import StandingNow
from kernel.ids import PlayerId

#: What is shown while nothing is asked for.
SPAN_SHOWN_FIRST: Final = 30


@dataclass(frozen=True, slots=True)
class Drawing:
    """One drawing with its table. ``unit`` is "money" or "time" (seconds); newest day first."""

    name: str
    title: Any
    words: Any
    unit: str
    chart: Chart
    total: int
    rows: tuple[tuple[date, int], ...]


def activity_facts(request: HttpRequest, standing: StandingNow, now: datetime) -> dict[str, Any]:
    """The context of ``parts/activity.html``, ``parts/close.html`` and ``parts/help_lines.html``.

    ``?days=`` chooses a span; one that is not offered shows the usual one.
    """
    asked = request.GET.get("days", "")
    span = next((days for days in SPANS if str(days) == asked), SPAN_SHOWN_FIRST)
    found = activity(standing, span, now)
    return {
        "spans": SPANS,
        "span": span,
        "activity": found,
        "drawings": _drawings(found),
        **help_facts(standing.player_id),
        "closing_form": ClosingForm(auto_id="close_%s"),
        "closed": standing.status == Status.CLOSED,
    }


def help_facts(player_id: PlayerId) -> dict[str, Any]:
    """The context of ``parts/help_lines.html`` for this player's country."""
    return {
        "help_lines": help_lines.help_lines(players.info(player_id).country),
        "help_lines_as_of": help_lines.as_of(),
    }


def _drawings(found: Activity) -> list[Drawing]:
    return [
        _drawing(
            "deposits",
            (_("Deposits"), _("What you paid in, per day.")),
            "money",
            [(day.on, day.deposited_minor) for day in found.days],
        ),
        _drawing(
            "result",
            (_("Net result"), _("What came back less what you staked, open bets included.")),
            "money",
            [(day.on, day.net_minor) for day in found.days],
        ),
        _drawing(
            "time",
            (
                _("Time played"),
                _("Your sessions of play, as limits of time count them."),
            ),
            "time",
            [(day.on, day.played_s) for day in found.days],
        ),
    ]


def _drawing(name: str, texts: tuple[Any, Any], unit: str, days: list[tuple[date, int]]) -> Drawing:
    return Drawing(
        name=name,
        title=texts[0],
        words=texts[1],
        unit=unit,
        chart=chart([value for _day, value in days]),
        total=sum(value for _day, value in days),
        rows=tuple((day, value) for day, value in reversed(days) if value),
    )
