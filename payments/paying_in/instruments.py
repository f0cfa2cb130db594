"""Cards and accounts with which players pay: kept from what providers report, shown to their owner.

A provider's token is all that is needed to pay again; there is never a number. The fingerprint is
told to the rules of watching as a trait, so that one card behind several accounts is found.
"""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.utils.crypto import salted_hmac

from audit.database_clock import database_now
from audit.record import Subject, record, register
from compliance.watching import traits
from compliance.watching.traits import TraitKind
from kernel.ids import Actor, PlayerId, new_id
from kernel.refusal import Refused
from payments.models import Deposit, Instrument
from payments.paying_in.refusals import DepositCode
from payments.providers import protocol
from payments.states import CAME

REMOVED: Final = register("instrument.removed", "Saved card or account removed by its player")
_LAST4: Final = re.compile(r"[A-Za-z0-9]{0,4}")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")

_KEEP: Final = """
INSERT INTO payments_instrument AS i (id, player_id, provider, token, kind, brand, last4, country,
    fingerprint, holder, verified_by, first_seen, last_used)
VALUES (%(id)s, %(player)s, %(provider)s, %(token)s, %(kind)s, %(brand)s, %(last4)s, %(country)s,
    %(fingerprint)s, %(holder)s, '', clock_timestamp(), clock_timestamp())
ON CONFLICT (provider, token, player_id) DO UPDATE SET last_used = clock_timestamp(),
    removed_at = CASE WHEN %(again)s THEN NULL ELSE i.removed_at END,
    holder = CASE WHEN i.holder = '' THEN excluded.holder ELSE i.holder END,
    country = CASE WHEN i.country = '' THEN excluded.country ELSE i.country END
RETURNING id
"""


def keep(
    player_id: PlayerId, provider: str, told: protocol.Instrument, *, again: bool = True
) -> Instrument:
    """The row of what was paid with; known already, it was used again. In the caller's transaction.

    ``again``: the player entered it anew, so one they had removed is offered once more.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _KEEP,
            {
                "id": new_id(),
                "player": player_id,
                "provider": provider,
                "token": told.token[:120],
                "kind": told.kind.value,
                "brand": told.brand[:40],
                "last4": told.last4 if _LAST4.fullmatch(told.last4) else "",
                "country": told.country if _COUNTRY.fullmatch(told.country) else "",
                "fingerprint": told.fingerprint[:120],
                "holder": told.holder[:140],
                "again": again,
            },
        )
        (pk,) = cursor.fetchone()
    if told.fingerprint:
        traits.note(player_id, TraitKind.INSTRUMENT, [f"{provider}|{told.fingerprint}"])
    return Instrument.objects.get(pk=pk)


def saved(player_id: PlayerId) -> list[Instrument]:
    """With what the player may pay again, the last used first: what has paid in once before. What
    was only ever declined is kept for the rules, and offered to nobody.
    """
    kinds = [protocol.InstrumentKind.CARD.value, protocol.InstrumentKind.WALLET.value]
    paid = Deposit.objects.filter(instrument=OuterRef("pk"), state__in=CAME)
    found = Instrument.objects.filter(player_id=player_id, removed_at=None, kind__in=kinds)
    return list(found.filter(Exists(paid)).order_by("-last_used", "pk"))


def find(player_id: PlayerId, instrument_id: UUID, provider: str) -> Instrument:
    """A saved one of the player's own at this provider. Refuses with ``UNKNOWN_INSTRUMENT``."""
    for one in saved(player_id):
        if one.pk == instrument_id and one.provider == provider:
            return one
    raise Refused(DepositCode.UNKNOWN_INSTRUMENT)


def remove(player_id: PlayerId, instrument_id: UUID) -> None:
    """Not offered any more; the record of what was paid with it stays. Removed twice is removed.

    Refuses with ``UNKNOWN_INSTRUMENT`` for what is not the player's. Audited.
    """
    with transaction.atomic():
        mine = Instrument.objects.filter(pk=instrument_id, player_id=player_id)
        if not mine.exists():
            raise Refused(DepositCode.UNKNOWN_INSTRUMENT)
        if mine.filter(removed_at=None).update(removed_at=database_now()):
            record(
                REMOVED,
                actor=Actor.player(player_id),
                subject=Subject("instrument", str(instrument_id)),
                component="payments",
                after={"player_id": player_id},
            )


def payer(player_id: PlayerId) -> str:
    """The name under which a provider keeps a player's tokens; it says nothing about them."""
    return salted_hmac("payments.payer", str(player_id), algorithm="sha256").hexdigest()[:32]
