"""A player's one page in the admin, and what may be done there. Opening it is itself recorded."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts import sessions
from accounts.models import Player
from accounts.staff_access import staff_actor, staff_required
from audit.record import Subject, record, register
from backoffice import desk
from backoffice.models import Audience, PlayerNote
from backoffice.packs.doors import TAKE
from backoffice.payment_desk.adjustment_pages import PROPOSE, SEE
from backoffice.players import player_file
from compliance import switches
from kernel import money
from kernel.ids import PlayerId, new_id
from kernel.money import SCALES
from kernel.refusal import Refused
from ledger.postings import TransferKind
from payments.disputes import debts

OPENED: Final = register("player.page_opened", "Player's page opened")
SEARCHED: Final = register("player.searched", "Players searched")
NOTED: Final = register("player.noted", "Note about a player")
SESSIONS_ENDED: Final = register("player.sessions_ended", "Player's sessions ended by staff")

OPEN: Final = "accounts.open_file"
STOP: Final = "compliance.stop_player"
NOTE_MAX: Final = 2_000
#: What may be done to a debt, as its form groups the reasons.
DEBT_ACTS: Final = {
    TransferKind.DEBT_SETTLED: "Collect it from their account",
    TransferKind.DEBT_WRITTEN_OFF: "Write it off, as a loss of the house",
}

LIFTED: Final = "The order is lifted. Whatever else stops the player stays."
HELD_BY_OTHERS: Final = "This is not yours to lift. Ask compliance."


@require_safe
@staff_required(OPEN)
@never_cache
def search(request: HttpRequest) -> HttpResponse:
    """Find a player by number, address or name. That somebody searched is recorded."""
    words = request.GET.get("q", "")
    sees_identity = request.user.has_perm(player_file.IDENTITY)
    found = list(player_file.search(words, by_identity=sees_identity)) if words.strip() else []
    if words.strip():
        record(
            SEARCHED,
            actor=staff_actor(request),
            subject=Subject("players", "search"),
            component="backoffice",
            after={"found": len(found)},
        )
    if len(found) == 1 and words.strip() == str(found[0].pk):
        return redirect("desk:player", found[0].pk)
    facts = {
        "query": words,
        "found": found,
        "sees_identity": sees_identity,
        "found_max": player_file.FOUND_MAX,
    }
    return desk.page(request, "admin/desk/players.html", "Players", facts)


@require_safe
@staff_required(OPEN)
@never_cache
def player(request: HttpRequest, player_id: int) -> HttpResponse:
    """The page. Whoever opens it leaves a trace."""
    rights = [right for right in player_file.ALL if request.user.has_perm(right)]
    file = player_file.read(PlayerId(player_id), rights)
    if file is None:
        raise Http404
    record(
        OPENED,
        actor=staff_actor(request),
        subject=Subject("player", str(player_id)),
        component="backoffice",
        after={"parts": sorted(name for name, seen in file.sees.items() if seen)},
    )
    facts: dict[str, Any] = {
        "file": file,
        "sees": file.sees,
        "may_take_packs": request.user.has_perm(TAKE),
        "may_stop": request.user.has_perm(STOP),
        "may_dispute": request.user.has_perm("payments.propose_chargeback"),
        "may_propose": request.user.has_perm(PROPOSE),
        "may_see_proposals": request.user.has_perm(SEE),
        "debt_reasons": [(DEBT_ACTS[kind], known) for kind, known in debts.reasons()],
        "may_note": request.user.has_perm("backoffice.add_playernote"),
        "audiences": _audiences(request),
    }
    return desk.page(request, "admin/desk/player.html", f"Player {player_id}", facts)


@require_POST
@staff_required(STOP)
def stop(request: HttpRequest, player_id: int) -> HttpResponse:
    """Disable the player: the gate refuses the next bet and deposit (switch ``player:<id>``)."""
    return _throw(request, player_id, on=False)


@require_POST
@staff_required(STOP)
def release(request: HttpRequest, player_id: int) -> HttpResponse:
    """Let the player go on."""
    return _throw(request, player_id, on=True)


@require_POST
@staff_required(OPEN)  # the desk has a way of its own, behind the caller's identity
@staff_required(player_file.SESSIONS)
def end_sessions(request: HttpRequest, player_id: int) -> HttpResponse:
    """Sign the player out everywhere, with a reason."""
    _must_exist(player_id)
    reason = request.POST.get("reason", "").strip()[:400]
    if not reason:
        messages.error(request, desk.TEXTS["no_reason"])
        return redirect("desk:player", player_id)
    with transaction.atomic():
        ended = sessions.end_all(player_id)
        record(
            SESSIONS_ENDED,
            actor=staff_actor(request),
            subject=Subject("player", str(player_id)),
            component="backoffice",
            after={"sessions_ended": ended},
            reason=reason,
        )
    messages.success(request, f"Signed out everywhere: {ended} sessions ended.")
    return redirect("desk:player", player_id)


@require_POST
@staff_required(PROPOSE)
def debt(request: HttpRequest, player_id: int) -> HttpResponse:
    """Propose to collect what the player owes, or to write it off; a second person decides."""
    _must_exist(player_id)
    key, currency = desk.as_uuid(request.POST.get("key", "")), request.POST.get("currency", "")
    if key is None or currency not in SCALES:
        messages.error(request, desk.TEXTS["bad_key"])
        return redirect("desk:player", player_id)
    try:
        made = debts.propose(
            PlayerId(player_id),
            money.parse(request.POST.get("amount", ""), currency),
            reason=request.POST.get("reason", ""),
            note=request.POST.get("note", ""),
            id=key,
            actor=staff_actor(request),
        )
    except Refused as refused:
        messages.error(request, desk.refusal(refused))
        return redirect("desk:player", player_id)
    messages.success(request, "Proposed. It waits for a second person.")
    return redirect("desk:adjustment", made.id)


@require_POST
@staff_required("backoffice.add_playernote")
def note(request: HttpRequest, player_id: int) -> HttpResponse:
    """Write a note. It stays; the same key again is the same note."""
    _must_exist(player_id)
    actor, text = staff_actor(request), request.POST.get("text", "").strip()
    audience, key = request.POST.get("audience", ""), request.POST.get("key", "")[:64]
    if not text or len(text) > NOTE_MAX or audience not in dict(_audiences(request)) or not key:
        messages.error(
            request, f"A note has 1 to {NOTE_MAX} characters and readers of your role's."
        )
        return redirect("desk:player", player_id)
    try:
        with transaction.atomic():
            PlayerNote.objects.create(
                id=new_id(),
                player_id=player_id,
                author=str(actor),
                audience=audience,
                text=text,
                key=key,
            )
            record(
                NOTED,
                actor=actor,
                subject=Subject("player", str(player_id)),
                component="backoffice",
                after={"audience": audience, "characters": len(text)},
            )
    except IntegrityError:
        messages.info(request, "That note was written already.")
    return redirect("desk:player", player_id)


def _throw(request: HttpRequest, player_id: int, *, on: bool) -> HttpResponse:
    _must_exist(player_id)
    act = switches.enable if on else switches.disable
    try:
        act(
            f"player:{player_id}",
            reason=request.POST.get("reason", "").strip()[: switches.REASON_CHARS_MAX],
            actor=staff_actor(request),
        )
    except Refused as refused:
        known = (switches.SwitchCode.NOT_DISABLED, switches.SwitchCode.GIVEN_BY_OTHERS)
        if refused.code in known and not request.user.has_perm(switches.HANDLE_HIDDEN):
            messages.error(request, HELD_BY_OTHERS)  # whether there is an order they may not know
        else:
            messages.error(request, desk.refusal(refused))
    else:
        messages.success(request, LIFTED if on else "Disabled: the next bet is refused.")
    return redirect("desk:player", player_id)


def _audiences(request: HttpRequest) -> list[tuple[str, str]]:
    if request.user.has_perm(player_file.CONFIDENTIAL):
        return list(Audience.choices)
    return [(Audience.EVERYBODY.value, str(Audience.EVERYBODY.label))]


def _must_exist(player_id: int) -> None:
    if not Player.objects.filter(pk=player_id).exists():
        raise Http404
