"""What the house holds of one player, as one ZIP for them: JSON Lines, hashes, how to check them.

Never in it: what officers suspect (hidden cases, alerts, screening, reasons of a freeze), notes of
staff, and data of anybody else. Results younger than ``RESULTS_AFTER`` are left for the next file,
so that no export tells a number before the picture does.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final, cast
from uuid import UUID

from django.db.models import Model, QuerySet

from accounts import sessions
from accounts.models import Player
from audit.models import AuditEvent
from audit.record import Subject, record, register
from backoffice.data_rights import requests
from compliance import cases, exclusion
from compliance.cases import Audience
from compliance.kyc import declarations
from compliance.kyc.models import KycCheck
from compliance.kyc.states import Subject as KycSubject
from compliance.models import CaseEvent, Limit, LimitChange, Standing
from compliance.registries import facts
from kernel.ids import Actor, PlayerId
from ledger.models import Account, EntryLine
from notices.models import Consent, Notice
from payments.disputes.models import ProviderDispute
from payments.models import Deposit, Instrument, Transition, Withdrawal
from tables.models import Bet, BetOutcome

EXPORTED: Final = register("player.data_exported", "A player took a copy of their data")
FORMAT: Final = "faro-player-data/1"
RESULTS_AFTER: Final = timedelta(minutes=5)
#: Kept in memory up to here, on the disk beyond.
SPOOL_BYTES: Final = 8 * 1024 * 1024
ROWS_PER_PIECE: Final = 500

README: Final = """\
Your data at this house, as of {at}.

Each .jsonl file has one JSON object per line. Amounts are whole minor units (cents) of the currency
beside them; instants are in UTC. manifest.json lists the files, their rows and their SHA-256.

To check that nothing was changed since: sha256sum -c SHA256SUMS

Not in here: the pictures of your documents (write to us for them), what the law forbids us to tell,
and what concerns other people.
"""


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the export."""

    name: str
    rows: Iterable[dict[str, Any]]


def write(player_id: PlayerId, now: datetime, *, actor: Actor) -> IO[bytes]:
    """The ZIP, ready to be read from its begin. Audited with its manifest's hash."""
    spool = SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115  (the answer closes it)
    out = cast(IO[bytes], spool)
    listed: list[dict[str, Any]] = []
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in parts(player_id, now):
            listed.append(_write_part(archive, part))
        manifest = _json(
            {"format": FORMAT, "player": int(player_id), "at": now, "files": listed}, indent=1
        )
        archive.writestr("manifest.json", manifest)
        digest = hashlib.sha256(manifest).hexdigest()
        sums = [*listed, {"name": "manifest.json", "sha256": digest}]
        lines = "".join(f"{one['sha256']}  {one['name']}\n" for one in sums)
        archive.writestr("SHA256SUMS", lines)
        archive.writestr("README.txt", README.format(at=now.isoformat()))
    record(
        EXPORTED,
        actor=actor,
        subject=Subject("player", str(player_id)),
        component="backoffice",
        after={"manifest_sha256": digest, "files": len(listed)},
    )
    out.seek(0)
    return out


def parts(player_id: PlayerId, now: datetime) -> Iterator[Part]:
    """Every file with its rows, each read in pieces while it is written."""
    pk = int(player_id)
    yield Part("account.jsonl", _account(pk))
    yield Part("consents.jsonl", _rows(Consent.objects.filter(person_id=pk), "person_id"))
    yield Part("standing.jsonl", _rows(Standing.objects.filter(pk=pk)))
    yield Part("limits.jsonl", _rows(Limit.objects.filter(player_id=pk)))
    changes = LimitChange.objects.filter(player_id=pk)
    yield Part("limit_changes.jsonl", _rows(changes.order_by("at")))
    yield Part("breaks.jsonl", _breaks(pk))
    yield Part("identity_checks.jsonl", _rows(KycCheck.objects.filter(player_id=pk), *_OF_KYC))
    yield Part("declarations.jsonl", _declarations(player_id))
    yield Part("sessions.jsonl", _sessions(pk))
    yield Part("deposits.jsonl", _rows(Deposit.objects.filter(player_id=pk), *_OF_PAYMENT))
    yield Part("withdrawals.jsonl", _rows(Withdrawal.objects.filter(player_id=pk), *_OF_PAYMENT))
    means = Instrument.objects.filter(player_id=pk)
    yield Part("means_of_payment.jsonl", _rows(means, *_OF_MEANS))
    disputes = ProviderDispute.objects.filter(player_id=pk)
    yield Part("disputes.jsonl", _rows(disputes.order_by("opened_at"), *_OF_DISPUTES))
    yield Part(
        "payment_steps.jsonl",
        _rows(_payment_steps(pk).order_by("at"), "actor", "cause", "reason"),
    )
    yield Part("ledger.jsonl", _ledger(pk, now))
    yield Part("bets.jsonl", _rows(Bet.objects.filter(player_id=pk).order_by("accepted_at")))
    yield Part("results.jsonl", _results(pk, now))
    yield Part("notices.jsonl", _rows(Notice.objects.filter(person_id=pk), "person_id"))
    yield Part("data_requests.jsonl", _requests(player_id))
    yield from _cases(pk)


#: What is the provider's or staff's, not the player's.
_OF_PAYMENT: Final = (
    "approved_by",
    "reason",
    "key",
    "redirect_url",
    "return_url",
    "polls",
    "poll_at",
)
_OF_MEANS: Final = ("token", "fingerprint", "verified_by")
_OF_DISPUTES: Final = (
    *("fee_minor", "fee_currency", "is_booked_here", "told_late_at", "poll_at", "polls"),
    *("assignee_id", "closed_by", "closed_note"),
)
_BREAKS: Final = (
    exclusion.COOLING_OFF,
    exclusion.SELF_EXCLUDED,
    exclusion.OFFICER_EXCLUDED,
    exclusion.SAME_PERSON,
    exclusion.ASKED_TO_RETURN,
)
_OF_KYC: Final = ("id", "reminded_until", "alarmed_at", "attempt")


def _account(pk: int) -> Iterator[dict[str, Any]]:
    found = Player.objects.select_related("user").get(pk=pk)
    yield {
        "player": pk,
        "email": found.user.email,
        "name": found.user.name,
        "told_at_sign_up": {fact.value: said for fact, said in facts.latest(PlayerId(pk)).items()},
        "date_of_birth": found.date_of_birth,
        "country": found.country,
        "currency": found.currency,
        "opened_at": found.created_at,
        "terms_version": found.terms_version,
        "terms_accepted_at": found.terms_accepted_at,
        "last_sign_in_at": found.user.last_login,
    }


def _declarations(player_id: PlayerId) -> Iterator[dict[str, Any]]:
    """What the player wrote for their identity checks, the newest words of each."""
    for subject in KycSubject:
        fields, _attempt = declarations.latest(player_id, subject)
        if fields:
            yield {"subject": subject.value, "fields": fields}


def _sessions(pk: int) -> Iterator[dict[str, Any]]:
    for one in sessions.listed(pk, current_key=None):
        yield {
            "address": one.address,
            "browser": one.browser,
            "since": one.since,
            "last_seen_at": one.last_seen_at,
        }


def _requests(player_id: PlayerId) -> Iterator[dict[str, Any]]:
    """What was asked about the data and what was answered; not what officers said of it."""
    for one in requests.of_player(player_id):
        yield {
            "reference": one.reference,
            "kind": one.kind.value,
            "asked_at": one.asked_at,
            "due_at": one.due_at,
            "your_words": requests.text_of(one),
            "answers": [
                {"at": word.at, "step": word.step, "verdict": word.verdict, "text": word.told}
                for word in one.words
                if word.step in {"extended", "decided", "withdrawn"}
            ],
        }


def _payment_steps(pk: int) -> QuerySet[Transition]:
    """By payment, as they are indexed: by player every month of the whole house would be read."""
    own = [*Deposit.objects.filter(player_id=pk).values_list("id", flat=True)]
    own += Withdrawal.objects.filter(player_id=pk).values_list("id", flat=True)
    return Transition.objects.filter(payment_id__in=own)


def _breaks(pk: int) -> Iterator[dict[str, Any]]:
    """Every break, exclusion and wish to return; what staff wrote about it is not the player's."""
    found = AuditEvent.objects.filter(
        subject_kind="player", subject_id=str(pk), kind__in=_BREAKS
    ).order_by("at")
    for at, kind, after in found.values_list("at", "kind", "after"):
        told = after or {}
        yield {"at": at, "what": kind, "until": told.get("until") or told.get("excluded_until")}


def _ledger(pk: int, now: datetime) -> Iterator[dict[str, Any]]:
    """The entries on the player's own accounts, the newest minutes left out as results are."""
    own = {
        account: {"account_kind": kind, "currency": currency}
        for account, kind, currency in Account.objects.filter(owner_ref=f"player:{pk}").values_list(
            "id", "kind", "currency"
        )
    }
    found = EntryLine.objects.filter(account__in=list(own), posted_at__lte=now - RESULTS_AFTER)
    for row in _rows(found.order_by("account", "seq")):
        yield row | own[row["account"]]


def _results(pk: int, now: datetime) -> Iterator[dict[str, Any]]:
    """Piece by piece of the player's bets, whose times say which months of outcomes to read."""
    bets = Bet.objects.filter(player_id=pk).order_by("accepted_at")
    own = bets.values_list("id", "accepted_at").iterator(chunk_size=ROWS_PER_PIECE)
    while piece := list(islice(own, ROWS_PER_PIECE)):
        found = BetOutcome.objects.filter(
            bet_id__in=[bet for bet, _ in piece],
            bet_accepted_at__range=(piece[0][1], piece[-1][1]),
            at__lte=now - RESULTS_AFTER,
        )
        yield from _rows(found.order_by("at"))


def _cases(pk: int) -> Iterator[Part]:
    told = cases.of_player(PlayerId(pk))
    yield Part("cases.jsonl", _rows(told, *_OF_CASE))
    events = CaseEvent.objects.filter(
        case_id__in=told.order_by().values("id"), audience=Audience.PLAYER
    )
    yield Part("case_letters.jsonl", _rows(events.order_by("at"), "actor_id", "data", "key"))


#: Inner numbers of the desk, and who of the staff had it.
_OF_CASE: Final = ("assignee_id", "key", "fingerprint", "version", "opened_by")


def _rows(found: QuerySet[Any], *without: str) -> Iterator[dict[str, Any]]:
    names = [one.attname for one in _model(found)._meta.concrete_fields if one.name not in without]
    yield from found.values(*names).iterator(chunk_size=ROWS_PER_PIECE)


def _model(found: QuerySet[Any]) -> type[Model]:
    return found.model


def _write_part(archive: zipfile.ZipFile, part: Part) -> dict[str, Any]:
    digest, rows = hashlib.sha256(), 0
    with archive.open(part.name, "w", force_zip64=True) as file:
        for row in part.rows:
            line = _json(row) + b"\n"
            digest.update(line)
            file.write(line)
            rows += 1
    return {"name": part.name, "rows": rows, "sha256": digest.hexdigest()}


def _json(value: dict[str, Any], indent: int | None = None) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=indent, default=_plain).encode()


def _plain(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"no JSON for {type(value).__name__}")
