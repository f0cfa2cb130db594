"""Identity checks as steps for tests: drawn files, a player who hands in, officers who decide."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import pytest
from django.core.files.storage import storages
from django.test import override_settings
from PIL import Image, ImageDraw

from accounts.roles import Role
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
from tests.flows.staff_steps import make_staff

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


def officer() -> Actor:
    return Actor.staff(make_staff(Role.COMPLIANCE, key=None).pk)


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
