"""Verification as pages: a player's form without a script, an officer's queue and sandbox."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from audit.database_clock import database_now
from audit.models import AuditEvent
from backoffice.officers import kyc_words
from casino import document_checks
from compliance.kyc import file_guard, opening, sweeps, wording
from compliance.kyc.file_guard import FileCode
from compliance.kyc.models import KycReview
from compliance.kyc.moves import KycCode, newest_move
from compliance.kyc.mrz import MrzCode
from compliance.kyc.states import Kind, State, Subject
from compliance.models import Standing
from kernel.ids import new_id
from tests import house
from tests.flows import kyc_steps as kyc
from tests.flows import staff_steps
from tests.flows.kyc_steps import ZONE
from tests.flows.staff_steps import enter, make_staff, staff_client

pytestmark = [pytest.mark.feature("F112"), pytest.mark.usefixtures("database")]

BACKEND = "accounts.authentication.PasswordAtOwnDoor"
IDENTITY = "/account/verification/identity/"


@pytest.fixture(autouse=True)
def _vault(tmp_path):
    with kyc.own_vault(tmp_path / "documents"):
        yield


def browser(player, **options) -> Client:
    client = Client(**options)
    client.force_login(User.objects.get(pk=player), backend=BACKEND)
    return client


def file(content: bytes, name: str = "IMG_1.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type="image/jpeg")


def form(**changes) -> dict:
    return {"key": new_id().hex, **kyc.FIELDS, **changes}


def headed(answer, *names: str) -> list[str]:
    return [answer.headers.get(name, "") for name in names]


def test_a_player_sends_documents_without_a_script_and_reads_where_they_are():
    player = house.player()
    client = browser(player)
    page = client.get(IDENTITY).content.decode()
    assert 'capture="environment"' in page
    assert 'enctype="multipart/form-data"' in page
    answer = client.post(IDENTITY, form(front=file(kyc.card()), back=file(kyc.card())))
    assert (answer.status_code, answer.headers["Location"]) == (302, "/account/verification/")
    sweeps.look_at_documents()
    told = client.get("/account/verification/").content.decode()
    assert "One of our officers looks at your documents" in told
    assert "You hear from us by" in told
    assert told.count("arrived") >= 2
    assert "<img" not in told
    assert client.get(IDENTITY).status_code == 302


def test_what_is_wrong_with_one_file_keeps_words_and_other_files():
    player = house.player()
    client = browser(player)
    sent = form(front=file(kyc.card()), back=file(b"<svg onload=alert(1)>", "x.jpg"))
    sent["name"] = '"><script>alert(1)</script>'
    answer = client.post(IDENTITY, sent)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Drawings (SVG) are not taken." in page
    assert "Arrived " in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert(1)" not in page
    assert [one.kind for one in kyc.documents(player)] == ["front"]
    key = answer.context["form"]["key"].value()
    assert key != sent["key"]
    again = client.post(IDENTITY, {**sent, "key": key, "back": "", "front": ""})
    assert again.status_code == 302
    assert kyc.check(player).state == State.DOCUMENTS


def test_a_missing_file_and_a_wrong_date_are_both_named_and_what_came_stays():
    player = house.player()
    client = browser(player)
    answer = client.post(IDENTITY, form(back=file(kyc.card()), expires_on="31 April", mrz="hello"))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Choose a file first." in page
    assert "These are not the two or three lines of a document." in page
    assert "Enter a valid date." in page
    assert "L898902C3" in page
    assert [one.kind for one in kyc.documents(player)] == ["back"]


def test_a_file_that_is_too_large_is_let_go_while_it_arrives():
    player = house.player()
    large = kyc.card() + b"\0" * file_guard.BYTES_MAX
    answer = browser(player).post(IDENTITY, form(front=file(large), back=file(kyc.card())))
    assert answer.status_code == 422
    assert "The file is larger than 10 MB." in answer.content.decode()
    assert [one.kind for one in kyc.documents(player)] == ["back"]


def test_a_form_beyond_all_bounds_is_answered_before_it_is_read():
    player = house.player()
    answer = browser(player).post(
        IDENTITY, form(front=file(kyc.card())), CONTENT_LENGTH=str(200 * 1024 * 1024)
    )
    assert answer.status_code == 413
    assert "larger than" in answer.content.decode()
    assert kyc.documents(player) == []


def test_the_form_counts_once_and_only_with_its_token():
    player = house.player()
    strict = browser(player, enforce_csrf_checks=True)
    assert strict.post(IDENTITY, form(front=file(kyc.card()))).status_code == 403
    assert kyc.documents(player) == []
    sent, content = form(), kyc.card()
    for _ in range(2):
        browser(player).post(IDENTITY, {**sent, "front": file(content)})
    assert len(kyc.documents(player)) == 1


def test_strangers_and_other_subjects_find_nothing():
    assert Client().get("/account/verification/").status_code == 302
    answer = Client().post(IDENTITY, form(front=file(kyc.card())))
    assert answer.status_code == 302
    assert "/account/login/" in answer.headers["Location"]
    player = house.player()
    for subject in ("age", "nothing"):
        assert browser(player).get(f"/account/verification/{subject}/").status_code == 404


def test_a_player_reads_what_an_officer_asked_and_by_when():
    from compliance.kyc import reviews

    player = house.player()
    kyc.in_review(player)
    seen = newest_move(player, Subject.IDENTITY)
    reviews.want_more(
        player, Subject.IDENTITY, seen, text="The <back>, please.", actor=staff_steps.officer()
    )
    client = browser(player)
    page = client.get(IDENTITY).content.decode()
    assert "The &lt;back&gt;, please." in page
    assert "Please send it by" in page
    overview = client.get("/account/verification/").content.decode()
    assert "Your turn" in overview
    assert "We asked for more" in overview


def test_an_officer_finds_the_check_sees_document_and_data_and_decides():
    player = house.player()
    Standing.objects.filter(pk=player).update(jurisdiction="MT")
    kyc.hand_in(player, fields=kyc.FIELDS | {"mrz": ZONE})
    sweeps.look_at_documents()
    client = staff_client(Role.COMPLIANCE)
    assert (
        f'/admin/verification/{player}/identity/"'
        in client.get("/admin/verification/").content.decode()
    )
    page = client.get(f"/admin/verification/{player}/identity/").content.decode()
    (row,) = kyc.documents(player)
    assert f'src="/admin/verification/documents/{row.id}/1/"' in page
    for words in ("Anna Maria Eriksson", "ANNA MARIA ERIKSSON", "all right", "same"):
        assert words in page
    sent = {
        "verdict": "verify",
        "reason": "sound",
        "what": "all",
        "seen_identity": newest_move(player, Subject.IDENTITY),
        "seen_age": newest_move(player, Subject.AGE),
        "birth": "1990-02-28",
        "expires_on": (database_now().date() + timedelta(days=400)).isoformat(),
        "note": "Card and account agree.",
    }
    wrong = client.post(
        f"/admin/verification/{player}/identity/decide/", sent | {"birth": "1991-02-28"}
    )
    assert wrong.status_code == 409
    assert "kyc_birth_differs" in wrong.content.decode()
    assert "Card and account agree." in wrong.content.decode()
    assert KycReview.objects.count() == 0
    done = client.post(f"/admin/verification/{player}/identity/decide/", sent)
    assert done.status_code == 302
    standing = Standing.objects.get(pk=player)
    assert (standing.age_verified, standing.identity_verified) == (True, True)
    opened = AuditEvent.objects.filter(kind="kyc.check_opened", subject_id=str(player))
    assert opened.count() == 2


def test_what_the_house_did_not_look_at_is_listed(owner):
    player = house.player()
    kyc.hand_in(player)
    client = staff_client(Role.COMPLIANCE)
    words = "Not looked at by the house for ten minutes"
    assert words not in client.get("/admin/verification/").content.decode()
    owner.execute("UPDATE compliance_kyc_check SET changed_at = now() - interval '11 minutes'")
    page = client.get("/admin/verification/").content.decode()
    assert words in page
    assert f"Player {player}</a>, identity" in page


def test_two_officers_decide_on_the_page_and_the_first_cannot_agree():
    player = house.player()
    Standing.objects.filter(pk=player).update(jurisdiction="GB")
    kyc.in_review(player)
    first, second = staff_client(Role.COMPLIANCE), staff_client(Role.COMPLIANCE)
    address = f"/admin/verification/{player}/identity/"
    first.post(
        f"{address}decide/",
        {
            "verdict": "reject",
            "reason": "altered",
            "what": "all",
            "seen_identity": newest_move(player, Subject.IDENTITY),
            "seen_age": newest_move(player, Subject.AGE),
            "note": "The number was changed.",
        },
    )
    assert "Somebody else agrees to it" in first.get(address).content.decode()
    sent = {"agrees": "yes"} | {
        f"review_{one}": kyc.proposal(player, one) for one in (Subject.AGE, Subject.IDENTITY)
    }
    refused = first.post(f"{address}second/", sent)
    assert "kyc_same_person" in refused.content.decode()
    page = second.get(address).content.decode()
    assert "The number was changed." in page
    for name, value in sent.items():
        assert name == "agrees" or f'name="{name}" value="{value}"' in page
    assert (
        "kyc_stale"
        in second.post(f"{address}second/", sent | {"review_age": str(new_id())}).content.decode()
    )
    assert kyc.check(player).state == State.REVIEW
    assert second.post(f"{address}second/", sent).status_code == 302
    assert kyc.check(player).state == kyc.check(player, Subject.AGE).state == State.REJECTED


def test_a_page_of_a_document_is_sandboxed_and_each_opening_recorded():
    player = house.player()
    kyc.in_review(player)
    (row,) = kyc.documents(player)
    officer = make_staff(Role.COMPLIANCE)
    answer = enter(officer).get(f"/admin/verification/documents/{row.id}/1/")
    assert hashlib.sha256(b"".join(answer)).hexdigest() == row.pages[0]["sha256"]
    assert headed(
        answer,
        "Content-Type",
        "Content-Security-Policy",
        "X-Content-Type-Options",
        "Content-Disposition",
        "Cache-Control",
        "Cross-Origin-Resource-Policy",
        "X-Frame-Options",
    ) == [
        "image/jpeg",
        opening.POLICY,
        "nosniff",
        'inline; filename="page-1.jpg"',
        "private, no-store",
        "same-origin",
        "DENY",
    ]
    seen = AuditEvent.objects.get(kind="kyc.document_seen")
    assert (seen.actor_id, seen.after["document"]) == (str(officer.pk), str(row.id))
    for client, status in (
        (browser(player), 302),
        (Client(), 302),
        (staff_client(Role.SUPPORT), 403),
    ):
        assert client.get(f"/admin/verification/documents/{row.id}/1/").status_code == status
    assert staff_client(Role.AUDITOR).get("/admin/verification/").status_code == 200
    assert (
        staff_client(Role.AUDITOR).get(f"/admin/verification/{player}/identity/").status_code == 403
    )
    assert AuditEvent.objects.filter(kind="kyc.document_seen").count() == 1


def test_the_documents_own_host_answers_signed_addresses_alone(settings):
    settings.FARO_DOCUMENT_ORIGIN = "https://documents.example"
    settings.ALLOWED_HOSTS = ["*"]
    player = house.player()
    kyc.in_review(player)
    (row,) = kyc.documents(player)
    officer = make_staff(Role.COMPLIANCE)
    page = enter(officer).get(f"/admin/verification/{player}/identity/").content.decode()
    assert 'src="https://documents.example/documents/' in page
    door = f"/admin/verification/documents/{row.id}/1/"
    assert f'src="{door}' not in page
    assert f'href="{door}"' in page  # a large view has an address of its own minute
    led = enter(officer).get(door)
    assert led.status_code == 302
    assert led.headers["Location"].startswith("https://documents.example/documents/")
    assert not AuditEvent.objects.filter(kind="kyc.document_seen").exists()
    path = opening.signed_address(row.id, 1, officer.pk).removeprefix("https://documents.example")
    there = {"HTTP_HOST": "documents.example"}
    answer = Client().get(path, **there)
    assert hashlib.sha256(b"".join(answer)).hexdigest() == row.pages[0]["sha256"]
    assert headed(answer, "Cross-Origin-Resource-Policy", "Content-Security-Policy") == [
        "cross-origin",
        opening.POLICY,
    ]
    assert answer.cookies == {}
    assert AuditEvent.objects.get(kind="kyc.document_seen").actor_id == str(officer.pk)
    assert Client().get(path).status_code == 404  # not on the house's own host
    assert Client().get(path[:-2], **there).status_code == 404
    for other in ("/", "/admin/", "/staff/account/login/", IDENTITY):
        assert Client().get(other, **there).status_code == 404
    assert Client().get("/healthz", **there).status_code == 200
    User.objects.filter(pk=officer.pk).update(is_active=False)
    assert Client().get(path, **there).status_code == 404  # who has left sees nothing more


def test_players_read_that_a_service_compares_faces_where_one_does(settings):
    client = browser(house.player())
    words = "A service that we chose compares the face"
    assert words not in client.get("/account/verification/").content.decode()
    settings.FARO_FACE_PROVIDER = "compliance.kyc.faces.SimulatedFaces"
    assert words in client.get("/account/verification/").content.decode()


def test_every_refusal_has_words_for_whom_it_meets():
    staff_only = {
        code
        for code in KycCode
        if code not in {KycCode.NOT_OPEN, KycCode.KEY_REUSED, KycCode.BAD_KEY}
        and code not in {KycCode.TOO_OFTEN, KycCode.NOTHING_NEW, KycCode.STALE}
    }
    met = {code.value for code in FileCode} | {code.value for code in set(KycCode) - staff_only}
    assert met <= wording.known_codes()
    assert {code.value for code in staff_only | {KycCode.STALE}} <= kyc_words.TEXTS.keys()
    assert {code.value for code in MrzCode} <= kyc_words.TEXTS.keys()
    for code in sorted(met):
        assert wording.refusal_text(code, {}).endswith(".")
    assert set(wording.KINDS) == set(Kind) == set(kyc_words.KINDS)
    assert set(wording.STATES) == set(State) == set(kyc_words.STATES)


@pytest.mark.parametrize(
    ("check", "changes", "codes"),
    [
        (document_checks.uploads_are_scanned, {"FARO_VIRUS_SCANNER": ""}, ["faro.W010"]),
        (document_checks.uploads_are_scanned, {"FARO_VIRUS_SCANNER": "simulated"}, ["faro.W010"]),
        (document_checks.uploads_are_scanned, {"FARO_VIRUS_SCANNER": "http://x"}, ["faro.E010"]),
        (document_checks.uploads_are_scanned, {"FARO_VIRUS_SCANNER": "tcp://av:3310"}, []),
        (document_checks.document_origin_is_an_origin, {"FARO_DOCUMENT_ORIGIN": ""}, []),
        (
            document_checks.document_origin_is_an_origin,
            {"FARO_DOCUMENT_ORIGIN": "https://documents.example"},
            [],
        ),
        (
            document_checks.document_origin_is_an_origin,
            {"FARO_DOCUMENT_ORIGIN": "https://staff.example:8443", "STAFF_HOST": "staff.example"},
            ["faro.E012"],
        ),
        (
            document_checks.document_origin_is_an_origin,
            {"FARO_DOCUMENT_ORIGIN": "documents.example"},
            ["faro.E012"],
        ),
        (
            document_checks.document_origin_is_an_origin,
            {"FARO_DOCUMENT_ORIGIN": "http://documents.example", "FARO_MODE": "production"},
            ["faro.E012"],
        ),
    ],
)
def test_operators_are_told_what_is_not_set_well(settings, check, changes, codes):
    for name, value in changes.items():
        setattr(settings, name, value)
    assert [message.id for message in check(None)] == codes


def test_documents_may_not_lie_where_files_are_shown(settings):
    assert document_checks.documents_lie_outside_the_web(None) == []
    storages = dict(settings.STORAGES)
    storages["documents"] = {"OPTIONS": {"location": f"{settings.MEDIA_ROOT}/kyc"}}
    settings.STORAGES = storages
    (message,) = document_checks.documents_lie_outside_the_web(None)
    assert message.id == "faro.E011"
