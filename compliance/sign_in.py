"""The sign-in decision: allauth's adapter with the house's rules about who may enter.

An excluded player may sign in: the gate then refuses bets and deposits, and withdrawing stays
possible, as it must. Who may not have an account learns it before one exists.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from django import forms
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from accounts import known_browser, rate_limits
from accounts.adapter import AccountAdapter
from accounts.client_address import client_address_text
from accounts.models import User
from accounts.rate_limits import Act
from audit.database_clock import database_now
from compliance import gate
from compliance.jurisdictions import Jurisdiction, active_codes, profile
from compliance.jurisdictions.shape import CheckPoint
from compliance.location import looking
from compliance.own_register import entries, likenesses
from compliance.registries import checking, facts, known, shapes
from compliance.registries.protocol import Fact, Outcome, Person
from compliance.sign_up import SignUpCode, eligibility, open_standing
from compliance.standing import read_standing
from compliance.watching import traits
from compliance.watching.traits import TraitKind
from compliance.wording import known_codes, refusal_text
from kernel.ids import Actor, PlayerId, new_id
from kernel.money import Money
from kernel.refusal import Refused


class SignInCode(StrEnum):
    """Why somebody with the right password is not let in, besides what `accounts` says."""

    CLOSED_AND_EMPTY = "closed_and_empty"


#: Which field of the sign-up form shows which refusal.
_FIELDS: Final = {
    SignUpCode.COUNTRY_NOT_OFFERED: "country",
    SignUpCode.NOT_SIGNED_OFF: "country",
    SignUpCode.CURRENCY_NOT_OFFERED: "currency",
    SignUpCode.UNDER_AGE: "date_of_birth",
    SignUpCode.IMPLAUSIBLE_BIRTH: "date_of_birth",
}


#: Where a form carries what the register said, from the question to the account.
_ANSWER: Final = "_registry_answer"
#: And what was told for it, as it is kept.
_FACTS: Final = "_registry_facts"


class SignInAdapter(AccountAdapter):
    """`accounts`' adapter, deciding. Named by the setting ``ACCOUNT_ADAPTER``."""

    def may_sign_in(self, user: User, request: HttpRequest, *, is_final: bool) -> None:
        """Refuses where the gate does, with its code; of a closed account with
        ``CLOSED_AND_EMPTY``, which at the door it is. People without a standing are staff.
        """
        super().may_sign_in(user, request, is_final=is_final)
        standing = read_standing(PlayerId(user.pk))
        if standing is None:
            return
        nothing = Money(0, standing.currency)
        with transaction.atomic():
            [answer] = gate.decide(
                [gate.GateRequest(new_id(), standing.player_id, gate.Purpose.SIGN_IN, nothing)],
                now=database_now(),
            )
            if answer.allowed and not is_final:
                transaction.set_rollback(True)  # nobody is in yet: a second factor may be missing
        if answer.code is gate.GateCode.CLOSED:
            raise Refused(SignInCode.CLOSED_AND_EMPTY)
        if answer.code is not None:
            raise Refused(answer.code, **answer.data)

    def post_login(self, request: HttpRequest, user: User, **told: Any) -> HttpResponse:
        """Notes browser and address, as hashes, for rules of watching; asks register and place.

        Neither keeps anybody out, since money must find its way out; the gate refuses the rest.
        """
        response = super().post_login(request, user, **told)
        if not user.is_staff:
            player_id = PlayerId(user.pk)
            traits.note(player_id, TraitKind.BROWSER, known_browser.people(request))
            traits.note(player_id, TraitKind.ADDRESS, [client_address_text(request)])
            looking.again(request, player_id)
            if not told.get("signup"):
                here = request.session.session_key
                checking.check_player(player_id, CheckPoint.LOGIN, except_key=here)
        return response

    def may_sign_up(self, form: forms.Form) -> None:
        """Refuses as ``sign_up.eligibility`` and ``shapes.taken``, naming the form's field."""
        super().may_sign_up(form)
        wanted = form.cleaned_data
        try:
            policy = eligibility(
                date_of_birth=wanted["date_of_birth"],
                country=wanted["country"],
                currency=wanted["currency"],
                now=database_now(),
            )
        except Refused as refused:
            field = next((name for code, name in _FIELDS.items() if code == refused.code), None)
            raise Refused(refused.code, **(refused.data | {"field": field})) from None
        given = _facts_of(form)
        for fact in known.needs(policy):
            given[fact] = shapes.taken(policy, fact, given.get(fact, ""), wanted["date_of_birth"])
        setattr(form, _FACTS, given)
        looking.check_visitor(self.request, policy)
        self._not_excluded(form, policy, given)

    def _not_excluded(self, form: forms.Form, policy: Jurisdiction, given: dict[Fact, str]) -> None:
        """Refuses with ``NOT_AT_PRESENT``, whichever register it was, and where one is silent.

        Counted before it is looked up, so that nobody asks for many people; both registers are
        asked whatever the first one says.
        """
        rate_limits.consume(self.request, Act.SIGN_UP)
        wanted = form.cleaned_data
        person = Person(wanted["email"], wanted["date_of_birth"], given)
        answer = checking.ask_about(policy, person, CheckPoint.REGISTER)
        alike = entries.excluded_like(
            [_name_of(form)],
            wanted["date_of_birth"],
            browsers=known_browser.people(self.request),
        )
        same = next((one for one in alike if one.is_same), None)
        if same is not None:
            with transaction.atomic():
                likenesses.note_refused(same)
        if answer is not None and answer.outcome is not Outcome.CLEAR:
            checking.keep_of_visitor(policy, CheckPoint.REGISTER, answer)
        if same is not None or (answer is not None and answer.outcome is not Outcome.CLEAR):
            raise Refused(SignUpCode.NOT_AT_PRESENT)
        setattr(form, _ANSWER, answer)

    def facts_wanted(self) -> frozenset[str]:
        """What the registers of the profiles on offer need."""
        today = database_now().date()
        return frozenset(
            fact.value for code in active_codes() for fact in known.needs(profile(code, today))
        )

    def signed_up(self, player_id: PlayerId, form: forms.Form) -> None:
        """Gives the new player their standing, in the transaction that made them."""
        super().signed_up(player_id, form)
        facts.write(player_id, getattr(form, _FACTS, {}))
        open_standing(
            player_id,
            actor=Actor.player(player_id),
            now=database_now(),
            answer=getattr(form, _ANSWER, None),
            browsers=known_browser.people(self.request),
        )

    def idle_s(self, user_id: int) -> int:
        """As the policy of the player says."""
        standing = read_standing(PlayerId(user_id))
        if standing is None:
            return super().idle_s(user_id)
        return standing.policy(database_now()).inactivity_minutes * 60

    def refusal_text(self, refused: Refused) -> str:
        """Our words for our codes, accounts' for its own."""
        if str(refused.code) in known_codes():
            return refusal_text(str(refused.code), refused.data)
        return super().refusal_text(refused)


def _facts_of(form: forms.Form) -> dict[Fact, str]:
    """What the form says of a person, as registers ask for it."""
    return {
        fact: text.strip()
        for fact in Fact
        if isinstance(text := form.cleaned_data.get(fact.value), str) and text.strip()
    }


def _name_of(form: forms.Form) -> str:
    told = form.cleaned_data
    return f"{told.get('given_name', '')} {told.get('family_name', '')}".strip()
