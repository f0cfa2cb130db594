"""The demo's pit boss: a simulated person who resolves stopped tables through the floor's acts.

A presenter who misreads the wheel stops the table, as it must. In a casino a pit boss comes; in the
demo this process does what the procedure says, as the demo's pit boss: void the round (every bet
returned), wait until the devices are well, resume with a cause.
"""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any, Final

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections

from accounts.models import User
from audit.database_clock import database_now
from casino.demo_presenters import inspect_when_due
from kernel.ids import Actor
from kernel.refusal import Refused
from tables.incidents import procedures
from tables.incidents.procedures import Procedure
from tables.models import Incident, Table, TableStatus
from tables.phases import Phase
from tables.play import suspension
from tables.play.rounds import devices_well

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Resolve incidents at the demo's tables after a while, as its pit boss would."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--after-ms", type=int, default=5_000, help="how long a person takes")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.FARO_MODE == "production":
            raise CommandError("only people resolve incidents in production (FARO_MODE)")
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        patience = timedelta(milliseconds=options["after_ms"])
        while not stop.wait(0.5):
            try:
                resolve(patience)
                _inspect_tables()
            except DatabaseError as failure:
                log.warning("database_failure", error=str(failure)[:200])
                connections.close_all()


#: Who proposes what the demo's pit boss confirms, where a procedure asks for two people.
COLLEAGUE: Final = Actor.system("demo-colleague")


def _inspect_tables() -> None:
    """A gaming day has begun: the pit boss inspects before the tables are played on."""
    for table in Table.objects.exclude(status=TableStatus.CLOSED):
        if inspect_when_due(table.id, actor=_pit_boss()):
            log.info("inspected", table=table.id)


def resolve(patience: timedelta) -> int:
    """Resolve every incident older than ``patience`` whose devices are well; returns how many."""
    done = 0
    waiting = Incident.objects.filter(resolved_at=None, opened_at__lt=database_now() - patience)
    for incident in waiting.select_related("table", "round"):
        actor = _pit_boss()
        try:
            if incident.round is not None and incident.round.phase == Phase.SUSPENDED:
                reason = (_procedure(incident).void_reasons or (incident.fault,))[0]
                suspension.void_round(incident.round.id, reason=reason, actor=actor)
            if devices_well(incident.table, database_now()):
                suspension.resume(
                    incident.table_id,
                    cause=f"checked after {incident.fault}",
                    actor=actor,
                    proposed_by=COLLEAGUE,
                )
                done += 1
        except Refused as refusal:
            log.info("not_resolved", table=incident.table_id, code=str(refusal.code))
    return done


def _procedure(incident: Incident) -> Procedure:
    return procedures.named(incident.procedure) or procedures.of(incident.fault, incident.detail)


def _pit_boss() -> Actor:
    found = User.objects.filter(email="pit-boss@faro.example").first()
    return Actor.staff(found.pk) if found else Actor.system("demo-floor")
