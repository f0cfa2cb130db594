"""Accounts that players are paid to: added by them, held in the name that was verified, told once.

The number goes to the provider and stays there; we keep its token, country and last four. An
account is paid to once it is known to be the player's own (a provider that looked at the name
agrees, or an officer saw a document) and its first hours are over: somebody who took an account
over neither adds one unseen nor empties it at once. The database asks for the same (0006).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from stdnum import iban
from stdnum.exceptions import ValidationError

from accounts.models import User
from accounts.rights import check_right
from audit.database_clock import database_now
from audit.locks import LockRank, lock_rows
from audit.record import Subject, record, register
from compliance.kyc.names import Likeness, likeness
from compliance.standing import StandingNow, lock_standing, read_standing
from kernel.ids import Actor, ActorKind, PlayerId
from kernel.invariant import ensure
from kernel.refusal import Refused
from notices.send import notify
from payments import providers
from payments.models import Instrument, Withdrawal
from payments.notice_kinds import PAYOUT_ACCOUNT_NEWS
from payments.paying_out import payout_plan
from payments.providers.protocol import (
    Instrument as Told,
)
from payments.providers.protocol import (
    InstrumentKind,
    NewAccount,
    ProviderRejected,
    ProviderUnreachable,
)

#: Enough for anybody; each is one more way out for whoever takes an account over.
ACCOUNTS_MAX: Final = 5
IBAN_CHARS_MAX: Final = 42  # 34 characters in groups of four
NOTE_MAX: Final = 400
VERIFY: Final = "payments.verify_payout_account"


class News(StrEnum):
    """What a player is told about an account, and what is recorded of it."""

    ADDED = "added"
    VERIFIED = "verified"
    REFUSED = "refused"
    REMOVED = "removed"


_AUDITED: Final = {
    news: register(f"payout_account.{news.value}", f"Account to pay to: {news.value}")
    for news in News
}


class AccountCode(StrEnum):
    """Why an account was not added, removed or decided."""

    BAD_IBAN = "bad_iban"
    COUNTRY = "payout_country"
    NO_NAME = "payout_name_not_verified"
    TOO_MANY = "too_many_payout_accounts"
    NOT_TAKEN = "payout_account_not_taken"
    NO_ANSWER = "payout_account_no_answer"
    IN_USE = "payout_account_in_use"
    UNKNOWN = "payout_account_unknown"
    REASON_MISSING = "payout_account_reason_missing"
    DECIDED = "payout_account_decided"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a player wants added, checked as far as we can."""

    player_id: PlayerId
    holder: str
    number: str


def verified_name(player_id: PlayerId) -> str:
    """The name that identity checks found; empty until they are done."""
    standing = read_standing(player_id)
    if standing is None or not standing.identity_verified:
        return ""
    return User.objects.values_list("name", flat=True).get(pk=player_id)


def add(*, player_id: PlayerId, text: str, actor: Actor) -> Instrument:
    """Add the account with this IBAN, in the player's verified name; told to the provider first.

    The same account again is the same one, with its first hours anew where it had been removed.
    Refuses with ``BAD_IBAN``, ``NO_NAME``, ``COUNTRY``, ``TOO_MANY``, ``NOT_TAKEN`` (the provider
    said no), ``NO_ANSWER`` (it said nothing; trying again is harmless). The provider is called
    outside any transaction; then locks the player. That the person proved who they are is the
    page's question.
    """
    wanted = _checked(player_id, text)
    name = providers.default_name()
    house = providers.provider(name)
    digest = hashlib.sha256(f"{wanted.holder}\n{wanted.number}".encode()).hexdigest()[:40]
    key = f"{player_id}:account:{digest}"
    try:
        told = house.register_account(NewAccount(key, wanted.holder, wanted.number))
    except ProviderUnreachable:
        raise Refused(AccountCode.NO_ANSWER) from None
    except ProviderRejected as error:
        raise Refused(AccountCode.NOT_TAKEN, reason=error.code) from None
    ensure(told.kind is InstrumentKind.BANK_ACCOUNT, "an account is an account", got=told.kind)
    with transaction.atomic(durable=True):
        return _keep(lock_standing(player_id), name, told, wanted, actor)


def _checked(player_id: PlayerId, text: str) -> _Wanted:
    if len(text) > IBAN_CHARS_MAX:
        raise Refused(AccountCode.BAD_IBAN)
    try:
        number = iban.validate(text)
    except ValidationError:
        raise Refused(AccountCode.BAD_IBAN) from None
    holder, standing = verified_name(player_id), read_standing(player_id)
    if not holder or standing is None:
        raise Refused(AccountCode.NO_NAME)
    if not payout_plan.policy_for(standing, database_now()).pays_to(number[:2]):
        raise Refused(AccountCode.COUNTRY, country=number[:2])
    if payout_plan.accounts(player_id).count() >= ACCOUNTS_MAX:
        raise Refused(AccountCode.TOO_MANY, at_most=ACCOUNTS_MAX)
    return _Wanted(player_id, holder, number)


def _keep(
    standing: StandingNow, provider: str, told: Told, wanted: _Wanted, actor: Actor
) -> Instrument:
    now = database_now()
    known = _known(provider, told, wanted)
    if known is not None and known.removed_at is None:
        return known
    if payout_plan.accounts(wanted.player_id).count() >= ACCOUNTS_MAX:
        raise Refused(AccountCode.TOO_MANY, at_most=ACCOUNTS_MAX)
    is_own = _is_own(told, wanted) and not (known is not None and _was_refused(known))
    since = {
        "verified_at": now if is_own else None,
        "verified_by": f"provider:{provider}" if is_own else "",
        "usable_from": now + payout_plan.policy_for(standing, now).cooling_off,
        "removed_at": None,
        "last_used": now,
        "holder": told.holder,
    }
    if known is not None:
        Instrument.objects.filter(pk=known.pk).update(**since)
        account = Instrument.objects.get(pk=known.pk)
    else:
        account = Instrument.objects.create(
            player_id=wanted.player_id,
            provider=provider,
            token=told.token,
            kind=told.kind.value,
            brand=told.brand,
            last4=wanted.number[-4:],
            country=wanted.number[:2],
            fingerprint=told.fingerprint,
            **since,
        )
    _tell(account, News.ADDED, actor)
    return account


def _known(provider: str, told: Told, wanted: _Wanted) -> Instrument | None:
    """The player's row of this account, also where the provider has given it another token since:
    Stripe knows a key for a day. One that is in use comes before one that was removed.
    """
    same = Q(token=told.token)
    if told.fingerprint:
        same |= Q(fingerprint=told.fingerprint)
    mine = Instrument.objects.filter(
        same, provider=provider, kind=told.kind.value, player_id=wanted.player_id
    )
    return mine.order_by(F("removed_at").desc(nulls_first=True), "first_seen", "pk").first()


def _is_own(told: Told, wanted: _Wanted) -> bool:
    """By a look at the name that the provider says it had: a name of ours that it repeats is none.

    An account that somebody else added is looked at here.
    """
    of_others = Instrument.objects.filter(
        kind=InstrumentKind.BANK_ACCOUNT, fingerprint=told.fingerprint
    ).exclude(player_id=wanted.player_id)
    named = told.holder_checked and likeness(wanted.holder, told.holder) is Likeness.SAME
    return bool(told.holder) and named and not (told.fingerprint and of_others.exists())


def _was_refused(account: Instrument) -> bool:
    """Whether an officer's no was the last word: then only an officer says yes."""
    return account.verified_at is None and bool(account.verified_by)


def remove(*, player_id: PlayerId, account_id: UUID, actor: Actor) -> None:
    """Pay to it no more. Refuses with ``UNKNOWN``, or ``IN_USE`` while money is on its way to it.

    Locks the player.
    """
    with transaction.atomic():
        lock_standing(player_id)
        account = payout_plan.accounts(player_id).filter(pk=account_id).first()
        if account is None:
            raise Refused(AccountCode.UNKNOWN)
        if Withdrawal.objects.filter(instrument=account, state__in=payout_plan.OPEN).exists():
            raise Refused(AccountCode.IN_USE)
        Instrument.objects.filter(pk=account.pk).update(removed_at=database_now())
        _tell(account, News.REMOVED, actor)


def unverified() -> QuerySet[Instrument]:
    """Accounts that wait for an officer, the oldest first."""
    return Instrument.objects.filter(
        kind=InstrumentKind.BANK_ACCOUNT, verified_at=None, removed_at=None
    ).order_by("first_seen", "pk")


def verify(account_id: UUID, *, actor: Actor, note: str) -> Instrument:
    """An officer saw a document that shows whose account it is; ``note`` says which.

    Refuses with ``NOT_ALLOWED``, ``UNKNOWN``, ``REASON_MISSING`` or ``DECIDED``. Locks the player.
    """
    with transaction.atomic():
        account = _for_officer(account_id, actor, note)
        now = database_now()
        Instrument.objects.filter(pk=account.pk).update(verified_at=now, verified_by=str(actor))
        account.verified_at, account.verified_by = now, str(actor)
        _tell(account, News.VERIFIED, actor, note)
    return account


def refuse(account_id: UUID, *, actor: Actor, note: str) -> Instrument:
    """An officer found it is not the player's, also where it was verified; it is not paid to.

    What is on its way to it and no provider has seen yet ends. Added again, it waits for an
    officer. Refuses with ``NOT_ALLOWED``, ``UNKNOWN``, ``REASON_MISSING``, or ``DECIDED`` where it
    is removed. Locks the player.
    """
    with transaction.atomic():
        account = _for_officer(account_id, actor, note, or_verified=True)
        Instrument.objects.filter(pk=account.pk).update(
            removed_at=database_now(), verified_at=None, verified_by=str(actor)
        )
        account.verified_at, account.verified_by = None, str(actor)
        _tell(account, News.REFUSED, actor, note)
    return account


def _for_officer(
    account_id: UUID, actor: Actor, note: str, *, or_verified: bool = False
) -> Instrument:
    ensure(actor.kind is ActorKind.STAFF, "accounts are decided on by staff", actor=str(actor))
    check_right(actor, VERIFY)
    if not note.strip():
        raise Refused(AccountCode.REASON_MISSING)
    account = Instrument.objects.filter(pk=account_id, kind=InstrumentKind.BANK_ACCOUNT).first()
    if account is None:
        raise Refused(AccountCode.UNKNOWN)
    lock_standing(PlayerId(account.player_id))
    lock_rows(
        LockRank.PAYMENT,
        "SELECT id FROM payments_instrument WHERE id = %s ORDER BY id FOR NO KEY UPDATE",
        [account_id],
    )
    account.refresh_from_db()
    is_verified = account.verified_at is not None and not or_verified
    if is_verified or account.removed_at is not None:
        raise Refused(AccountCode.DECIDED)
    return account


def _tell(account: Instrument, news: News, actor: Actor, note: str = "") -> None:
    """The player hears of every change, on every way there is: it may not have been them."""
    wait = (account.usable_from or account.first_seen) - database_now()
    notify(
        account.player_id,
        PAYOUT_ACCOUNT_NEWS,
        {
            "news": news.value,
            "country": account.country,
            "last4": account.last4,
            "is_verified": account.verified_at is not None,
            "wait_hours": max(0, -(-int(wait.total_seconds()) // 3600)),
        },
    )
    record(
        _AUDITED[news],
        actor=actor,
        subject=Subject("payout_account", str(account.pk)),
        component="payments",
        after={
            "player_id": account.player_id,
            "provider": account.provider,
            "country": account.country,
            "last4": account.last4,
            "verified_by": account.verified_by,
        },
        reason=note.strip()[:NOTE_MAX],
    )
