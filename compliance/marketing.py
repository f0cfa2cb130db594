"""Marketing leaves the house here: after the register was asked, the gate, and by consent.

``notices`` asks `may_send` before any marketing notice leaves (setting ``NOTICES_MARKETING_GATE``),
so that a path around this module is refused too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import transaction

from audit.database_clock import database_now
from compliance import gate
from compliance.jurisdictions.shape import CheckPoint
from compliance.registries import checking
from compliance.standing import read_standing
from kernel.ids import PlayerId, new_id
from kernel.money import Money
from notices.models import Channel
from notices.send import notify


def may_send(person_id: int) -> bool:
    """Whether the gate lets marketing reach this person now. The answer is written down."""
    standing = read_standing(PlayerId(person_id))
    if standing is None:
        return False
    with transaction.atomic():
        [answer] = gate.decide(
            [
                gate.GateRequest(
                    new_id(),
                    standing.player_id,
                    gate.Purpose.MARKETING,
                    Money(0, standing.currency),
                )
            ],
            now=database_now(),
        )
    return answer.allowed


def send(
    player_ids: Sequence[PlayerId],
    kind: str,
    context: Mapping[str, str | int | bool | None],
    channels: Sequence[Channel],
) -> int:
    """Send a marketing notice to whom it may reach; returns how many that were.

    Each player's register is asked first where their policy says so, outside any transaction.
    """
    reached = 0
    for player_id in player_ids:
        checking.check_player(player_id, CheckPoint.MARKETING)
        if may_send(int(player_id)):
            notify(int(player_id), kind, context, channels)
            reached += 1
    return reached
