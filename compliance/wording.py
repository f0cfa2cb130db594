"""What a refused player reads: each code in plain words, and what they can do. Text, no decisions.

Apps above show the gate's refusals too; they ask here, so that one refusal reads the same anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from django.utils.formats import date_format
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from compliance.models import Status
from compliance.standing import StandingNow
from kernel.money import SCALES, Money
from kernel.written import written

Data = Mapping[str, str | int | bool | None]


def moment_text(at: datetime) -> str:
    """An instant as people here read it: ``28 November 2026, 17:46 UTC``."""
    return f"{date_format(at.astimezone(UTC), _('j F Y, H:i'))} UTC"


def amount_text(amount: Money) -> str:
    """An amount within a sentence, as the pages around it write it: ``€12.50``, ``12,50 €``."""
    return written(amount, get_language() or "en")


def _moment(data: Data, name: str) -> str:
    value = data.get(name)
    return moment_text(datetime.fromisoformat(value)) if isinstance(value, str) else "–"


def stopped_text(standing: StandingNow | None, now: datetime) -> str:
    """Why a player neither bets nor deposits for now, in words; empty where nothing stops them.

    For pages that would otherwise offer it: the account itself, breaks and exclusions. The gate
    decides, and refuses for more reasons than these.
    """
    if standing is None:
        return ""
    if standing.status != Status.ACTIVE:
        return refusal_text(standing.status.value, {})
    if standing.excluded(now) and standing.excluded_until is not None:
        until = standing.excluded_until.isoformat()
        holds = standing.exclusion_holds
        return refusal_text("excluded", {"until": until, "until_you_return": holds})
    if standing.cooling_off(now) and standing.cool_off_until is not None:
        return refusal_text("cooling_off", {"until": standing.cool_off_until.isoformat()})
    return ""


def _sum(data: Data, name: str) -> str:
    minor, currency = data.get(name), data.get("currency")
    if not isinstance(minor, int) or not isinstance(currency, str) or currency not in SCALES:
        return "–"
    return amount_text(Money(minor, currency))


def _period(data: Data) -> str:
    return {"day": _("day"), "week": _("week"), "month": _("month")}.get(
        str(data.get("period")), _("period")
    )


def _excluded(data: Data) -> str:
    if data.get("until_you_return"):
        return _(
            "You are excluded from play until %(until)s, and after that until you ask to come back."
            " You can withdraw your money at any time."
        ) % {"until": _moment(data, "until")}
    return _(
        "You are excluded from play until %(until)s. You can withdraw your money at any time."
    ) % {"until": _moment(data, "until")}


def time_text(seconds: int) -> str:
    """So much time in short units that every language here writes alike: ``2 h 30 min``."""
    minutes, rest = divmod(max(0, seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours} h"] if hours else []
    if minutes:
        parts.append(f"{minutes} min")
    if rest and not hours:
        parts.append(f"{rest} s")
    return " ".join(parts) or "0 min"


def _time(data: Data, name: str) -> str:
    value = data.get(name)
    return time_text(value) if isinstance(value, int) else "–"


def _above(data: Data) -> str:
    most = _time(data, "most_s") if "most_s" in data else _sum(data, "limit_minor")
    return _("More than %(most)s per %(period)s is not possible. Nothing was changed.") % {
        "most": most,
        "period": _period(data),
    }


def _limit(data: Data, words: str) -> str:
    return words % {
        "limit": _sum(data, "limit_minor"),
        "left": _sum(data, "left_minor"),
        "period": _period(data),
    }


def _disabled(data: Data) -> str:
    """What is stopped, as far as the order says: one about a person says nothing more."""
    scope = str(data.get("scope", ""))
    if scope == "deposits":
        return _("We take no deposits at the moment. Nothing was charged. Try again later.")
    if scope == "withdrawals":
        return _("Withdrawals are stopped at the moment. Your money stays yours. Try again later.")
    if scope.startswith("provider:"):
        return _(
            "Our payment provider is not available at the moment. Nothing was charged. Try again"
            " later."
        )
    return _("This is stopped at the moment by us. Nothing was charged.")


#: What a register asks for, as a field's label says it.
FACT_NAMES: Final = {
    "given_name": gettext_lazy("Given name"),
    "family_name": gettext_lazy("Family name"),
    "postcode": gettext_lazy("Postcode"),
    "national_number": gettext_lazy("Personal number"),
}


def _facts(data: Data) -> str:
    words = str(data.get("facts", "")).split()
    return ", ".join(str(FACT_NAMES[word]) for word in words if word in FACT_NAMES)


_TEXTS: Final[dict[str, Callable[[Data], str]]] = {
    "no_standing": lambda _d: _("This account is not set up for play. Our support can help."),
    "suspended": lambda _d: _("Your account is suspended while we look at it. Ask our support."),
    "closed": lambda _d: _("This account is closed. Money left in it can be withdrawn."),
    "closed_and_empty": lambda _d: _(
        "This account is closed, and there is no money left in it to withdraw."
    ),
    "already_closed": lambda _d: _("This account is closed already."),
    "excluded": _excluded,
    "cooling_off": lambda d: (
        _("You are taking a break until %(until)s. You can withdraw at any time.")
        % {"until": _moment(d, "until")}
    ),
    "under_age": lambda d: (
        _("You must be at least %(age)s years old.") % {"age": d.get("minimum_age", 18)}
    ),
    "not_verified": lambda _d: _("We have to check your identity before this is possible."),
    "documents_overdue": lambda _d: _(
        "We are waiting for documents from you. See “Verification” for what is still missing."
    ),
    "not_offered": lambda _d: _("Live tables may not be offered where you live."),
    "not_signed_off": lambda _d: _(
        "Play is not open where you live: the rules of that place wait to be confirmed by us."
    ),
    "wrong_currency": lambda _d: _("Your account is kept in another currency."),
    "not_positive": lambda _d: _("The amount must be above zero."),
    "disabled": _disabled,
    "deposit_limit": lambda d: _limit(
        d,
        _("Your deposit limit is %(limit)s per %(period)s; %(left)s is left. Nothing was charged."),
    ),
    "loss_limit": lambda d: _limit(
        d, _("Your loss limit is %(limit)s per %(period)s; %(left)s is left. No bet was placed.")
    ),
    "net_deposit_limit": lambda d: _limit(
        d,
        _(
            "Your net pay-in limit is %(limit)s per %(period)s; %(left)s is left. Nothing was"
            " charged."
        ),
    ),
    "balance_limit": lambda d: _limit(
        d,
        _(
            "Your balance limit is %(limit)s; with open bets and withdrawals under way, a deposit"
            " of %(left)s would reach it. Nothing was charged."
        ),
    ),
    "wager_limit": lambda d: _limit(
        d, _("Your stake limit is %(limit)s per %(period)s; %(left)s is left. No bet was placed.")
    ),
    "time_limit": lambda d: (
        _(
            "Your time limit of %(limit)s per %(period)s is used up. No bet was placed; bets that"
            " stand are settled."
        )
        % {"limit": _time(d, "limit_s"), "period": _period(d)}
    ),
    "session_over": lambda d: (
        _("You have played as long as one session may last. Play goes on at %(until)s.")
        % {"until": _moment(d, "until")}
    ),
    "reality_check": lambda _d: _(
        "Have a look at how you are doing first. No bet was placed; bets that stand are settled."
    ),
    "limits_missing": lambda _d: _(
        "Where you live, limits have to be set before you deposit or play: under Play safely."
    ),
    "limit_above_policy": _above,
    "not_a_time": lambda _d: _("That is no time. Write minutes like 90, or 1:30."),
    "check_too_often": lambda _d: _("A check cannot come more often than every five minutes."),
    "check_too_rare": lambda d: (
        _("Where you live, a check comes every %(longest)s at the latest.")
        % {"longest": _time(d, "longest_s")}
    ),
    "country_not_offered": lambda _d: _(
        "We may not offer play to people who live in this country. No account was opened."
    ),
    "currency_not_offered": lambda _d: _("We do not keep accounts in this currency there."),
    "implausible_birth": lambda _d: _("That cannot be a date of birth. Check the year."),
    "sign_up_disabled": lambda _d: _("New accounts are not opened at the moment. Try later."),
    "limit_not_positive": lambda _d: _(
        "A limit must be above zero. To stop altogether, take a break or exclude yourself."
    ),
    "limit_wrong_currency": lambda d: (
        _("Limits are set in the currency of your account, %(currency)s.")
        % {"currency": d.get("currency", "")}
    ),
    "limit_not_offered": lambda _d: _("This kind of limit is not offered where you live."),
    "nothing_pending": lambda _d: _("No higher limit is waiting."),
    "increase_not_yet": lambda d: (
        _("The higher limit can be confirmed from %(at)s on.") % {"at": _moment(d, "at")}
    ),
    "exclusion_too_short": lambda d: (
        _("It must last until %(least)s at least.") % {"least": _moment(d, "least")}
    ),
    "cool_off_too_long": lambda d: (
        _("A break ends by %(longest)s at the latest. For longer, exclude yourself.")
        % {"longest": _moment(d, "longest")}
    ),
    "exclusion_would_shorten": lambda d: (
        _("It already lasts until %(until)s and cannot be shortened.")
        % {"until": _moment(d, "until")}
    ),
    "fact_missing": lambda _d: _("The national register of excluded people asks for this."),
    "fact_too_long": lambda _d: _("That is too long."),
    "fact_no_name": lambda _d: _("A name has letters."),
    "fact_no_postcode": lambda _d: _("That is no postcode. Write it like SW1A 1AA."),
    "fact_no_number": lambda _d: _("That is no personal number. Check its digits."),
    "fact_other_birth": lambda _d: _(
        "This number does not go with the date of birth of your account. Check both; our support"
        " can help."
    ),
    "fact_other_name": lambda _d: _(
        "That is not the name of this account. Write it as in your passport; our support can help."
    ),
    "registry_needs_nothing": lambda _d: _("The register has what it needs."),
    "registry_facts_missing": lambda d: (
        _(
            "Before you play, the national register of excluded people needs from you: %(facts)s."
            " You can tell it under Play safely. You can withdraw your money at any time."
        )
        % {"facts": _facts(d)}
    ),
    "not_at_present": lambda _d: _(
        "We cannot open this account to you at present. If you think that is a mistake, write to"
        " our support. If play worries you, our page Play safely says who helps."
    ),
    "registry_excluded": lambda _d: _(
        "The national register of excluded people has you in it, so you cannot bet or deposit."
        " You can withdraw your money at any time."
    ),
    "registry_unclear": lambda _d: _(
        "The national register of excluded people has not said yet that you may play. We go on"
        " asking. You can withdraw your money at any time."
    ),
    "under_review": lambda _d: _(
        "We are still looking at your account. You can bet and deposit when that is done."
    ),
    "place_not_allowed": lambda _d: _(
        "Play may not be offered where you are now. You can withdraw your money from anywhere."
    ),
    "place_unknown": lambda _d: _(
        "We have to know where you are before you play. Load this page again, without a proxy."
    ),
    "place_not_checked": lambda _d: _(
        "We cannot see at the moment where you are, and the law where you live asks for that. Play"
        " goes on when we can. You can withdraw your money at any time."
    ),
    "return_is_the_players": lambda _d: _("Only the player can ask to come back."),
    "reason_missing": lambda _d: _("Tell us why in a few words."),
    "not_excluded": lambda _d: _("You have not excluded yourself."),
    "exclusion_not_over": lambda d: (
        _("Your exclusion lasts until %(until)s.") % {"until": _moment(d, "until")}
    ),
    "not_an_amount": lambda _d: _("That is not an amount. Write it like 20 or 20.50."),
    "too_many_decimals": lambda _d: _("That has more decimals than the currency."),
}


def refusal_text(code: str, data: Data) -> str:
    """Plain words for a refusal; a code without words of its own still says what is certain."""
    words = _TEXTS.get(code)
    return words(data) if words else _("This is not possible at present. Nothing was charged.")


def known_codes() -> frozenset[str]:
    """Codes that have words of their own: a test compares them with the codes there are."""
    return frozenset(_TEXTS)
