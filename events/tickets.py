"""Tickets: who may open a socket, signed by a page's view, verified without a database.

A ticket names the person, the session and the place it is for, and lives a minute. It works only in
the browser whose session cookie it was made for, so one that leaks from a log opens nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

from django.core import signing
from django.utils.crypto import constant_time_compare, salted_hmac

from kernel.clock import SystemClock, epoch_ms
from kernel.refusal import Refused

#: docs/push.md: long enough for a slow connection, too short to be worth stealing.
LIFE_S: Final = 60
_SALT: Final = "faro.push.ticket"


class TicketCode(StrEnum):
    """Why a ticket opens nothing."""

    NO_TICKET = "no_ticket"
    LATE = "ticket_late"
    FORGED = "ticket_forged"
    ELSEWHERE = "ticket_for_another_place"
    SIGNED_OUT = "signed_out"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket says. ``session`` is a :func:`fingerprint`, never the session's key.

    ``currency`` is empty for somebody who does not play; ``started_at_ms`` is when play began.
    """

    place: str
    user_id: int
    session: str
    currency: str
    started_at_ms: int
    language: str


def fingerprint(session_key: str) -> str:
    """A session's name where its key must not be seen."""
    return salted_hmac("faro.push.session", session_key, algorithm="sha256").hexdigest()[:32]


def issue(ticket: Ticket) -> tuple[str, int]:
    """The signed text, and when it ends to be worth anything (ms since 1970)."""
    text = signing.dumps(asdict(ticket), salt=_SALT)
    return text, epoch_ms(SystemClock().now()) + LIFE_S * 1_000


def read(text: str, *, place: str, session_key: str) -> Ticket:
    """The ticket of ``text``, good for ``place`` in the browser with this session's cookie.

    Refuses with ``NO_TICKET``, ``LATE``, ``FORGED``, ``ELSEWHERE`` or ``SIGNED_OUT`` (the cookie is
    another session's by now). Whether the session still lives is asked elsewhere.
    """
    if not text:
        raise Refused(TicketCode.NO_TICKET)
    try:
        ticket = Ticket(**signing.loads(text, salt=_SALT, max_age=LIFE_S))
    except signing.SignatureExpired:
        raise Refused(TicketCode.LATE) from None
    except (signing.BadSignature, TypeError):
        raise Refused(TicketCode.FORGED) from None
    if ticket.place != place:
        raise Refused(TicketCode.ELSEWHERE, place=ticket.place)
    if not session_key or not constant_time_compare(fingerprint(session_key), ticket.session):
        raise Refused(TicketCode.SIGNED_OUT)
    return ticket
