"""The way in for former customers: a link mailed to the address of their account, used once.

Whoever closed their account cannot sign in, and has the same rights. The answer is one sentence for
every address, known or not; the mail goes to the address alone and says which it is.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from allauth.account.adapter import get_adapter
from django.db import connection, transaction
from django.http import HttpRequest
from django.urls import reverse

from accounts import rate_limits
from accounts.models import Player, normal_email
from accounts.rate_limits import Act
from audit.database_clock import database_now
from backoffice.data_rights import requests
from backoffice.data_rights.requests import CameBy, DataCode, DataRequest, Kind
from compliance.models import Status
from compliance.standing import lock_standing, read_standing
from kernel.ids import PlayerId, new_id
from kernel.refusal import Refused

LASTS: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Link:
    """A link that opens."""

    id: UUID
    player_id: PlayerId


def send(request: HttpRequest, email: str) -> None:
    """Mail a link to ``email`` where its account is closed; whoever can sign in is told to, and
    other addresses that no account has them. Raises ``TooMany``.

    Counted before anything is looked up. The mail leaves when the link is stored.
    """
    email = normal_email(email)
    rate_limits.consume(request, Act.DATA_LINK, email=email)
    player = Player.objects.filter(user__email=email, erased_at__isnull=True).first()
    with transaction.atomic():
        if player is None:
            template, facts = "data/email/no_account", {"email": email}
        elif not _is_closed(PlayerId(player.pk)):
            own = request.build_absolute_uri(reverse("backoffice:my_data"))
            template, facts = "data/email/sign_in", {"url": own}
        else:
            own = request.build_absolute_uri(address(made(PlayerId(player.pk))))
            template, facts = "data/email/link", {"url": own}
        transaction.on_commit(partial(get_adapter(request).send_mail, template, email, facts))


def address(token: str) -> str:
    """The page of a link. The token is behind "?", which no log line keeps (`casino.log_lines`)."""
    return f"{reverse('backoffice:data_link')}?{urlencode({'key': token})}"


def _is_closed(player_id: PlayerId) -> bool:
    standing = read_standing(player_id)
    return standing is not None and standing.status is Status.CLOSED


def made(player_id: PlayerId) -> str:
    """A fresh link for a closed account (the database wants that): the token of its address.

    Only its hash is stored.
    """
    token = secrets.token_urlsafe(32)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO backoffice_data_link (id, player_id, token_hash, expires_at)"
            " VALUES (%s, %s, %s, %s)",
            [new_id(), player_id, _hashed(token), database_now() + LASTS],
        )
    return token


def opened(token: str) -> Link:
    """Whose link it is, while it may be used. Refuses with ``LINK_OVER``."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, player_id FROM backoffice_data_link WHERE token_hash = %s"
            " AND used_at IS NULL AND expires_at > clock_timestamp()",
            [_hashed(token)],
        )
        row = cursor.fetchone()
    if row is None:
        raise Refused(DataCode.LINK_OVER)
    return Link(row[0], PlayerId(row[1]))


def use(token: str, kind: Kind, text: str) -> DataRequest:
    """Ask by a link, which is used up with it, in one transaction under the player's lock.

    Refuses with ``LINK_OVER`` and as `requests.ask`; refused, the link can be used again.
    """
    with transaction.atomic():
        link = opened(token)
        lock_standing(link.player_id)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE backoffice_data_link SET used_at = clock_timestamp() WHERE id = %s"
                " AND used_at IS NULL AND expires_at > clock_timestamp()",
                [link.id],
            )
            if cursor.rowcount != 1:
                raise Refused(DataCode.LINK_OVER)
        return requests.ask(link.player_id, kind, text, key=f"link:{link.id}", came_by=CameBy.LINK)


def _hashed(token: str) -> str:
    return sha256(token.encode()).hexdigest()
