"""The witness: told every seal in order, whatever it does; and one that outsiders run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from io import StringIO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client

from audit import seals, tasks, witness
from audit.keys import public_key_pem
from audit.sealed_sources import AUDIT
from kernel.invariant import InvariantBroken
from ledger.sealed_sources import ACCOUNTS
from tests.conftest import ROOT
from tests.flows.ledger_steps import funded
from tests.flows.seal_steps import happen, sealed, served
from verify.__main__ import main
from verify.witness import bind

pytestmark = [pytest.mark.feature("F44", "F56"), pytest.mark.usefixtures("database")]


@pytest.fixture(autouse=True)
def _state(settings, tmp_path, monkeypatch):
    settings.STATE_DIR = tmp_path / "state"
    settings.FARO_SEAL_WITNESS = "http://127.0.0.1:9/"
    monkeypatch.setattr(witness, "RETRY_FIRST", timedelta(0))
    (tmp_path / "key.pem").write_bytes(public_key_pem())


@contextmanager
def outsider(settings, tmp_path):
    """The program that anybody can run, in this process, on a real socket."""
    server = bind("127.0.0.1:0", tmp_path / "kept", tmp_path / "key.pem")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    settings.FARO_SEAL_WITNESS = f"http://127.0.0.1:{server.server_address[1]}/"
    try:
        yield settings.FARO_SEAL_WITNESS
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Scripted(BaseHTTPRequestHandler):
    """A witness that answers as it is told to: a status, "silent", "drip" or "slow"."""

    answers: list[int | str] = []
    seen: list[tuple[str, bytes]] = []
    go_on = threading.Event()

    def do_POST(self) -> None:
        line = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.headers["Idempotency-Key"], line))
        answer = self.answers.pop(0) if self.answers else 200
        if answer == "silent":
            return  # the connection ends without a word
        if answer == "slow":
            self.go_on.wait(10)
            answer = 200
        if answer == "drip":
            self.send_response(200)
            self.end_headers()
            while not self.go_on.wait(0.02):
                try:
                    self.wfile.write(b".")
                except OSError:
                    return
            return
        self.send_response(int(answer))
        self.send_header("Location", "http://127.0.0.1:9/")
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"heard")

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def scripted(settings):
    Scripted.answers, Scripted.seen = [], []
    Scripted.go_on = threading.Event()
    with served(Scripted) as url:
        settings.FARO_SEAL_WITNESS = url
        yield Scripted
        Scripted.go_on.set()


def answers() -> list[tuple[str, int, str, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT source, number, outcome, status FROM audit_witness_answer ORDER BY id"
        )
        return cursor.fetchall()


def told() -> list[str]:
    return [key for key, _ in Scripted.seen]


def kept(tmp_path, source="audit") -> bytes:
    return (tmp_path / "kept" / f"{source}.jsonl").read_bytes()


def test_every_seal_reaches_the_witness_in_order_and_its_answer_is_kept(settings, tmp_path):
    made = sealed(3)
    funded(1, 500)
    seals.seal(ACCOUNTS)
    with outsider(settings, tmp_path) as url:
        assert tasks.tell_witness() == 4
        assert tasks.tell_witness() == 0
        assert kept(tmp_path) == b"".join(one.line() for one in made)
        heads = json.loads(asked(url)[1])["sources"]
        assert {name: one["number"] for name, one in heads.items()} == {
            "audit": 3,
            "ledger_accounts": 1,
        }
        assert asked(f"{url}audit.jsonl") == (200, kept(tmp_path))
    assert answers() == [
        *(("audit", number, "taken", 200) for number in (1, 2, 3)),
        ("ledger_accounts", 1, "taken", 200),
    ]
    copy, key = str(tmp_path / "kept"), str(tmp_path / "key.pem")
    ours = str(tmp_path / "state" / "seals")
    assert main(["consistency", copy, ours, "--public-key", key]) == 0


def test_a_witness_that_is_down_delays_no_seal_and_gets_all_of_them_later(settings, tmp_path):
    assert len(sealed(2)) == 2
    assert tasks.tell_witness() == 0
    assert answers() == [("audit", 1, "failed", 0)]
    assert len(sealed(2)) == 2
    lag = witness.lag()
    assert (lag.waiting, lag.is_refused, lag.taken["audit"]) == (4, False, 0)
    name = witness.configured().name
    with outsider(settings, tmp_path):
        assert tasks.tell_witness() == 4
        assert witness.configured().name != name  # another address is another witness
        assert witness.lag().waiting == 0
    assert kept(tmp_path).count(b"\n") == 4


def test_what_it_cannot_take_now_is_tried_again_and_nothing_overtakes_it(scripted):
    sealed(3)
    scripted.answers = [200, 500, 503, 302, 200, 200]
    assert [tasks.tell_witness() for _ in range(5)] == [1, 0, 0, 2, 0]
    assert told() == [f"audit:{number}" for number in (1, 2, 2, 2, 2, 3)]
    assert [(row[1], row[2], row[3]) for row in answers()] == [
        (1, "taken", 200), (2, "failed", 500), (2, "failed", 503), (2, "failed", 302),
        (2, "taken", 200), (3, "taken", 200),
    ]  # fmt: skip


def test_one_source_that_is_not_taken_holds_up_no_other(scripted):
    sealed(1)
    funded(1, 500)
    seals.seal(ACCOUNTS)
    scripted.answers = [500, 200]
    assert tasks.tell_witness() == 1
    assert told() == ["audit:1", "ledger_accounts:1"]


def test_tries_become_rarer_and_wait_for_their_time(scripted, monkeypatch):
    monkeypatch.setattr(witness, "RETRY_FIRST", timedelta(seconds=10))
    pauses = [witness._pause(failures).total_seconds() for failures in (1, 2, 3, 6, 7, 99)]
    assert pauses == [10, 20, 40, 320, 600, 600]
    sealed(1)
    scripted.answers = [500]
    assert [tasks.tell_witness(), tasks.tell_witness()] == [0, 0]
    assert told() == ["audit:1"]
    monkeypatch.setattr(witness, "RETRY_FIRST", timedelta(0))
    assert tasks.tell_witness() == 1


def test_an_answer_that_was_lost_is_asked_for_again_and_the_seal_is_kept_once(
    settings, tmp_path, scripted
):
    sealed(1)
    scripted.answers = ["silent"]
    assert tasks.tell_witness() == 0
    assert answers() == [("audit", 1, "failed", 0)]
    line = scripted.seen[0][1]
    with outsider(settings, tmp_path) as url:
        # as if it had taken the seal, and the worker had died before it knew
        assert post(url, line)[1]["new"] is True
        assert tasks.tell_witness() == 1
    assert kept(tmp_path) == line


def test_a_slow_witness_holds_up_itself_only(scripted, monkeypatch):
    monkeypatch.setattr(witness, "READ_S", 0.2)
    sealed(1)
    scripted.answers = ["slow"]
    began = threading.Event()
    done = []

    def tell() -> None:
        began.set()
        try:
            done.append(tasks.tell_witness())
        finally:
            connection.close()

    thread = threading.Thread(target=tell)
    thread.start()
    assert began.wait(5)
    assert len(sealed(2)) == 2  # meanwhile
    thread.join(10)
    assert done == [0]
    assert answers() == [("audit", 1, "failed", 0)]


def test_an_answer_without_an_end_is_ended(scripted, monkeypatch):
    monkeypatch.setattr(witness, "TOTAL_MS", 100)
    sealed(1)
    scripted.answers = ["drip"]
    assert tasks.tell_witness() == 0
    assert answers() == [("audit", 1, "failed", 200)]


def test_two_workers_tell_it_once(scripted):
    sealed(1)
    scripted.answers = ["slow"]
    done = []

    def tell() -> None:
        try:
            done.append(tasks.tell_witness())
        finally:
            connection.close()

    first = threading.Thread(target=tell)
    first.start()
    while not scripted.seen:
        threading.Event().wait(0.01)
    assert tasks.tell_witness() == 0
    scripted.go_on.set()
    first.join(10)
    assert done == [1]
    assert told() == ["audit:1"]


def test_no_network_inside_a_transaction():
    with transaction.atomic(), pytest.raises(InvariantBroken, match="no network"):
        witness.tell(witness.configured())


def test_answers_are_append_only_and_dated_by_the_database(scripted, database):
    sealed(1)
    tasks.tell_witness()
    with psycopg.connect(database.app_url) as db:
        for statement in (
            "UPDATE audit_witness_answer SET outcome = 'failed'",
            "DELETE FROM audit_witness_answer",
            "INSERT INTO audit_witness_answer (witness, source, number, outcome, status, at)"
            " VALUES ('w', 's', 1, 'taken', 200, now())",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                db.execute(statement)
            db.rollback()


def test_a_second_history_is_refused_told_and_kept_as_evidence(settings, tmp_path, owner, capsys):
    with outsider(settings, tmp_path):
        sealed(3)
        tasks.tell_witness()
        owner.execute("ALTER TABLE audit_seal DISABLE TRIGGER USER")
        owner.execute("ALTER TABLE audit_witness_answer DISABLE TRIGGER USER")
        owner.execute("DELETE FROM audit_seal WHERE number = 3")
        owner.execute("DELETE FROM audit_witness_answer WHERE number = 3")
        assert len(seals.seal(AUDIT)) == 1  # the same row, sealed anew
        before = kept(tmp_path)
        assert tasks.tell_witness() == 0
        assert answers()[-1] == ("audit", 3, "refused", 409)
        assert kept(tmp_path) == before
        assert (tmp_path / "kept" / "contradictions.jsonl").read_bytes().count(b"\n") == 1
        assert "refused: audit: seal 3 forked" in capsys.readouterr().err
        assert Client().get("/readyz").json()["flags"]["witness"] == (
            "the witness has another history: it refuses a seal"
        )
        with pytest.raises(CommandError, match="another history"):
            call_command("witness", stdout=StringIO())


def asked(what: str | Request) -> tuple[int, bytes]:
    with urlopen(what) as answer:  # noqa: S310  (of this machine)
        return answer.status, answer.read()


def post(url: str, body: bytes, **headers: str) -> tuple[int, dict]:
    request = Request(url, data=body, method="POST", headers=headers)  # noqa: S310  (of this machine)
    try:
        status, answer = asked(request)
        return status, json.loads(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_outsiders_witness_takes_nothing_that_is_not_the_next_seal(settings, tmp_path):
    first, second, third = (one.line() for one in sealed(3))
    with outsider(settings, tmp_path) as url:
        assert post(url, second)[1]["code"] == "seal_missing"
        assert post(url, first, **{"Idempotency-Key": "audit:2"})[0] == 422
        changed = first.replace(b'"count', b'"kount')
        assert post(url, changed)[1]["code"] == "bad_signature"
        assert post(url, b"{}")[0] == 422
        assert post(url, b"x" * 20_000)[0] == 413
        assert post(url, first)[0] == 200
        assert post(url, third)[0] == 422  # one between is missing: no contradiction, not yet
        assert post(url, second, **{"Idempotency-Key": "audit:2"})[1]["new"] is True
        assert post(url, second)[1]["new"] is False
        with pytest.raises(HTTPError) as missing:
            asked(f"{url}../key.pem")
        missing.value.close()
    assert not (tmp_path / "kept" / "contradictions.jsonl").exists()
    with (tmp_path / "kept" / "audit.jsonl").open("ab") as file:
        file.write(third[:40])  # torn by a crash
    with outsider(settings, tmp_path) as url:
        assert kept(tmp_path) == first + second
        assert post(url, third)[0] == 200
    assert kept(tmp_path) == first + second + third


#: A shell without job control starts one so: it hears of no SIGINT unless it asks to.
AS_A_BACKGROUND_JOB = ("/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh")


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_it_runs_as_a_program_alone_until_it_is_told_to_stop(settings, tmp_path, told):
    sealed(2)
    key, folder = tmp_path / "key.pem", tmp_path / "kept"
    words = ["--listen", "127.0.0.1:0", "--keep", str(folder), "--public-key", str(key)]
    program = subprocess.Popen(
        [*AS_A_BACKGROUND_JOB, sys.executable, "-m", "verify", "witness", *words],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = program.stdout.readline()
        settings.FARO_SEAL_WITNESS = re.search(r"http://\S+/", line)[0]
        assert tasks.tell_witness() == 2
        assert main(["witness", *words]) == 2  # one folder, one program
        program.send_signal(told)
        assert program.wait(10) == 0
    finally:
        program.kill()
        program.communicate()


def test_the_lag_is_told_where_operators_look(settings, scripted):
    settings.FARO_METRICS_TOKEN = "t"
    scripted.answers = [500]
    sealed(2)
    tasks.tell_witness()
    scrape = Client().get("/metrics", headers={"authorization": "Bearer t"}).content.decode()
    assert "faro_seal_witness_waiting 2.0" in scrape
    assert re.search(r"\nfaro_seal_witness_lag_seconds \d", scrape)
    assert Client().get("/readyz").json()["flags"]["witness"] == "ok"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(witness, "LATE", timedelta(0))
        answer = Client().get("/readyz").json()
        assert answer["flags"]["witness"] == "2 seals wait for the witness"
        with pytest.raises(CommandError, match="late"):
            call_command("witness", stdout=StringIO())
    assert "none of them yet" in Client().get("/seals/").content.decode()
    out = StringIO()
    call_command("witness", "--tell", "--format", "json", stdout=out)
    facts = json.loads(out.getvalue())
    assert (facts["waiting"], facts["lag_s"], facts["taken"]["audit"]) == (0, 0, 2)
    assert "confirmed them up to seal 2" in Client().get("/seals/").content.decode()


def test_without_a_witness_nothing_is_told_and_nothing_is_late(settings):
    settings.FARO_SEAL_WITNESS = ""
    settings.FARO_METRICS_TOKEN = "t"
    sealed(1)
    assert tasks.tell_witness() == 0
    assert answers() == []
    scrape = Client().get("/metrics", headers={"authorization": "Bearer t"}).content.decode()
    assert "faro_seal_witness_waiting -1.0" in scrape
    assert "witness" not in Client().get("/readyz").json()["flags"]
    assert "witness" not in Client().get("/seals/").content.decode()
    with pytest.raises(CommandError, match="not set"):
        call_command("witness", stdout=StringIO())


@pytest.mark.parametrize(
    "url",
    ["http://witness.example.org/", "ftp://127.0.0.1/", "https://", "witness", "https://a:b:c/",
     "https://witness.example.org/#x", "file:///etc/passwd"],
)  # fmt: skip
def test_a_witness_at_no_safe_address_is_no_witness(settings, url):
    settings.FARO_SEAL_WITNESS = url
    with pytest.raises(ImproperlyConfigured, match="FARO_SEAL_WITNESS"):
        witness.configured()


def test_the_name_of_a_witness_holds_no_secret(settings):
    settings.FARO_SEAL_WITNESS = "https://faro:sesame@witness.example.org/secret?token=1"
    name = witness.configured().name
    assert re.fullmatch(r"witness\.example\.org#[0-9a-f]{12}", name)


def test_seals_without_a_witness_wait_for_one(settings, tmp_path):
    settings.FARO_SEAL_WITNESS = ""
    sealed(105)
    happen()
    seals.seal(AUDIT)
    with outsider(settings, tmp_path):
        assert tasks.tell_witness() == 106  # more than one turn
    assert kept(tmp_path).count(b"\n") == 106
