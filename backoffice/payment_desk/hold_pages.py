"""What is held on the accounts of the books, as a list: finance looks at what waits for an end."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.staff_access import staff_required
from backoffice import desk
from backoffice.finance import frame
from kernel.ids import ActorKind
from ledger import holds

SEE: Final = "ledger.view_account"


@require_safe
@staff_required(SEE)
@never_cache
def overview(request: HttpRequest) -> HttpResponse:
    """Every open hold, the first to end first."""
    rows = [
        {
            "owner": one.owner,
            "player": _player(one.owner),
            "amount": desk.amount(one.amount_minor, one.currency),
            "kind": one.kind.value,
            "ref": one.ref,
            "at": one.at,
            "until": one.expires_at,
        }
        for one in holds.open_ones()
    ]
    facts = {"holds": rows}
    return frame.page(request, "admin/desk/holds.html", "Held money", facts, here="holds")


def _player(owner: str) -> int | None:
    """The player whose account it is, for the way to their page."""
    kind, _, number = owner.partition(":")
    return int(number) if kind == ActorKind.PLAYER and number.isdecimal() else None
