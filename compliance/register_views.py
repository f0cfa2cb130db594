"""The page on which a player tells what the national register of excluded people needs."""

from __future__ import annotations

from typing import Final

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import players, rate_limits
from accounts.rate_limits import Act
from audit.database_clock import database_now
from compliance.admission import AdmissionCode
from compliance.registries import telling
from compliance.registries.protocol import Answer, Fact, Outcome
from compliance.registries.shapes import CHARS_MAX
from compliance.standing import read_standing
from compliance.wording import FACT_NAMES, refusal_text
from kernel.ids import PlayerId
from kernel.refusal import Refused

HOME: Final = "compliance:play_safely"
#: What a browser fills in by itself, and how a phone's keyboard opens.
_LOOKS: Final = {
    Fact.GIVEN_NAME: {"autocomplete": "given-name"},
    Fact.FAMILY_NAME: {"autocomplete": "family-name"},
    Fact.POSTCODE: {"autocomplete": "postal-code", "autocapitalize": "characters"},
    Fact.NATIONAL_NUMBER: {"autocomplete": "off", "inputmode": "numeric"},
}
_HINTS: Final = {
    ("gamstop", Fact.POSTCODE): _("Of where you live, such as SW1A 1AA."),
    ("spelpaus", Fact.NATIONAL_NUMBER): _("Twelve digits, your date of birth first."),
    ("rofus", Fact.NATIONAL_NUMBER): _("Your CPR number: ten digits."),
}


class FactsForm(forms.Form):
    """What is lacking, one field each."""

    def __init__(self, wanted: tuple[Fact, ...], registry: str, data: object = None) -> None:
        super().__init__(data)  # type: ignore[arg-type]  # whatever the request sent
        for fact in wanted:
            self.fields[fact.value] = forms.CharField(
                label=FACT_NAMES[fact.value],
                max_length=CHARS_MAX,
                help_text=_HINTS.get((registry, fact), ""),
                widget=forms.TextInput(attrs=_LOOKS[fact]),
            )


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def register_facts(request: HttpRequest) -> HttpResponse:
    """Tell what lacks; the register is asked at once, and the answer stands on the next page."""
    player_id = PlayerId(int(request.user.pk or 0))
    standing = read_standing(player_id)
    wanted = telling.lacking(player_id)
    if standing is None or not wanted:
        return redirect(HOME)
    registry = standing.policy(database_now()).registry
    if request.method != "POST":
        return _page(request, player_id, FactsForm(wanted, registry))
    # counted before anything is looked at: nobody learns of many people by trying
    rate_limits.consume(request, Act.REGISTER_FACTS, email=players.info(player_id).email)
    form = FactsForm(wanted, registry, request.POST)
    if form.is_valid():
        given = {one: form.cleaned_data[one.value] for one in wanted}
        try:
            answer = telling.tell(player_id, given, session_key=request.session.session_key)
        except Refused as refused:
            field = str(refused.data.get("field", ""))
            text = refusal_text(str(refused.code), refused.data)
            form.add_error(field if field in form.fields else None, text)
        else:
            _say(request, answer)
            return redirect(HOME)
    return _page(request, player_id, form, 422)


def _page(
    request: HttpRequest, player_id: PlayerId, form: FactsForm, status: int = 200
) -> HttpResponse:
    facts = {
        "section": "safety",
        "form": form,
        "born": players.info(player_id).date_of_birth,
    }
    return render(request, "compliance/register_facts.html", facts, status=status)


def _say(request: HttpRequest, answer: Answer | None) -> None:
    if answer is None:
        messages.success(request, _("Thank you. The register need not be asked at the moment."))
    elif answer.outcome is Outcome.CLEAR:
        messages.success(request, _("Thank you. The register has nothing against it."))
    elif answer.outcome is Outcome.EXCLUDED:
        messages.error(request, refusal_text(AdmissionCode.REGISTRY_EXCLUDED, {}))
    else:
        messages.info(request, refusal_text(AdmissionCode.REGISTRY_UNCLEAR, {}))
