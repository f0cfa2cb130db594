"""The page "Play safely", put together: what holds, and the forms that change it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from audit.database_clock import database_now
from compliance import limits, play_rules
from compliance.forms import (
    KIND_NAMES,
    KIND_WORDS,
    PERIOD_NAMES,
    BreakForm,
    ExclusionForm,
    IntervalForm,
    LimitForm,
    QuestionForm,
)
from compliance.limit_arithmetic import LimitKind, Period, periods_of
from compliance.models import LimitChange
from compliance.pages import limit_rows
from compliance.play_safely.activity_page import activity_facts
from compliance.registries import telling
from compliance.standing import StandingNow, read_standing
from compliance.wording import time_text
from kernel.ids import PlayerId

#: Kinds that stand on the page at once; the others are one press away.
_FIRST: Final = (LimitKind.DEPOSIT, LimitKind.LOSS, LimitKind.SESSION_TIME)


def safety_page(
    request: HttpRequest, player_id: PlayerId, forms: dict[str, Any], status: int = 200
) -> HttpResponse:
    """The whole page; ``forms`` are those that were sent and could not be taken.

    ``wrong`` among them is a form for one limit, which stands in its own place.
    """
    now = database_now()
    standing = read_standing(player_id)
    context: dict[str, Any] = {"section": "safety", "player_standing": standing}
    if standing is not None:
        context |= _facts(standing, now, forms.pop("wrong", None))
        context |= activity_facts(request, standing, now)
    return render(request, "compliance/play_safely.html", context | forms, status=status)


def question_facts(player_id: PlayerId, now: datetime) -> dict[str, Any]:
    """What a page needs that asks about limits before a deposit; nothing where none is due."""
    standing = read_standing(player_id)
    if standing is None or not limits.must_answer(player_id, now):
        return {}
    return {"question_form": _question(standing, now), "question_currency": standing.currency}


def _question(standing: StandingNow, now: datetime) -> QuestionForm:
    policy = standing.policy(now)
    return QuestionForm(periods=policy.limit_periods, auto_id="question_%s")


def _facts(standing: StandingNow, now: datetime, wrong: LimitForm | None) -> dict[str, Any]:
    policy = standing.policy(now)
    cards = [
        {
            "kind": kind.value,
            "name": KIND_NAMES[kind],
            "words": KIND_WORDS[kind],
            "is_time": kind is LimitKind.SESSION_TIME,
            "form": wrong
            if wrong is not None and wrong.prefix == kind.value
            else LimitForm(kind=kind, periods=periods_of(kind, policy.limit_periods)),
        }
        for kind in policy.limit_kinds
    ]
    every = play_rules.check_every(standing.check_every_s, policy.play_policy)
    must_answer = limits.must_answer(standing.player_id, now)
    return {
        "currency": standing.currency,
        "question_currency": standing.currency,
        "policy": policy,
        "rows": limit_rows(standing, now),
        "missing": [
            KIND_NAMES[kind] for kind in limits.missing([standing], now).get(standing.player_id, ())
        ],
        "excluded": standing.excluded(now),
        "may_ask_to_return": standing.exclusion_holds
        and standing.excluded_until is not None
        and standing.excluded_until <= now,
        "register_lacks": telling.lacking(standing.player_id),
        "cooling_off": standing.cooling_off(now),
        "cards": [card for card in cards if card["kind"] in _FIRST],
        "more_cards": [card for card in cards if card["kind"] not in _FIRST],
        "question_form": _question(standing, now) if must_answer else None,
        "interval_form": IntervalForm(
            longest=policy.reality_check_longest,
            initial={"minutes": every // timedelta(minutes=1)},
        ),
        "break_form": BreakForm(),
        "exclusion_form": ExclusionForm(),
        "return_delay": time_text(policy.return_delay // timedelta(seconds=1)),
        "increase_delay": time_text(policy.increase_delay // timedelta(seconds=1)),
        "history": [_history(row) for row in limits.history(standing.player_id, at_most=20)],
    }


def _history(row: LimitChange) -> dict[str, Any]:
    kind, period = LimitKind(row.kind), Period(row.period)
    return {
        "at": row.at,
        "act": row.act,
        "kind": KIND_NAMES[kind],
        "period": PERIOD_NAMES[period],
        "is_always": period is Period.ALWAYS,
        "wanted_minor": row.wanted_minor,
        "wanted_time": time_text(row.wanted_minor or 0) if not row.currency else "",
        "currency": row.currency,
        "effective_at": row.effective_at,
    }
