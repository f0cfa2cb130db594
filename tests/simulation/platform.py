"""The platform around a simulation: an HTTP door for controllers, runners that get killed, bettors.

Everything is real: the simulated studio and the controllers are their own processes and speak over
TCP and HTTP; runners are `manage.py run_tables`; bets go through the intake's batches. Only the web
server in front of the studio's endpoint is a small threaded one inside the test.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.core.wsgi import get_wsgi_application
from django.db import OperationalError, connections

from casino.embedded.postgres import free_port
from kernel.ids import new_id
from kernel.refusal import Refused
from studio.protocol.signatures import generate_key
from tables.bets.intake import place_with_retries
from tables.bets.slips import Receipt, place_bets
from tables.floor_plan import enrol_device
from tables.models import Round, Table
from tables.phases import BETTING
from tables.rules.roulette import ALL_POSITIONS
from tests import house
from tests.conftest import ROOT

#: Threads that answer controllers: one per table, so that none waits for another's lock.
WEB_THREADS = 6


class _Server(WSGIServer):
    """A fixed number of threads, each with a database connection of its own that it keeps.

    A thread and a connection per report cost more than the report itself (measured: 100 rounds
    starve on two busy cores), and no production server works so.
    """

    request_queue_size = 64

    def __init__(self, address, handler):
        super().__init__(address, handler)
        self._pool = ThreadPoolExecutor(WEB_THREADS)

    def process_request(self, request, client_address):
        self._pool.submit(self._answer, request, client_address)

    def _answer(self, request, client_address):
        try:
            self.finish_request(request, client_address)
        finally:
            self.shutdown_request(request)

    def server_close(self):
        super().server_close()
        together = threading.Barrier(WEB_THREADS)  # so that each thread takes one of these
        for _ in range(WEB_THREADS):
            self._pool.submit(lambda: (together.wait(10), connections.close_all()))
        self._pool.shutdown()


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.0"

    def log_message(self, *args):
        pass


@contextmanager
def web():
    """Django on a free port, in this process, on the test's database."""
    settings = connections.settings["default"]
    before = settings["CONN_MAX_AGE"]
    settings["CONN_MAX_AGE"] = None  # the pool's threads keep theirs; ours exists already
    server = make_server(
        "127.0.0.1", 0, get_wsgi_application(), server_class=_Server, handler_class=_Handler
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
        settings["CONN_MAX_AGE"] = before


@contextmanager
def processes(*commands, env=None, log: Path):
    """Processes of ours, ended at the end."""
    with log.open("ab") as out:
        running = [
            subprocess.Popen(words, cwd=ROOT, env=env, stdout=out, stderr=out) for words in commands
        ]
        try:
            yield running
        finally:
            for process in running:
                if process.poll() is None:
                    process.send_signal(signal.SIGCONT)
                    process.terminate()
            for process in running:
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def enrol(table: Table, home: Path) -> dict[str, str]:
    """Keys for the table's two devices, enrolled; the controller's configuration of the table."""
    config = {"id": table.id}
    for kind in ("wheel", "keypad"):
        key, name = generate_key(), f"{table.id}-{kind}"
        file = home / f"{name}.key"
        file.write_text(key.private_b64)
        enrol_device(
            table,
            device_id=name,
            kind=kind,
            key_id=f"{name}-1",
            public_key_b64=key.public_b64,
            actor=house.TESTER,
        )
        config |= {
            f"{kind}_device": name,
            f"{kind}_key_id": f"{name}-1",
            f"{kind}_private_b64_file": str(file),
        }
    return config


def write_configs(home: Path, url: str, tables: list[Table], *, speed, seed, faults, misread):
    """Configuration files of the studio and the controller; returns their commands."""
    ports = {table.id: (free_port(), free_port(), free_port()) for table in tables}
    studio = {
        "speed": speed,
        "seed": seed,
        "state_dir": str(home / "studio"),
        "misread_rate": misread,
        "fault_rates": faults,
        "tables": [
            {"id": name, "wheel_port": wheel, "keypad_port": keypad, "control_port": control}
            for name, (wheel, keypad, control) in ports.items()
        ],
    }
    file = home / "studio.json"
    file.write_text(json.dumps(studio))
    controller = write_controller(
        home, url, [(table, *ports[table.id][:2]) for table in tables], speed=speed
    )
    return [sys.executable, "-m", "studio.simulated", "--config", str(file)], controller


def write_controller(home: Path, url: str, tables: list[tuple[Table, int, int]], *, speed):
    """The controller's configuration for tables with their wheel and keypad ports; its command."""
    controller = {
        "platform_url": url,
        "time_scale": 1 / speed,
        "state_dir": str(home / "controller"),
        "tables": [
            enrol(table, home)
            | {"wheel": f"tcp://127.0.0.1:{wheel}", "keypad": f"tcp://127.0.0.1:{keypad}"}
            for table, wheel, keypad in tables
        ],
    }
    file = home / "controller.json"
    file.write_text(json.dumps(controller))
    return [sys.executable, "-m", "studio.controller", "--config", str(file)]


class Bettors:
    """Players who bet at every table as fast as they are answered, until told to stop."""

    def __init__(self, players, tables, seed):
        self.accepted: dict[str, int] = {}
        self.refused: dict[str, int] = {}
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._play, args=(table.id, players, random.Random(seed + n)))
            for n, table in enumerate(tables)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def _play(self, table_id, players, dice):
        try:
            while not self._stop.wait(0.1):
                if not self._open(table_id):
                    continue
                slips = [self._slip(table_id, player, dice) for player in dice.sample(players, 4)]
                try:
                    answers = place_with_retries(table_id, slips)
                except OperationalError:
                    connections.close_all()
                    continue
                for answer in answers:
                    self._count(answer)
        finally:
            connections.close_all()

    def _open(self, table_id):
        """A look first: refusals are another test's matter, and each costs a transaction."""
        return Round.objects.filter(table_id=table_id, phase__in=BETTING).exists()

    def _slip(self, table_id, player, dice):
        stakes = [(dice.choice(ALL_POSITIONS).code, 50) for _ in range(dice.randint(1, 3))]
        return place_bets(player, table_id, key=new_id().hex, currency="EUR", stakes=stakes)

    def _count(self, answer: Receipt | Refused):
        if isinstance(answer, Receipt):
            for bet in answer.bets:
                self.accepted[str(bet.id)] = bet.stake_minor
        else:
            self.refused[str(answer.code)] = self.refused.get(str(answer.code), 0) + 1


class Runners:
    """Two `tables` processes, one of which is killed or frozen every now and then."""

    WORDS = ("manage.py", "run_tables", "--lease-ms", "600")

    def __init__(self, env, log: Path, seed):
        self.kills = 0
        self._env, self._log, self._dice = env, log.open("ab"), random.Random(seed)
        self._running = [self._start(), self._start()]
        self._due = self._dice.uniform(2, 6)

    def _start(self):
        return subprocess.Popen(
            [sys.executable, *self.WORDS],
            cwd=ROOT,
            env=self._env,
            stdout=self._log,
            stderr=self._log,
        )

    def harass(self, rounds: int):
        """Kill one when enough rounds are played since the last, and start another in its place.

        Counted in rounds, not in seconds: a slow machine would else only ever start runners.
        """
        if rounds < self._due:
            return
        self._due = rounds + self._dice.uniform(6, 12)
        index = self._dice.randrange(2)
        self._running[index].kill()
        self._running[index].wait()
        self._running[index] = self._start()
        self.kills += 1

    def close(self):
        for process in self._running:
            process.terminate()
        for process in self._running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._log.close()
