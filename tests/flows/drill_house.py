"""A house that plays on while its database is backed up: a process of its own, told what to do.

`python -m tests.flows.drill_house FILE`: reads one command per line, answers with one line of JSON.
Its table with the devices' keys lies in FILE, so that it can go on on a restored copy.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
import threading
from pathlib import Path
from typing import Any

import django

django.setup()

from django.db import connection  # noqa: E402  (Django is set up first)

from audit.database_clock import database_now  # noqa: E402
from audit.tasks import seal  # noqa: E402
from events import stream  # noqa: E402
from events.hub import Hub  # noqa: E402
from events.socket_queue import SocketQueue  # noqa: E402
from kernel.ids import new_id  # noqa: E402
from ledger.books_hash import books_hash  # noqa: E402
from tables.bets.betting import place_batch  # noqa: E402
from tables.bets.slips import place_bets  # noqa: E402
from tables.floor_plan import stream_name  # noqa: E402
from tables.models import Round  # noqa: E402
from tables.push import snapshots  # noqa: E402
from tests import house  # noqa: E402


class DrillHouse:
    """One table and its players; plays rounds in a thread until told to pause."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._going = threading.Event()
        self._thread: threading.Thread | None = None
        self.rounds = 0
        if file.exists():
            self.pit, self.players = pickle.loads(file.read_bytes())  # noqa: S301  (our own)
        else:
            self.pit = house.pit("drill")
            self.players = [house.player(balance_minor=1_000_000) for _ in range(3)]
        self.stream = stream_name("drill")

    def keep(self) -> None:
        self.pit.lease = None
        self._file.write_bytes(pickle.dumps((self.pit, self.players)))

    def play_one(self) -> None:
        if (
            not Round.objects.filter(table_id="drill")
            .exclude(phase__in=["settled", "voided"])
            .exists()
        ):
            self.pit.open_round()
        slips = [
            place_bets(
                player,
                "drill",
                key=new_id().hex,
                currency="EUR",
                stakes=[("red", 100), ("split:14-17", 50)],
            )
            for player in self.players
        ]
        for answer in place_batch("drill", slips):
            assert not isinstance(answer, Exception), answer
        self.pit.play(self.rounds % 37)
        self.rounds += 1

    def go(self) -> dict[str, Any]:
        self._going.set()
        self._thread = threading.Thread(target=self._play)
        self._thread.start()
        return self.status()

    def _play(self) -> None:
        while self._going.is_set():
            self.play_one()
        connection.close()

    def pause(self) -> dict[str, Any]:
        self._going.clear()
        if self._thread is not None:
            self._thread.join()
        return self.status()

    def status(self) -> dict[str, Any]:
        epoch, seq = stream.position(self.stream)
        return {
            "rounds": self.rounds,
            "epoch": epoch,
            "seq": seq,
            "at": database_now().isoformat(),
            "balances": [house.balance(player) for player in self.players],
        }


def joined(name: str, since: str) -> dict[str, Any]:
    """What a page that comes back with ``since`` is sent first."""

    async def join() -> dict[str, Any]:
        got: asyncio.Queue[str] = asyncio.Queue()
        queue, hub = SocketQueue(got.put), Hub()
        writer = asyncio.ensure_future(queue.write())
        live = await hub.join(name, snapshots.read, queue, since=since)
        try:
            first = json.loads(await asyncio.wait_for(got.get(), 10))
        except TimeoutError:
            first = {"k": "nothing"}
        hub.leave(live, queue)
        writer.cancel()
        await hub.close()
        return {"k": first["k"], "n": first.get("n"), "e": first.get("e")}

    return asyncio.run(join())


def main() -> None:
    place = DrillHouse(Path(sys.argv[1]))
    for line in sys.stdin:
        command, _, rest = line.strip().partition(" ")
        answer: dict[str, Any] = {}
        if command == "go":
            answer = place.go()
        elif command == "pause":
            answer = place.pause()
        elif command == "status":
            answer = place.status()
        elif command == "hash":
            answer = {"sha256": books_hash().sha256}
        elif command == "seal":
            answer = {"sealed": seal()}
        elif command == "join":
            answer = joined(place.stream, rest)
        elif command == "keep":
            place.keep()
        sys.stdout.write("> " + json.dumps(answer) + "\n")
        sys.stdout.flush()
    place.pause()


if __name__ == "__main__":
    main()
