"""The frame of our own pages inside the admin, and what they have in common.

Each page names its right (`accounts.staff_access.staff_required`); the sidebar around it is the
admin's. Words for refusals are English: staff pages are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar
from uuid import UUID

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.models import User
from compliance.wording import known_codes
from compliance.wording import refusal_text as compliance_text
from kernel.ids import Actor, ActorKind, new_id
from kernel.money import Money
from kernel.refusal import Refused
from tables.floor.words import AGAINST
from tables.opening.reasons import OpeningCode

#: What may stand against opening a table, beside what the floor has words for.
_OPENING = {
    OpeningCode.TABLE_CLOSED: "It is closed",
    OpeningCode.SWITCHED_OFF: "Play is stopped by a switch",
    OpeningCode.NO_DEVICE: "It has no device that signs",
    OpeningCode.DEVICE_SILENT: "A device is silent",
    OpeningCode.DEVICE_FAULTY: "A device reports a fault",
    **AGAINST,
}
TEXTS = {
    **{code.value: f"The table may not open. {why}." for code, why in _OPENING.items()},
    "no_reason": "Say why.",
    "reason_missing": "Say why.",
    "already_disabled": "It is disabled already.",
    "not_disabled": "It was not disabled, or somebody has enabled it meanwhile.",
    "given_by_others": "Who stopped this may stop more than you: they lift it.",
    "not_allowed": "Your role may not do this.",
    "unknown_scope": "There is nothing of this name to stop.",
    "order_lifted": "What this form stopped goes on again. Load the page to stop it once more.",
    "bad_seen": "The form does not say what its page showed. Load the page again.",
    "bad_key": "The form was incomplete. Load the page again and repeat what you did.",
    "key_conflict": "This form was sent before with other values. Load the page again.",
    "table_suspended": "The table is suspended: resolve its incidents, then open or close it.",
    "nothing_changes": "This is how it is already.",
    "out_of_bounds": "That is not possible for this table: {field}.",
    "limits_invalid": "These limits do not fit together: {field}: {why}.",
    "unknown_currency": "The house keeps no accounts in this currency.",
    "not_an_amount": "{field}: write an amount like 12.50.",
    "too_many_decimals": "{field}: this currency has {digits} decimals.",
    "already_proposed": "A change of this waits already. Decide or withdraw that one first.",
    "staff_change_waits": "This waits for a second person already. Decide or withdraw that first.",
    "unknown_change": "There is no such change.",
    "unknown_table": "There is no such table.",
    "already_decided": "Somebody has decided this already: {state}.",
    "stale_change": "The table is not what this page showed. Look again; nothing was changed.",
    "same_person": "Somebody else decides what you proposed.",
    "not_yours": "Only who proposed it takes it back.",
    "not_permitted": "Your role may not do this.",
    "email_taken": "Somebody has this address already.",
    "password_refused": "That password is too weak.",
    "not_yourself": "Nobody does this to themselves.",
    "unknown_person": "There is no such member of staff.",
    "account_closed": "This account is closed.",
    "already_held": "They hold this role already.",
    "not_held": "They do not hold this role.",
    "not_in_time": "A role ends in the future, and within a year.",
    "no_second_factor": "They have no second factor to reset.",
    "over_your_limit": "That is more than your role may.",
    "unknown_reason": "Choose one of the reasons.",
    "unknown_adjustment": "There is no such proposal.",
    "adjustment_decided": "Somebody has decided this already.",
    "unknown_chargeback": "There is no such chargeback.",
    "chargeback_decided": "Somebody has decided this already.",
    "chargeback_not_booked": "It is not booked, so nothing of it can come back.",
    "dispute_conflict": "This dispute stands already, with another deposit, amount or bearer.",
    "bad_dispute": "Write the dispute as the provider does: letters, digits and . _ : / -",
    "unknown_deposit": "There is no such deposit.",
    "dispute_won": "The provider has given this dispute back: nobody bears any of it.",
    "dispute_not_returned": "The provider has not given it back, so nothing of it can go back.",
    "nothing_borne": "The house bore all of it: there is nothing to give back to the player.",
    "dispute_closed": "Somebody has closed this dispute.",
    "dispute_still_open": "The bank has not decided yet: it cannot be closed.",
    "dispute_still_freezes": "The player's withdrawals still wait. Let them go on first.",
    "deposit_not_captured": "This deposit was not captured, or it was returned: {state}.",
    "above_deposit": "More than is left of the deposit; disputes that wait count as well.",
    "unknown_shortfall": "Say who bears what the player no longer has.",
    "above_debt": "That is more than they owe now. Nothing was moved.",
    "not_approved": "two people have not approved exactly this",
    "refused_transfer": "The books refuse it: {post_code}.",
    "below_floor": "There is not enough money on the account.",
    "unknown_account": "There is no such account.",
    "ledger_unknown_account": "There is no such account.",
    "route_not_allowed": "This kind of account is not adjusted by hand.",
    "same_account": "Money does not go from an account onto itself.",
    "currency_mismatch": "The two accounts are in different currencies.",
    "not_positive": "The amount must be more than nothing.",
    "too_large": "The amount is too large.",
    "bad_account": "An account is named by its number.",
    "bad_direction": "Say whether the money comes or goes.",
    "pack_of_the_future": "That instant has not come yet. Nothing was taken.",
    "pack_before_it_began": "At that instant there was nothing of it yet. Nothing was taken.",
    "another_pack_is_made": "The house makes another pack just now, and one at a time."
    " Try again in a minute. Nothing was taken.",
    "pack_takes_too_long": "This pack takes longer than a quarter of an hour. Nothing was taken."
    " Take the rounds or players that you need.",
    "pack_instant_unreadable": "Write the instant as in a manifest: 2026-11-27T18:00:00Z.",
    "report_days_unreadable": "Write a gaming day as 2026-11-27.",
    "report_days_backwards": "The last day is before the first.",
    "report_too_many_days": "A report has at most {days} days. Ask for less.",
    "report_instant_too_young": "At that instant money may still be moving. Ask as of {latest} or"
    " earlier, or leave it empty.",
    "report_takes_too_long": "This takes longer than somebody should wait. Ask for fewer days, or"
    " take the file.",
    "not_in_review": "Somebody has decided this already: {state}.",
    "withdrawal_account_stopped": "The account is stopped: nothing of it is paid until it goes on.",
    "withdrawal_not_verified": "Their age or identity is not verified any more: nothing is paid"
    " until it is. You can reject it.",
    "withdrawal_reason_missing": "Say why.",
    "withdrawal_same_person": "You said so already. Somebody else looks at it now.",
    "payout_account_reason_missing": "Say which document shows it, or why not.",
    "payout_account_decided": "Somebody has decided this already.",
    "role_needs_an_end": "This role is for people from outside: say until which day.",
    "role_is_held_alone": "An inspector holds no other role: take the one they have first.",
    "no_device": "They have no second factor to reset.",
}


def page(
    request: HttpRequest, template: str, title: str, facts: dict[str, Any], status: int = 200
) -> HttpResponse:
    """``template`` inside the admin's frame."""
    frame = admin.site.each_context(request)
    context = {**frame, "title": title, "key": new_id().hex, **facts}
    return render(request, template, context, status=status)


def refusal(refused: Refused) -> str:
    """The refusal as staff read it, its code in brackets."""
    code = str(refused.code)
    if code in TEXTS:
        data = {
            name: state(str(value)) if name == "state" else str(value)
            for name, value in refused.data.items()
        }
        try:
            text = TEXTS[code].format(**data)
        except KeyError:
            text = TEXTS[code]
    elif code in known_codes():
        text = compliance_text(code, refused.data)
    else:
        text = "Refused."
    return f"{text} ({code})"


def amount(minor: int | None, currency: str) -> str:
    """Money as staff read it: ``1,234.50 EUR``; nothing for None."""
    if minor is None:
        return ""
    plain = Money(abs(minor), currency).decimal()
    units, point, cents = plain.partition(".")
    return f"{'−' if minor < 0 else ''}{int(units):,}{point}{cents} {currency}"


def state(code: str) -> str:
    """A state, verdict or outcome as staff read it: ``refund due``."""
    return code.replace("_", " ")


class Proposal(Protocol):
    """Something that one person proposed and another decides."""

    @property
    def id(self) -> UUID: ...

    @property
    def decision(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class NotDone:
    """Why an act was refused, and what was typed for it: the page shows both."""

    answer: str = ""
    typed: str = ""

    @property
    def status(self) -> int:
        return 409 if self.answer else 200


T = TypeVar("T")


def attempt(
    do: Callable[[], T], *, unknown: StrEnum, words: Callable[[Refused], str], typed: str
) -> T | NotDone:
    """What came of it; `NotDone` with what was typed where it is refused; 404 for ``unknown``."""
    try:
        return do()
    except Refused as refused:
        if refused.code == unknown:
            raise Http404 from None
        return NotDone(words(refused), typed)


def told(
    request: HttpRequest,
    do: Callable[[], T],
    said: str | Callable[[T], str],
    *,
    unknown: StrEnum | None = None,
    words: Callable[[Refused], str] = refusal,
) -> None:
    """Do it and say what came of it, above the page that is shown next; 404 for ``unknown``."""
    try:
        done = do()
    except Refused as refused:
        if refused.code == unknown:
            raise Http404 from None
        messages.error(request, words(refused))
    else:
        messages.success(request, said if isinstance(said, str) else said(done))


def act(
    request: HttpRequest, page: str, id: UUID, do: Callable[[], Proposal], *, unknown: StrEnum
) -> HttpResponse:
    """Do it, say what came of it, and back to the proposal's ``page``; 404 for ``unknown``."""
    try:
        done = do()
    except Refused as refused:
        if refused.code == unknown:
            raise Http404 from None
        messages.error(request, refusal(refused))
        return redirect(page, id)
    said = done.decision or "entered; it waits for a second person"
    messages.success(request, f"Done: {said}.")
    return redirect(page, done.id)


def named(actors: Iterable[str]) -> dict[str, str]:
    """Who stands behind each ``kind:id``; staff by name or address. One query for all of them."""
    wanted = set(actors)
    ids = {one: one.partition(":")[2] for one in wanted if one.startswith(f"{ActorKind.STAFF}:")}
    numbers = [int(number) for number in ids.values() if number.isdecimal()]
    people = {str(one.pk): one.get_full_name() for one in User.objects.filter(pk__in=numbers)}
    return {one: people.get(ids.get(one, ""), one) for one in wanted}


def as_uuid(text: str) -> UUID | None:
    """``text`` as an id; None where somebody typed something else."""
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def is_staff_actor(actor: Actor) -> bool:
    """Whether a person of the house acts."""
    return actor.kind is ActorKind.STAFF
