"""`bin/bench push [--sockets N] [--events N] [--bets N] [--server uvicorn]`: who knows how soon.

Real PostgreSQL and Valkey, a relay, one web process, every page a real socket; the pages are all
read by this process, on the same machine. The last line is JSON, in ms: ``join`` until a page has
its snapshot when all come at once, ``bet_ack`` from a bet to its answer, ``first`` and ``last``
from the commit of an event to the first and to the last page that has it; ``cpu_us_per_frame`` is
the web process's time per frame that it wrote.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin

from bench.database.fresh import fresh_database  # first: starts the server, sets Django up

# isort: split
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import transaction

from bench.database.cpu import process_cpu_s
from bench.database.measured import at
from events import stream
from kernel.ids import new_id
from tests import house, sockets

#: Sockets of one person, below what a person may have in one process.
SOCKETS_EACH = 10
TABLE, STREAM = "alexandria", "t:alexandria"


@dataclass
class Page:
    """One socket, and when each numbered frame came (seconds of this process's clock)."""

    socket: ClientConnection
    came: dict[int, float] = field(default_factory=dict)
    answered: asyncio.Queue[tuple[float, dict[str, Any]]] = field(default_factory=asyncio.Queue)
    frames: int = 0

    async def read(self) -> None:
        async for text in self.socket:
            at = perf_counter()
            frame = json.loads(text)
            self.frames += 1
            if frame["k"] == "answer":
                self.answered.put_nowait((at, frame))
            elif frame.get("s") == STREAM:
                self.came.setdefault(frame["n"], at)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench push", description=__doc__)
    parser.add_argument("--sockets", type=int, default=200)
    parser.add_argument("--events", type=int, default=40)
    parser.add_argument("--bets", type=int, default=60)
    parser.add_argument("--server", choices=("uvicorn", "daphne"), default="uvicorn")
    given = parser.parse_args(words)
    with fresh_database() as database, tempfile.TemporaryDirectory() as logs:
        pit = house.pit()
        pit.open_round()
        people = [
            sockets.browser(house.player(balance_minor=1_000_000))
            for _ in range(-(-given.sockets // SOCKETS_EACH))
        ]
        with (
            sockets.relaying(),
            sockets.web(database, Path(logs) / "web.log", server=given.server) as web,
        ):
            seated = [people[i // SOCKETS_EACH] for i in range(given.sockets)]
            result = asyncio.run(_measured(web, seated, given))
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


async def _measured(
    web: sockets.Web, who: list[sockets.Browser], given: argparse.Namespace
) -> dict[str, Any]:
    tickets = {
        person.user_id: await sync_to_async(person.ticket)() for person in who[::SOCKETS_EACH]
    }
    joins: list[float] = []
    pages = await asyncio.gather(
        *[_join(web, person, tickets[person.user_id], joins) for person in who]
    )
    readers = [asyncio.ensure_future(page.read()) for page in pages]
    await asyncio.sleep(1)
    acks = await _bets(pages[0], given.bets)
    await asyncio.sleep(1)
    frames, cpu_s = sum(page.frames for page in pages), process_cpu_s(web.process.pid)
    firsts, lasts = await _events(pages, given.events)
    await asyncio.sleep(0.5)
    written = sum(page.frames for page in pages) - frames
    cpu_us = round((process_cpu_s(web.process.pid) - cpu_s) * 1_000_000 / max(1, written))
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*[page.socket.close() for page in pages])
    return {
        "ok": True,
        "server": given.server,
        "sockets": given.sockets,
        "join": _spread(joins),
        "bet_ack": _spread(acks),
        "first": _spread(firsts),
        "last": _spread(lasts),
        "cpu_us_per_frame": cpu_us,
    }


async def _join(web: sockets.Web, who: sockets.Browser, ticket: str, joins: list[float]) -> Page:
    began = perf_counter()
    socket = await connect(
        f"ws://127.0.0.1:{web.port}/ws/tables/{TABLE}/?ticket={ticket}",
        origin=Origin(web.base),
        additional_headers={"Cookie": f"{settings.SESSION_COOKIE_NAME}={who.cookie}"},
        compression=None,
        proxy=None,
        open_timeout=60,
    )
    await socket.recv()
    joins.append(perf_counter() - began)
    return Page(socket)


async def _bets(page: Page, count: int) -> list[float]:
    """One page's bets, one after the other, while all others are open."""
    acks = []
    for _ in range(count):
        bet = {"k": "bet", "key": new_id().hex, "round": 1, "stakes": [["red", 50]]}
        began = perf_counter()
        await page.socket.send(json.dumps(bet))
        at, answer = await page.answered.get()
        if not answer["ok"]:
            raise SystemExit(f"a bet was refused: {answer}")
        acks.append(at - began)
        await asyncio.sleep(0.06)  # a page may send 20 messages in a second
    return acks


async def _events(pages: list[Page], count: int) -> tuple[list[float], list[float]]:
    """Events at a casino's pace, slower than they take: from commit to first and last page."""
    firsts, lasts = [], []
    for _ in range(count):
        n, committed = await sync_to_async(_append)()
        async with asyncio.timeout(10):
            while any(n not in page.came for page in pages):  # noqa: ASYNC110  (we measure)
                await asyncio.sleep(0.002)
        came = [page.came[n] for page in pages]
        firsts.append(min(came) - committed)
        lasts.append(max(came) - committed)
        await asyncio.sleep(0.1)
    return firsts, lasts


def _append() -> tuple[int, float]:
    with transaction.atomic():
        n = stream.append(STREAM, "resumed", {"at": 1, "note": "x" * 300})
    return n, perf_counter()


def _spread(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(1_000 * one for one in seconds)
    return {"p50": at(ordered, 0.5), "p95": at(ordered, 0.95), "p99": at(ordered, 0.99)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
