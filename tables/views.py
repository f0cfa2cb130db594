"""The live game's pages. Everything works by forms; a refused bet says why and charges nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts import players
from audit.database_clock import database_now
from kernel.ids import PlayerId, new_id
from kernel.refusal import Refused
from ledger import accounts
from tables import bet_forms, selectors, wording
from tables.intake import take_bets
from tables.models import Round, Table
from tables.round_page import round_page
from tables.rules import roulette
from tables.slips import BettingCode, place_bets
from tables.undo import last_stakes, standing_stakes, undo_with_retries

#: Rounds on the history page; older ones through the account statement.
HISTORY_MAX = 100


def found_or_404(table_id: str) -> Table:
    """The table, or a page that says there is none."""
    try:
        return selectors.table(table_id)
    except Refused as refusal:
        raise Http404(wording.refusal_text(refusal)) from None


def me(request: HttpRequest) -> tuple[PlayerId, str] | None:
    """The signed-in player and their currency; None for visitors and staff."""
    if not request.user.is_authenticated:
        return None
    try:
        info = players.info(PlayerId(int(request.user.pk)))
    except Refused:
        return None
    return PlayerId(int(request.user.pk)), info.currency


@require_GET
def lobby(request: HttpRequest) -> HttpResponse:
    """Every table: phase in words, limits, last results."""
    known = me(request)
    currency = known[1] if known else "EUR"
    cards = []
    for found in Table.objects.all():
        shown, now = selectors.card(found, currency), selectors.round_now(found.id)
        suspended = found.status == "suspended"
        cards.append(
            {
                "id": found.id,
                "name": found.name,
                "rules_name": shown.rules_name,
                "currency": shown.currency,
                "min_minor": shown.min_minor,
                "max_minor": shown.max_minor,
                "phase": "suspended" if suspended else (now.phase if now else None),
                "phase_label": (
                    wording.phase_label("suspended")
                    if suspended
                    else (now.phase_label if now else "")
                ),
                "open": bool(now and now.can_bet and not suspended),
                "results": selectors.results(found.id, 8),
                "edge": selectors.paytable(found.ruleset)[0].edge,
            }
        )
    return render(
        request,
        "tables/lobby.html",
        {"tables": cards, "section": "tables", "standing": _standing(request)},
    )


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
    standing = _standing(request)
    return {
        "section": "tables",
        "table": shown,
        "round": now,
        "chips": bet_forms.chips(shown),
        "selected_chip": request.session.get("chip"),
        "bet_key": request.session.pop("bet_key", None) or new_id().hex,
        "balance_minor": standing["balance_minor"] if standing else 0,
        "on_table_minor": sum(bet.stake_minor for bet in bets),
        "net_minor": standing["net_minor"] if standing else 0,
        "session_started_at": standing["session_started_at"] if standing else None,
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
        "standing": standing,
    }


def _standing(request: HttpRequest) -> dict[str, Any] | None:
    """Balance, net position and time of this visit, shown on every page of the game."""
    known = me(request)
    if known is None:
        return None
    player_id, currency = known
    started = session_started_at(request)
    return {
        "currency": currency,
        "balance_minor": accounts.balance(
            accounts.player_cash(player_id, currency)
        ).available_minor,
        "net_minor": selectors.net_since(player_id, started, currency),
        "session_started_at": started,
    }


def session_started_at(request: HttpRequest) -> datetime:
    """When this visit's play began; remembered in the session."""
    text = request.session.get("play_started_at")
    if text is None:
        text = database_now().isoformat()
        request.session["play_started_at"] = text
    return datetime.fromisoformat(text)


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
    return _again(request, table_id, player_id, currency, last_stakes(player_id, table_id))


@_act
def double(request: HttpRequest, table_id: str, player_id: PlayerId, currency: str) -> str:
    """What stands, once more on top."""
    return _again(request, table_id, player_id, currency, standing_stakes(player_id, table_id))


def _again(
    request: HttpRequest,
    table_id: str,
    player_id: PlayerId,
    currency: str,
    stakes: list[tuple[str, int]],
) -> str:
    key = request.POST.get("key", "")
    slip = place_bets(
        player_id,
        table_id,
        key=key,
        currency=currency,
        stakes=stakes,
        round_number=bet_forms.round_number(request.POST),
    )
    return wording.taken(take_bets(slip))


@require_GET
@login_required
def history(request: HttpRequest) -> HttpResponse:
    """The player's own rounds."""
    known = me(request)
    rounds = selectors.my_rounds(known[0], HISTORY_MAX) if known else []
    return render(
        request,
        "tables/history.html",
        {
            "section": "history",
            "currency": known[1] if known else "EUR",
            "standing": _standing(request),
            "rounds": [
                {
                    "id": found.id,
                    "number": found.number,
                    "table_name": found.table.name,
                    "at": found.opened_at,
                    "phase": found.phase,
                    "phase_label": wording.phase_label(found.phase),
                    "result": found.result,
                    "staked_minor": staked,
                    "paid_minor": returned,
                    "currency": currency,
                    "net_minor": returned - staked,
                }
                for found, staked, returned, currency in rounds
            ],
        },
    )


@require_GET
@login_required
def round_view(request: HttpRequest, round_id: UUID) -> HttpResponse:
    """One round as the player saw it, with its evidence."""
    found = Round.objects.select_related("table").filter(id=round_id).first()
    known = me(request)
    if found is None or known is None:
        raise Http404
    context = round_page(found, known[0], known[1])
    return render(
        request,
        "tables/round.html",
        {"section": "history", "standing": _standing(request), **context},
    )


@require_GET
def rules(request: HttpRequest) -> HttpResponse:
    """Rules and paytables, generated from the modules that settle."""
    return render(
        request,
        "tables/rules.html",
        {
            "section": "tables",
            "standing": _standing(request),
            "rulesets": [
                {
                    "id": name,
                    "name": wording.rules_name(rules),
                    "la_partage": rules.la_partage,
                    "hash": roulette.rules_hash(rules),
                    "rows": selectors.paytable(name),
                }
                for name, rules in roulette.RULESETS.items()
            ],
        },
    )


@require_GET
def help_page(request: HttpRequest) -> HttpResponse:
    """How to play, what can go wrong, whom to ask."""
    return render(
        request, "tables/help.html", {"section": "tables", "standing": _standing(request)}
    )
