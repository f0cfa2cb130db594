"""Identity checks as steps for tests: drawn files, a player who hands in, officers who decide."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import pytest
from django.core.files.storage import storages
from django.test import override_settings
from PIL import Image, ImageDraw

from audit.database_clock import database_now
from compliance.kyc import handing_in, reviews, sweeps
from compliance.kyc.handing_in import Form
from compliance.kyc.models import KycCheck, KycDocument, KycReview
from compliance.kyc.moves import newest_move
from compliance.kyc.receiving import Given
from compliance.kyc.states import Kind, Reason, Subject, Verdict
from kernel.ids import Actor, PlayerId, new_id
from kernel.refusal import Refused
from notices.models import Notice

#: As tests.house.player says.
BIRTH = date(1990, 2, 28)
FIELDS = {"name": "Anna Maria Eriksson", "number": "L898902C3", "expires_on": "2031-04-15"}
ZONE = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO9002281F3104150ZE184226B<<<<<10"


def card(text: str = "SPECIMEN", size: tuple[int, int] = (640, 400), kind: str = "JPEG") -> bytes:
    """A picture of something that is clearly nobody's document."""
    picture = Image.new("RGB", size, "#e8eef0")
    drawn = ImageDraw.Draw(picture)
    drawn.rectangle((10, 10, size[0] - 10, size[1] - 10), outline="#335", width=4)
    drawn.text((40, 40), f"{text} {new_id()}", fill="#223")
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


def pdf(pages: int = 1, side: int = 400) -> bytes:
    made = [Image.new("L", (side, side), "white") for _ in range(pages)]
    out = io.BytesIO()
    made[0].save(out, "PDF", save_all=True, append_images=made[1:])
    return out.getvalue()


@contextmanager
def own_vault(directory) -> Iterator[None]:
    """Documents of this test lie in ``directory``."""
    from django.conf import settings

    wanted = dict(settings.STORAGES)
    wanted["documents"] = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(directory), "file_permissions_mode": 0o600},
    }
    with override_settings(STORAGES=wanted):
        storages._storages.clear()
        yield
    storages._storages.clear()


def hand_in(
    player: PlayerId,
    files: dict[Kind, bytes] | None = None,
    subject: Subject = Subject.IDENTITY,
    *,
    key: str = "",
    fields: dict[str, str] | None = None,
) -> handing_in.HandedIn:
    content = {Kind.FRONT: card()} if files is None else files
    given = [Given(kind, bytes_) for kind, bytes_ in content.items()]
    wanted = FIELDS if fields is None else fields
    return handing_in.hand_in(player, Form(subject, given, wanted, key or new_id().hex))


def in_review(player: PlayerId) -> KycCheck:
    """Identity documents handed in and looked at by the house: an officer's turn."""
    hand_in(player)
    sweeps.look_at_documents()
    return check(player)


def check(player: PlayerId, subject: Subject = Subject.IDENTITY) -> KycCheck:
    return KycCheck.objects.get(player_id=player, subject=subject.value)


def documents(player: PlayerId) -> list[KycDocument]:
    return list(KycDocument.objects.filter(player_id=player))


def verify(player: PlayerId, subject: Subject = Subject.IDENTITY, *, by: Actor, **changes):
    facts = {
        "subject": subject,
        "seen": newest_move(player, subject),
        "verdict": Verdict.VERIFY.value,
        "reason": Reason.SOUND.value,
        "note": "Looked at the card.",
        "birth": BIRTH,
        "expires_on": database_now().date() + timedelta(days=900),
    }
    return reviews.decide(player, reviews.Decision(**facts | changes), actor=by)


def proposal(player: PlayerId, subject: Subject = Subject.IDENTITY) -> str:
    """The review that waits for a second officer, as a page names it; empty where none does."""
    rows = KycReview.objects.filter(player_id=player, subject=subject.value, outcome="waits")
    return "".join(str(row.id) for row in rows)


def agree(
    player: PlayerId,
    subject: Subject = Subject.IDENTITY,
    *,
    by: Actor,
    is_agreed: bool = True,
    note: str = "",
    review_id: str | None = None,
) -> None:
    named = proposal(player, subject) if review_id is None else review_id
    reviews.second(player, subject, named, agrees=is_agreed, note=note, actor=by)


def ask(player: PlayerId, subject: Subject, *, by: Actor, text: str = "Please send it.") -> None:
    reviews.ask_for(player, subject, newest_move(player, subject), text=text, actor=by)


def reject(player: PlayerId, subject: Subject = Subject.IDENTITY, *, by: Actor, **changes):
    facts = {
        "verdict": Verdict.REJECT.value,
        "reason": Reason.UNREADABLE.value,
        "note": "The picture is blurred.",
        "expires_on": None,
    }
    return verify(player, subject, by=by, **facts | changes)


def code_of(act) -> str:
    with pytest.raises(Refused) as refused:
        act()
    return refused.value.code


def news(player) -> list[str]:
    rows = Notice.objects.filter(person_id=int(player), kind="verification_news")
    return [row.context["what"] for row in rows.order_by("created_at")]


_PAD = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")


def locked_pdf(word: str = "harbour") -> bytes:
    """A page of paper that opens with ``word`` alone: PDF 1.4's standard handler, 40 bits."""
    opens = (word.encode() + _PAD)[:32]
    permitted = (-4).to_bytes(4, "little", signed=True)
    owner = _rc4(_md5(_PAD)[:5], opens)
    key = _md5(opens + owner + permitted + b"faro-test-file-1")[:5]
    entries = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
        b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>"
        % (owner.hex().encode(), _rc4(key, _PAD).hex().encode()),
    ]
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, entry in enumerate(entries, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, entry)
    start = len(out)
    out += b"xref\n0 5\n0000000000 65535 f \n"
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    name = b"faro-test-file-1".hex().encode()
    out += b"trailer << /Size 5 /Root 1 0 R /Encrypt 4 0 R /ID [<%s> <%s>] >>\n" % (name, name)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)


def _md5(content: bytes) -> bytes:
    return hashlib.md5(content, usedforsecurity=False).digest()


def _rc4(key: bytes, content: bytes) -> bytes:
    state, j = list(range(256)), 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    made, i, j = bytearray(), 0, 0
    for byte in content:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        made.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(made)
