"""Is the person on the selfie the one on the document, and alive? Left to a provider.

A provider is a class named by the setting ``FARO_FACE_PROVIDER`` (dotted path), made without
arguments. It is asked outside any transaction; whatever goes wrong or takes too long is
``UNKNOWN``, and then a person looks.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol
from uuid import UUID

import structlog
from django.conf import settings
from django.utils.module_loading import import_string

log = structlog.get_logger(__name__)

TIMEOUT_S: Final = 20


class FaceVerdict(StrEnum):
    """What a provider says. ``NONE``: this house asks no provider."""

    MATCH = "match"
    NO_MATCH = "no_match"
    NOT_LIVE = "not_live"
    UNKNOWN = "unknown"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class FaceQuestion:
    """One comparison. ``ref`` is the same when it is asked again."""

    ref: UUID
    document: bytes
    selfie: bytes


class FaceProvider(Protocol):
    """May raise anything; may take long. `ask` bounds both."""

    def compare(self, question: FaceQuestion) -> FaceVerdict: ...


class SimulatedFaces:
    """For tests and the demonstration: one picture sent twice is no living person."""

    def compare(self, question: FaceQuestion) -> FaceVerdict:
        if question.document == question.selfie:
            return FaceVerdict.NOT_LIVE
        return FaceVerdict.MATCH


def ask(question: FaceQuestion, *, timeout_s: int = TIMEOUT_S) -> FaceVerdict:
    """The provider's answer, ``UNKNOWN`` after ``timeout_s`` or any error, ``NONE`` without one."""
    if not settings.FARO_FACE_PROVIDER:
        return FaceVerdict.NONE
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        provider: FaceProvider = import_string(settings.FARO_FACE_PROVIDER)()
        return FaceVerdict(pool.submit(provider.compare, question).result(timeout_s))
    except TookTooLong:
        log.warning("face_provider_timeout", ref=str(question.ref))
    except Exception as wrong:  # noqa: BLE001  (a stranger's code; the answer is a person's look)
        log.warning("face_provider_failed", ref=str(question.ref), error=type(wrong).__name__)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return FaceVerdict.UNKNOWN
