"""Tokens for programs that read the API: each stands for one member of staff and a few scopes.

The token is shown once; kept is its SHA-256 (256 random bits need nothing slower) and
four letters to know it by. It reads what its scopes name and only as long as its owner's role may
read it: rights are asked at every use. A browser's session opens the same doors by its second
factor; a token never opens a page.

Whoever makes a token for somebody sees its text, so the maker too must be able to read what it
reads; and its owner is told. Cases that are hidden from players no token reads at all. People from
outside (`accounts.outsiders`) read no API, neither by a token nor by their session: what they read
they open as pages, which are recorded.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from accounts.models import User
from accounts.outsiders import FROM_OUTSIDE
from accounts.rights import check_right
from accounts.roles import Role
from accounts.staff import roles_of
from audit.canonical import storable
from audit.database_clock import database_now
from audit.record import Subject, record, register
from backoffice.notice_kinds import API_TOKEN_MADE
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from notices.send import notify

MANAGE: Final = "accounts.manage_api_tokens"
MADE: Final = register("api.token_made", "API token made")
REVOKED: Final = register("api.token_revoked", "API token revoked")

PREFIX: Final = "faro_"
SECRET_BYTES: Final = 32
_SHAPE: Final = re.compile(r"faro_[A-Za-z0-9_-]{43}")
DAYS_MAX: Final = 366
#: Living tokens of one member of staff.
PER_OWNER_MAX: Final = 20
#: The note of use is written at most so often.
USED_EVERY: Final = timedelta(minutes=1)

READERS: Final = frozenset({Role.FINANCE, Role.AUDITOR, Role.ADMINISTRATOR})


class TokenCode(StrEnum):
    """Why a token is not made."""

    NOT_STAFF = "token_owner_not_staff"
    NO_SCOPE = "token_needs_a_scope"
    SCOPE_BEYOND_ROLE = "token_scope_beyond_role"
    SCOPE_BEYOND_MAKER = "token_scope_beyond_maker"
    BAD_LIFE = "token_life_out_of_bounds"
    TOO_MANY = "too_many_tokens"
    NO_NAME = "token_needs_a_name"
    MADE_BEFORE = "token_made_before"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a token may read, in words, and whose roles may read it."""

    name: str
    words: str
    may: Callable[[User], bool]


SCOPES: Final = {
    scope.name: scope
    for scope in (
        Scope(
            "rounds:read",
            "Rounds with their results and evidence",
            lambda user: user.has_perm("tables.view_round"),
        ),
        Scope(
            "reports:read",
            "Revenue and funds in play",
            lambda user: bool(roles_of(int(user.pk)) & READERS),
        ),
        Scope(
            "cases:read",
            "Complaints and disputes",
            lambda user: user.has_perm("compliance.work_desk"),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is kept: never the text that opens something."""

    id: UUID
    owner_id: int
    name: str
    hint: str
    scopes: tuple[str, ...]
    made_by: int
    made_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None

    def lives(self, now: datetime) -> bool:
        """Whether it opens anything at ``now``."""
        return self.revoked_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class Wanted:
    """A token to be made."""

    owner_id: int
    name: str
    scopes: tuple[str, ...]
    days: int


_COLUMNS: Final = (
    "id, owner_id, name, hint, scopes, made_by, made_at, expires_at, revoked_at, last_used_at"
)


def make(wanted: Wanted, *, by: int, key: str) -> str:
    """Make a token and return its text, which is never seen again. Audited; its owner is told.

    Refuses with ``NOT_ALLOWED`` and the codes of ``TokenCode``; ``MADE_BEFORE`` where this form was
    sent before, since the text cannot be told twice.
    """
    check_right(Actor.staff(by), MANAGE)
    _check(wanted, by)
    text = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    token_id = new_id()
    try:
        with transaction.atomic():
            _lock_owner(wanted.owner_id)
            _refuse_too_many(wanted.owner_id)
            _insert(wanted, token_id, text, by, key)
            record(
                MADE,
                actor=Actor.staff(by),
                subject=Subject("api_token", str(token_id)),
                component="backoffice",
                after={
                    "owner": wanted.owner_id,
                    "name": wanted.name.strip(),
                    "scopes": sorted(set(wanted.scopes)),
                    "days": wanted.days,
                },
            )
            told = {"name": storable(wanted.name.strip())[:80], "maker": _name(by)}
            notify(wanted.owner_id, API_TOKEN_MADE, told)
    except IntegrityError:
        raise Refused(TokenCode.MADE_BEFORE) from None
    return text


def _name(user_id: int) -> str:
    return User.objects.get(pk=user_id).get_full_name()


def _check(wanted: Wanted, by: int) -> None:
    owner = User.objects.filter(pk=wanted.owner_id, is_staff=True, is_active=True).first()
    if owner is None:
        raise Refused(TokenCode.NOT_STAFF)
    if not wanted.name.strip():
        raise Refused(TokenCode.NO_NAME)
    if not wanted.scopes:
        raise Refused(TokenCode.NO_SCOPE)
    for name in wanted.scopes:
        if name not in SCOPES or not may_read(owner, name):
            raise Refused(TokenCode.SCOPE_BEYOND_ROLE, scope=name)
    _check_maker(wanted, by)
    if not 1 <= wanted.days <= DAYS_MAX:
        raise Refused(TokenCode.BAD_LIFE, at_most=DAYS_MAX)


def _lock_owner(owner_id: int) -> None:
    """So that tokens of one owner are counted and made one after the other."""
    User.objects.select_for_update(no_key=True).get(pk=owner_id)


def _refuse_too_many(owner_id: int) -> None:
    now = database_now()
    if sum(token.lives(now) for token in listed(owner_id)) >= PER_OWNER_MAX:
        raise Refused(TokenCode.TOO_MANY, at_most=PER_OWNER_MAX)


def _check_maker(wanted: Wanted, by: int) -> None:
    """The maker reads the token's text off the page, and could use it."""
    maker = User.objects.get(pk=by)
    for name in wanted.scopes:
        if not may_read(maker, name):
            raise Refused(TokenCode.SCOPE_BEYOND_MAKER, scope=name)


def _insert(wanted: Wanted, token_id: UUID, text: str, by: int, key: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO backoffice_api_token"
            " (id, owner_id, name, hint, hash, scopes, made_by, expires_at, key)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, clock_timestamp() + %s * interval '1 day', %s)",
            [
                token_id,
                wanted.owner_id,
                storable(wanted.name.strip())[:80],
                text[-4:],
                _hash(text),
                sorted(set(wanted.scopes)),
                by,
                wanted.days,
                storable(key)[:64],
            ],
        )


def revoke(token_id: UUID, *, by: int) -> bool:
    """End a token at once; False where there is none or it was revoked before. Audited.

    Refuses with ``NOT_ALLOWED``.
    """
    check_right(Actor.staff(by), MANAGE)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE backoffice_api_token SET revoked_at = clock_timestamp(), revoked_by = %s"
            " WHERE id = %s AND revoked_at IS NULL",
            [by, token_id],
        )
        if cursor.rowcount != 1:
            return False
        record(
            REVOKED,
            actor=Actor.staff(by),
            subject=Subject("api_token", str(token_id)),
            component="backoffice",
        )
    return True


def listed(owner_id: int | None = None) -> list[Token]:
    """Tokens, newest first: of one owner, or the newest 500 of everybody."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM backoffice_api_token"  # noqa: S608  (constants)
            " WHERE %s::bigint IS NULL OR owner_id = %s ORDER BY made_at DESC LIMIT 500",
            [owner_id, owner_id],
        )
        return [_token(row) for row in cursor.fetchall()]


def read(text: str) -> tuple[User, Token] | None:
    """Whom a token stands for; None where it opens nothing, for whichever reason.

    Notes its use. The scopes are asked by ``may``, with the owner's rights of this moment.
    """
    if not _SHAPE.fullmatch(text):
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM backoffice_api_token WHERE hash = %s",  # noqa: S608  (constants)
            [_hash(text)],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    token, now = _token(row), database_now()
    owner = User.objects.filter(pk=token.owner_id, is_staff=True, is_active=True).first()
    if owner is None or not token.lives(now):
        return None
    if token.last_used_at is None or now - token.last_used_at > USED_EVERY:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE backoffice_api_token SET last_used_at = clock_timestamp() WHERE id = %s",
                [token.id],
            )
    return owner, token


def may(token: Token, owner: User, scope: str) -> bool:
    """Whether the token has ``scope`` and its owner's role may still read that."""
    return scope in token.scopes and may_read(owner, scope)


def may_read(user: User, scope: str) -> bool:
    """Whether the API lets ``user`` read what ``scope`` names: by their role, and of the house."""
    return SCOPES[scope].may(user) and not user.has_perm(FROM_OUTSIDE)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _token(row: tuple[object, ...]) -> Token:
    fields = list(row)
    fields[4] = tuple(fields[4])  # type: ignore[arg-type]  # text[] of the database
    return Token(*fields)  # type: ignore[arg-type]  # the columns in the order of the fields
