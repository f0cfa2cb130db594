"""`bin/bench webhooks [--seconds N] [--rate N] [--rows N] [--alone]`: how soon events are kept.

Two web processes with the settings of production units, PostgreSQL on the disk, Valkey; a provider
that sends so many signed events a second, at times fixed beforehand, whatever the answers do: a
slow answer delays no later message, and each time counts from when its message was due. Meanwhile a
reconciliation runs again and again, asked for and started as the worker does. What was answered 200
is counted in the database afterwards. Workers that apply what is kept are no part of it: they are
other machines'.

The last line is JSON: ``ack_p99_ms`` is the figure, over ``samples`` messages after a warm-up. Exit
code 1 where it is over 50, where an event was lost, where an answer was not 200, or where no
reconciliation was at work for most of the time (`bench.verdicts`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, time_ns
from typing import Any, Final

from bench.database.fresh import fresh_database, settings_that_count  # first: sets Django up

# isort: split
from django.db import connection

from bench import verdicts
from bench.database import settled
from bench.database.cpu import process_cpu_s
from bench.database.measured import at, python
from kernel.ids import Actor, new_id
from payments import tasks
from payments.messages import signatures
from payments.models import Deposit, ProviderEvent
from payments.providers.simulated import SIGNATURE_HEADER
from payments.reconciliation import attempts, giving_way
from payments.reconciliation.attempts import Cause
from payments.reconciliation.words import AttemptState
from payments.states import DepositState
from tests import conftest, house, sockets

SECRET: Final = "a secret of this benchmark only"  # noqa: S105  (nobody else has it)
PROCESSES: Final = 2
#: Connections to each process: more than messages that are ever under way at once.
CONNECTIONS_EACH: Final = 16
WARM_UP_S: Final = 3
DUPLICATES_EVERY: Final = 10
#: What a production unit of the web role sets (docs/operations.md).
UNIT: Final = {
    "FARO_DATABASE_POOL": "20",
    "PSP_WEBHOOK_SECRET": SECRET,
    "SIMULATED_PSP_URL": "http://127.0.0.1:9",
    "FARO_LOG_LEVEL": "INFO",
}


@dataclass(frozen=True)
class Units(conftest.Database):
    """The database, and what processes on it have in their environment."""

    state: str = ""

    def environment(self) -> dict[str, str]:
        return super().environment() | UNIT | {"RECONCILIATION_DIR": self.state}


@dataclass
class Seen:
    """Answers after the warm-up: milliseconds from when each was due, and their statuses."""

    ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    late_ms: float = 0.0


class Line:
    """One kept connection to a web process, one message at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, body: bytes) -> int:
        """Post one message; the answer's status."""
        header = signatures.sign(body, SECRET, time_ns() // 1_000_000_000)
        self._writer.write(
            b"POST /payments/webhooks/simulated/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n%s: %s\r\n\r\n"
            % (len(body), SIGNATURE_HEADER.encode(), header.encode())
            + body
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        await self._reader.readexactly(length)
        return int(head.split(b" ", 2)[1])

    def close(self) -> None:
        self._writer.close()


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench webhooks", description=__doc__)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--rate", type=int, default=100, help="messages a second, of both together")
    parser.add_argument("--rows", type=int, default=100_000, help="of books and of the file")
    parser.add_argument("--alone", action="store_true", help="without a reconciliation, to compare")
    given = parser.parse_args(words)
    with fresh_database() as database, tempfile.TemporaryDirectory() as logs, ExitStack() as open_:
        units = Units(database.name, logs)
        if not given.alone:
            _day(units, given.rows, Path(logs) / "settlement.csv")
        bodies = _messages(given.rate * (given.seconds + WARM_UP_S))
        webs = [
            open_.enter_context(sockets.web(units, Path(logs) / f"web-{n}.log"))
            for n in range(PROCESSES)
        ]
        beside = _alone() if given.alone else Reconciling(units.environment())
        with beside as reconciled:
            before_s = _cpu_s(webs)
            seen = asyncio.run(_measured([web.port for web in webs], bodies, given.rate))
            used_s = _cpu_s(webs) - before_s
            result = _result(given, seen, bodies) | reconciled(given.seconds)
        result["web_cpu_ms_each"] = round(used_s * 1_000 / len(bodies), 2)
    wrong = verdicts.webhooks(result, alone=given.alone)
    sys.stdout.write(json.dumps(result | {"ok": not wrong, "wrong": wrong}) + "\n")
    return 1 if wrong else 0


@contextmanager
def _alone() -> Iterator[Callable[[float], dict[str, Any]]]:
    yield lambda _seconds: {}


def _day(units: Units, rows: int, file: Path) -> None:
    """Books and an imported file to reconcile."""
    settled.settle(units.owner_url, rows, file)
    done = python("manage.py", "import_file", str(file), environment=units.environment())
    if done.status:
        raise SystemExit(f"the file was not imported: {done.out}{done.err}")


def _messages(count: int) -> list[bytes]:
    """Events about deposits that are there; every tenth is one that was sent before."""
    player = house.player()
    deposits = Deposit.objects.bulk_create(
        Deposit(
            id=new_id(), player_id=player, provider="simulated", provider_ref=f"hook_{n}",
            key=f"hook_{n}", amount_minor=5_000, currency="EUR",
            state=DepositState.REQUIRES_ACTION.value,
        )
        for n in range(count)
    )  # fmt: skip
    bodies: list[bytes] = []
    for n, deposit in enumerate(deposits):
        if n % DUPLICATES_EVERY == DUPLICATES_EVERY - 1:
            bodies.append(bodies[n - DUPLICATES_EVERY // 2])
        else:
            bodies.append(_body(n, deposit))
    return bodies


def _body(n: int, deposit: Deposit) -> bytes:
    data = {
        "id": deposit.provider_ref, "object": "payment", "status": "succeeded",
        "merchant_reference": str(deposit.pk), "amount_minor": 5_000, "currency": "EUR",
        "fee_minor": 100, "refunded_minor": 0, "reason": "", "redirect_url": "",
    }  # fmt: skip
    event = {"id": f"evt_{n:024d}", "type": "payment.succeeded", "created_ms": 0, "data": data}
    return json.dumps(event).encode()


async def _measured(ports: list[int], bodies: list[bytes], rate: int) -> Seen:
    """Send each message when it is due, to the processes in turn."""
    idle: dict[int, asyncio.Queue[Line]] = {port: asyncio.Queue() for port in ports}
    for port in ports:
        for _ in range(CONNECTIONS_EACH):
            idle[port].put_nowait(Line(*await asyncio.open_connection("127.0.0.1", port)))
    seen, begun = Seen(), perf_counter() + 0.2
    sending = []
    for n, body in enumerate(bodies):
        due = begun + n / rate
        await asyncio.sleep(max(0.0, due - perf_counter()))
        is_counted = n >= WARM_UP_S * rate
        if is_counted:
            seen.late_ms = max(seen.late_ms, (perf_counter() - due) * 1_000)
        sending.append(
            asyncio.create_task(_one(idle[ports[n % len(ports)]], body, due, is_counted, seen))
        )
    await asyncio.gather(*sending)
    for lines in idle.values():
        while not lines.empty():
            lines.get_nowait().close()
    return seen


async def _one(
    idle: asyncio.Queue[Line],
    body: bytes,
    due: float,
    is_counted: bool,  # noqa: FBT001  (the warm-up is sent and not counted)
    seen: Seen,
) -> None:
    line = await idle.get()
    status = await line.send(body)
    idle.put_nowait(line)
    if is_counted:
        seen.ms.append((perf_counter() - due) * 1_000)
        seen.statuses[status] += 1


def _result(given: argparse.Namespace, seen: Seen, bodies: list[bytes]) -> dict[str, Any]:
    ordered = sorted(seen.ms)
    kept, sent = ProviderEvent.objects.count(), len(set(bodies))
    return {
        "rate": given.rate,
        "seconds": given.seconds,
        "processes": PROCESSES,
        "samples": len(ordered),
        "ack_p50_ms": at(ordered, 0.5),
        "ack_p95_ms": at(ordered, 0.95),
        "ack_p99_ms": at(ordered, 0.99),
        "ack_max_ms": round(ordered[-1], 1),
        "over_50_ms": sum(1 for one in ordered if one > verdicts.ACK_P99_MS),
        "sent_late_max_ms": round(seen.late_ms, 1),
        "statuses": {str(status): count for status, count in seen.statuses.items()},
        "events_sent": sent,
        "events_kept": kept,
        "cpus": os.cpu_count(),
        **settings_that_count(),
    }


def _cpu_s(webs: list[sockets.Web]) -> float:
    return sum(process_cpu_s(web.process.pid) for web in webs)


class Reconciling:
    """Runs as the worker does them, again and again, in a thread that waits; what each took."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconciling")
        self._began = 0.0
        self.spans: list[tuple[float, float]] = []
        self.failures: list[str] = []

    def __enter__(self) -> Callable[[float], dict[str, Any]]:
        self._thread.start()
        return self.told

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                began = perf_counter()
                asked = attempts.ask(Cause.NIGHTLY, actor=Actor.system("beat"))
                self._began = began
                giving_way.sweep(tasks.RECONCILIATION_S, self._environment)
                asked.refresh_from_db()
                if asked.state != AttemptState.DONE.value:
                    self.failures.append(f"{asked.state} {asked.code} {asked.message}")
                    return
                self.spans.append((began, perf_counter()))
        finally:
            connection.close()

    def told(self, seconds: float) -> dict[str, Any]:
        """After the last message: runs that ended, for how long the one under way has run, and
        during how much of the last ``seconds`` one was at work."""
        if self.failures:
            raise SystemExit(f"the reconciliation failed: {self.failures[0]}")
        now = perf_counter()
        ended = list(self.spans)
        under_way = [(self._began, now)] if self._began and self._began not in dict(ended) else []
        work = sum(max(0.0, end - max(begun, now - seconds)) for begun, end in ended + under_way)
        return {
            "reconciliations": len(ended),
            "reconciliation_s": [round(end - begun, 2) for begun, end in ended],
            "reconciling_since_s": round(now - self._began, 2),
            "reconciling_share": round(work / seconds, 3),
        }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
