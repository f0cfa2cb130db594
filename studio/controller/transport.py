"""How reports reach the platform: a protocol that tests can replace, and HTTP."""

from __future__ import annotations

from typing import Final, Protocol

import httpx

from studio.protocol.messages import Malformed
from studio.protocol.report import (
    ANSWER_BYTES_MAX,
    PATH,
    Answer,
    Report,
    decode_answer,
    encode_report,
)

#: Longer than the platform's own lock timeouts, shorter than a table may be without a heartbeat.
_TIMEOUT_S: Final = 2.0


class NotDelivered(Exception):
    """No usable answer: try again. ``refused`` when the platform answered and said no."""

    def __init__(self, why: str, *, refused: bool = False) -> None:
        super().__init__(why)
        self.refused = refused


class Transport(Protocol):
    """Carries one report and brings its answer; raises :class:`NotDelivered`, nothing else."""

    async def post(self, report: Report) -> Answer: ...


class HttpTransport:
    """Posts to the platform's report address over kept-alive connections."""

    def __init__(self, platform_url: str) -> None:
        self._url = platform_url + PATH
        self._client = httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False)

    async def post(self, report: Report) -> Answer:
        headers = {"content-type": "application/json"}
        try:
            response = await self._client.post(
                self._url, content=encode_report(report), headers=headers
            )
        except httpx.HTTPError as error:
            raise NotDelivered(f"{type(error).__name__}: {error}") from None
        if response.status_code != 200:
            why = response.text[:200]
            raise NotDelivered(f"status {response.status_code}: {why}", refused=True)
        if len(response.content) > ANSWER_BYTES_MAX:
            raise NotDelivered("answer too large")
        try:
            return decode_answer(response.content)
        except Malformed as error:
            raise NotDelivered(f"answer: {error}") from None

    async def close(self) -> None:
        await self._client.aclose()
