"""Orders from below, applied at the tables: an excluded player's sockets close.

The sockets heard of it by a hint long before (`events.hints`), and the gate reads the exclusion
itself; the stored order finds whom a lost hint forgot. Swept every 10 s, applied once.
"""

from __future__ import annotations

from django.db import transaction

from accounts import sessions
from compliance.exclusion import PLAYER_EXCLUDED, WHY
from events import orders

BATCH_MAX = 100


def apply_waiting() -> int:
    """Apply the waiting exclusions, each in a transaction of its own; returns how many."""
    applied = 0
    for order in orders.pending(PLAYER_EXCLUDED, limit=BATCH_MAX):
        with transaction.atomic():
            if not orders.mark_applied(order.id, "tables"):
                continue
            sessions.close_sockets(int(order.payload["player_id"]), WHY[order.payload["kind"]])
            applied += 1
    return applied
