"""Ends that were loose: the age alone, papers without a date, full forms, locked files, strays."""

from __future__ import annotations

import os
from datetime import timedelta
from uuid import UUID

import pytest
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from audit.database_clock import database_now
from compliance.kyc import file_guard, pictures, receiving, reviews, strays, sweeps, vault
from compliance.kyc.file_guard import FileCode
from compliance.kyc.models import KycDocument
from compliance.kyc.moves import KycCode, newest_move
from compliance.kyc.states import Kind, State, Subject
from compliance.models import Standing
from kernel.ids import new_id
from kernel.invariant import InvariantBroken
from kernel.refusal import Refused
from notices.models import Notice
from tests import house
from tests.flows import kyc_steps as kyc
from tests.flows import staff_steps
from tests.flows.kyc_steps import ZONE, locked_pdf
from tests.flows.staff_steps import staff_client

pytestmark = [pytest.mark.feature("F112"), pytest.mark.usefixtures("database")]
IDENTITY = "/account/verification/identity/"
OVERVIEW = "/account/verification/"
MEGABYTE = 1024 * 1024


@pytest.fixture(autouse=True)
def _vault(tmp_path):
    with kyc.own_vault(tmp_path / "documents"):
        yield


def browser(player) -> Client:
    client = Client()
    user = User.objects.get(pk=player)
    client.force_login(user, backend="accounts.authentication.PasswordAtOwnDoor")
    return client


def file(content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("IMG_1.jpg", content, content_type="image/jpeg")


def states(player) -> tuple[str, str]:
    return kyc.check(player).state, kyc.check(player, Subject.AGE).state


def flags(player) -> tuple[bool, bool]:
    found = Standing.objects.get(pk=player)
    return found.identity_verified, found.age_verified


def news(player) -> list[tuple[str, str]]:
    rows = Notice.objects.filter(person_id=player, kind="verification_news").order_by("created_at")
    return [(row.context["what"], row.context["subject"]) for row in rows]


# -- the age alone -------------------------------------------------------------------------------


def age_rejected(player, officer) -> None:
    kyc.in_review(player)
    kyc.verify(player, by=officer)
    kyc.reject(player, Subject.AGE, by=officer, reason="unreadable")
    assert states(player) == (State.VERIFIED, State.REJECTED)


def test_whose_age_alone_was_rejected_sees_why_and_sends_another_paper():
    player, officer = house.player(), staff_steps.officer()
    age_rejected(player, officer)
    client = browser(player)
    page = client.get(OVERVIEW).content.decode()
    assert "Your age" in page
    assert "The picture cannot be read." in page
    assert page.count(IDENTITY) == 1
    assert client.get(IDENTITY).status_code == 200
    empty = client.post(IDENTITY, {"key": new_id().hex, **kyc.FIELDS})
    assert (empty.status_code, "Choose a file first." in empty.content.decode()) == (422, True)
    assert client.post(IDENTITY, kyc_form(front=file(kyc.card()))).status_code == 302
    assert states(player) == (State.VERIFIED, State.DOCUMENTS)
    assert flags(player) == (True, False)
    assert news(player)[-1] == ("received", "age")
    assert client.get(IDENTITY).status_code == 302  # it is our turn
    sweeps.look_at_documents()
    assert states(player) == (State.VERIFIED, State.REVIEW)
    kyc.verify(player, Subject.AGE, by=officer)
    assert flags(player) == (True, True)
    assert states(player) == (State.VERIFIED, State.VERIFIED)


def kyc_form(**files: SimpleUploadedFile) -> dict[str, object]:
    return {"key": new_id().hex, **kyc.FIELDS, **files}


def test_an_officer_asks_for_more_about_the_age_alone_and_the_player_is_told_once():
    player, client = house.player(), staff_client(Role.COMPLIANCE)
    kyc.in_review(player)
    kyc.verify(player, by=staff_steps.officer())
    page = client.get(f"/admin/verification/{player}/identity/")
    sent = {f"seen_{name}": move for name, move in page.context["seen"]}
    done = client.post(
        f"/admin/verification/{player}/identity/more/",
        {**sent, "text": "The birth date is hidden."},
    )
    assert done.status_code == 302
    assert states(player) == (State.VERIFIED, State.STARTED)
    assert news(player)[-1] == ("more", "age")
    theirs = browser(player)
    assert "The birth date is hidden." in theirs.get(IDENTITY).content.decode()
    assert "Please send them by" in theirs.get(OVERVIEW).content.decode()
    before = len(kyc.documents(player))
    half = theirs.post(IDENTITY, kyc_form(back=file(kyc.card())))
    assert half.status_code == 422  # the front that did not show it does not count again
    assert theirs.post(IDENTITY, kyc_form(front=file(kyc.card()))).status_code == 302
    assert states(player) == (State.VERIFIED, State.DOCUMENTS)
    assert len(kyc.documents(player)) == before + 2


def test_time_that_runs_out_for_the_age_alone_is_told_and_ends_in_a_way_on(owner):
    player = house.player()
    kyc.in_review(player)
    kyc.verify(player, by=staff_steps.officer())
    reviews.want_more(
        player,
        Subject.AGE,
        newest_move(player, Subject.AGE),
        text="The birth date is hidden.",
        actor=staff_steps.officer(),
    )
    late = "UPDATE compliance_kyc_check SET due_at = clock_timestamp() {} WHERE subject = 'age'"
    owner.execute(late.format("+ interval '20 hours'"))
    assert (sweeps.remind(), sweeps.remind()) == (1, 0)
    assert news(player)[-1] == ("reminder", "age")
    owner.execute(late.format("- interval '1 second'"))
    assert sweeps.expire() == 1
    assert news(player)[-1] == ("overdue", "age")
    assert states(player) == (State.VERIFIED, State.EXPIRED)
    assert browser(player).post(IDENTITY, kyc_form(front=file(kyc.card()))).status_code == 302
    assert states(player) == (State.VERIFIED, State.DOCUMENTS)


def test_a_form_for_the_age_that_is_sent_twice_is_taken_once():
    player, officer = house.player(), staff_steps.officer()
    age_rejected(player, officer)
    before, content = len(kyc.documents(player)), {Kind.FRONT: kyc.card()}
    first = kyc.hand_in(player, content, key="one-key-1")
    again = kyc.hand_in(player, content, key="one-key-1")
    assert (first.is_complete, again.is_complete) == (True, True)
    assert len(kyc.documents(player)) == before + 1
    with pytest.raises(Refused) as refused:
        kyc.hand_in(player)
    assert refused.value.code is KycCode.NOT_OPEN


# -- papers without a date -----------------------------------------------------------------------


def undated(player, officer, **changes):
    return kyc.verify(player, by=officer, expires_on=None, has_no_date=True, **changes)


def test_a_paper_without_a_date_counts_as_long_as_the_policy_says():
    player, officer = house.player(), staff_steps.officer()
    kyc.hand_in(player, fields={"name": "Anna Maria Eriksson", "number": "L898902C3"})
    sweeps.look_at_documents()
    with pytest.raises(Refused) as refused:
        kyc.verify(player, by=officer, expires_on=None)
    assert refused.value.code is KycCode.NO_EXPIRY
    undated(player, officer)
    today = database_now().date()
    assert kyc.check(player).expires_on - today in {timedelta(1_096), timedelta(1_097)}
    assert Standing.objects.get(pk=player).identity_verified


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ({**kyc.FIELDS, "mrz": ZONE}, {}),
        (kyc.FIELDS, {"expires_on": "2031-04-15"}),
    ],
)
def test_a_paper_that_names_a_date_is_not_called_undated(fields, changes):
    player, officer = house.player(), staff_steps.officer()
    kyc.hand_in(player, fields=fields)
    sweeps.look_at_documents()
    written = database_now().date() + timedelta(days=900) if changes else None
    with pytest.raises(Refused) as refused:
        kyc.verify(player, by=officer, expires_on=written, has_no_date=True)
    assert refused.value.code is KycCode.NAMES_A_DATE
    assert kyc.check(player).state == State.REVIEW


def test_an_officer_ticks_it_on_the_page_and_the_second_agrees_to_the_day():
    player, client = house.player(), staff_client(Role.COMPLIANCE)
    kyc.hand_in(player, fields={"name": "Anna Maria Eriksson", "number": "L898902C3"})
    sweeps.look_at_documents()
    page = client.get(f"/admin/verification/{player}/identity/")
    assert "The document names no date: it counts 1096 days" in page.content.decode()
    sent = {f"seen_{name}": move for name, move in page.context["seen"]}
    sent |= {"verdict": "verify", "reason": "sound", "note": "An old licence.", "what": "all"}
    sent |= {"birth": kyc.BIRTH.isoformat(), "expires_on": ""}
    path = f"/admin/verification/{player}/identity/decide/"
    refused = client.post(path, sent)
    assert (refused.status_code, "Write until when" in refused.content.decode()) == (409, True)
    assert client.post(path, {**sent, "no_date": "on"}).status_code == 302
    assert states(player) == (State.VERIFIED, State.VERIFIED)


# -- full forms and locked files -----------------------------------------------------------------


def big(megabytes: int) -> SimpleUploadedFile:
    """A picture with so much of a phone's appendix behind it."""
    return file(kyc.card() + b"\0" * (megabytes * MEGABYTE))


def test_the_fifth_large_file_is_told_that_the_form_is_full_and_the_others_are_taken():
    player = house.player()
    client = browser(player)
    sent = {
        "key": new_id().hex,
        "street": "Harbour 1",
        "place": "1010 Town",
        "issued_on": database_now().date().isoformat(),
        "address": [big(9) for _ in range(5)],
    }
    answer = client.post("/account/verification/address/", sent)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Together these files are more than 40 MB. Send this one by itself afterwards." in page
    assert "The file is larger than 10 MB" not in page
    assert len(kyc.documents(player)) == 4
    key = answer.context["form"]["key"].value()
    alone = client.post("/account/verification/address/", {**sent, "key": key, "address": big(9)})
    assert alone.status_code == 302
    assert len(kyc.documents(player)) == 5


def test_a_file_too_large_by_itself_is_called_so_wherever_it_comes_in_a_full_form():
    player = house.player()
    sent = {"key": new_id().hex, "address": [*(big(9) for _ in range(4)), big(11)]}
    page = browser(player).post("/account/verification/address/", sent).content.decode()
    assert "The file is larger than 10 MB." in page
    assert "Together these files" not in page


def test_a_form_that_is_not_read_at_all_says_that_the_form_is_too_large(settings):
    player = house.player()
    answer = browser(player).post(
        "/account/verification/address/",
        {"key": new_id().hex, "address": file(kyc.card())},
        headers={"content-length": str(2 * receiving.FORM_BYTES_MAX + 1)},
    )
    assert answer.status_code == 413
    assert "Together these files are more than 40 MB." in answer.content.decode()


def test_a_locked_pdf_is_refused_with_its_remedy_and_an_open_one_is_taken():
    assert file_guard.media_of(locked_pdf()) is file_guard.Media.PDF
    with pytest.raises(Refused) as refused:
        pictures.pages_of(locked_pdf(), file_guard.Media.PDF)
    assert refused.value.code is FileCode.LOCKED
    player = house.player()
    client = browser(player)
    page = client.post(IDENTITY, kyc_form(front=file(locked_pdf()))).content.decode()
    assert "The PDF asks for a password. Send one without." in page
    assert kyc.documents(player) == []
    assert client.post(IDENTITY, kyc_form(front=file(locked_pdf(word="")))).status_code == 302


# -- strays --------------------------------------------------------------------------------------


def made_before(hours: int) -> UUID:
    """An id as it was made so many hours ago."""
    then = database_now() - timedelta(hours=hours)
    milliseconds = int(then.timestamp() * 1_000)
    tail = int.from_bytes(os.urandom(10)) & ~(0xF << 76) | 0x7 << 76
    return UUID(int=(milliseconds << 80) | tail)


def lay(document: UUID, *parts: int) -> None:
    for part in parts:
        vault.put(vault.new_key(document), part, b"somebody's card")


def test_bytes_without_a_row_go_once_they_are_old_and_no_others():
    player = house.player()
    kyc.hand_in(player)
    [kept] = kyc.documents(player)
    old, young = made_before(2), made_before(0)
    lay(old, 0, 1, 2)
    lay(young, 0, 1)
    assert strays.sweep() == 3
    assert (vault.parts_of(old), vault.parts_of(young)) == ([], [0, 1])
    assert vault.documents_in(int(old.hex[-2:], 16)) in ([], [kept.pk])
    assert vault.parts_of(kept.pk) == [1]
    assert strays.sweep() == 0
    aside = f"{vault.ASIDE}/{database_now().date().isoformat()}/{old.hex}"
    storage = storages[vault.STORAGE]
    assert sorted(storage.listdir(aside)[1]) == ["0", "1", "2"]  # for who restored an old database


def test_what_was_moved_aside_goes_after_its_days(monkeypatch):
    old = made_before(2)
    lay(old, 1)
    assert strays.sweep() == 1
    storage, today = storages[vault.STORAGE], database_now().date()
    assert vault.drop_aside_before(today) == 0
    monkeypatch.setattr(strays, "KEPT_ASIDE", timedelta(days=-1))
    assert strays.sweep() == 0
    assert storage.listdir(vault.ASIDE) == ([], [])


def test_a_storage_that_is_another_databases_is_not_touched(monkeypatch):
    monkeypatch.setattr(strays, "FEW", 2)
    several = [made_before(2) for _ in range(3)]
    for document in several:
        lay(document, 0, 1)
    with pytest.raises(InvariantBroken, match="stored documents have rows"):
        strays.sweep()
    assert [vault.parts_of(one) for one in several] == [[0, 1]] * 3
    assert not storages[vault.STORAGE].exists(vault.ASIDE)
    monkeypatch.setattr(strays, "FEW", 3)
    assert strays.sweep() == 6


def test_an_original_that_a_row_no_longer_promises_goes_and_its_pages_stay(owner):
    player = house.player()
    document = made_before(3)
    kyc.hand_in(player)
    [real] = kyc.documents(player)
    as_old(owner, real, document)
    lay(document, 0, 1)
    assert strays.sweep() == 1
    assert vault.parts_of(document) == [1]


def test_what_was_destroyed_is_gone_even_where_the_one_who_did_it_died(owner):
    player = house.player()
    document = made_before(3)
    kyc.hand_in(player)
    [real] = kyc.documents(player)
    as_old(owner, real, document)
    lay(document, 0, 1)
    # what an erasure does; the database lets nothing else do it
    owner.execute(
        "ALTER TABLE compliance_kyc_document DISABLE TRIGGER compliance_kyc_document_kept"
    )
    owner.execute("UPDATE compliance_kyc_document SET wrapped_key = NULL WHERE id = %s", [document])
    assert KycDocument.objects.get(pk=document).destroyed_at is not None
    assert strays.sweep() == 2
    assert vault.parts_of(document) == []


def as_old(owner, real: KycDocument, document: UUID) -> None:
    """The same row under an older id."""
    with owner.transaction():
        owner.execute("ALTER TABLE compliance_kyc_document DISABLE TRIGGER USER")
        owner.execute(
            "UPDATE compliance_kyc_document SET id = %s WHERE id = %s", [document, real.pk]
        )
        owner.execute("ALTER TABLE compliance_kyc_document ENABLE TRIGGER USER")


def test_a_run_ends_with_its_time_and_what_is_no_document_stays():
    old = made_before(2)
    lay(old, 1)
    assert strays.sweep(budget_s=-1) == 0
    storage = storages[vault.STORAGE]
    storage.save("ab/readme.txt", SimpleUploadedFile("readme.txt", b"not ours"))
    assert strays.sweep() == 1
    assert storage.exists("ab/readme.txt")
