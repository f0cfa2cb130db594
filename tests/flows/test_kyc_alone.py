"""One thing that fails takes no other along: silence, unreadable files, and times that run on."""

from __future__ import annotations

import pytest

from casino.settings.jobs import CELERY_BEAT_SCHEDULE
from compliance.kyc import faces, scanning, sweeps, vault
from compliance.kyc.scanning import Scan, Verdict
from compliance.kyc.states import Kind, State, Subject
from notices.models import Notice
from tests import house
from tests.flows import kyc_steps as kyc
from tests.flows import staff_steps

pytestmark = [
    pytest.mark.feature("F108"),
    pytest.mark.feature("F112"),
    pytest.mark.usefixtures("database"),
]


@pytest.fixture(autouse=True)
def _vault(tmp_path):
    with kyc.own_vault(tmp_path / "documents"):
        yield


class Silent:
    """A scanner that never answers, and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def scan(self, content: bytes) -> Scan:
        self.asked += 1
        return Scan(Verdict.UNKNOWN, "the scanner did not answer: TimeoutError", is_silence=True)


def quarantined(monkeypatch, owner, count: int) -> list:
    monkeypatch.setattr(scanning, "scanner", Silent)
    players = [house.player() for _ in range(count)]
    for player in players:
        kyc.hand_in(player)
    owner.execute("UPDATE compliance_kyc_document SET scanned_at = now() - interval '1 hour'")
    return players


def test_a_silent_scanner_is_asked_once_a_run_and_no_time_stands_still(monkeypatch, owner):
    quarantined(monkeypatch, owner, 3)
    late = house.player()
    sweeps.begin_checks()
    kyc.hand_in(late, {Kind.BACK: kyc.card()})
    owner.execute(
        "UPDATE compliance_kyc_check SET due_at = now() - interval '1 second' WHERE player_id = %s",
        [late],
    )
    silent = Silent()
    monkeypatch.setattr(scanning, "scanner", lambda: silent)
    sweeps.sweep()
    assert silent.asked == 0
    assert kyc.check(late).state == State.EXPIRED
    assert sweeps.scan_again() == silent.asked == 1
    assert sweeps.scan_again(budget_s=0) == 0
    tasks = {entry["task"] for entry in CELERY_BEAT_SCHEDULE.values()}
    assert {f"compliance.tasks.{one}" for one in ("scan_again", "look_at_documents")} <= tasks


def test_a_file_that_cannot_be_read_waits_its_minute_and_the_others_are_scanned(monkeypatch, owner):
    players = quarantined(monkeypatch, owner, 3)
    (lost,) = kyc.documents(players[0])
    vault.drop(lost.id, vault.ORIGINAL)
    owner.execute(
        "UPDATE compliance_kyc_document SET scanned_at = now() - interval '2 hours' WHERE id = %s",
        [lost.id],
    )
    monkeypatch.setattr(scanning, "scanner", scanning.SimulatedScanner)
    assert sweeps.scan_again() == 3
    assert [kyc.documents(one)[0].scan for one in players] == ["unknown", "clean", "clean"]
    (lost,) = kyc.documents(players[0])
    assert lost.scan_tries == 2
    assert sweeps.scan_again() == 0


def test_nothing_is_read_for_a_face_where_nobody_is_asked(settings):
    settings.FARO_FACE_PROVIDER = ""
    player, other = house.player(), house.player()
    for one in (player, other):
        kyc.hand_in(one, {Kind.FRONT: kyc.card(), Kind.SELFIE: kyc.card("me")})
    for document in kyc.documents(player):
        vault.drop(document.id, 1)
    assert sweeps.look_at_documents() == 2
    assert kyc.check(player).state == kyc.check(other).state == State.REVIEW


def test_a_silent_provider_ends_the_run_and_each_form_is_asked_about_once(settings, monkeypatch):
    settings.FARO_FACE_PROVIDER = "compliance.kyc.faces.SimulatedFaces"
    monkeypatch.setattr(faces, "ask", lambda _question: faces.FaceVerdict.UNKNOWN)
    players = [house.player() for _ in range(3)]
    for one in players:
        kyc.hand_in(one, {Kind.FRONT: kyc.card(), Kind.SELFIE: kyc.card("me")})
    assert [sweeps.look_at_documents() for _ in range(4)] == [1, 1, 1, 0]
    assert {kyc.check(one).state for one in players} == {State.REVIEW}


def test_one_player_whose_time_cannot_be_moved_leaves_the_others_theirs(monkeypatch, owner):
    players = [house.player() for _ in range(3)]
    for one in players:
        kyc.hand_in(one, {Kind.BACK: kyc.card()})
    owner.execute("UPDATE compliance_kyc_check SET due_at = now() - interval '1 second'")
    real = sweeps.lock_standing

    def broken(player_id):
        if player_id == players[0]:
            raise OSError("this one is broken")
        return real(player_id)

    monkeypatch.setattr(sweeps, "lock_standing", broken)
    assert sweeps.expire() == 4  # identity and age of two players
    assert [kyc.check(one).state for one in players] == ["started", "expired", "expired"]


def test_compliance_hears_of_files_that_no_scanner_judged_in_time(monkeypatch, owner):
    officer = staff_steps.officer()
    quarantined(monkeypatch, owner, 1)
    assert sweeps.alarm() == 0
    owner.execute(
        "UPDATE compliance_kyc_check SET due_at = due_at - interval '24 hours 1 second'"
        " WHERE state = 'documents'"
    )
    assert (sweeps.alarm(), sweeps.alarm()) == (2, 0)
    told = Notice.objects.filter(kind="verification_overdue", person_id=int(officer.id))
    assert told.count() == 2


def test_compliance_hears_once_of_a_proposal_that_nobody_seconded_in_time(owner):
    player, officer = house.player(), staff_steps.officer()
    kyc.ask(player, Subject.FUNDS, by=officer)
    kyc.hand_in(player, {Kind.FUNDS: kyc.pdf()}, Subject.FUNDS, fields={"source": "salary"})
    sweeps.look_at_documents()
    kyc.verify(player, Subject.FUNDS, by=officer)
    assert sweeps.alarm() == 0
    owner.execute("ALTER TABLE compliance_kyc_review DISABLE TRIGGER USER")
    owner.execute(
        "UPDATE compliance_kyc_review SET first_at = now() - interval '12 hours 1 second'"
    )
    owner.execute("ALTER TABLE compliance_kyc_review ENABLE TRIGGER USER")
    assert (sweeps.alarm(), sweeps.alarm()) == (1, 0)


def test_a_scanner_that_drips_has_one_deadline(monkeypatch):
    moments = iter([0.0, 1.0, 2.0, 9.0])
    monkeypatch.setattr(scanning.time, "monotonic", lambda: next(moments))

    class Dripping:
        def settimeout(self, seconds):
            assert 0 < seconds <= 8

        def recv(self, _size):
            return b"."

    with pytest.raises(TimeoutError):
        scanning._answer(Dripping(), scanning.time.monotonic() + scanning.TIMEOUT_S)
