"""Where controllers report to: signed observations up, the presenter's cue down.

The signatures are the authentication: there is no session, no cookie, no CSRF token. One answer
carries both the acknowledgement and what the presenter's screen shows now.
"""

from __future__ import annotations

import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from audit.database_clock import database_now
from kernel.clock import epoch_ms
from kernel.refusal import Refused
from studio.protocol.messages import Malformed
from studio.protocol.report import (
    REPORT_BYTES_MAX,
    Answer,
    Cue,
    Order,
    decode_report,
    encode_answer,
)
from tables.devices.keys import ReportCode
from tables.models import Round
from tables.phases import Phase
from tables.play.rounds import unfinished
from tables.play.sightings import take_report

log = structlog.get_logger(__name__)

#: 400 for what cannot be read, 403 for what is not signed by whom it says, 409 for a used sequence.
_STATUS = {
    ReportCode.MALFORMED: 400,
    ReportCode.TOO_MANY: 400,
    ReportCode.UNKNOWN_TABLE: 404,
    ReportCode.SEQUENCE_REUSED: 409,
}


@csrf_exempt
@require_POST
def report(request: HttpRequest) -> HttpResponse:
    """Take one report. 200 with acknowledgements and cue, else a coded refusal and nothing kept."""
    try:
        if int(request.headers.get("Content-Length") or 0) > REPORT_BYTES_MAX:
            raise Refused(ReportCode.TOO_MANY, max_bytes=REPORT_BYTES_MAX)
        said = decode_report(request.body)
        acked = take_report(said.table, said.observations, said.alive)
    except Malformed as error:
        return _refused(Refused(ReportCode.MALFORMED, why=str(error)[:200]))
    except Refused as refusal:
        return _refused(refusal)
    answer = Answer(acked=acked, cue=cue(said.table))
    return HttpResponse(encode_answer(answer), content_type="application/json")


def cue(table_id: str) -> Cue:
    """What the presenter of ``table_id`` is asked to do now."""
    round_ = unfinished(table_id)
    if round_ is None:
        return Cue("between_rounds", None, None, epoch_ms(database_now()), Order.WAIT)
    return Cue(
        phase=round_.phase,
        round=round_.number,
        closes_at_ms=epoch_ms(round_.closes_at),
        now_ms=epoch_ms(database_now()),
        order=_order(round_),
    )


def _order(round_: Round) -> Order:
    match Phase(round_.phase):
        case Phase.BETTING_OPEN | Phase.CLOSING_SOON | Phase.NO_MORE_BETS:
            return Order.RESPIN if round_.respins else Order.LAUNCH
        case Phase.NO_SPIN:
            return Order.RESPIN
        case Phase.SPINNING | Phase.RESULT_PENDING:
            return Order.CONFIRM
        case Phase.SUSPENDED:
            return Order.STOPPED
        case Phase.OFFICIAL | Phase.SETTLED | Phase.VOIDED:
            return Order.WAIT


def _refused(refusal: Refused) -> JsonResponse:
    log.warning("studio_report_refused", code=str(refusal.code), **refusal.data)
    status = _STATUS.get(refusal.code, 403) if isinstance(refusal.code, ReportCode) else 403
    return JsonResponse({"code": str(refusal.code), "data": refusal.data}, status=status)
