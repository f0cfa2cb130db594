"""The sign-in decision: allauth's adapter with the house's rules about who may enter.

An excluded player may sign in: the gate then refuses bets and deposits, and withdrawing stays
possible, as it must. Who may not have an account learns it before one exists.
"""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.http import HttpRequest, HttpResponse

from accounts import known_browser
from accounts.adapter import AccountAdapter
from accounts.client_address import client_address_text
from accounts.models import User
from audit.database_clock import database_now
from compliance.closing import money_left
from compliance.models import Status
from compliance.sign_up import SignUpCode, eligibility, open_standing
from compliance.standing import read_standing
from compliance.watching import traits
from compliance.watching.traits import TraitKind
from compliance.wording import known_codes, refusal_text
from kernel.ids import Actor, PlayerId
from kernel.refusal import Refused

#: Which field of the sign-up form shows which refusal.
_FIELDS: Final = {
    SignUpCode.COUNTRY_NOT_OFFERED: "country",
    SignUpCode.CURRENCY_NOT_OFFERED: "currency",
    SignUpCode.UNDER_AGE: "date_of_birth",
    SignUpCode.IMPLAUSIBLE_BIRTH: "date_of_birth",
}


class SignInAdapter(AccountAdapter):
    """`accounts`' adapter, deciding. Named by the setting ``ACCOUNT_ADAPTER``."""

    def may_sign_in(self, user: User, request: HttpRequest) -> None:
        """Refuses with ``closed`` once a closed account is empty: its money can be taken out.

        People without a standing are staff.
        """
        super().may_sign_in(user, request)
        standing = read_standing(PlayerId(user.pk))
        if standing is None or standing.status != Status.CLOSED:
            return
        if not money_left(standing):
            raise Refused(Status.CLOSED)

    def post_login(self, request: HttpRequest, user: User, **facts: Any) -> HttpResponse:
        """Notes browser and address of a player, as hashes: what rules of watching link by."""
        response = super().post_login(request, user, **facts)
        if not user.is_staff:
            player_id = PlayerId(user.pk)
            traits.note(player_id, TraitKind.BROWSER, known_browser.people(request))
            traits.note(player_id, TraitKind.ADDRESS, [client_address_text(request)])
        return response

    def may_sign_up(self, form: forms.Form) -> None:
        """Refuses as ``sign_up.eligibility``, naming the form's field."""
        super().may_sign_up(form)
        wanted = form.cleaned_data
        try:
            eligibility(
                date_of_birth=wanted["date_of_birth"],
                country=wanted["country"],
                currency=wanted["currency"],
                now=database_now(),
            )
        except Refused as refused:
            field = next((name for code, name in _FIELDS.items() if code == refused.code), None)
            raise Refused(refused.code, **(refused.data | {"field": field})) from None

    def signed_up(self, player_id: PlayerId, form: forms.Form) -> None:
        """Gives the new player their standing, in the transaction that made them."""
        super().signed_up(player_id, form)
        open_standing(player_id, actor=Actor.player(player_id), now=database_now())

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
