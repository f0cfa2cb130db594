"""The ticket with which a table's page opens its socket."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from audit.database_clock import database_now
from events import tickets
from kernel.clock import epoch_ms
from kernel.refusal import Refused
from tables import selectors
from tables.pages.visit import at_a_table, me


@require_GET
@never_cache
def ticket(request: HttpRequest, table_id: str) -> JsonResponse:
    """A ticket for this table in this session; 403 for visitors, 404 for a table there is not.

    Staff may watch: their ticket has no currency, and nothing is taken from them.
    """
    session_key = request.session.session_key
    if not request.user.is_authenticated or session_key is None:
        return JsonResponse({"code": "signed_out"}, status=403)
    try:
        found = selectors.table(table_id)
    except Refused as refusal:
        return JsonResponse({"code": str(refusal.code)}, status=404)
    known = me(request)
    play = at_a_table(request, known[0]) if known else None
    text, expires_at_ms = tickets.issue(
        tickets.Ticket(
            place=found.id,
            user_id=int(request.user.pk),
            session=tickets.fingerprint(session_key),
            currency=known[1] if known else "",
            started_at_ms=epoch_ms(play.since if play else database_now()),
            language=get_language() or "en",
        )
    )
    return JsonResponse({"ticket": text, "expires_at": expires_at_ms})
