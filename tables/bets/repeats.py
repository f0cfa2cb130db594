"""The bets of the last round again, and what stands once more: slips whose stakes we fill in."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kernel.ids import PlayerId
from kernel.refusal import Refused
from tables.bets.slips import BettingCode, PlaceBets, Receipt, place_bets
from tables.bets.undo import last_stakes, standing_stakes
from tables.models import Slip

REBET: Final = "rebet"
DOUBLE: Final = "double"
_STAKES: Final = {REBET: last_stakes, DOUBLE: standing_stakes}


def repeat(
    wish: str,
    player_id: PlayerId,
    table_id: str,
    *,
    key: str,
    currency: str,
    round_number: int | None,
) -> PlaceBets | Receipt:
    """The slip that ``wish`` (``REBET`` or ``DOUBLE``) amounts to now, or the answer it had before.

    The key stands for the wish and not for the stakes, so a double that is sent again never
    doubles what it has doubled. Refuses with ``BAD_KEY``, ``KEY_CONFLICT`` or
    ``NOTHING_TO_REPEAT``.
    """
    slip = replace(
        place_bets(
            player_id, table_id, key=key, currency=currency, stakes=[], round_number=round_number
        ),
        wish=wish,
    )
    known = Slip.objects.filter(player_id=player_id, key=key).first()
    if known is None:
        stakes = _STAKES[wish](player_id, table_id)
        filled = place_bets(player_id, table_id, key=key, currency=currency, stakes=stakes)
        return replace(slip, stakes=filled.stakes)
    if known.fingerprint != slip.fingerprint():
        raise Refused(BettingCode.KEY_CONFLICT, key=key)
    return Receipt.from_json(known.answer)
