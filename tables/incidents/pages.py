"""The page of one incident, and the list of them all.

What was seen by which source, what the procedure of the fault says, who did what, and the acts that
are possible now. Looking needs ``tables.watch_floor``, each act its own right, which the act checks
again. A refused act is answered on the page: in words, with its code, with what was typed.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST, require_safe

from accounts.staff_access import staff_actor, staff_required
from kernel.ids import Actor
from kernel.refusal import Refused
from streaming.addresses import playlist_url
from tables import clips
from tables.floor import words
from tables.floor.forms import ActForm
from tables.incidents.desk import Acting
from tables.incidents.forms import DEEDS, form_for
from tables.incidents.rules import Act, IncidentCode
from tables.incidents.view import IncidentView, SeenLine, view
from tables.models import Incident, Table
from tables.phases import Phase
from tables.play.evidence import Fault
from tables.rules import roulette

WATCH: Final = "tables.watch_floor"
PER_PAGE: Final = 50
#: From here on a device's own time is shown beside ours; transport takes tenths of a second.
CLOCKS_DIFFER: Final = timedelta(seconds=1)
#: A clip's bytes never change; only this person's browser keeps them.
CLIP_CACHE: Final = "private, max-age=3600, immutable"
_FIELDS: Final = {
    IncidentCode.NO_TEXT: ("text", "reference"),
    IncidentCode.NO_CAUSE: ("cause", "text"),
    IncidentCode.TOO_LONG: ("text", "cause", "reference"),
    IncidentCode.UNKNOWN_REASON: ("reason",),
    IncidentCode.NOT_ON_WHEEL: ("number",),
    IncidentCode.ENTRIES_DISAGREE: ("number",),
}
#: Its headings, where the incident is the page itself and where it stands beside the floor.
_PAGE: Final = {"level": "h1", "sub": "h2"}
_BESIDE: Final = {"level": "h2", "sub": "h3"}
#: Why an act is not offered at all, rather than shown as not possible now.
_PAST: Final = frozenset(
    {IncidentCode.NOT_IN_PROCEDURE, IncidentCode.RESOLVED, IncidentCode.ROUND_NOT_SUSPENDED}
)
#: The acts that end a round or a stop, in the order in which the page offers them.
_DECIDING: Final = (Act.MANUAL_RESULT, Act.VOID, Act.RESPIN, Act.RESUME, Act.CONFIRM_RESUME)


@require_GET
@staff_required(WATCH)
def incident(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    """One incident."""
    return _page(request, incident_id)


@require_GET
@staff_required(WATCH)
def panel(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    """The incident as a part of a page, for the script; 204 while ``mark`` is what is shown."""
    facts = incident_facts(request, incident_id)
    if request.GET.get("level") == _PAGE["level"]:
        facts |= _PAGE
    if request.GET.get("mark") == facts["mark"]:
        return HttpResponse(status=204)
    return render(request, "floor/parts/incident.html", facts)


@require_POST
@staff_required(WATCH)
def act(request: HttpRequest, incident_id: UUID, act: str) -> HttpResponse:
    """One act about the incident."""
    try:
        wanted = Act(act)
    except ValueError:
        raise Http404 from None
    deed = DEEDS[wanted]
    if not request.user.has_perm(deed.right):
        raise PermissionDenied(deed.right)
    actor = staff_actor(request)
    shown = _view(incident_id, actor)
    form = form_for(wanted, shown, request.POST)
    if not form.is_valid():
        return _page(request, incident_id, {wanted: form}, status=422)
    acting = Acting(incident_id, actor, form.seen, form.said("key"))
    try:
        messages.success(request, deed.do(acting, form))
    except Refused as refused:
        if refused.code is IncidentCode.NOT_ALLOWED:
            raise PermissionDenied(deed.right) from refused
        form.refuse(
            refused, version=_view(incident_id, actor).incident.version, field=_field(form, refused)
        )
        return _page(request, incident_id, {wanted: form}, status=409)
    return redirect(_back(request, incident_id, wanted))


@require_safe
@staff_required(WATCH)
def clip(request: HttpRequest, incident_id: UUID, name: str) -> HttpResponse:
    """One file of what was seen around the stop."""
    found = Incident.objects.select_related("round").filter(id=incident_id).first()
    file = None if found is None else clips.stop_file(found, name)
    if file is None:
        raise Http404
    return HttpResponse(
        file.data, content_type=file.content_type, headers={"Cache-Control": CLIP_CACHE}
    )


def incident_facts(
    request: HttpRequest, incident_id: UUID, typed: dict[Act, ActForm] | None = None
) -> dict[str, Any]:
    """What the incident's template is filled with; ``typed`` are forms that were refused."""
    shown = _view(incident_id, staff_actor(request))
    round_ = shown.incident.round
    typed = typed or {}
    return {
        **_BESIDE,
        "shown": shown,
        "incident": shown.incident,
        "mark": _mark(shown),
        "sources": _sources(shown),
        "story": _story(shown),
        "steps": [
            {"step": step, "form": _step_form(shown, step.id, typed)} for step in shown.steps
        ],
        "lost_tick": _lost_tick(shown, typed),
        "acts": _offers(request, shown, typed),
        "result": None if round_ is None or round_.result is None else words.number(round_.result),
        "is_waiting": round_ is not None and round_.phase == Phase.SUSPENDED,
        "clip": _clip(shown.incident),
        "live": "" if shown.incident.resolved_at else playlist_url(shown.incident.table_id),
        "fault": words.fault(shown.incident.fault),
    }


@require_GET
@staff_required(WATCH)
def incidents(request: HttpRequest) -> HttpResponse:
    """Every incident, newest first, searched by table, day, fault, and whether it is open."""
    form = SearchForm(request.GET)
    found = _searched(form) if form.is_valid() else Incident.objects.none()
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    facts = {
        "section": "incidents",
        "form": form,
        "page": page,
        "query": query.urlencode(),
        "rows": [{"incident": one, "words": words.fault(one.fault)} for one in page],
    }
    return render(request, "floor/incidents.html", facts)


class SearchForm(forms.Form):
    """What to look for; empty fields ask for nothing."""

    table = forms.ChoiceField(label="Table", required=False)
    day = forms.DateField(
        label="Day (UTC)", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    fault = forms.ChoiceField(
        label="Fault",
        required=False,
        choices=[("", "Any"), *((one.value, words.FAULTS[one]) for one in Fault)],
    )
    state = forms.ChoiceField(
        label="State",
        required=False,
        choices=[("", "Any"), ("open", "Open"), ("closed", "Resolved"), ("report", "To report")],
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tables = Table.objects.values_list("id", "name")
        # a field with choices, which forms type as any field
        self.fields["table"].choices = [("", "Any"), *tables]  # type: ignore[attr-defined]


def _searched(form: SearchForm) -> QuerySet[Incident]:
    found = Incident.objects.select_related("table", "round").order_by("-opened_at")
    wanted = form.cleaned_data
    if wanted["table"]:
        found = found.filter(table_id=wanted["table"])
    if wanted["fault"]:
        found = found.filter(fault=wanted["fault"])
    if wanted["day"]:
        since = datetime.combine(wanted["day"], time.min, UTC)
        until = datetime.combine(wanted["day"], time.max, UTC)  # the last day has no day after it
        found = found.filter(opened_at__gte=since, opened_at__lte=until)
    match wanted["state"]:
        case "open":
            found = found.filter(resolved_at=None)
        case "closed":
            found = found.filter(resolved_at__isnull=False)
        case "report":
            found = found.filter(report_due_at__isnull=False, reported_at=None)
        case _:
            pass
    return found


def _view(incident_id: UUID, actor: Actor) -> IncidentView:
    try:
        return view(incident_id, viewer=actor)
    except Refused:
        raise Http404 from None


def _page(
    request: HttpRequest,
    incident_id: UUID,
    typed: dict[Act, ActForm] | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    facts = incident_facts(request, incident_id, typed) | _PAGE | {"section": "incidents"}
    return render(request, "floor/incident.html", facts, status=status)


def _back(request: HttpRequest, incident_id: UUID, wanted: Act) -> str:
    """To the page that the form stood on, at the place of the act."""
    anchor = "#procedure" if wanted is Act.TICK else ""
    if request.POST.get("back") == "floor":
        return f"{reverse('floor:overview')}?incident={incident_id}{anchor}"
    return reverse("floor:incident", args=[incident_id]) + anchor


def _field(form: ActForm, refused: Refused) -> str | None:
    names = _FIELDS.get(refused.code, ()) if isinstance(refused.code, IncidentCode) else ()
    return next((name for name in names if name in form.fields), None)


def _offers(
    request: HttpRequest, shown: IncidentView, typed: dict[Act, ActForm]
) -> dict[str, dict[str, Any]]:
    """Per act: its form where it may be done now, else why it may not."""
    offers: dict[str, dict[str, Any]] = {}
    for offer in shown.offers:
        form = typed.get(offer.act)
        if not request.user.has_perm(DEEDS[offer.act].right):
            continue
        is_to_come = offer.act in _DECIDING and offer.why not in _PAST
        offers[offer.act.value] = {
            "act": offer.act.value,
            "may": offer.allowed,
            "shown": offer.allowed or form is not None or is_to_come,
            "why": words.refusal(Refused(offer.why)) if offer.why else "",
            "form": form or (form_for(offer.act, shown) if offer.allowed else None),
        }
    return offers


def _clip(shown: Incident) -> str:
    """The recording: of the whole round once it has ended, before that of the stop."""
    whole = "" if shown.round is None else clips.clip_url(shown.round, at_staff_door=True)
    return whole or clips.stop_url(shown)


def _step_form(shown: IncidentView, step: str, typed: dict[Act, ActForm]) -> ActForm:
    form = typed.get(Act.TICK)
    if form is not None and form.data.get("step") == step:
        return form
    return form_for(Act.TICK, shown, initial={"step": step}, auto_id=f"tick-{step}-%s")


def _lost_tick(shown: IncidentView, typed: dict[Act, ActForm]) -> ActForm | None:
    """A tick that was refused and belongs to no step of the page."""
    form = typed.get(Act.TICK)
    known = {step.id for step in shown.steps}
    return None if form is None or form.data.get("step") in known else form


def _sources(shown: IncidentView) -> list[dict[str, Any]]:
    """Per device, every number that it named for the spin that was judged, in order.

    Not the numbers of an earlier spin, nor of the spins by which somebody tests afterwards: those
    are in the story.
    """
    named: dict[str, list[SeenLine]] = {}
    for line in shown.seen:
        if line.number is not None and line.counted:
            named.setdefault(line.device, []).append(line)
    who = _who(shown)
    return [
        {
            "source": who[device],
            "numbers": [
                {
                    "number": line.number,
                    "words": words.number(int(line.number or 0)),
                    "colour": roulette.colour(int(line.number or 0)).value,
                    "at": line.captured_at,
                }
                for line in lines
            ],
        }
        for device, lines in named.items()
    ]


def _who(shown: IncidentView) -> dict[str, str]:
    """Device → who that is; with its name where two of them are called the same."""
    sources = {line.device: line.source for line in shown.seen}
    called = list(sources.values())
    return {
        device: source if called.count(source) == 1 else f"{source} ({device})"
        for device, source in sources.items()
    }


def _story(shown: IncidentView) -> list[dict[str, Any]]:
    """What was seen and what was done, in the order in which we heard of it.

    A device's own clock may be wrong, which can be the fault itself: it is shown where it differs.
    """
    who = _who(shown)
    lines: list[tuple[datetime, dict[str, Any]]] = [
        (
            line.received_at,
            {
                "who": who[line.device],
                "words": line.words,
                "note": line.code_meaning,
                "seen_at": line.captured_at if _differ(line) else None,
            },
        )
        for line in shown.seen
    ]
    stopped = f"Table suspended: {words.fault(shown.incident.fault).lower()}"
    lines.append((shown.incident.opened_at, {"who": "", "words": stopped, "alarm": True}))
    lines += [
        (
            line.at,
            {
                "who": line.name,
                "words": words.done(line.act, line.data),
                "note": f"refused: {line.code}" if line.code else "",
                "done": True,
            },
        )
        for line in shown.acts
    ]
    if shown.incident.resolved_at is not None:
        ended = f"Table resumed: {shown.incident.resolution}"
        lines.append((shown.incident.resolved_at, {"who": shown.resolved_by, "words": ended}))
    return [{"at": at, **line} for at, line in sorted(lines, key=lambda pair: pair[0])]


def _differ(line: SeenLine) -> bool:
    return abs(line.received_at - line.captured_at) > CLOCKS_DIFFER


def _mark(shown: IncidentView) -> str:
    """Changes when anything on the page does."""
    round_ = shown.incident.round
    seen = (
        shown.incident.version,
        shown.incident.resolved_at,
        round_.phase if round_ else "",
        len(shown.seen),
        [(offer.act.value, offer.why) for offer in shown.offers],
        shown.stakes,
    )
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]
