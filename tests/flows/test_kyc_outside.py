"""What is outside: scanners, face providers, and the doors through which documents are seen."""

from __future__ import annotations

import socketserver
import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import connection, connections
from django.test import override_settings

from audit.database_clock import database_now
from audit.locks import only_one
from audit.models import AuditEvent
from compliance.kyc import (
    declarations,
    faces,
    handing_in,
    opening,
    reviews,
    scanning,
    sweeps,
    vault,
)
from compliance.kyc.models import KycTransition
from compliance.kyc.scanning import EICAR, ClamAV, Verdict
from compliance.kyc.states import Kind, State, Subject
from kernel.ids import new_id
from tests import house
from tests.flows import kyc_steps as kyc
from tests.flows import staff_steps
from tests.flows.kyc_steps import ZONE, code_of, news

pytestmark = [pytest.mark.feature("F112"), pytest.mark.usefixtures("database")]


@pytest.fixture(autouse=True)
def _vault(tmp_path):
    with kyc.own_vault(tmp_path / "documents"):
        yield


class Clamd(socketserver.ThreadingTCPServer):
    """A scanner that speaks INSTREAM and answers as it is told; silent where told nothing."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, answer: bytes | None) -> None:
        self.answer, self.received, self.done = answer, b"", threading.Event()
        super().__init__(("127.0.0.1", 0), ClamdSession)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.server_address[1]}"


class ClamdSession(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert self.rfile.read(10) == b"zINSTREAM\0"
        while size := int.from_bytes(self.rfile.read(4), "big"):
            self.server.received += self.rfile.read(size)
        if self.server.answer is None:
            self.server.done.wait(10)
        else:
            self.wfile.write(self.server.answer)


@pytest.mark.parametrize(
    ("answer", "verdict", "detail"),
    [
        (b"stream: OK\0", Verdict.CLEAN, ""),
        (b"stream: Win.Test.EICAR_HDB-1 FOUND\0", Verdict.INFECTED, "Win.Test.EICAR_HDB-1"),
        (b"INSTREAM size limit exceeded. ERROR\0", Verdict.UNKNOWN, "INSTREAM size limit"),
        (b"", Verdict.UNKNOWN, "the scanner said: nothing"),
        (None, Verdict.UNKNOWN, "did not answer: TimeoutError"),
    ],
)
def test_clamd_is_asked_over_its_socket_and_silence_is_unknown(answer, verdict, detail):
    content = bytes(range(256)) * 1_000
    with Clamd(answer) as server:
        scan = ClamAV(server.address, timeout_s=1).scan(content)
        server.done.set()
        assert server.received == content
        server.shutdown()
    assert scan.verdict is verdict
    assert detail in scan.detail


def test_nobody_at_the_scanners_address_is_unknown():
    assert ClamAV("tcp://127.0.0.1:1").scan(b"x").verdict is Verdict.UNKNOWN
    assert ClamAV("unix:///nowhere/clamd.ctl").scan(b"x").verdict is Verdict.UNKNOWN


@override_settings(FARO_VIRUS_SCANNER="tcp://127.0.0.1:1")
def test_what_no_scanner_judged_stays_in_quarantine_and_is_asked_about_again(
    tmp_path, owner, settings
):
    player, officer = house.player(), staff_steps.officer()
    kyc.hand_in(player)
    (row,) = kyc.documents(player)
    assert (row.scan, row.is_original_kept) == ("unknown", True)
    assert code_of(lambda: opening.open_page(row.id, 1, actor=officer)) == "kyc_quarantined"
    assert sweeps.look_at_documents() == 0
    assert kyc.check(player).state == State.DOCUMENTS

    def a_minute_later():
        owner.execute(
            "UPDATE compliance_kyc_document SET scanned_at = scanned_at - interval '2 minutes'"
        )
        assert sweeps.scan_again() == 1

    a_minute_later()
    (row,) = kyc.documents(player)
    assert (row.scan, row.scan_tries) == ("unknown", 2)
    settings.FARO_VIRUS_SCANNER = "simulated"
    a_minute_later()
    (row,) = kyc.documents(player)
    assert (row.scan, row.is_original_kept) == ("clean", False)
    assert [path.name for path in (tmp_path / "documents").rglob("*") if path.is_file()] == ["1"]
    assert sweeps.look_at_documents() == 1
    assert kyc.check(player).state == State.REVIEW


def test_what_turns_out_infected_is_destroyed_and_the_player_told(tmp_path, owner, settings):
    settings.FARO_VIRUS_SCANNER = "tcp://127.0.0.1:1"
    player = house.player()
    kyc.hand_in(player, {Kind.FRONT: kyc.card() + EICAR})
    owner.execute("UPDATE compliance_kyc_document SET scanned_at = now() - interval '1 hour'")
    settings.FARO_VIRUS_SCANNER = "simulated"
    assert sweeps.scan_again() == 1
    (row,) = kyc.documents(player)
    assert (row.scan, row.wrapped_key) == ("infected", None)
    assert [path for path in (tmp_path / "documents").rglob("*") if path.is_file()] == []
    assert kyc.check(player).state == State.STARTED
    assert handing_in.missing(kyc.check(player), Subject.IDENTITY) == (Kind.FRONT,)
    assert news(player) == ["received", "infected"]


class Hangs:
    def compare(self, question):
        threading.Event().wait(2)
        return faces.FaceVerdict.MATCH


class Fails:
    def compare(self, question):
        assert not connection.in_atomic_block
        raise OSError("the provider is away")


@pytest.mark.parametrize(
    ("provider", "same", "finding"),
    [
        ("compliance.kyc.faces.SimulatedFaces", False, "ok"),
        ("compliance.kyc.faces.SimulatedFaces", True, "fail"),
        ("tests.flows.test_kyc_outside.Fails", False, "unknown"),
        ("tests.flows.test_kyc_outside.Hangs", False, "unknown"),
        ("nowhere.Provider", False, "unknown"),
        ("", False, "unknown"),
    ],
)
def test_a_face_provider_answers_or_a_person_looks(settings, monkeypatch, provider, same, finding):
    settings.FARO_FACE_PROVIDER = provider
    monkeypatch.setattr(faces.ask, "__kwdefaults__", {"timeout_s": 1})
    player, picture = house.player(), kyc.card()
    selfie = picture if same else kyc.card("me")
    kyc.hand_in(player, {Kind.FRONT: picture, Kind.SELFIE: selfie})
    sweeps.look_at_documents()
    row = KycTransition.objects.get(player_id=player, subject="identity", to_state="auto_checked")
    assert row.data["findings"]["face"] == finding
    assert kyc.check(player).state == State.REVIEW


def test_while_documents_are_looked_at_another_run_asks_about_nothing(settings):
    settings.FARO_FACE_PROVIDER = "compliance.kyc.faces.SimulatedFaces"
    player, answers = house.player(), []
    kyc.hand_in(player, {Kind.FRONT: kyc.card(), Kind.SELFIE: kyc.card("me")})

    def run():
        try:
            answers.append(sweeps.look_at_documents())
        finally:
            connections.close_all()

    with only_one(sweeps.LOOK_LOCK) as is_alone:
        assert is_alone
        other = threading.Thread(target=run)
        other.start()
        other.join(20)
    assert answers == [0]
    assert kyc.check(player).state == State.DOCUMENTS
    assert sweeps.look_at_documents() == 1


def test_one_players_lost_file_holds_up_nobody_else(settings, owner):
    settings.FARO_FACE_PROVIDER = "compliance.kyc.faces.SimulatedFaces"
    first, second = house.player(), house.player()
    for player in (first, second):
        kyc.hand_in(player, {Kind.FRONT: kyc.card(), Kind.SELFIE: kyc.card("me")})
    vault.drop(kyc.documents(first)[0].id, 1)
    assert sweeps.look_at_documents() == 2
    assert kyc.check(first).state == State.DOCUMENTS
    assert kyc.check(second).state == State.REVIEW


def test_every_opening_of_a_document_is_in_the_audit():
    player, officer = house.player(), staff_steps.officer()
    kyc.hand_in(player)
    (row,) = kyc.documents(player)
    for _ in range(2):
        b"".join(opening.open_page(row.id, 1, actor=officer))
    seen = AuditEvent.objects.filter(kind="kyc.document_seen", subject_id=str(player))
    assert [(one.actor_id, one.after["page"]) for one in seen] == [(officer.id, 1)] * 2
    assert code_of(lambda: opening.open_page(row.id, 2, actor=officer)) == "kyc_no_such_page"
    assert code_of(lambda: opening.open_page(new_id(), 1, actor=officer)) == "kyc_no_such_page"
    assert seen.count() == 2


def test_signed_addresses_are_for_one_officer_one_page_and_one_minute(settings):
    settings.FARO_DOCUMENT_ORIGIN = "https://documents.example"
    document = new_id()
    address = opening.signed_address(document, 3, 7)
    prefix = "https://documents.example/documents/"
    assert address.startswith(prefix)
    token = address.removeprefix(prefix)
    assert opening.read_address(token) == (document, 3, 7)
    assert opening.read_address(token[:-1] + "x") is None
    assert opening.read_address("nonsense") is None
    with time_machine.travel(database_now() + timedelta(seconds=61), tick=False):
        assert opening.read_address(token) is None


def test_officers_zone_is_kept_encrypted_and_only_as_a_zone():
    player, officer = house.player(), staff_steps.officer()
    kyc.in_review(player)
    assert code_of(lambda: reviews.read_off(player, Subject.IDENTITY, "x", actor=officer)) == (
        "mrz_not_a_zone"
    )
    reviews.read_off(player, Subject.IDENTITY, ZONE, actor=officer)
    assert declarations.latest(player, Subject.IDENTITY)[0]["mrz"] == ZONE


def test_scanner_simulator_finds_the_test_string_alone():
    scanner = scanning.SimulatedScanner()
    assert scanner.scan(b"x" + EICAR).verdict is Verdict.INFECTED
    assert scanner.scan(EICAR[:-1]).verdict is Verdict.CLEAN
