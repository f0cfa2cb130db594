"""The administrators' page of the self-check: what was found, check now, propose, approve."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.staff_access import staff_actor, staff_required
from audit.database_clock import database_now
from casino import jurisdiction_checks, program_hashes, self_check
from casino.self_check import DO, CheckCode, Verdict
from compliance.jurisdictions import stops
from kernel.refusal import Refused

SEE: Final = "accounts.view_program_checks"
_REFUSALS: Final = {
    CheckCode.NO_REASON: "Say why, such as: release 0.2.",
    CheckCode.NO_SUCH_BASELINE: "There is no such proposal.",
    CheckCode.SAME_PERSON: "You proposed it: somebody else approves.",
    CheckCode.STALE: "A newer one was proposed or approved. Read the page again.",
    CheckCode.APPROVED_BEFORE: "It is approved already.",
    CheckCode.NOT_STAFF: "Only staff.",
}


@require_GET
@staff_required(SEE)
@never_cache
def page(request: HttpRequest) -> HttpResponse:
    """The last check, the baseline, and what waits for a second person."""
    waiting, approved = self_check.waiting_baseline(), self_check.approved_baseline()
    changes = (
        []
        if waiting is None
        else self_check.compare(approved.files if approved else {}, waiting.files)
    )
    context = {
        "section": "self_check",
        "hosts": self_check.last_checks(),
        "changed": Verdict.CHANGED,
        "approved": approved,
        "approved_by": _name(approved.approved_by) if approved else "",
        "waiting": waiting,
        "waiting_by": _name(waiting.proposed_by) if waiting else "",
        "is_own": waiting is not None and waiting.proposed_by == str(staff_actor(request)),
        "changes": changes[: self_check.CHANGES_MAX],
        "more": max(0, len(changes) - self_check.CHANGES_MAX),
        "may_do": request.user.has_perm(DO),
        "stops": stops.ahead(database_now().date()),
        "cannot_look_for": jurisdiction_checks.cannot_look_for(),
    }
    return render(request, "staff/self_check.html", context)


@require_GET
@staff_required(SEE)
@never_cache
def checksums(request: HttpRequest) -> HttpResponse:
    """The approved files for `sha256sum --check`; what is here where nothing was approved."""
    approved = self_check.approved_baseline()
    hashes = program_hashes.measure() if approved is None else approved.files
    answer = HttpResponse(program_hashes.checksum_file(hashes), content_type="text/plain")
    answer["Content-Disposition"] = 'attachment; filename="faro.sha256"'
    return answer


@require_POST
@staff_required(DO)
def check_now(request: HttpRequest) -> HttpResponse:
    """Check this host."""
    found = self_check.check(staff_actor(request))
    if found.verdict is Verdict.CHANGED:
        messages.error(request, "Something else runs here than was approved.")
    else:
        messages.success(request, "Checked.")
    return redirect("self_check:page")


@require_POST
@staff_required(DO)
def propose(request: HttpRequest) -> HttpResponse:
    """Propose what runs here."""
    try:
        self_check.propose(staff_actor(request), request.POST.get("reason", ""))
    except Refused as refused:
        messages.error(request, _words(refused))
    else:
        messages.success(request, "Proposed. Somebody else approves it.")
    return redirect("self_check:page")


@require_POST
@staff_required(DO)
def approve(request: HttpRequest, baseline_id: UUID) -> HttpResponse:
    """Approve what somebody else proposed."""
    try:
        self_check.approve(baseline_id, staff_actor(request), digest=request.POST.get("digest", ""))
    except Refused as refused:
        messages.error(request, _words(refused))
    else:
        messages.success(request, "Approved. Checks compare with it from now on.")
    return redirect("self_check:page")


def _words(refused: Refused) -> str:
    return f"{_REFUSALS[CheckCode(refused.code)]} ({refused.code})"


def _name(actor: str | None) -> str:
    kind, _, number = (actor or "").partition(":")
    found = User.objects.filter(pk=int(number)).first() if kind == "staff" else None
    return actor or "" if found is None else found.get_full_name()
