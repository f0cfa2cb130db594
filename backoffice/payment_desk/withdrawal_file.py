"""What people look at before a withdrawal is paid: its parts, why it waits, and its player's money.

Reads only; what is decided is decided by `payments.paying_out.reviews`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Max, Min, Q, Sum

from accounts.models import Player
from backoffice import desk
from backoffice.desk import amount
from backoffice.players.player_file import IDENTITY, STANDING
from compliance import cases, facts
from compliance.case_states import CaseState
from compliance.limit_arithmetic import gaming_day
from compliance.pages import limit_rows
from compliance.standing import StandingNow, read_standing
from kernel.ids import PlayerId
from payments.approvals import records
from payments.approvals.models import ApprovalRow, AssessmentRow
from payments.approvals.rules import EVERY, OVER_AUTOMATIC, When
from payments.models import Deposit, Instrument, Withdrawal
from payments.paying_out.parts import fault
from payments.paying_out.payout_plan import OPEN
from payments.paying_out.withdrawal_codes import NotApproved, PartCode
from payments.providers.protocol import PayoutRoute
from payments.states import CAME, WithdrawalState

SHOWN: Final = 200
LINES: Final = 20
#: Beyond it turnover is not summed up for this page.
LOOK_BACK: Final = timedelta(days=366)

REASONS: Final = {
    When.AMOUNT.value: "A large amount",
    When.FIRST.value: "Their first withdrawal",
    When.YOUNG.value: "A young account",
    When.NEW_ACCOUNT.value: "To a bank account they added lately",
    When.CHALLENGE.value: "The rules want proof of who it is",
    When.REVIEW.value: "The rules want it looked at",
    When.BLOCK.value: "The rules would block it",
    When.DISPUTED.value: "A deposit of theirs was disputed",
    When.UNVERIFIED.value: "Age or identity is not verified",
    When.STOPPED.value: "The account is stopped",
    EVERY: "Every withdrawal is looked at",
    OVER_AUTOMATIC: "More than the house pays by itself",
}
_GONE: Final = {
    PartCode.SOURCE_GONE: "The deposit went back otherwise or is disputed: this part would end.",
    PartCode.ACCOUNT_GONE: "The account is gone or not theirs: this part would end.",
    PartCode.NO_ROUTE: "Asked for before there were routes: this part would end.",
}
#: What the player may be told of a rejection, in the words of the page.
TOLD: Final = [
    (NotApproved.UNSAID.value, "Only that we did not approve it"),
    (NotApproved.VERIFY.value, "That their age and identity must be verified first"),
    (NotApproved.OTHER_WAY.value, "That we cannot pay to where it was to go"),
]


def queue(now: datetime) -> list[dict[str, Any]]:
    """Requests that wait for people, the oldest first: how much, why, and who agreed."""
    rows = list(
        Withdrawal.objects.filter(state=WithdrawalState.RISK_REVIEW)
        .values("request_id", "player_id", "currency")
        .annotate(
            minor=Sum("amount_minor"),
            count=Count("pk"),
            asked_at=Min("created_at"),
            due_at=Min("expected_by"),
            refund_minor=Sum("amount_minor", filter=Q(route=PayoutRoute.REFUND)),
        )
        .order_by("asked_at", "request_id")[:SHOWN]
    )
    ids = [row["request_id"] for row in rows]
    found = {one.request_id: one for one in AssessmentRow.objects.filter(request_id__in=ids)}
    agreed = dict(
        ApprovalRow.objects.filter(
            assessment_id__in=[one.pk for one in found.values()], verdict="approve"
        )
        .order_by()
        .values_list("request_id")
        .annotate(Count("pk"))
    )
    return [
        {
            "id": row["request_id"],
            "player": row["player_id"],
            "amount": amount(row["minor"], row["currency"]),
            "back": amount(row["refund_minor"], row["currency"]),
            "count": row["count"],
            "asked_at": row["asked_at"],
            "due_at": row["due_at"],
            "is_late": row["due_at"] is not None and row["due_at"] < now,
            "reasons": reasons(found.get(row["request_id"])),
            "agreed": agreed.get(row["request_id"], 0),
            "people": max(1, found[row["request_id"]].people) if row["request_id"] in found else 1,
        }
        for row in rows
    ]


def reasons(row: AssessmentRow | None) -> list[str]:
    """Why people look, in words."""
    return [] if row is None else [REASONS.get(code, code) for code in row.reasons]


def under_way(now: datetime) -> tuple[list[dict[str, Any]], int]:
    """Parts that are not at their end and wait for no person here, and how many more there are."""
    open_ones = Withdrawal.objects.filter(state__in=OPEN).exclude(state=WithdrawalState.RISK_REVIEW)
    rows = [
        {
            "id": one.request_id,
            "player": one.player_id,
            "amount": amount(one.amount_minor, one.currency),
            "state": desk.state(one.state),
            "asked_at": one.created_at,
            "expected_by": one.expected_by,
            "is_late": one.expected_by is not None and one.expected_by < now,
            "provider": f"{one.provider} {one.provider_ref or ''}",
        }
        for one in open_ones.order_by("created_at", "pk")[:SHOWN]
    ]
    return rows, max(0, open_ones.count() - len(rows))


@dataclass(slots=True)
class File:
    """One request with all that is known for deciding it. Empty parts: nothing, or not for them."""

    request_id: UUID
    player: Player
    amount: str
    state: str
    asked_at: datetime
    due_at: datetime | None
    is_late: bool
    waits: bool
    parts: list[dict[str, Any]]
    assessments: list[dict[str, Any]]
    words: list[dict[str, Any]]
    people: int
    agreed: int
    standing: StandingNow | None
    rights: frozenset[str]
    turnover: list[tuple[str, str]] = field(default_factory=list)
    deposits: list[dict[str, Any]] = field(default_factory=list)
    accounts: list[dict[str, Any]] = field(default_factory=list)
    earlier: list[dict[str, Any]] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    cases: list[dict[str, Any]] = field(default_factory=list)

    @property
    def sees_identity(self) -> bool:
        return IDENTITY in self.rights

    @property
    def sees_standing(self) -> bool:
        return STANDING in self.rights


def read(request_id: UUID, rights: Collection[str], now: datetime) -> File | None:
    """The file of a request for a reader with ``rights``; None where there is none."""
    parts = list(
        Withdrawal.objects.filter(request_id=request_id)
        .select_related("source_deposit", "instrument")
        .order_by("part", "pk")
    )
    if not parts:
        return None
    first = parts[0]
    player_id = PlayerId(first.player_id)
    words = records.words_on(request_id)
    rows = list(AssessmentRow.objects.filter(request_id=request_id).select_related("policy"))
    accounts = list(
        Instrument.objects.filter(player_id=player_id, kind="bank_account").order_by("-first_seen")
    )
    targets = [part.instrument for part in parts if part.instrument is not None]
    names = desk.named(one.verified_by for one in [*accounts, *targets])
    due = [part.expected_by for part in parts if part.expected_by is not None]
    file = File(
        request_id=request_id,
        player=Player.objects.select_related("user").get(pk=player_id),
        amount=amount(sum(part.amount_minor for part in parts), first.currency),
        state=desk.state(first.state) if len({part.state for part in parts}) == 1 else "in parts",
        asked_at=first.created_at,
        due_at=min(due, default=None),
        is_late=bool(due) and min(due) < now,
        waits=any(part.state == WithdrawalState.RISK_REVIEW for part in parts),
        parts=[_part(part, names) for part in parts],
        assessments=[_assessment(row) for row in rows],
        words=_words(words, rows[-1].pk if rows else None),
        people=max(1, rows[-1].people) if rows else 1,
        agreed=sum(
            word.verdict == "approve" and word.assessment_id == rows[-1].pk for word in words
        ),
        standing=read_standing(player_id),
        rights=frozenset(rights),
        accounts=[{"row": one, "verified_by": names[one.verified_by]} for one in accounts],
    )
    _money(file, player_id, first, now)
    _limits(file, player_id, now)
    return file


def _part(part: Withdrawal, names: Mapping[str, str]) -> dict[str, Any]:
    target, source = part.instrument, part.source_deposit
    why = fault(part) if part.state == WithdrawalState.RISK_REVIEW else None
    return {
        "n": part.part,
        "amount": amount(part.amount_minor, part.currency),
        "route": part.route,
        "target": target,
        "verified_by": "" if target is None else names[target.verified_by],
        "source": source,
        "source_left": None
        if source is None
        else amount(source.amount_minor - source.refunded_minor, source.currency),
        "state": desk.state(part.state),
        "reason": part.reason,
        "provider": f"{part.provider} {part.provider_ref or ''}",
        "expected_by": part.expected_by,
        "fault": "" if why is None else _GONE[why],
    }


def _assessment(row: AssessmentRow) -> dict[str, Any]:
    return {
        "at": row.at,
        "people": row.people,
        "reasons": reasons(row),
        "risk": row.risk,
        "risk_reasons": row.risk_reasons,
        "policy": row.policy.name,
        "digest": row.policy.sha256[:12],
    }


def _words(rows: list[ApprovalRow], newest: UUID | None) -> list[dict[str, Any]]:
    names = desk.named(row.actor for row in rows)
    return [
        {
            "at": row.at,
            "by": names[row.actor],
            "actor": row.actor,
            "verdict": row.verdict,
            "reason": row.reason,
            "is_of_newest": row.assessment_id == newest,
        }
        for row in rows
    ]


def _money(file: File, player_id: PlayerId, first: Withdrawal, now: datetime) -> None:
    """Deposits and with what, accounts, what was played since the last payout, and those before."""
    deposits = Deposit.objects.filter(player_id=player_id, currency=first.currency)
    file.deposits = [
        {
            "at": one.created_at,
            "amount": amount(one.amount_minor, one.currency),
            "back": amount(one.refunded_minor or None, one.currency),
            "state": desk.state(one.state),
            "instrument": one.instrument,
        }
        for one in deposits.filter(state__in=CAME)
        .select_related("instrument")
        .order_by("-created_at")[:LINES]
    ]
    others = (
        Withdrawal.objects.filter(player_id=player_id)
        .exclude(request_id=first.request_id)
        .values("request_id", "currency")
        .annotate(
            minor=Sum("amount_minor"),
            paid=Sum("amount_minor", filter=Q(state=WithdrawalState.PAID)),
            at=Min("created_at"),
            last=Max("changed_at"),
        )
        .order_by("-at")[:LINES]
    )
    file.earlier = [
        {
            "id": one["request_id"],
            "at": one["at"],
            "amount": amount(one["minor"], one["currency"]),
            "paid": amount(one["paid"], one["currency"]),
        }
        for one in others
    ]
    paid_at = Withdrawal.objects.filter(
        player_id=player_id, state=WithdrawalState.PAID, created_at__lt=first.created_at
    ).aggregate(last=Max("changed_at"))["last"]
    _turnover(file, player_id, first.currency, now, paid_at)


def _turnover(
    file: File, player_id: PlayerId, currency: str, now: datetime, since: datetime | None
) -> None:
    if file.standing is None:
        return
    zone = file.standing.policy(now).zone
    begun = max(since or file.player.created_at, now - LOOK_BACK)
    days = facts.by_day(
        player_id, currency, zone, gaming_day(begun, zone), gaming_day(now, zone)
    ).values()
    staked = sum(day.staked_minor - day.returned_minor for day in days)
    file.turnover = [
        (
            "Played since",
            f"{begun:%Y-%m-%d}{', their last payout' if since else ', their first day'}",
        ),
        ("Deposited", amount(sum(day.deposited_minor for day in days), currency)),
        ("Staked", amount(staked, currency)),
        ("Paid on bets", amount(sum(day.paid_out_minor for day in days), currency)),
    ]


def _limits(file: File, player_id: PlayerId, now: datetime) -> None:
    if file.standing is not None and file.sees_standing:
        file.limits = [
            f"{row.name}, {row.period_name}: {amount(row.amount_minor, file.standing.currency)}"
            for row in limit_rows(file.standing, now)
            if row.amount_minor is not None and not row.is_time
        ]
    # the hidden ones are not for this page, whoever reads it
    file.cases = [
        {
            "reference": one.reference,
            "kind": desk.state(one.kind),
            "state": desk.state(one.state),
        }
        for one in cases.of_player(player_id)
        if one.state != CaseState.CLOSED
    ]
