"""The words of the live game: positions, phases, refusals. Translated where they are shown."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _

from compliance import wording as compliance_wording
from kernel.money import Money
from kernel.refusal import Refused
from tables.bets.slips import BettingCode, Receipt
from tables.incidents import procedures
from tables.incidents.procedures import Told
from tables.phases import Phase
from tables.play.evidence import Fault, Source
from tables.rules.roulette import BetKind, Position, RulesCode, Ruleset, parse_position


def position_name(code: str) -> str:
    """A position in words: ``split:14-17`` as "Split 14 and 17". An unknown code is returned."""
    try:
        return _name(parse_position(code))
    except Refused:
        return code


def kind_name(kind: BetKind) -> str:
    """A kind of bet in words."""
    return {
        BetKind.STRAIGHT: _("Straight up"),
        BetKind.SPLIT: _("Split"),
        BetKind.STREET: _("Street"),
        BetKind.TRIO: _("Trio"),
        BetKind.CORNER: _("Corner"),
        BetKind.FIRST_FOUR: _("First four"),
        BetKind.SIX_LINE: _("Six line"),
        BetKind.COLUMN: _("Column"),
        BetKind.DOZEN: _("Dozen"),
        BetKind.RED: _("Red"),
        BetKind.BLACK: _("Black"),
        BetKind.EVEN: _("Even"),
        BetKind.ODD: _("Odd"),
        BetKind.LOW: _("1 to 18"),
        BetKind.HIGH: _("19 to 36"),
    }[kind]


def _name(position: Position) -> str:  # noqa: PLR0911  (one case each)
    numbers = list(map(str, position.numbers))
    kind = kind_name(position.kind)
    facts = {"kind": kind, "one": numbers[0], "last": numbers[-1], "which": position.code[-1]}
    match position.kind:
        case BetKind.STRAIGHT:
            return _("Straight %(one)s") % facts
        case BetKind.SPLIT:
            return _("Split %(one)s and %(last)s") % facts
        case BetKind.STREET | BetKind.SIX_LINE:
            return _("%(kind)s %(one)s to %(last)s") % facts
        case BetKind.COLUMN:
            return _("Column %(which)s") % facts
        case BetKind.DOZEN:
            return (_("1st dozen"), _("2nd dozen"), _("3rd dozen"))[int(position.code[-1]) - 1]
        case BetKind.TRIO | BetKind.CORNER | BetKind.FIRST_FOUR:
            return f"{kind} {' '.join(numbers)}"
        case _:
            return kind


def rules_name(rules: Ruleset) -> str:
    """The rules of a table as its title says them."""
    return _("Roulette · la partage") if rules.la_partage else _("Roulette · single zero")


def phase_label(phase: str) -> str:
    """A phase as the phase bar says it."""
    return {
        Phase.BETTING_OPEN: _("Place your bets"),
        Phase.CLOSING_SOON: _("Last bets"),
        Phase.NO_MORE_BETS: _("No more bets"),
        Phase.SPINNING: _("Ball in play"),
        Phase.NO_SPIN: _("No spin: bets stand, the ball is launched again"),
        Phase.RESULT_PENDING: _("Checking the result"),
        Phase.OFFICIAL: _("Official"),
        Phase.SETTLED: _("Settled"),
        Phase.SUSPENDED: _("Paused. Your bets are safe"),
        Phase.VOIDED: _("Void: every bet returned"),
    }[Phase(phase)]


def event_label(kind: str, data: Mapping[str, object]) -> str:
    """An event of a table as the page of its round tells it."""
    if kind == "no_spin":
        return _("No spin: bets stand")
    if kind == "corrected":
        return _("Result corrected")
    return phase_label(str(data["phase"])) if data.get("phase") else kind


def source_name(source: str) -> str:
    """Who said the number."""
    return {
        Source.SENSOR: _("the wheel's sensor"),
        Source.PRESENTER: _("the presenter"),
        Source.MANUAL: _("two people of the house, by hand"),
    }[Source(source)]


def fault_text(fault: str) -> str:
    """Why a table is paused, as far as a player needs it."""
    told = procedures.of(fault).told if fault in set(Fault) else Told.SUPERVISOR
    return {
        Told.SOURCES: _(
            "The sources of the result do not agree. Nobody is paid on a doubtful number."
        ),
        Told.DEVICE: _("A device of the table is being checked."),
        Told.SUPERVISOR: _("A supervisor is looking at the table."),
    }[told]


def refusal_text(refusal: Refused) -> str:
    """Why a bet was refused, in words. The page adds that nothing was charged."""
    known = _betting_text(refusal) or _rules_text(refusal)
    return known or compliance_wording.refusal_text(str(refusal.code), refusal.data)


def _betting_text(refusal: Refused) -> str:
    if not isinstance(refusal.code, BettingCode):
        return ""
    return {
        BettingCode.TOO_LATE: _("Too late: betting was closed."),
        BettingCode.NOT_OPEN: _("No round is open for bets."),
        BettingCode.TABLE_SUSPENDED: _("The table is paused."),
        BettingCode.KEY_CONFLICT: _("This form was sent before with other bets. Try again."),
        BettingCode.BAD_KEY: _("The form was incomplete. Try again."),
        BettingCode.INSUFFICIENT_FUNDS: _("Your balance does not cover these bets."),
        BettingCode.CURRENCY_NOT_OFFERED: _("This table is not played in your currency."),
        BettingCode.NOTHING_TO_UNDO: _("There is no bet to take back."),
        BettingCode.NOTHING_TO_REPEAT: _("There are no bets to repeat."),
        BettingCode.UNKNOWN_TABLE: _("There is no such table."),
        BettingCode.BUSY: _("The table is very busy. Try again."),
    }[refusal.code]


def _rules_text(refusal: Refused) -> str:
    if not isinstance(refusal.code, RulesCode):
        return ""
    facts = {name: str(value) for name, value in refusal.data.items()}
    for name in ("min_minor", "max_minor", "step_minor"):
        if name in facts:
            amount = Money(int(facts[name]), facts["currency"])
            facts["bound"] = compliance_wording.amount_text(amount)
    facts["position"] = position_name(facts.get("position", ""))
    return {
        RulesCode.UNKNOWN_POSITION: _("There is no such bet."),
        RulesCode.UNKNOWN_ANNOUNCED: _("There is no such announced bet."),
        RulesCode.UNKNOWN_RULESET: _("There are no such rules."),
        RulesCode.EMPTY_SLIP: _("Choose a bet first."),
        RulesCode.TOO_MANY_STAKES: _("Too many bets at once."),
        RulesCode.BELOW_MINIMUM: _("%(position)s takes at least %(bound)s."),
        RulesCode.OFF_CHIP_STEP: _("Stakes are multiples of %(bound)s."),
        RulesCode.ABOVE_POSITION_MAXIMUM: _("%(position)s takes at most %(bound)s in all."),
        RulesCode.BELOW_TABLE_MINIMUM: _("The table's minimum is %(bound)s."),
        RulesCode.ABOVE_TABLE_MAXIMUM: _("The table's maximum for one round is %(bound)s."),
        RulesCode.LIMITS_INVALID: _("The table's limits are not set up correctly."),
    }[refusal.code] % facts


def taken(receipt: Receipt) -> str:
    """What an accepted slip is told."""
    amount = Money(receipt.total_minor, receipt.currency)
    return _("%(sum)s accepted in round %(round)s.") % {
        "sum": compliance_wording.amount_text(amount),
        "round": receipt.round_number,
    }


def taken_back(receipt: Receipt) -> str:
    """What an undo is told."""
    amount = Money(receipt.total_minor, receipt.currency)
    return _("%(sum)s taken back.") % {"sum": compliance_wording.amount_text(amount)}


def closed_text(code: str) -> str:
    """Why a table's page is cut off by order."""
    return {
        "excluded": _("You have excluded yourself. Bets that were accepted stand."),
        "break": _("Your break has begun. Bets that were accepted stand."),
        "password_changed": _("The password was changed. Sign in again to go on."),
    }.get(code) or _("You were signed out elsewhere. Bets that were accepted stand.")
