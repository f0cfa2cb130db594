"""A round's page in the admin, and its evidence as one file."""

from __future__ import annotations

import hashlib
from typing import Any, Final
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import User
from accounts.staff_access import staff_actor, staff_required
from backoffice import desk
from backoffice.desk import amount
from backoffice.evidence import evidence_doors, round_evidence
from backoffice.evidence.evidence_doors import TAKE
from backoffice.packs import doors
from tables import clips
from tables.models import Round

SEE: Final = "tables.view_round"
SEE_BETS: Final = "tables.view_bet"
SEE_OBSERVATIONS: Final = "tables.view_sightingrecord"
SEE_TRANSFERS: Final = "ledger.view_transferrow"
#: Rows of each part on the page; the file has them all.
SHOWN: Final = 200


@require_safe
@staff_required(SEE)
@never_cache
def evidence(request: HttpRequest, round_id: UUID) -> HttpResponse:
    """What is stored of a round, each part for whoever may see it; signatures verified again."""
    may = request.user.has_perm
    built = round_evidence.build(round_id)
    if built is None:
        raise Http404
    found = Round.objects.get(id=round_id)
    facts: dict[str, Any] = {
        "round": built["round"],
        "rules_agree": found.rules_hash == round_evidence.engine_hash(found.ruleset),
        "presenter": _presenter(built),
        "events": built["events"][:SHOWN],
        "incidents": built["incidents"],
        "corrections": built["corrections"],
        "clip": built["clip"],
        "clip_url": clips.clip_url(found, at_staff_door=True),
        "bets": _bets(built) if may(SEE_BETS) else None,
        "observations": _observations(built) if may(SEE_OBSERVATIONS) else None,
        "transfers": _transfers(built) if may(SEE_TRANSFERS) else None,
        "left_out": {
            part: max(0, len(built[part]) - SHOWN)
            for part in ("bets", "events", "observations", "transfers")
        },
        "whole": built["whole"],
        "may_take": may(TAKE),
        "may_take_packs": may(doors.TAKE),
        "sha256": hashlib.sha256(round_evidence.as_bytes(built)).hexdigest(),
        "in_admin": reverse("admin:tables_round_change", args=[round_id]),
    }
    title = f"Round {found.number} at {found.table_id}"
    return desk.page(request, "admin/desk/round.html", title, facts)


@require_safe
@staff_required(TAKE)
@never_cache
def evidence_file(request: HttpRequest, round_id: UUID) -> HttpResponse:
    """The evidence as one JSON file. Who took it, and its hash, is recorded."""
    taken = evidence_doors.take(round_id, actor=staff_actor(request), door="page")
    if taken is None:
        raise Http404
    answer = HttpResponse(taken.data, content_type="application/json")
    answer["Content-Disposition"] = f'attachment; filename="{taken.name}"'
    return answer


def _presenter(built: dict[str, Any]) -> str:
    person = built["presenter"]
    if person is None:
        return ""
    user = User.objects.filter(pk=person["person"]).first()
    return user.get_full_name() if user else f"staff {person['person']}"


def _bets(built: dict[str, Any]) -> list[dict[str, Any]]:
    ends: dict[str, list[dict[str, Any]]] = {}
    for end in built["outcomes"]:
        ends.setdefault(end["bet"], []).append(end)
    return [
        {
            **bet,
            "stake": amount(bet["stake_minor"], bet["currency"]),
            "ends": ", ".join(
                f"{end['kind']} {amount(end['returned_minor'], bet['currency'])}"
                + (f" (version {end['version']})" if end["version"] > 1 else "")
                for end in ends.get(bet["id"], ())
            ),
        }
        for bet in built["bets"][:SHOWN]
    ]


def _observations(built: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {**one, "is_good": round_evidence.verified(one)} for one in built["observations"][:SHOWN]
    ]


def _transfers(built: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {**one, "amount": amount(one["amount_minor"], one["currency"])}
        for one in built["transfers"][:SHOWN]
    ]
