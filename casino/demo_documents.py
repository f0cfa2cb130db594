"""The demo's waiting document: a card drawn here, that says SPECIMEN across its whole width."""

from __future__ import annotations

import io
from datetime import date
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from audit.database_clock import database_now
from compliance.kyc import sweeps
from compliance.kyc.handing_in import Form, hand_in
from compliance.kyc.models import KycUpload
from compliance.kyc.mrz import check_digit
from compliance.kyc.receiving import Given
from compliance.kyc.states import Kind, Subject
from kernel.ids import PlayerId

SIZE: Final = (1_012, 638)  # ID-1 at 300 dots per inch
NUMBER: Final = "SPEC00007"
NAME: Final = ("LIGHTHOUSE", "ANNA")
ISSUER: Final = "UTO"  # Utopia, as the standard's own specimens
KEY: Final = "demo-specimen-1"


def zone(born: date, until: date) -> str:
    """The three lines of a TD1 card, with the check digits that belong there."""
    first = f"I<{ISSUER}{NUMBER}{check_digit(NUMBER)}".ljust(30, "<")
    birth, expiry = f"{born:%y%m%d}", f"{until:%y%m%d}"
    second = f"{birth}{check_digit(birth)}F{expiry}{check_digit(expiry)}{ISSUER}".ljust(29, "<")
    second += check_digit(first[5:30] + second[0:7] + second[8:15] + second[18:29])
    third = f"{NAME[0]}<<{NAME[1]}".ljust(30, "<")
    return "\n".join((first, second, third))


def card(lines: list[str], foot: str = "") -> bytes:
    """A drawn card as JPEG."""
    picture = Image.new("RGB", SIZE, "#dfe7e4")
    drawn = ImageDraw.Draw(picture)
    for at in range(0, SIZE[0] + SIZE[1], 26):
        drawn.line((at, 0, at - SIZE[1], SIZE[1]), fill="#d2dedb", width=2)
    drawn.rounded_rectangle((12, 12, SIZE[0] - 12, SIZE[1] - 12), 36, outline="#5b7a80", width=5)
    drawn.rectangle((60, 130, 300, 430), fill="#b9c9c6", outline="#5b7a80", width=3)
    drawn.ellipse((130, 180, 230, 280), fill="#8fa5a3")
    drawn.pieslice((90, 290, 270, 520), 180, 360, fill="#8fa5a3")
    plain, small = ImageFont.load_default(34), ImageFont.load_default(38)
    drawn.text(
        (60, 50), "UTOPIA  ·  IDENTITY CARD", font=ImageFont.load_default(44), fill="#22434b"
    )
    for row, line in enumerate(lines):
        drawn.text((340, 130 + row * 56), line, font=plain, fill="#1d2f33")
    for row, line in enumerate(foot.splitlines()):
        drawn.text((60, 470 + row * 46), line, font=small, fill="#1d2f33")
    stamp = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    ImageDraw.Draw(stamp).text(
        (SIZE[0] // 2, SIZE[1] // 2),
        "SPECIMEN",
        font=ImageFont.load_default(190),
        fill=(174, 46, 30, 110),
        anchor="mm",
    )
    turned = stamp.rotate(18, resample=Image.Resampling.BICUBIC)
    picture.paste(turned, mask=turned.getchannel("A"))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    return out.getvalue()


def hand_in_specimen(player_id: PlayerId, born: date) -> None:
    """Let a demo player send the card, once; it then waits in the officers' queue."""
    if KycUpload.objects.filter(player_id=player_id, key=KEY).exists():
        return
    until = database_now().date().replace(month=6, day=30)
    until = until.replace(year=until.year + 5)
    read = zone(born, until)
    lines = [f"Surname  {NAME[0]}", f"Given names  {NAME[1]}", f"Born  {born:%d.%m.%Y}"]
    lines += [f"No.  {NUMBER}", f"Valid until  {until:%d.%m.%Y}"]
    form = Form(
        Subject.IDENTITY,
        [Given(Kind.FRONT, card(lines)), Given(Kind.BACK, card(["Back of the card"], read))],
        {
            "name": f"{NAME[1].title()} {NAME[0].title()}",
            "number": NUMBER,
            "expires_on": until.isoformat(),
            "mrz": read,
        },
        KEY,
    )
    hand_in(player_id, form)
    sweeps.look_at_documents()
