"""Everything the house knows of one player, gathered for one page (F111). Reads only.

Each part is read by a fixed number of bounded statements, and only for those whose role may see
it: what is not in ``rights`` is not asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db.models import Q, QuerySet

from accounts import sessions
from accounts.models import Player
from audit.database_clock import database_now
from audit.models import AuditEvent
from audit.record import wording
from backoffice.desk import amount, named
from backoffice.models import Audience, PlayerNote
from compliance import explaining, freezing, gate, limits, switches
from compliance.models import Switch
from compliance.pages import Row, limit_rows
from compliance.standing import read_standing
from compliance.wording import time_text
from kernel.ids import PlayerId
from ledger import accounts as books
from ledger.statements import statement
from notices.models import Notice
from payments import selectors as payments
from payments.disputes import debts
from payments.models import Transition, Withdrawal
from tables.pages import my_rounds

LINES: Final = 20
TIMELINE: Final = 60
FOUND_MAX: Final = 30
#: What the gate is asked about, when it is asked here: one unit of a currency with cents.
ASKED_MINOR: Final = 100

IDENTITY: Final = "accounts.see_identity"
MONEY: Final = "ledger.view_account"
PAYMENTS: Final = "payments.view_deposit"
BETS: Final = "tables.view_bet"
STANDING: Final = "compliance.view_standing"
RECORD: Final = "audit.view_auditevent"
SESSIONS: Final = "accounts.end_sessions"
NOTES: Final = "backoffice.view_playernote"
CONFIDENTIAL: Final = "backoffice.read_confidential"
HIDDEN: Final = switches.HANDLE_HIDDEN
#: To read of it without handling it: for readers from outside.
READ_HIDDEN: Final = "compliance.read_hidden"
ALL: Final = (
    IDENTITY, MONEY, PAYMENTS, BETS, STANDING, RECORD, SESSIONS, NOTES, CONFIDENTIAL, HIDDEN,
    READ_HIDDEN,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened, for the timeline."""

    at: datetime
    what: str
    detail: str
    by: str = ""


@dataclass(slots=True)
class File:
    """One player, part by part. None and empty: nothing, or not for this reader."""

    player: Player
    rights: frozenset[str]
    now: datetime
    #: By any order about this player; which it is and why is in ``stopped``, for officers alone:
    #: where others read the reason of one order, an order without one would be told from it.
    is_stopped: bool = False
    stopped: Switch | None = None
    standing: Any = None
    excluded: bool = False
    cooling_off: bool = False
    money: list[tuple[str, str]] = field(default_factory=list)
    holds: list[dict[str, Any]] = field(default_factory=list)
    debts: list[dict[str, Any]] = field(default_factory=list)
    debt_lines: list[dict[str, Any]] = field(default_factory=list)
    debt_proposals: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    payments: list[dict[str, Any]] = field(default_factory=list)
    rounds: Sequence[dict[str, Any]] = ()
    limits: list[dict[str, Any]] = field(default_factory=list)
    answers: list[explaining.Answer] = field(default_factory=list)
    devices: list[sessions.Device] = field(default_factory=list)
    notices: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    timeline: list[Moment] = field(default_factory=list)

    @property
    def is_refused(self) -> bool:
        """Whether play is refused to somebody of whom this reader may not know why."""
        own = (gate.Purpose.BET, gate.Purpose.DEPOSIT)
        return STANDING not in self.rights and any(
            one.purpose in own and not one.allowed for one in self.answers
        )

    @property
    def sees(self) -> dict[str, bool]:
        """Which parts this reader may see, by the last word of the right."""
        return {right.partition(".")[2]: right in self.rights for right in ALL}


def search(words: str, *, by_identity: bool) -> QuerySet[Player]:
    """Players by number; with the right to see identities also by address and name. Bounded."""
    words = words.strip()[:150]
    found = Player.objects.select_related("user").order_by("pk")
    if words.isdecimal() and len(words) < 19:
        return found.filter(pk=int(words))
    if not words or not by_identity:
        return found.none()
    named_so = Q(user__email__icontains=words) | Q(user__name__icontains=words)
    return found.filter(named_so)[:FOUND_MAX]


def read(player_id: PlayerId, rights: Collection[str]) -> File | None:
    """The file of one player for a reader with ``rights``; None when there is no such player."""
    player = Player.objects.select_related("user").filter(pk=player_id).first()
    if player is None:
        return None
    file = File(player, frozenset(rights), database_now())
    file.is_stopped = freezing.stops_payout(player_id)
    if file.rights & {HIDDEN, READ_HIDDEN}:
        file.stopped = next(
            (one for one in switches.holding() if one.scope == f"player:{player_id}"), None
        )
    _standing(file, player_id)
    _money(file, player_id)
    if BETS in rights:
        file.rounds = [_round(one) for one in my_rounds.page(player_id).rounds]
    if SESSIONS in rights:
        file.devices = sessions.listed(player_id, current_key=None)
    if IDENTITY in rights:
        file.notices = _notices(player_id)
    if NOTES in rights:
        file.notes = _notes(player_id, confidential=CONFIDENTIAL in rights)
    file.timeline = _timeline(file, player_id)
    return file


def _standing(file: File, player_id: PlayerId) -> None:
    file.answers = explaining.answers(player_id, amount_minor=ASKED_MINOR)
    if STANDING not in file.rights:
        # why somebody is refused may be an exclusion: the answer alone is enough for others
        file.answers = [
            explaining.Answer(one.purpose, one.allowed, one.code and "refused", {})
            for one in file.answers
        ]
        return
    standing = read_standing(player_id)
    file.standing = standing
    if standing is None:
        return
    file.excluded = standing.excluded(file.now)
    file.cooling_off = standing.cooling_off(file.now)
    file.limits = [
        {
            "name": row.name,
            "period": row.period_name,
            "amount": _quantity(row, row.amount_minor, standing.currency),
            "used": _quantity(row, row.used_minor, standing.currency),
            "left": _quantity(row, row.left_minor, standing.currency),
            "pending": _quantity(row, row.pending_minor, standing.currency) if row.pending else "",
            "pending_at": row.pending_at if row.pending else None,
        }
        for row in limit_rows(standing, file.now)
    ]


def _debts(file: File, player_id: PlayerId) -> None:
    """What they owe, what changed it, and what people proposed about it."""
    file.debts = [
        {
            "currency": one.owed.currency,
            "owed": amount(one.owed.minor, one.owed.currency),
            "collectable": amount(one.collectable.minor or None, one.owed.currency),
            "offered": (one.collectable if one.collectable.minor else one.owed).decimal(),
        }
        for one in debts.debts(player_id)
    ]
    file.debt_lines = [
        {
            "at": line.posted_at,
            "kind": line.kind.value,
            "ref": line.ref,
            "amount": amount(-line.amount_minor, of),
            "after": amount(-line.balance_after_minor, of),
            "transfer": line.transfer_id,
        }
        for of, line in debts.history(player_id)
    ]
    file.debt_proposals = [
        {
            "id": one.id,
            "at": one.proposed_at,
            "wording": one.wording,
            "amount": amount(one.amount_minor, one.currency),
            "state": one.decision or "waits",
        }
        for one in debts.proposals(player_id)
    ]


def _quantity(row: Row, minor: int | None, currency: str) -> str:
    """An amount of a limit: money, or time."""
    if row.is_time:
        return "" if minor is None else time_text(minor)
    return amount(minor, currency)


def _money(file: File, player_id: PlayerId) -> None:
    currency = file.player.currency
    if MONEY in file.rights:
        funds = payments.funds(player_id)
        if funds is not None:
            file.money = [
                ("To play or withdraw", amount(funds.available_minor, funds.currency)),
                ("On its way out", amount(funds.held_minor, funds.currency)),
            ]
            if funds.set_aside_minor:
                file.money.append(("Held", amount(funds.set_aside_minor, funds.currency)))
            file.holds = [
                {
                    "id": one.id,
                    "amount": amount(one.amount_minor, funds.currency),
                    "kind": one.kind.value,
                    "ref": one.ref,
                    "at": one.at,
                    "until": one.expires_at,
                }
                for one in funds.holds
            ]
        _debts(file, player_id)
        cash = books.player_cash(player_id, currency)
        file.lines = [
            {
                "at": line.posted_at,
                "kind": line.kind.value,
                "ref": line.ref,
                "amount": amount(line.amount_minor, currency),
                "after": amount(line.balance_after_minor, currency),
                "transfer": line.transfer_id,
            }
            for line in statement(cash, limit=LINES)
        ]
    if PAYMENTS in file.rights:
        file.payments = [
            {
                "at": one.created_at,
                "what": type(one).__name__.lower(),
                "amount": amount(one.amount_minor, one.currency),
                "state": one.state,
                "provider": one.provider,
                "changed_at": one.changed_at,
                "id": one.pk,
                "request": one.request_id if isinstance(one, Withdrawal) else None,
            }
            for one in payments.payments(player_id, LINES)
        ]


def _round(one: my_rounds.MyRound) -> dict[str, Any]:
    return {
        "id": one.round.pk,
        "table": one.round.table_id,
        "number": one.round.number,
        "phase": one.round.phase,
        "result": one.round.result,
        "staked": amount(one.staked_minor, one.currency),
        "returned": amount(one.returned_minor, one.currency),
        "at": one.place.at,
    }


def _notices(player_id: PlayerId) -> list[dict[str, Any]]:
    newest = Notice.objects.filter(person_id=player_id).order_by("-created_at")[:LINES]
    return [
        {
            "at": one.created_at,
            "kind": one.kind,
            "read_at": one.read_at,
            "ways": ", ".join(f"{way.channel} {way.state}" for way in one.deliveries.all()),
        }
        for one in newest.prefetch_related("deliveries")
    ]


def _notes(player_id: PlayerId, *, confidential: bool) -> list[dict[str, Any]]:
    notes = PlayerNote.objects.filter(player_id=player_id)
    if not confidential:
        notes = notes.filter(audience=Audience.EVERYBODY)
    found = list(notes.order_by("-at")[:LINES])
    names = named(note.author for note in found)
    return [
        {
            "at": note.at,
            "by": names[note.author],
            "text": note.text,
            "confidential": note.audience == Audience.COMPLIANCE,
        }
        for note in found
    ]


def _timeline(file: File, player_id: PlayerId) -> list[Moment]:
    """What happened, newest first, from every record that the reader may see."""
    moments = [Moment(file.player.created_at, "Account opened", "")]
    if RECORD in file.rights:
        events = AuditEvent.objects.filter(
            subject_kind__in=["player", "user"], subject_id=str(player_id)
        ).order_by("-at")[:TIMELINE]
        moments += [
            Moment(one.at, wording(one.kind), one.reason, f"{one.actor_kind}:{one.actor_id}")
            for one in events
        ]
    if PAYMENTS in file.rights:
        steps = Transition.objects.filter(player_id=player_id).order_by("-at")[:TIMELINE]
        moments += [
            Moment(
                one.at,
                f"{one.direction.capitalize()}: {one.before or 'new'} → {one.after}",
                one.reason,
                one.actor,
            )
            for one in steps
        ]
    if STANDING in file.rights:
        moments += [
            Moment(
                one.at,
                f"Limit {one.act}: {one.kind} per {one.period}",
                amount(one.wanted_minor, one.currency),
                one.actor,
            )
            for one in limits.history(player_id, TIMELINE)
        ]
    moments += [
        Moment(one["at"], f"Round {one['table']} {one['number']}", f"staked {one['staked']}")
        for one in file.rounds
    ]
    moments += [Moment(one["at"], f"Notice: {one['kind']}", one["ways"]) for one in file.notices]
    newest = sorted(moments, key=lambda one: one.at, reverse=True)[:TIMELINE]
    names = named(one.by for one in newest)
    return [Moment(one.at, one.what, one.detail, names[one.by]) for one in newest]
