"""The web role's shared connections: few, checked before use, and never waited for in a circle."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

#: Uses connections as requests do: one each, given back at the request's end. Prints JSON.
PROGRAM = """
import io, json, threading, time
import django
django.setup()
import asyncio
import httpx
from concurrent.futures import Future
from types import SimpleNamespace
from django.db import OperationalError, connection, connections, transaction
from django.http import HttpResponse
from audit import shared_connections, streamed
from audit.locks import only_one
from compliance.kyc import handing_in
from compliance.kyc.states import Subject
from compliance.registries import exchange
from compliance.registries.exchange import NoAnswer
from events.hub import Hub
from payments.providers import http
from payments.providers.http import ProviderUnreachable
from kernel.refusal import Refused
from tables.bets import intake
from django.core.signals import request_finished

def pid():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]

def request():
    found = pid()
    request_finished.send(sender=None)
    return found

def in_thread(work):
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    return thread, found

def several(count):
    pairs = [in_thread(request) for _ in range(count)]
    for thread, _ in pairs:
        thread.join()
    return {pid for _, found in pairs for pid in found}

def refused():
    began = time.monotonic()
    try:
        pid()
    except OperationalError:
        return time.monotonic() - began
    return None

out = {"pids": len({request() for _ in range(12)}), "crowd": len(several(12))}
import psycopg
from django.conf import settings
with psycopg.connect(settings.DATABASE_URL, autocommit=True) as other:
    killed = request()
    other.execute("SELECT pg_terminate_backend(%s)", [killed])
    out["another_after_a_kill"] = request() != killed
holders, leave = [], threading.Event()
def hold():
    pid()
    leave.wait(20)
    connections.close_all()
for _ in range(3):
    holders.append(in_thread(hold)[0])
time.sleep(0.5)
thread, waited = in_thread(refused)
thread.join()
out["refused_after_s"] = waited[0]
def own():
    shared_connections.take_own()
    try:
        return pid(), shared_connections.is_shared()
    finally:
        connections.close_all()
thread, of_its_own = in_thread(own)
thread.join()
out["own_while_all_are_held"] = of_its_own[0][0] > 0
out["own_is_shared"] = of_its_own[0][1]
leave.set()
for holder in holders:
    holder.join()
out["goes_on"] = request() > 0

def holds():
    return connection.connection is not None

class Waits(Future):
    def result(self, timeout=None):
        out["held_while_waiting_for_a_batch"] = holds()
        return Refused(intake.BettingCode.BUSY, waiting=7)

intake.submit = lambda slip: Waits()
pid()
try:
    intake.take_bets(None)
except Refused as refused:
    out["answer"] = refused.data
middleware = shared_connections.GiveBackBeforeSending(lambda request: HttpResponse(str(pid())))
middleware(None)
out["held_while_sending"] = holds()
with only_one(6_999_999) as is_alone:
    before = pid()
    shared_connections.give_back()
    out["session_kept_under_its_lock"] = is_alone and pid() == before
pid()
pieces = streamed.pieces_of(io.BytesIO(b"x" * 100_000))
next(pieces)
out["held_while_a_file_is_sent"] = holds()
with transaction.atomic():
    pid()
    shared_connections.give_back()
    out["kept_in_a_transaction"] = holds()

def left_by(act):
    pid()
    try:
        act()
    except (NoAnswer, ProviderUnreachable, KeyError):
        pass
    return holds()

nowhere = "http://127.0.0.1:9"
out["held_while_a_register_is_asked"] = left_by(
    lambda: exchange.post(SimpleNamespace(url=nowhere), "/", headers={})
)
out["held_while_a_provider_is_asked"] = left_by(
    lambda: http.call(httpx.Client(base_url=nowhere), "GET", "/")
)
def look(files):
    out["held_while_files_are_opened"] = holds()
    raise KeyError
handing_in._known = handing_in._may_hand_in = lambda *words: pid() and None
handing_in.receiving.receive = look
left_by(lambda: handing_in.hand_in(1, handing_in.Form(Subject.IDENTITY, [], {}, "a" * 8)))

answered = intake.TableIntake("t", place=lambda table, slips: [shared_connections.is_shared()])
slip = SimpleNamespace(stakes=[], slip=None)
out["intake_is_shared"] = answered.submit(slip).result(10)
async def asked():
    hub = Hub()
    work = shared_connections.is_shared
    found = [await hub.read(work), await hub.act(work)]
    await hub.close()
    return found
out["hub_is_shared"] = asyncio.run(asked())
out["outermost"] = settings.MIDDLEWARE[0]
connection.close_pool()
print(json.dumps(out))
"""


@pytest.fixture
def used(database) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=database.environment() | {"FARO_DATABASE_POOL": "3"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_requests_share_few_connections_a_dead_one_is_replaced_and_a_crowd_is_refused(used):
    assert used["pids"] <= 3
    assert used["crowd"] <= 3
    assert used["another_after_a_kill"] is True
    assert used["refused_after_s"] == pytest.approx(3, abs=1.5)
    assert used["goes_on"] is True


def test_the_server_compiles_none_of_our_statements(database):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SHOW jit")
        assert cursor.fetchone() == ("off",)


def test_a_thread_that_lives_long_has_its_own_and_whoever_waits_holds_none(used):
    """Or requests that wait hold all there are, and the intake, which needs one, waits for them."""
    assert used["own_while_all_are_held"] is True
    assert used["own_is_shared"] is False
    assert used["held_while_waiting_for_a_batch"] is False
    assert used["answer"] == {"waiting": 7}
    assert used["held_while_sending"] is False
    assert used["outermost"] == "audit.shared_connections.GiveBackBeforeSending"
    assert used["held_while_a_register_is_asked"] is False
    assert used["held_while_a_provider_is_asked"] is False
    assert used["held_while_files_are_opened"] is False
    assert used["held_while_a_file_is_sent"] is False
    assert used["intake_is_shared"] is False
    assert used["hub_is_shared"] == [False, False]


def test_none_is_given_back_from_a_transaction_or_from_under_a_lock_of_its_session(used):
    assert used["session_kept_under_its_lock"] is True
    assert used["kept_in_a_transaction"] is True
