"""Files that strangers send: what is taken, what is refused and why, and how it lies here."""

from __future__ import annotations

import hashlib
import io
import threading
import time
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import pytest
from django.db import connections
from PIL import Image

from audit.canonical import storable
from audit.models import AuditEvent
from compliance.kyc import (
    declarations,
    file_guard,
    handing_in,
    opening,
    pictures,
    receiving,
    reviews,
    vault,
    views,
)
from compliance.kyc.file_guard import FileCode, Media
from compliance.kyc.models import KycDeclaration, KycDocument, KycTransition, KycUpload
from compliance.kyc.moves import KycCode
from compliance.kyc.scanning import EICAR
from compliance.kyc.states import Kind, State, Subject
from kernel.ids import Actor, new_id
from kernel.invariant import InvariantBroken
from kernel.refusal import Refused
from tests import house
from tests.flows import kyc_steps as kyc
from tests.flows import staff_steps

pytestmark = [pytest.mark.feature("F112"), pytest.mark.usefixtures("database")]


@pytest.fixture(autouse=True)
def _vault(tmp_path):
    with kyc.own_vault(tmp_path / "documents"):
        yield


def stored(tmp_path) -> list:
    return [path for path in (tmp_path / "documents").rglob("*") if path.is_file()]


def code_of(act) -> str:
    with pytest.raises(Refused) as refused:
        act()
    return refused.value.code


def bomb() -> bytes:
    """A PNG of 60,000 × 60,000 pixels in a few bytes of file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
        )

    size = (60_000).to_bytes(4, "big") * 2
    body = zlib.compress(b"\0" * 1_000_000)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size + b"\x08\x00\x00\x00\x00")
        + chunk(b"IDAT", body)
        + chunk(b"IEND", b"")
    )


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.txt", b"\0" * 20_000_000)
    return out.getvalue()


SVG = (
    b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
)
LOCKED = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>"
    b"endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", FileCode.EMPTY),
        (b"\xff\xd8\xff" + b"\0" * file_guard.BYTES_MAX, FileCode.TOO_LARGE),
        (b"hello", FileCode.UNKNOWN_TYPE),
        (b"MZ\x90\0 a program", FileCode.UNKNOWN_TYPE),
        (b"GIF89a....", FileCode.UNKNOWN_TYPE),
        (SVG, FileCode.DRAWING),
        (b"<html><script>alert(1)</script>", FileCode.UNKNOWN_TYPE),
        (archive(), FileCode.ARCHIVE),
        (kyc.card() + archive(), FileCode.TWO_IN_ONE),
        (kyc.pdf() + archive(), FileCode.TWO_IN_ONE),
        (kyc.card() + b"<script>alert(1)</script>", FileCode.TWO_IN_ONE),
        (kyc.card()[:20] + b"%PDF-1.4" + kyc.card()[20:], FileCode.TWO_IN_ONE),
        (kyc.card()[:2_000], FileCode.TRUNCATED),
        (kyc.card(kind="PNG")[:-30], FileCode.TRUNCATED),
        (kyc.card(kind="WEBP")[:-30], FileCode.TRUNCATED),
        (kyc.card() + b"<SVG\n onload=x>", FileCode.TWO_IN_ONE),
        (kyc.pdf()[:300], FileCode.TRUNCATED),
    ],
)
def test_what_is_none_or_two_at_once_is_refused_before_anything_opens_it(content, code):
    assert code_of(lambda: file_guard.media_of(content)) == code


@pytest.mark.parametrize(
    ("content", "media", "code"),
    [
        (bomb(), Media.PNG, FileCode.TOO_MANY_PIXELS),
        (kyc.card(size=(150, 400)), Media.JPEG, FileCode.TOO_SMALL),
        (kyc.pdf(200, side=20), Media.PDF, FileCode.TOO_MANY_PAGES),
        (LOCKED, Media.PDF, FileCode.UNREADABLE),
        (b"%PDF-1.7 nothing else %%EOF", Media.PDF, FileCode.UNREADABLE),
        (b"\xff\xd8\xff\xe0 no picture \xff\xd9", Media.JPEG, FileCode.TRUNCATED),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Media.HEIC, FileCode.HEIC_NOT_READ),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_the_child(content, media, code):
    assert code_of(lambda: pictures.pages_of(content, media)) == code


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pictures_are_drawn_anew_without_what_the_camera_wrote(kind):
    picture = Image.new("RGB", (600, 300), "red")
    about = Image.Exif()
    about[0x0112] = 6  # turned by a quarter
    about[0x010E] = "Alice was here"
    out = io.BytesIO()
    picture.save(out, kind, exif=about)
    assert b"Alice" in out.getvalue()
    (page,) = pictures.pages_of(out.getvalue(), file_guard.media_of(out.getvalue()))
    assert b"Alice" not in page.jpeg
    again = Image.open(io.BytesIO(page.jpeg))
    assert (again.size, again.format, dict(again.getexif())) == ((300, 600), "JPEG", {})
    assert (page.width, page.height) == (300, 600)


def test_every_page_of_a_pdf_becomes_a_picture():
    found = pictures.pages_of(kyc.pdf(3), Media.PDF)
    assert len(found) == 3
    assert all(one.jpeg.startswith(b"\xff\xd8\xff") for one in found)


def test_a_child_that_takes_too_long_or_dies_is_a_refusal(monkeypatch, tmp_path):
    slow = tmp_path / "slow.py"
    slow.write_text("while True: pass")
    monkeypatch.setattr(pictures, "_CHILD", slow)
    monkeypatch.setattr(pictures, "WALL_S", 1)
    assert code_of(lambda: pictures.pages_of(kyc.card(), Media.JPEG)) == FileCode.TOO_MUCH_WORK
    slow.write_text("import os; os.abort()")
    assert code_of(lambda: pictures.pages_of(kyc.card(), Media.JPEG)) == FileCode.TOO_MUCH_WORK
    slow.write_text(
        """print('{"pages": [{"bytes": 9, "width": 1, "height": 1}]}'); print("<script>x")"""
    )
    assert code_of(lambda: pictures.pages_of(kyc.card(), Media.JPEG)) == FileCode.UNREADABLE


def test_the_child_sees_no_environment_and_has_its_limits(monkeypatch, tmp_path):
    spy = tmp_path / "spy.py"
    spy.write_text(
        "import os, sys, runpy, resource\n"
        f"ours = runpy.run_path({str(pictures._CHILD)!r})\n"
        "ours['limit']()\n"
        "told = [k for k in os.environ if k not in ('LC_CTYPE',)]\n"
        f"open({str(tmp_path / 'told')!r}, 'w').write(repr((told,"
        " resource.getrlimit(resource.RLIMIT_AS), resource.getrlimit(resource.RLIMIT_CPU))))\n"
    )
    monkeypatch.setattr(pictures, "_CHILD", spy)
    assert code_of(lambda: pictures.pages_of(b"x", Media.JPEG)) == FileCode.UNREADABLE
    memory = 1024 * 1024 * 1024
    assert (tmp_path / "told").read_text() == repr(([], (memory, memory), (10, 10)))


def test_a_document_lies_here_encrypted_and_opens_only_as_what_it_is(tmp_path):
    player, other = house.player(), house.player()
    content = kyc.card("Anna Maria Eriksson")
    taken = kyc.hand_in(player, {Kind.FRONT: content})
    assert (taken.accepted, taken.refused, taken.is_complete) == ((Kind.FRONT,), (), True)
    (row,) = kyc.documents(player)
    assert row.sha256 == hashlib.sha256(content).hexdigest()
    assert (row.media, row.scan, row.is_original_kept) == ("jpeg", "clean", False)
    (file,) = stored(tmp_path)
    assert file.stat().st_mode & 0o077 == 0
    name = file.relative_to(tmp_path / "documents").as_posix()
    assert name == f"{row.id.hex[-2:]}/{row.id.hex}/1"
    sealed = file.read_bytes()
    assert not sealed.startswith(b"\xff\xd8")
    assert b"JFIF" not in sealed
    page = b"".join(opening.open_page(row.id, 1, actor=Actor.staff(1)))
    assert hashlib.sha256(page).hexdigest() == row.pages[0]["sha256"]
    key = opening.key_of(row)
    for broken in (sealed[:-1], sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[:60]):
        file.chmod(0o600)
        file.write_bytes(broken)
        with pytest.raises(InvariantBroken):
            b"".join(vault.get(key, 1))
    assert KycDocument.objects.filter(player_id=other).count() == 0


def test_pieces_of_a_large_document_cannot_be_swapped_or_cut():
    content = bytes(range(256)) * 1_024  # four pieces exactly
    key = vault.new_key(new_id())
    vault.put(key, 1, content)
    assert b"".join(vault.get(key, 1)) == content
    storage, name = vault._storage(), vault.name_of(key.document, 1)
    with storage.open(name) as file:
        whole = file.read()
    piece = vault.PIECE_BYTES + 16
    head, pieces = whole[:8], [whole[8 + n * piece : 8 + (n + 1) * piece] for n in range(4)]
    for order in ([1, 0, 2, 3], [0, 1, 2], [0, 1, 2, 3, 3]):
        storage.delete(name)
        storage.save(name, io.BytesIO(head + b"".join(pieces[n] for n in order)))
        with pytest.raises(InvariantBroken):
            b"".join(vault.get(key, 1))


def test_erasing_the_person_destroys_every_copy(tmp_path, owner):
    from compliance.kyc import sweeps

    player = house.player()
    kyc.hand_in(player)
    (row,) = kyc.documents(player)
    assert declarations.latest(player, Subject.IDENTITY)[0]["name"] == "Anna Maria Eriksson"
    assert b"Eriksson" not in bytes(KycDeclaration.objects.get(player_id=player).personal)
    owner.execute("SELECT set_config('faro.erasing', '1', false)")  # as the erasure does it
    owner.execute(
        "UPDATE audit_person_key SET wrapped = NULL, destroyed_at = now() WHERE person_id = %s",
        [player],
    )
    assert code_of(lambda: opening.open_page(row.id, 1, actor=Actor.staff(1))) == "kyc_destroyed"
    assert declarations.latest(player, Subject.IDENTITY)[0] == {}
    assert sweeps.forget() == 1
    assert stored(tmp_path) == []
    (row,) = kyc.documents(player)
    assert (row.wrapped_key, row.destroyed_at is None) == (None, False)
    assert sweeps.forget() == 0


def test_one_refused_file_loses_none_of_the_others(tmp_path):
    player = house.player()
    answer = kyc.hand_in(player, {Kind.FRONT: kyc.card(), Kind.BACK: SVG, Kind.SELFIE: b""})
    assert answer.accepted == (Kind.FRONT,)
    assert [(one.kind, one.code) for one in answer.refused] == [
        (Kind.BACK, FileCode.DRAWING),
        (Kind.SELFIE, FileCode.EMPTY),
    ]
    assert not answer.is_complete
    assert kyc.check(player).state == State.STARTED
    assert len(stored(tmp_path)) == 1
    again = kyc.hand_in(player, {Kind.BACK: kyc.card()})
    assert (again.is_complete, again.missing) == (True, ())
    assert kyc.check(player).state == State.DOCUMENTS
    assert {one.kind for one in kyc.documents(player)} == {Kind.FRONT, Kind.BACK}


def test_the_same_key_is_answered_the_same_and_another_form_with_it_refused(tmp_path):
    player, content = house.player(), kyc.card()
    first = kyc.hand_in(player, {Kind.FRONT: content, Kind.BACK: SVG}, key="a" * 32)
    second = kyc.hand_in(player, {Kind.FRONT: content, Kind.BACK: SVG}, key="a" * 32)
    assert (second.accepted, second.refused) == (first.accepted, first.refused)
    assert (len(kyc.documents(player)), len(stored(tmp_path))) == (1, 1)
    reused = code_of(lambda: kyc.hand_in(player, {Kind.FRONT: kyc.card()}, key="a" * 32))
    assert reused == KycCode.KEY_REUSED
    assert KycUpload.objects.filter(player_id=player).count() == 1


def test_an_infected_file_leaves_nothing_behind(tmp_path):
    player = house.player()
    answer = kyc.hand_in(player, {Kind.FRONT: kyc.card() + EICAR})
    assert [one.code for one in answer.refused] == [FileCode.INFECTED]
    assert (kyc.documents(player), stored(tmp_path)) == ([], [])


def test_a_flood_of_forms_is_stopped():
    player = house.player()
    for _ in range(handing_in.FORMS_PER_HOUR):
        kyc.hand_in(player, {Kind.BACK: b""})
    assert code_of(lambda: kyc.hand_in(player)) == KycCode.TOO_OFTEN
    assert kyc.documents(player) == []


def test_forms_that_another_process_took_meanwhile_count_when_this_one_is_written(monkeypatch):
    player, receive = house.player(), receiving.receive

    def meanwhile(files):
        found = receive(files)
        monkeypatch.setattr(receiving, "receive", receive)
        for _ in range(handing_in.FORMS_PER_HOUR):
            with monkeypatch.context() as elsewhere:  # its turns are its own
                elsewhere.setattr(handing_in, "_turns", handing_in.Turns())
                kyc.hand_in(player, {Kind.BACK: b""})
        return found

    monkeypatch.setattr(receiving, "receive", meanwhile)
    assert code_of(lambda: kyc.hand_in(player)) == KycCode.TOO_OFTEN
    assert kyc.documents(player) == []
    assert KycUpload.objects.filter(player_id=player).count() == handing_in.FORMS_PER_HOUR


def test_the_same_form_sent_again_meanwhile_gets_the_first_ones_answer(monkeypatch):
    player, receive, begun = house.player(), receiving.receive, threading.Event()

    def slowly(files):
        begun.set()
        time.sleep(handing_in.TURN_S + 0.5)
        return receive(files)

    monkeypatch.setattr(receiving, "receive", slowly)
    given = [receiving.Given(Kind.FRONT, kyc.card())]
    form = handing_in.Form(Subject.IDENTITY, given, kyc.FIELDS, new_id().hex)

    def hand_in_and_leave():
        try:
            return handing_in.hand_in(player, form)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(hand_in_and_leave)
        assert begun.wait(10)
        assert code_of(lambda: kyc.hand_in(player)) == FileCode.BUSY  # another key: told soon
        second = handing_in.hand_in(player, form)
        assert second == first.result()
    assert KycUpload.objects.filter(player_id=player).count() == 1


def test_letters_that_chance_put_into_a_photo_refuse_no_photo():
    photo = kyc.card()
    noise = b"\xff\xfe\xff\xff" + b"\0" * file_guard._ACTIVE_EDGE
    for by_chance in (b"<svg\x81\x07", b"<HTML\xaa", b"<?phpx"):
        assert file_guard.media_of(photo[:20] + by_chance + photo[20:]) is Media.JPEG
    middle = photo[:20] + noise + b"<svg >" + noise + photo[20:]
    assert file_guard.media_of(middle) is Media.JPEG
    assert "heic" not in views.ACCEPT or find_spec("pillow_heif")


def test_a_thirteenth_file_costs_no_work(monkeypatch):
    player = house.player()
    files = [receiving.Given(Kind.ADDRESS, kyc.card()) for _ in range(6)]
    for number in range(2):
        files_now = [receiving.Given(Kind.ADDRESS, kyc.card()) for _ in files]
        form = handing_in.Form(Subject.ADDRESS, files_now, {}, f"{number}" * 8)
        assert len(handing_in.hand_in(player, form).accepted) == 6
    monkeypatch.setattr(receiving, "receive", lambda _files: pytest.fail("work was done"))
    form = handing_in.Form(Subject.ADDRESS, files[:1], {}, "x" * 8)
    assert code_of(lambda: handing_in.hand_in(player, form)) == FileCode.TOO_MANY
    assert len(kyc.documents(player)) == 12


def test_one_form_of_a_player_is_in_work_and_the_next_is_told(monkeypatch):
    player = house.player()
    monkeypatch.setattr(handing_in, "TURN_S", 0.01)
    stranger = house.player()
    with handing_in._turns.of(player, "another form"):
        assert kyc.hand_in(stranger).is_complete
        assert code_of(lambda: kyc.hand_in(player)) == FileCode.BUSY
    assert kyc.documents(player) == []
    assert kyc.hand_in(player).is_complete


def test_words_of_an_earlier_attempt_stand_beside_no_new_document():
    player, officer = house.player(), staff_steps.officer()
    kyc.in_review(player)
    kyc.reject(player, by=officer)
    first = kyc.hand_in(player, {Kind.FRONT: kyc.card()}, fields={})
    assert (first.is_complete, kyc.check(player).attempt) == (False, 2)
    assert declarations.latest(player, Subject.IDENTITY, 2) == ({}, False)
    reviews.read_off(player, Subject.IDENTITY, kyc.ZONE, actor=officer)
    assert declarations.latest(player, Subject.IDENTITY, 2) == ({"mrz": kyc.ZONE}, False)
    assert not kyc.hand_in(player, {Kind.BACK: kyc.card()}, fields={}).is_complete
    assert kyc.hand_in(player, {}, fields={"name": "Anna"}).is_complete
    assert declarations.latest(player, Subject.IDENTITY, 2)[0]["name"] == "Anna"
    assert "number" not in declarations.latest(player, Subject.IDENTITY, 2)[0]


def test_words_that_did_not_pass_keep_it_the_players_turn():
    player = house.player()
    kyc.hand_in(player, {Kind.BACK: kyc.card()})
    form = handing_in.Form(
        Subject.IDENTITY,
        [receiving.Given(Kind.FRONT, kyc.card())],
        {},
        new_id().hex,
        is_valid=False,
    )
    assert not handing_in.hand_in(player, form).is_complete
    assert kyc.check(player).state == State.STARTED


def test_a_page_that_is_lost_was_not_opened():
    player, officer = house.player(), staff_steps.officer()
    kyc.hand_in(player)
    (row,) = kyc.documents(player)
    vault.drop(row.id, 1)
    assert code_of(lambda: opening.open_page(row.id, 1, actor=officer)) == "kyc_no_such_page"
    assert not AuditEvent.objects.filter(kind="kyc.document_seen").exists()


def test_more_files_than_a_form_holds_are_named_one_by_one():
    player = house.player()
    files = [receiving.Given(Kind.ADDRESS, b"") for _ in range(9)] + [
        receiving.Given(Kind.ADDRESS, b"x")
    ]
    form = handing_in.Form(Subject.ADDRESS, files, {"street": "Strada 1"}, new_id().hex)
    answer = handing_in.hand_in(player, form)
    assert [one.code for one in answer.refused] == [FileCode.EMPTY] * 8 + [FileCode.TOO_MANY] * 2


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "\x00\x1b[31m", "Ω" * 5_000])
def test_any_text_in_a_field_is_kept_as_text(name):
    player = house.player()
    kyc.hand_in(player, fields=kyc.FIELDS | {"name": name})
    kept = declarations.latest(player, Subject.IDENTITY)[0]["name"]
    assert kept == storable(name.strip())[:2_000]
    assert "\x00" not in kept
    told = [one.after for one in AuditEvent.objects.filter(subject_id=str(player))]
    moved = [one.data for one in KycTransition.objects.filter(player_id=player)]
    assert told
    assert moved
    assert repr(kept)[1:-1] not in f"{told}{moved}"


def test_storage_that_fails_loses_no_earlier_document(tmp_path, monkeypatch):
    player = house.player()
    kyc.hand_in(player, {Kind.FRONT: kyc.card()}, fields={})
    put = vault.put

    def fails(key, part, content):
        put(key, part, content)
        raise OSError("disk full")

    monkeypatch.setattr(vault, "put", fails)
    with pytest.raises(OSError, match="disk full"):
        kyc.hand_in(player, {Kind.BACK: kyc.card()})
    assert len(kyc.documents(player)) == len(stored(tmp_path)) == 1
