"""One payment's page and the list of all of them, as far back as they go."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.contrib.auth.decorators import login_required
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from audit.database_clock import database_now
from compliance.standing import StandingNow, read_standing
from kernel.ids import PlayerId
from payments import listing, selectors
from payments.fraud import review
from payments.listing import Stand, Wanted
from payments.models import Deposit, Withdrawal
from payments.pages.showing import in_their_zone, part, player_of
from payments.pages.statement import FIRST_DAY, LAST_DAY
from payments.states import DepositState
from payments.words import explaining


def _day(label: Any) -> forms.DateField:
    """A day that has a midnight in every zone."""
    return forms.DateField(
        label=label,
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        validators=[MinValueValidator(FIRST_DAY), MaxValueValidator(LAST_DAY)],
    )


class FilterForm(forms.Form):
    """Which payments. All fields may be empty; what is not understood filters nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            vars(field)["needed"] = True  # no "optional" beside each: a filter is

    direction = forms.ChoiceField(
        label=_("Which way"),
        required=False,
        choices=[
            ("", _("Both ways")),
            ("deposit", _("Deposits")),
            ("withdrawal", _("Withdrawals")),
        ],
    )
    stand = forms.ChoiceField(
        label=_("How it stands"),
        required=False,
        choices=[
            ("", _("Any")),
            (Stand.WAITING.value, _("Under way")),
            (Stand.DONE.value, _("Done")),
            (Stand.NOT_DONE.value, _("Not made, or gone back")),
        ],
    )
    since = _day(_("From"))
    until = _day(_("Until"))


@login_required
@never_cache
@require_GET
def payments(request: HttpRequest) -> HttpResponse:
    """Every payment of one's own, 25 to a page, narrowed as asked."""
    player_id = player_of(request)
    standing, now = read_standing(player_id), database_now()
    form = FilterForm(request.GET, auto_id="filter_%s")
    form.is_valid()
    asked = form.cleaned_data
    found = listing.page(
        player_id, _wanted(asked, standing, now), before=_uuid(request.GET.get("before", ""))
    )
    kept = {name: request.GET[name] for name in form.fields if request.GET.get(name)}
    context = {
        "section": "cashier",
        "form": form,
        "payments": [explaining.shown(one, now) for one in found.payments],
        "older": urlencode(kept | {"before": str(found.older_than)}) if found.older_than else "",
        "newest": urlencode(kept) if "before" in request.GET else None,
        "is_filtered": bool(kept),
    }
    return in_their_zone(request, standing, "payments/payments.html", context)


@login_required
@never_cache
@require_GET
def deposit(request: HttpRequest, deposit_id: UUID) -> HttpResponse:
    """One deposit of one's own: what happened, what is awaited, from whom, by when, what to do."""
    found = get_object_or_404(listing.deposits(), pk=deposit_id, player_id=player_of(request))
    return _page(request, found)


@login_required
@never_cache
@require_GET
def withdrawal(request: HttpRequest, withdrawal_id: UUID) -> HttpResponse:
    """One withdrawal of one's own."""
    found = get_object_or_404(listing.withdrawals(), pk=withdrawal_id, player_id=player_of(request))
    return _page(request, found)


@login_required
@require_GET
def deposit_now(request: HttpRequest, deposit_id: UUID) -> HttpResponse:
    """What its page shows of it, for the page itself to ask again; 304 while it is the same."""
    found = get_object_or_404(listing.deposits(), pk=deposit_id, player_id=player_of(request))
    return _part(request, found)


@login_required
@require_GET
def withdrawal_now(request: HttpRequest, withdrawal_id: UUID) -> HttpResponse:
    """As `deposit_now`, of a withdrawal."""
    found = get_object_or_404(listing.withdrawals(), pk=withdrawal_id, player_id=player_of(request))
    return _part(request, found)


def _page(request: HttpRequest, found: Deposit | Withdrawal) -> HttpResponse:
    standing = read_standing(player_of(request))
    context = {"section": "cashier", **_facts(found)}
    return in_their_zone(request, standing, "payments/payment.html", context)


def _part(request: HttpRequest, found: Deposit | Withdrawal) -> HttpResponse:
    standing = read_standing(player_of(request))
    return part(request, standing, "payments/parts/payment_now.html", _facts(found))


def _facts(found: Deposit | Withdrawal) -> dict[str, Any]:
    now, others = database_now(), selectors.other_parts(found)
    is_open = isinstance(found, Deposit) and found.state == DepositState.REQUIRES_ACTION
    return {
        "payment": explaining.shown(found, now),
        "others": [explaining.shown(one, now) for one in others],
        "whole_minor": found.amount_minor + sum(one.amount_minor for one in others),
        "steps": explaining.timeline(found),
        "review_by": review.open_until(found.pk) if isinstance(found, Deposit) else None,
        "to_pay": found.redirect_url if isinstance(found, Deposit) and is_open else "",
        "funds": selectors.funds(PlayerId(found.player_id)),
    }


def _wanted(asked: dict[str, Any], standing: StandingNow | None, now: datetime) -> Wanted:
    zone = ZoneInfo(standing.policy(now).zone if standing else "UTC")
    since, until = asked.get("since"), asked.get("until")
    return Wanted(
        direction=asked.get("direction") or None,
        stand=Stand(asked["stand"]) if asked.get("stand") else None,
        since=datetime.combine(since, time(0), zone) if since else None,
        until=datetime.combine(until + timedelta(days=1), time(0), zone) if until else None,
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
