"""One item that breaks does not stop the others: it is undone, logged, and waits for the next look.

Each item has a transaction of its own, so what the database refuses, and what can never be true,
concerns that item alone. Whoever sweeps goes on with the next one.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from django.db import DatabaseError

from kernel.invariant import InvariantBroken
from kernel.refusal import Refused
from payments.providers.protocol import BadWebhook, ProviderRejected, ProviderUnreachable

log = structlog.get_logger(__name__)


def done_alone(act: Callable[[], object], item: object) -> bool:
    """Do ``act`` for ``item``; whether it came to its end. Outside any transaction."""
    try:
        act()
    except (ProviderUnreachable, ProviderRejected, BadWebhook, Refused) as error:
        log.warning("payment_item_waits", item=str(item), error=str(error))
        return False
    except (DatabaseError, InvariantBroken):  # a fault of ours: in full, so that somebody sees it
        log.exception("payment_item_broken", item=str(item))
        return False
    return True
