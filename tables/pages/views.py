"""The live game's pages. Everything works by forms; a refused bet says why and charges nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from kernel.clock import epoch_ms
from kernel.ids import PlayerId, new_id
from kernel.refusal import Refused
from streaming.addresses import playlist_url
from tables import selectors, wording
from tables.bets import forms as bet_forms
from tables.bets import repeats
from tables.bets.intake import take_bets
from tables.bets.slips import BettingCode, Receipt, place_bets
from tables.bets.undo import undo_with_retries
from tables.models import Round, Table
from tables.pages import reality_check
from tables.pages.visit import me, standing
from tables.rules import roulette


def found_or_404(table_id: str) -> Table:
    """The table, or a page that says there is none."""
    try:
        return selectors.table(table_id)
    except Refused as refusal:
        raise Http404(wording.refusal_text(refusal)) from None


@require_GET
@login_required
def table(request: HttpRequest, table_id: str) -> HttpResponse:
    """The table itself."""
    found = found_or_404(table_id)
    return render(request, "tables/table.html", table_context(request, found))


def table_context(request: HttpRequest, found: Table) -> dict[str, Any]:
    """Everything the table page shows."""
    known = me(request)
    shown = selectors.card(found, known[1] if known else "EUR")
    now = selectors.round_now(found.id)
    bets = selectors.my_bets(known[0], now.id) if known and now else []
    rows, spins, band = selectors.statistics(found.id)
    suspended = selectors.suspended_reason(found.id)
    now_standing = standing(request, at_table=True)
    play = now_standing["play"] if now_standing else None
    return {
        "section": "tables",
        "table": shown,
        "round": now,
        "chips": bet_forms.chips(shown),
        "selected_chip": request.session.get("chip"),
        "bet_key": request.session.pop("bet_key", None) or new_id().hex,
        "balance_minor": now_standing["balance_minor"] if now_standing else 0,
        "on_table_minor": sum(bet.stake_minor for bet in bets),
        "net_minor": now_standing["net_minor"] if now_standing else 0,
        "session_started_at": now_standing["session_started_at"] if now_standing else None,
        "bets": bets,
        "results": selectors.results(found.id),
        "statistics": rows,
        "spins_counted": spins,
        "band": band,
        "paytable": selectors.paytable(found.ruleset),
        "announced": [call.code for call in roulette.ALL_ANNOUNCED],
        "can_bet": bool(known and now and now.can_bet and suspended is None),
        "suspended_reason": suspended,
        "refusal": request.session.pop("refusal", None),
        "standing": now_standing,
        "check": reality_check.facts(known, play, found.id) if known and play else None,
        "live": _live(found) | {"check_due_at": epoch_ms(play.check_due_at) if play else None},
    }


def _live(found: Table) -> dict[str, Any]:
    """What the page's script asks, and the results that its statistics begin with."""
    here = reverse("tables:table", args=[found.id])
    return {
        "urls": {
            "ticket": f"{here}ticket",
            "socket": f"/ws/tables/{found.id}/",
            "playlist": playlist_url(found.id),
            "round": reverse("tables:round_number", args=[found.id, 0]),
            "check": f"{reverse('tables:reality_check')}?part=1&table={found.id}",
            "sign_in": f"{reverse('account_login')}?next={here}",
        },
        "numbers": [
            shown.number for shown in selectors.results(found.id, selectors.RESULTS_COUNTED)
        ],
        "numbers_max": selectors.RESULTS_COUNTED,
    }


@require_GET
@login_required
def round_number(request: HttpRequest, table_id: str, number: int) -> HttpResponse:
    """The page of a round that is known by its table and number, as pushed events name it."""
    found = Round.objects.filter(table_id=table_id, number=number).only("id").first()
    if found is None:
        raise Http404
    return redirect("tables:round", found.id)


Act = Callable[[HttpRequest, str, PlayerId, str], str]


def _act(view: Act) -> Callable[[HttpRequest, str], HttpResponse]:
    """A form post of a signed-in player at a table: a refusal is shown on the table page."""

    @require_POST
    @login_required
    @wraps(view)
    def act(request: HttpRequest, table_id: str) -> HttpResponse:
        found_or_404(table_id)
        known = me(request)
        try:
            if known is None:
                raise Refused(bet_forms.FormCode.NOT_A_PLAYER)
            messages.success(request, view(request, table_id, *known))
        except Refused as refusal:
            request.session["refusal"] = bet_forms.refusal_text(refusal)
            if refusal.code is BettingCode.BUSY:  # the same key again tells what became of it
                request.session["bet_key"] = request.POST.get("key", "")
        return redirect("tables:table", table_id)

    return act


@_act
def bet(request: HttpRequest, table_id: str, player_id: PlayerId, currency: str) -> str:
    """Place one position or one announced bet with the chosen chip or a typed stake."""
    stake_minor = bet_forms.stake(request.POST, currency)
    request.session["chip"] = stake_minor
    stakes = bet_forms.stakes(request.POST, stake_minor)
    return wording.taken(
        take_bets(
            place_bets(
                player_id,
                table_id,
                key=request.POST.get("key", ""),
                currency=currency,
                stakes=stakes,
                round_number=bet_forms.round_number(request.POST),
            )
        )
    )


@_act
def undo(request: HttpRequest, table_id: str, player_id: PlayerId, currency: str) -> str:
    """Take back the last slip."""
    receipt = undo_with_retries(player_id, table_id, key=request.POST.get("key", ""))
    return wording.taken_back(receipt)


@_act
def rebet(request: HttpRequest, table_id: str, player_id: PlayerId, currency: str) -> str:
    """The bets of the last round again."""
    return _again(repeats.REBET, request, table_id, (player_id, currency))


@_act
def double(request: HttpRequest, table_id: str, player_id: PlayerId, currency: str) -> str:
    """What stands, once more on top."""
    return _again(repeats.DOUBLE, request, table_id, (player_id, currency))


def _again(wish: str, request: HttpRequest, table_id: str, player: tuple[PlayerId, str]) -> str:
    player_id, currency = player
    found = repeats.repeat(
        wish,
        player_id,
        table_id,
        key=request.POST.get("key", ""),
        currency=currency,
        round_number=bet_forms.round_number(request.POST),
    )
    return wording.taken(found if isinstance(found, Receipt) else take_bets(found))
