"""One item that breaks does not stop the others: it is undone, logged, and waits for the next look.

Each item has a transaction of its own, so what the database refuses, what can never be true, and an
answer that cannot be read concern that item alone. Whoever sweeps goes on with the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog
from django.db import DatabaseError

from kernel.invariant import InvariantBroken
from kernel.refusal import Refused
from payments.providers.protocol import BadWebhook, ProviderRejected, ProviderUnreachable

log = structlog.get_logger(__name__)

#: What reading an answer raises whose form nobody foresaw.
_UNFORESEEN: Final = (AttributeError, LookupError, TypeError, ValueError)


def done_alone(act: Callable[[], object], item: object) -> bool:
    """Do ``act`` for ``item``; whether it came to its end. Outside any transaction."""
    try:
        act()
    except (ProviderUnreachable, ProviderRejected, BadWebhook, Refused) as error:
        log.warning("payment_item_waits", item=str(item), error=str(error))
        return False
    except (DatabaseError, InvariantBroken, *_UNFORESEEN):  # in full, so that somebody sees it
        log.exception("payment_item_broken", item=str(item))
        return False
    return True
