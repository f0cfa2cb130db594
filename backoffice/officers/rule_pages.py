"""Rules of watching at the desk: where each version stands, its backtests, its two people."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from kombu.exceptions import OperationalError

from accounts.rights import RightsCode
from accounts.staff_access import staff_actor, staff_required
from backoffice import desk, tasks, watching
from backoffice.desk import NotDone
from backoffice.officers.words import refusal
from compliance.watching import alerts, trials, versions
from compliance.watching.rulebook import Family
from compliance.watching.trials import Trial
from compliance.watching.versions import RuleCode, Version
from kernel.refusal import Refused
from payments.fraud import hits

WORK: Final = versions.RIGHTS[Family.AML]
FAMILIES: Final = {
    Family.FRAUD: "At each payment",
    Family.AML: "Money laundering and fraud",
    Family.HARM: "Markers of harm",
}
#: While it is tried the page comes again by itself.
REFRESH_S: Final = 3
STATES: Final = {
    "shadow": "in shadow",
    "proposed": "proposed",
    "returned": "in shadow, proposal returned",
    "active": "active",
    "retiring": "active; somebody would retire it",
    "retired": "retired",
}


@require_safe
@staff_required(WORK)
@never_cache
def overview(request: HttpRequest) -> HttpResponse:
    """Every version by family, and how many alerts each made."""
    found = versions.everything()
    groups = [
        {
            "title": title,
            "rows": [
                {"one": one, "state": STATES[one.state], "alerts": counted.get(one.id, 0)}
                for one in found
                if one.rule.family is family
            ],
        }
        for family, title in FAMILIES.items()
        for counted in [hits.counts() if family is Family.FRAUD else alerts.counts(family)]
    ]
    facts = {"groups": groups, "last_run": watching.last_run()}
    return desk.page(request, "admin/desk/watch_rules.html", "Watching", facts)


@require_safe
@staff_required(WORK)
@never_cache
def rule(request: HttpRequest, rule_id: UUID) -> HttpResponse:
    """One version: its parameters, hit tables, alerts, and what may be done."""
    return _show(request, rule_id, NotDone())


def _show(request: HttpRequest, rule_id: UUID, not_done: NotDone) -> HttpResponse:
    found = _find(rule_id)
    tests, trial = versions.backtests(rule_id), trials.newest(rule_id)
    names = desk.named([found.state_by, *(one.by for one in tests)])
    own = found.state_by == str(staff_actor(request))
    facts = {
        "one": found,
        "state": STATES[found.state],
        "state_by": names[found.state_by],
        "params": [
            (name.replace("_", " "), value)
            for name, value in found.rule.as_dict()["params"].items()
        ],
        "tests": [{"one": one, "by": names[one.by]} for one in tests],
        "alerts": alerts.of_rule(rule_id),
        "hits": hits.of_rule(rule_id) if found.rule.family is Family.FRAUD else None,
        "may_test": found.state != "retired" and not (trial and trial.is_open),
        "trial": trial,
        "trial_failed": "" if trial is None else _why_failed(trial),
        "may_propose": found.state in {"shadow", "returned", "retired"} and bool(tests),
        "may_decide": found.state == "proposed" and not own,
        "is_own": found.state == "proposed" and own,
        "may_retire": found.state == "active",
        "answer": not_done.answer,
        "typed": not_done.typed,
        "may_agree": found.state == "retiring" and not own,
        "would_retire": found.state == "retiring",
    }
    page = "admin/desk/watch_rule.html"
    answer = desk.page(request, page, found.rule.title, facts, not_done.status)
    if trial is not None and trial.is_open:
        answer["Refresh"] = f"{REFRESH_S}; url={reverse('desk:watch_rule', args=[rule_id])}"
    return answer


@require_POST
@staff_required(WORK)
def act(request: HttpRequest, rule_id: UUID, name: str) -> HttpResponse:
    """Backtest, propose, approve, return, retire."""
    seen = request.POST.get("seen", "")
    said: dict[str, Any] = {
        "seen": int(seen) if seen.isdecimal() and len(seen) < 9 else -1,
        "reason": request.POST.get("reason", ""),
        "actor": staff_actor(request),
    }
    acts: dict[str, Callable[[], Version]] = {
        "propose": lambda: versions.propose(rule_id, **said),
        "approve": lambda: versions.approve(rule_id, **said),
        "return": lambda: versions.give_back(rule_id, **said),
        "retire": lambda: versions.retire(rule_id, **said),
        "backtest": lambda: _asked(rule_id, request),
    }
    if name not in acts:
        raise Http404
    done = desk.attempt(
        acts[name], unknown=RuleCode.NO_SUCH_RULE, words=refusal, typed=said["reason"]
    )
    if isinstance(done, NotDone):
        return _show(request, rule_id, done)
    tried = "It is tried on history; this page shows how far it is."
    messages.success(request, tried if name == "backtest" else f"Done: {STATES[done.state]}.")
    return redirect("desk:watch_rule", rule_id)


def _why_failed(trial: Trial) -> str:
    """In words; empty where it did not fail. Rights that were lost meanwhile end it too."""
    if trial.state != "failed":
        return ""
    is_rule = trial.code in set(RuleCode)
    return refusal(Refused(RuleCode(trial.code) if is_rule else RightsCode.NOT_ALLOWED))


def _asked(rule_id: UUID, request: HttpRequest) -> Version:
    """The row is the order; the worker is only told to look at once."""
    trials.ask(rule_id, days=watching.BACKTEST_DAYS, actor=staff_actor(request))
    with suppress(OperationalError):  # a broker that is away: the sweep finds the row
        tasks.try_rules.apply_async(retry=False)
    return versions.find(rule_id)


def _find(rule_id: UUID) -> Version:
    try:
        return versions.find(rule_id)
    except Refused:
        raise Http404 from None
