"""Reports over real HTTP: the right address and body, and every bad answer is "not delivered"."""

import asyncio
import contextlib
import json

import pytest

from studio.controller.transport import HttpTransport, NotDelivered
from studio.protocol.messages import Observation, ObservationKind
from studio.protocol.report import (
    ANSWER_BYTES_MAX,
    Answer,
    Cue,
    Order,
    Report,
    decode_report,
    encode_answer,
)
from studio.protocol.signatures import generate_key, sign

KEY = generate_key()
REPORT = Report(
    "alexandria",
    (
        sign(
            Observation("alexandria.wheel", "alexandria", 1, ObservationKind.DEVICE_OK, 1, {}),
            KEY.private_b64,
            "k",
        ),
    ),
)
ANSWER = Answer({"alexandria.wheel": 1}, Cue("betting_open", 3, 10, 5, Order.LAUNCH))


@contextlib.asynccontextmanager
async def platform(status, body):
    """An HTTP server that answers everything alike; yields its address and what it was asked."""
    asked, served = [], []

    async def serve(reader, writer):
        served.append(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
                length = next(int(v) for k, v in fields.items() if k.lower() == "content-length")
                asked.append((head.split("\r\n")[0], await reader.readexactly(length)))
                writer.write(
                    f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
                )
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
        await asyncio.gather(*served)


async def test_a_report_is_posted_whole_and_its_answer_read():
    async with platform(200, encode_answer(ANSWER)) as (address, asked):
        transport = HttpTransport(address)
        assert await transport.post(REPORT) == ANSWER
        assert await transport.post(Report("alexandria")) == ANSWER
        await transport.close()
    assert [line for line, _ in asked] == ["POST /studio/v1/report HTTP/1.1"] * 2
    assert [decode_report(body) for _, body in asked] == [REPORT, Report("alexandria")]


@pytest.mark.parametrize(
    ("status", "body", "refused"),
    [
        (403, json.dumps({"code": "unknown_key"}).encode(), True),
        (500, b"", True),
        (302, b"", True),
        (200, b"", False),
        (200, b"{}", False),
        (200, b" " * (ANSWER_BYTES_MAX + 1), False),
    ],
)
async def test_a_bad_answer_is_not_delivered_and_says_whether_it_was_refused(status, body, refused):
    async with platform(status, body) as (address, _):
        transport = HttpTransport(address)
        with pytest.raises(NotDelivered) as caught:
            await transport.post(REPORT)
        await transport.close()
    assert caught.value.refused is refused


async def test_no_platform_is_not_delivered():
    transport = HttpTransport("http://127.0.0.1:1")
    with pytest.raises(NotDelivered, match="ConnectError"):
        await transport.post(REPORT)
    await transport.close()
