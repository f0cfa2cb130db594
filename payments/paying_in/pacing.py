"""How many deposits one player may begin: a few pages open at once, and not on and on in vain."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from audit.database_clock import database_now
from kernel.ids import PlayerId
from kernel.refusal import Refused
from payments.models import Deposit
from payments.paying_in.refusals import DepositCode
from payments.states import DEPOSIT_WAITS, DepositState

#: Five failed deposits in ten minutes stop further ones for a while (N.J.A.C. 13:69O-1.3): none is
#: begun, and what is then paid on a page that was open before goes back.
FAILURES_MAX: Final = 5
FAILURES_WITHIN: Final = timedelta(minutes=10)
#: Payment pages that one player has open at once, our own choice: enough for one that was lost and
#: one begun anew. A page ends by itself within `OPEN_WITHIN`; we see to it where a provider does
#: not, and one that nobody could ask about stands in nobody's way for longer.
OPEN_MAX: Final = 3
OPEN_WITHIN: Final = DEPOSIT_WAITS[DepositState.REQUIRES_ACTION]

_UNDECIDED: Final = (DepositState.CREATED, DepositState.UNKNOWN, DepositState.PROCESSING)
#: Those that have a page, and those that may have one as soon as their provider answers.
_OPEN: Final = (DepositState.CREATED, DepositState.UNKNOWN, DepositState.REQUIRES_ACTION)


def refuse_too_many(player_id: PlayerId, now: datetime) -> None:
    """``TOO_MANY_OPEN`` or ``TOO_MANY_FAILURES`` where no further one may begin now.

    Asked in the transaction that keeps the new one, under the lock of its player: so many at once
    count each other.
    """
    _refuse_after_failures(player_id, now)
    _refuse_beside_open_ones(player_id, now)


def is_paid_while_blocked(deposit: Deposit) -> bool:
    """Whether its page was open when the block began, and was paid on behind it.

    One that is on its way was paid when it left the page.
    """
    if deposit.state == DepositState.PROCESSING:
        return _failed(deposit.player_id, deposit.changed_at) >= FAILURES_MAX
    is_open = deposit.state in {*_UNDECIDED, DepositState.REQUIRES_ACTION}
    return is_open and _failed(deposit.player_id, database_now()) >= FAILURES_MAX


def _refuse_after_failures(player_id: PlayerId, now: datetime) -> None:
    """Those that nobody has answered yet may fail as well, so that many at once are not more."""
    since = now - FAILURES_WITHIN
    undecided = Deposit.objects.filter(
        player_id=player_id, state__in=_UNDECIDED, created_at__gt=since
    )
    if _failed(player_id, now) + undecided.count() >= FAILURES_MAX:
        minutes = int(FAILURES_WITHIN.total_seconds()) // 60
        raise Refused(DepositCode.TOO_MANY_FAILURES, minutes=minutes)


def _failed(player_id: int, at: datetime) -> int:
    """How many had failed lately at this moment, by the moment they failed."""
    lately = {"changed_at__gt": at - FAILURES_WITHIN, "changed_at__lte": at}
    return Deposit.objects.filter(player_id=player_id, state=DepositState.FAILED, **lately).count()


def _refuse_beside_open_ones(player_id: PlayerId, now: datetime) -> None:
    since = now - OPEN_WITHIN
    found = Deposit.objects.filter(player_id=player_id, state__in=_OPEN, created_at__gt=since)
    if found.count() >= OPEN_MAX:
        minutes = int(OPEN_WITHIN.total_seconds()) // 60
        raise Refused(DepositCode.TOO_MANY_OPEN, open_max=OPEN_MAX, minutes=minutes)
