"""The questions a caller is asked, and whether what they say is right. The data is never shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Final

from accounts import players
from compliance import caller_check
from kernel.ids import PlayerId
from kernel.money import parse
from kernel.refusal import Refused
from payments.models import Deposit
from payments.states import DepositState


def answer(player_id: PlayerId, question: str, said: str, *, staff_id: int, key: str) -> bool:
    """Judge what the caller said to ``question``; see `compliance.caller_check.answered`."""
    judge = QUESTIONS[question][1]
    return caller_check.answered(
        player_id, question, lambda: judge(player_id, said.strip()), staff_id=staff_id, key=key
    )


def _date_of_birth(player_id: PlayerId, said: str) -> bool:
    return _day(said) == players.info(player_id).date_of_birth


def _signed_up(player_id: PlayerId, said: str) -> bool:
    known = players.info(player_id).created_at
    found = re.fullmatch(r"(\d{4})-(\d{1,2})|(\d{1,2})[./](\d{4})", said)
    if found is None:
        return False
    year, month = (found[1], found[2]) if found[1] else (found[4], found[3])
    return (int(year), int(month)) == (known.year, known.month)


def _last_deposit(player_id: PlayerId, said: str) -> bool:
    """The amount of the newest deposit that arrived; a player without one says 0."""
    newest = (
        Deposit.objects.filter(player_id=player_id, state=DepositState.SUCCEEDED)
        .order_by("-created_at")
        .first()
    )
    if newest is None:
        return said in {"0", "none"}
    try:
        return parse(said, newest.currency) == newest.amount
    except Refused:
        return False


def _day(said: str) -> date | None:
    """`1990-02-28`, `28.2.1990` or `28/2/1990`: day first, as people here say it."""
    found = re.fullmatch(r"(\d{4})-(\d{1,2})-(\d{1,2})|(\d{1,2})[./](\d{1,2})[./](\d{4})", said)
    if found is None:
        return None
    year, month, day = found.groups()[:3] if found[1] else (found[6], found[5], found[4])
    try:
        return date(int(year or 0), int(month or 0), int(day or 0))
    except ValueError:
        return None


#: Question → how it is asked, and how an answer is judged.
QUESTIONS: Final[dict[str, tuple[str, Callable[[PlayerId, str], bool]]]] = {
    "date_of_birth": ("Date of birth (31.12.1970)", _date_of_birth),
    "last_deposit": ("Amount of the last deposit, 0 if there was none", _last_deposit),
    "signed_up": ("Month in which the account was opened (2/2026)", _signed_up),
}
