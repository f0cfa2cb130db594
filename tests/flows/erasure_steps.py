"""Requests and erasures as steps for tests: people who left years ago, officers who decide."""

from __future__ import annotations

from uuid import UUID

import psycopg

from accounts.roles import Role
from backoffice.data_rights import deciding, requests
from backoffice.data_rights.deciding import Decision
from backoffice.data_rights.requests import DataRequest, Kind
from kernel.ids import Actor, PlayerId, new_id
from tests.flows.staff_steps import make_staff

GRANTED = Decision("granted", note="Nothing stands against it.")
EVERY_CLASS = (
    "marketing", "devices", "notices", "own_register", "identity_documents", "identity_checks",
    "screening", "suspicions", "payments", "cases", "identity",
)  # fmt: skip
AT_ONCE = {"marketing", "devices", "notices"}


def officers() -> tuple[Actor, Actor]:
    one, two = (make_staff(Role.COMPLIANCE, key=None).pk for _ in range(2))
    return Actor.staff(one), Actor.staff(two)


def closed(owner: psycopg.Connection, player: PlayerId, ago: str) -> UUID:
    """The account was closed so long ago, as the record has it; returns the row of the record."""
    row = new_id()
    owner.execute("UPDATE compliance_standing SET status = 'closed' WHERE player_id = %s", [player])
    owner.execute(
        "INSERT INTO audit_event (id, at, kind, actor_kind, actor_id, subject_kind, subject_id,"
        " component, reason, request_id) VALUES (%s, clock_timestamp() - %s::interval,"
        " 'player.closed', 'player', %s, 'player', %s, 'compliance', '', '')",
        [row, ago, str(player), str(player)],
    )
    return row


def ask(player: PlayerId, kind: Kind = Kind.ERASE, text: str = "") -> DataRequest:
    return requests.ask(player, kind, text, key=new_id().hex)


def grant(player: PlayerId, decision: Decision = GRANTED) -> DataRequest:
    """Asked, proposed by one, decided by another."""
    one, two = officers()
    reference = ask(player).reference
    deciding.propose(reference, decision, key=new_id().hex, actor=one)
    return deciding.agree(reference, note="Seen.", key=new_id().hex, actor=two)
