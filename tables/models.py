"""What the live game keeps. Acts live in modules of their own; these are shapes.

Bets, outcomes and sightings are append-only: no code path updates them, and the database refuses
it to everybody. A round's row moves through its phases under its lock.
"""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from tables.phases import Phase
from tables.presenters.models import Shift


class TableStatus(models.TextChoices):
    OPEN = "open", "open"
    SUSPENDED = "suspended", "suspended"
    CLOSED = "closed", "closed"


class Table(models.Model):
    """A table on the floor: its game, its rules, its pace."""

    id = models.SlugField(primary_key=True, max_length=40)
    name = models.CharField(max_length=60)
    game = models.CharField(max_length=20, default="roulette")
    ruleset = models.CharField(max_length=40)
    status = models.CharField(
        max_length=12, choices=TableStatus.choices, default=TableStatus.CLOSED
    )
    betting_window_ms = models.PositiveIntegerField(default=11_000)
    closing_soon_ms = models.PositiveIntegerField(default=4_000)
    intermission_ms = models.PositiveIntegerField(default=6_100)
    launch_deadline_ms = models.PositiveIntegerField(default=90_000)
    spin_deadline_ms = models.PositiveIntegerField(default=75_000)
    source_wait_ms = models.PositiveIntegerField(default=10_000)
    device_silence_ms = models.PositiveIntegerField(default=3_000)
    respins_max = models.PositiveSmallIntegerField(default=3)
    #: A page's picture is at most so much later than the table; what is not pushed waits so long
    #: with a result (docs/push.md, "No spoilers").
    latency_bound_ms = models.PositiveIntegerField(default=8_000)
    position = models.PositiveSmallIntegerField(default=0)
    #: When it was last opened: what was pressed before that, while it was closed, stops nothing.
    opened_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["position", "id"]

    def __str__(self) -> str:
        return self.name


class TableLimits(models.Model):
    """Bet limits of a table in one currency: per kind, per position, per round."""

    table = models.ForeignKey(Table, on_delete=models.PROTECT, related_name="limits")
    currency = models.CharField(max_length=3)
    limits = models.JSONField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["table", "currency"], name="table_limits_once"),
        ]

    def __str__(self) -> str:
        return f"{self.table_id} {self.currency}"


class TableOwner(models.Model):
    """Who runs the table. Writers lock it FOR SHARE, a takeover FOR UPDATE; ``token`` fences."""

    table = models.OneToOneField(Table, on_delete=models.PROTECT, primary_key=True)
    owner = models.CharField(max_length=80, blank=True)
    token = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.table_id}: {self.owner or 'nobody'}"


class TableHeartbeat(models.Model):
    """Sign of life of the owner, in a row of its own so that renewing never waits for a writer."""

    table = models.OneToOneField(Table, on_delete=models.PROTECT, primary_key=True)
    token = models.BigIntegerField(default=0)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.table_id} until {self.expires_at:%H:%M:%S}"


class Round(models.Model):
    """One round: betting, one or more spins, a result, a settlement."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    table = models.ForeignKey(Table, on_delete=models.PROTECT, related_name="rounds")
    number = models.BigIntegerField()
    phase = models.CharField(max_length=16, choices=[(p.value, p.value) for p in Phase])
    phase_at = models.DateTimeField()
    ruleset = models.CharField(max_length=40)
    rules_hash = models.CharField(max_length=64)
    opened_at = models.DateTimeField()
    closes_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    #: Position of the last sighting that does not belong to the current spin.
    evidence_after = models.BigIntegerField(default=0)
    #: What was captured before this instant belongs to an earlier spin, however late it arrives.
    evidence_since = models.DateTimeField(null=True)
    respins = models.PositiveSmallIntegerField(default=0)
    result = models.PositiveSmallIntegerField(null=True)
    result_sources = models.JSONField(default=list)
    official_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    void_reason = models.CharField(max_length=60, blank=True)
    version = models.PositiveSmallIntegerField(default=1)
    #: The number that stood before the last correction; all of them are in `Correction`.
    corrected_from = models.PositiveSmallIntegerField(null=True)
    corrected_at = models.DateTimeField(null=True)
    #: Whose round it is (`tables.presenters.shifts`). Null for rounds from before shifts were kept.
    shift = models.ForeignKey(Shift, on_delete=models.PROTECT, null=True, related_name="rounds")

    class Meta:
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["table", "number"], name="round_number_once"),
            models.UniqueConstraint(
                fields=["table"],
                condition=~models.Q(phase__in=["settled", "voided"]),
                name="round_one_unfinished",
            ),
            models.CheckConstraint(
                condition=models.Q(result__isnull=True) | models.Q(result__lte=36),
                name="round_result_on_the_wheel",
            ),
            models.CheckConstraint(
                condition=~models.Q(phase__in=["official", "settled"])
                | models.Q(result__isnull=False, official_at__isnull=False),
                name="round_official_has_result",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["official_at"], name="round_official_at")]

    def __str__(self) -> str:
        return f"{self.table_id} round {self.number}"


class Slip(models.Model):
    """One accepted act of betting under the player's own key: the exactly-once unit of bets.

    Rows are only ever added. ``answer`` is what the player was told and is told again on a retry.
    """

    id = models.UUIDField(primary_key=True)
    player_id = models.BigIntegerField()
    key = models.CharField(max_length=64)
    kind = models.CharField(max_length=8)
    fingerprint = models.CharField(max_length=64)
    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="slips")
    accepted_at = models.DateTimeField()
    answer = models.JSONField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["player_id", "key"], name="slip_key_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["round", "player_id"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.key} of player {self.player_id}"


class Bet(models.Model):
    """A stake on a position, as accepted. Read-only here; written set-based by ``betting``."""

    id = models.UUIDField(primary_key=True)
    accepted_at = models.DateTimeField()
    round_id = models.UUIDField()
    slip_id = models.UUIDField()
    player_id = models.BigIntegerField()
    position = models.CharField(max_length=24)
    stake_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    rules_hash = models.CharField(max_length=64)
    transfer_id = models.UUIDField()

    class Meta:
        managed = False
        db_table = "tables_bet"

    def __str__(self) -> str:
        return f"{self.stake_minor} {self.currency} on {self.position}"


class OutcomeKind(models.TextChoices):
    PAID = "paid", "paid"
    LOST = "lost", "lost"
    REFUNDED = "refunded", "refunded"
    UNDONE = "undone", "undone"


class BetOutcome(models.Model):
    """What became of a bet: exactly one row per bet and version of the result."""

    bet_id = models.UUIDField(primary_key=True)
    bet_accepted_at = models.DateTimeField()
    version = models.SmallIntegerField()
    round_id = models.UUIDField()
    kind = models.CharField(max_length=8, choices=OutcomeKind.choices)
    returned_minor = models.BigIntegerField()
    transfer_id = models.UUIDField(null=True)
    at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "tables_bet_outcome"

    def __str__(self) -> str:
        return f"{self.kind} {self.returned_minor}"


class DeviceKind(models.TextChoices):
    WHEEL = "wheel", "wheel"
    CAMERA = "camera", "camera"
    CONTROLLER = "controller", "controller"
    ENCODER = "encoder", "encoder"
    KEYPAD = "keypad", "keypad"
    CONSOLE = "console", "console"


class Device(models.Model):
    """A wheel, a keypad, a camera: something of one table that may sign, or that makes its picture.

    ``must_be_heard``: the table stops when it is silent. Cameras and encoders that sign nothing
    are known by the picture instead. A retired device stays in the register, and counts for
    nothing.
    """

    id = models.CharField(primary_key=True, max_length=60)
    table = models.ForeignKey(Table, on_delete=models.PROTECT, related_name="devices")
    kind = models.CharField(max_length=20, choices=DeviceKind.choices)
    last_seq = models.BigIntegerField(default=0)
    #: The device's clock at its newest heartbeat, and ours when it came.
    alive_at_ms = models.BigIntegerField(default=0)
    last_seen_at = models.DateTimeField(null=True)
    #: What is wrong with it now; and what was last wrong with it, well again or not.
    last_fault = models.CharField(max_length=60, blank=True)
    newest_fault = models.CharField(max_length=60, blank=True)
    newest_fault_at = models.DateTimeField(null=True)
    wheel_state = models.PositiveSmallIntegerField(null=True)
    must_be_heard = models.BooleanField(default=True)
    retired_at = models.DateTimeField(null=True)
    #: Grows with every act on the register, so that a page that is out of date is refused.
    version = models.PositiveIntegerField(default=1)

    def __str__(self) -> str:
        return self.id


class DeviceKey(models.Model):
    """A device's public key. Revoked keys stay, so that old observations still verify.

    The database refuses to change a key, to delete it, and to take a revocation back.
    """

    id = models.CharField(primary_key=True, max_length=60)
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="keys")
    public_key_b64 = models.CharField(max_length=64)
    enrolled_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    revoked_because = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints: ClassVar = [
            # or a revoked key would come back under another name
            models.UniqueConstraint(fields=["public_key_b64"], name="device_key_bytes_once"),
        ]

    def __str__(self) -> str:
        return self.id


class SightingRecord(models.Model):
    """A signed observation exactly as it came, with its gapless position at the table."""

    pk_id = models.BigAutoField(primary_key=True)
    table_id = models.CharField(max_length=40)
    n = models.BigIntegerField()
    device_id = models.CharField(max_length=60)
    seq = models.BigIntegerField()
    kind = models.CharField(max_length=24)
    captured_at = models.DateTimeField()
    received_at = models.DateTimeField()
    data = models.JSONField()
    payload = models.BinaryField()
    signature = models.BinaryField()
    key_id = models.CharField(max_length=60)

    class Meta:
        managed = False
        db_table = "tables_sighting"

    def __str__(self) -> str:
        return f"{self.table_id} #{self.n} {self.kind}"


class TableIntake(models.Model):
    """The last position given to a sighting of the table; locked while sightings are stored."""

    table = models.OneToOneField(Table, on_delete=models.PROTECT, primary_key=True)
    n = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.table_id} at {self.n}"


class Incident(models.Model):
    """Why a table stopped, what was seen, and how it ended.

    ``version`` counts the acts of people (`incident_records.IncidentAct`); whoever acts says which
    one they saw. What the procedure asked for is kept as it was when the table stopped.
    """

    id = models.UUIDField(primary_key=True)
    table = models.ForeignKey(Table, on_delete=models.PROTECT, related_name="incidents")
    round = models.ForeignKey(Round, on_delete=models.PROTECT, null=True, related_name="incidents")
    fault = models.CharField(max_length=40)
    detail = models.CharField(max_length=400, blank=True)
    opened_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    resolution = models.CharField(max_length=200, blank=True)
    resolved_by = models.CharField(max_length=80, blank=True)
    version = models.PositiveIntegerField(default=1)
    procedure = models.CharField(max_length=40, blank=True)
    #: What the table was, to which a resume returns it; '' for incidents from before it was kept.
    status_before = models.CharField(max_length=12, blank=True)
    #: What was captured before this belonged to an earlier spin of the round (`Round`).
    evidence_since = models.DateTimeField(null=True)
    #: Where the round was when it was stopped; '' when none was in play.
    phase_before = models.CharField(max_length=16, blank=True)
    needs_second_person = models.BooleanField(default=False)
    taken_by = models.CharField(max_length=80, blank=True)
    proposed_by = models.CharField(max_length=80, blank=True)
    proposed_at = models.DateTimeField(null=True)
    cause = models.CharField(max_length=200, blank=True)
    #: Until when the regulator is told; None where the procedure does not ask for it (F39).
    report_due_at = models.DateTimeField(null=True)
    reported_at = models.DateTimeField(null=True)
    report_ref = models.CharField(max_length=80, blank=True)

    class Meta:
        ordering: ClassVar = ["-opened_at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(resolved_at__isnull=True)
                | models.Q(needs_second_person=False)
                | (~models.Q(proposed_by="") & ~models.Q(proposed_by=models.F("resolved_by"))),
                name="incident_two_people_resume",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.fault} at {self.table_id}"


# Part of this app's models; in a file of their own because this one is long enough.
from tables.changes import models as change_models  # noqa: E402, F401  (they name those above)
from tables.incidents import records  # noqa: E402, F401  (as above)
