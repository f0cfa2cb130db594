"""Opening a document: for officers alone, page by page, and each time it is recorded.

A page leaves as a picture that we made, under a policy in which nothing runs. Where the setting
``FARO_DOCUMENT_ORIGIN`` names a host of its own, pages are fetched there with a short-lived signed
address instead of a cookie, so that nothing a document could do touches the staff pages.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from enum import StrEnum
from itertools import chain
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner
from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from audit.personal_keys import Encrypted, PersonalCode
from audit.record import Subject as Whom
from audit.record import record, register
from audit.streamed import streamed
from compliance.kyc import vault
from compliance.kyc.models import KycDocument
from compliance.kyc.scanning import Verdict
from kernel.ids import Actor
from kernel.refusal import Refused

logger = logging.getLogger(__name__)

SEEN: Final = register("kyc.document_seen", "Identity document opened")
#: Long enough for a page to load its pictures, short enough that a copied address is worth nothing.
ADDRESS_S: Final = 60
_SALT: Final = "compliance.kyc.document"
#: Nothing runs, nothing loads, nothing navigates, nobody else frames it.
POLICY: Final = (
    "sandbox; default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'"
)


class OpenCode(StrEnum):
    """Why a page is not shown."""

    NO_SUCH_PAGE = "kyc_no_such_page"
    QUARANTINED = "kyc_quarantined"
    DESTROYED = "kyc_destroyed"


def is_open(document: KycDocument) -> bool:
    """Whether an officer may open it: scanned clean, or no scanner is set, and not destroyed."""
    judged = document.scan in {Verdict.CLEAN.value, Verdict.NONE.value}
    return judged and document.destroyed_at is None


def key_of(document: KycDocument) -> vault.Key:
    """The document's key; refuses with ``DESTROYED``, also where the person is forgotten."""
    if document.wrapped_key is None:
        raise Refused(OpenCode.DESTROYED)
    sealed = Encrypted(document.person_key, bytes(document.wrapped_key))
    try:
        return vault.unwrap(document.id, document.player_id, sealed)
    except Refused as refused:
        if refused.code is PersonalCode.ERASED:
            raise Refused(OpenCode.DESTROYED) from None
        raise


def open_page(document_id: UUID, page: int, *, actor: Actor) -> Iterator[bytes]:
    """One page in clear, and a line in the audit that ``actor`` saw it.

    Whether they may is the door's question. Refuses with an `OpenCode`; a refusal shows nothing.
    """
    document = KycDocument.objects.filter(pk=document_id).first()
    if document is None or not 1 <= page <= len(document.pages):
        raise Refused(OpenCode.NO_SUCH_PAGE)
    if document.destroyed_at is not None:
        raise Refused(OpenCode.DESTROYED)
    if not is_open(document):
        raise Refused(OpenCode.QUARANTINED)
    pieces = vault.get(key_of(document), page)
    try:
        first = next(pieces)  # what is not there was not opened, and is no half answer
    except FileNotFoundError:
        logger.exception("page %s of the document %s is not in the storage", page, document_id)
        raise Refused(OpenCode.NO_SUCH_PAGE) from None
    with transaction.atomic():
        record(
            SEEN,
            actor=actor,
            subject=Whom("player", str(document.player_id)),
            component="compliance",
            after={"document": str(document.id), "kind": document.kind, "page": page},
        )
    return chain([first], pieces)


def answer(
    request: HttpRequest, document_id: UUID, page: int, *, actor: Actor
) -> StreamingHttpResponse:
    """The page as an answer that nothing can make more of than a picture."""
    response = streamed(request, open_page(document_id, page, actor=actor), "image/jpeg")
    origin = settings.FARO_DOCUMENT_ORIGIN
    response["Content-Security-Policy"] = POLICY
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Disposition"] = f'inline; filename="page-{page}.jpg"'
    response["Cache-Control"] = "private, no-store"
    # a host of its own may be of another site; who has the signed address may embed it, a minute
    response["Cross-Origin-Resource-Policy"] = "cross-origin" if origin else "same-origin"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response


def signed_address(document_id: UUID, page: int, officer_id: int) -> str:
    """Where that officer may fetch that page for a minute, on the documents' own host."""
    token = _signer().sign(f"{document_id}:{page}:{officer_id}")
    return f"{settings.FARO_DOCUMENT_ORIGIN.rstrip('/')}/documents/{token}"


def read_address(token: str) -> tuple[UUID, int, int] | None:
    """Document, page and officer of a signed address; None once it is too old or not ours."""
    try:
        plain = _signer().unsign(token, max_age=ADDRESS_S)
        document, page, officer = plain.split(":")
        return UUID(document), int(page), int(officer)
    except (BadSignature, ValueError):
        return None


def is_document_host(request: HttpRequest) -> bool:
    """Whether the request came to the documents' own host."""
    origin = settings.FARO_DOCUMENT_ORIGIN
    return bool(origin) and request.get_host() == urlsplit(origin).netloc


def not_here() -> HttpResponse:
    """What that host answers to everything else."""
    return HttpResponse("Nothing is here.", content_type="text/plain", status=404)


def _signer() -> TimestampSigner:
    return TimestampSigner(salt=_SALT, sep="~")
