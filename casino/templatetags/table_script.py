"""`{% table_script %}`: all that the table page's script needs to know, as one JSON in the page.

Scripts hold no text of any language and no rule of the game: names, odds, places on the cloth and
announced bets come from `tables.rules.roulette`, words from here, translated with the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django import template
from django.templatetags.static import static
from django.utils.html import json_script
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from casino.templatetags import felt, money
from kernel.written import MINUS
from tables import wording
from tables.phases import Phase
from tables.play.evidence import Fault
from tables.rules.roulette import ALL_ANNOUNCED, ALL_POSITIONS, NUMBERS, ORDER, BetKind, colour
from tables.selectors import TableCard

register = template.Library()

#: What `static/js/table.js` imports, so that a browser asks for all of it at once.
MODULES: Final = (
    "announce", "around", "betting", "check", "clock", "cloth", "connection", "dom", "felt", "keys",
    "more", "panels", "phase", "race", "reveal", "slips", "state", "toasts", "video", "view",
    "words",
)  # fmt: skip
#: The element that `static/js/table/words.js` reads.
ELEMENT: Final = "table-config"


@register.simple_tag
def table_modules() -> list[str]:
    """Addresses of the modules of the table page's script."""
    return [static(f"js/table/{name}.js") for name in MODULES]


@register.simple_tag
def table_script(table: TableCard, live: Mapping[str, Any]) -> SafeString:
    """The page's JSON. ``live`` holds addresses and counted results, from the view."""
    page = {
        **live,
        "table": table.id,
        "currency": table.currency,
        "writing": money.writing(table.currency),
        "hls": static("vendor/hls.js/hls.light.min.js"),
        "chip_styles": felt.chip_styles(table.currency),
        "positions": {
            position.code: [
                wording.position_name(position.code),
                felt.position_short(position.code),
                position.odds,
                *felt.places(position),
            ]
            for position in ALL_POSITIONS
        },
        "calls": {
            call.code: [[position.code, count] for position, count in call.chips]
            for call in ALL_ANNOUNCED
            if not call.code.startswith("neighbours:")
        },
        "call_names": felt.sector_names(),
        "wheel": list(ORDER),
        "colours": [str(colour(number)) for number in NUMBERS],
        "minus": MINUS,
        "words": _words(),
    }
    return json_script(page, ELEMENT)


def _words() -> dict[str, Any]:
    return {
        **_phase_words(),
        **_bet_words(),
        **_link_words(),
        **_picture_words(),
        "kinds": {str(kind): wording.kind_name(kind) for kind in BetKind},
        "colours": {name: felt.colour_name(name) for name in ("red", "black", "green")},
    }


def _phase_words() -> dict[str, Any]:
    return {
        "phases": {str(phase): wording.phase_label(phase) for phase in Phase}
        | {"idle": _("Between rounds")},
        "faults": {str(fault): wording.fault_text(fault) for fault in Fault}
        | {"other": wording.fault_text("")},
        "closed": _("The table is closed"),
        "closes_in": _("closes in"),
        "official": _("Official"),
        "next_round": _("Next round in about %(seconds)s s"),
        "next_soon": _("Next round soon"),
        "say_open": _("%(phase)s, %(seconds)s seconds"),
        "say_result": _("%(number)s. Paid %(paid)s, net %(net)s."),
        "late": _("The last round: %(number)s"),
        "round": _("round %(number)s"),
    }


def _bet_words() -> dict[str, Any]:
    return {
        "bet_name": _("%(bet)s, pays %(odds)s to 1"),
        "bet_on_it": _("%(bet)s, %(sum)s on it"),
        "neighbours": _("%(number)s and %(each)s neighbours each side"),
        "neighbours_name": _("%(number)s and its neighbours ±%(each)s"),
        "accepted": _("%(sum)s on %(bet)s accepted"),
        "accepted_many": _("%(sum)s on %(count)s bets accepted"),
        "receipt": _("Receipt %(receipt)s"),
        "taken_back": _("%(sum)s taken back"),
        "refused": _("%(sum)s on %(bet)s not taken"),
        "refused_act": _("%(act)s was not done"),
        "nothing_charged": _("Nothing was charged."),
        "unsure": _("We do not know yet whether that bet was taken."),
        "unsure_more": _("Your bets show what was accepted."),
        "several": _("%(count)s bets"),
        "count_accepted": _("%(count)s accepted"),
        "all_bets": _("All %(count)s bets"),
        "pays": _("Pays if it wins"),
        "paid": _("Paid"),
        "paid_to_you": _("Paid to you"),
        "bets_stand": _("Your bets stand"),
        "your_bets": _("Your bets"),
        "won_of": _("%(won)s of %(count)s bets won"),
        "bets_with": _("Bets with %(number)s"),
        "each_adds": _("Each press adds %(sum)s."),
        "take_off": _("Take %(bet)s off"),
        "only_last": _("Only the last bet can be taken off. Undo goes back step by step."),
        "no_bets": _("There is no bet to take back."),
        "not_now": _("Betting is closed."),
        "waiting": _("Waiting for the answer"),
        "chip_chosen": _("Chip %(sum)s"),
        "undo": _("Undo"),
        "double": _("Double"),
        "rebet": _("Rebet"),
    }


def _link_words() -> dict[str, Any]:
    return {
        "joining": _("Connecting"),
        "lost": _("Connection lost. Betting is off"),
        "trying": _("Trying again"),
        "say_lost": _("Connection lost. Betting is off. Bets that we accepted stand."),
        "say_back": _("Connected again"),
        "over": _("Betting is off"),
        "over_more": _("This page is no longer connected. Bets that we accepted stand."),
        "signed_out": _("You are signed out. Bets that we accepted stand."),
        "sign_in": _("Sign in"),
    }


def _picture_words() -> dict[str, Any]:
    return {
        "behind": _("%(seconds)s s behind"),
        "latency_low": _("Low delay"),
        "latency_medium": _("Medium delay"),
        "latency_high": _("High delay: the picture is late. Betting follows our server's clock."),
        "stalled": _("The picture has stopped. The game goes on."),
        "poor": _("The picture is late. Results do not wait for it."),
        "quality": _("Picture quality"),
        "auto": _("Auto"),
        "show_picture": _("Show the picture"),
        "chart": _(
            "How often each number came in the last %(spins)s rounds; on a fair wheel most lie"
            " between %(low)s and %(high)s"
        ),
        "chart_note": _("Last %(spins)s rounds."),
        "chart_note_one": _("Last %(spins)s round."),
        "was": _("Corrected: was %(was)s"),
        "corrected": _("Round %(round)s is corrected: %(number)s instead of %(was)s."),
    }
