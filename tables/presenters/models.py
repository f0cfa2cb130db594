"""What is kept of the people and things that a table is opened with. Shapes; acts live elsewhere.

Presenters' authorisations and shifts, equipment and its inspections, the rules as published, and
what was done at a console. The database refuses to change or delete what is recorded here; a shift
may only end, an authorisation only be revoked, a piece of equipment only be taken out of service.
"""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class AuthorisationKind(models.TextChoices):
    """What a presenter needs, each of them, to open a round."""

    LICENCE = "licence", "licence"
    TRAINING = "training", "training"
    GAME = "game", "game authorisation"


class Authorisation(models.Model):
    """Something that lets a presenter present, for a time: one paper, one row."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    presenter = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    kind = models.CharField(max_length=12, choices=AuthorisationKind.choices)
    #: The game that training and authorisation are for; a licence is for all.
    game = models.CharField(max_length=20, blank=True)
    #: The licence's number, or of the paper that certifies training or authorisation.
    number = models.CharField(max_length=60, blank=True)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField()
    granted_at = models.DateTimeField()
    granted_by = models.CharField(max_length=80)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.CharField(max_length=80, blank=True)
    revoked_because = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering: ClassVar = ["presenter_id", "kind", "game", "-valid_until"]
        permissions: ClassVar = [("authorise", "Can record and revoke authorisations")]
        indexes: ClassVar = [
            models.Index(fields=["presenter", "kind", "game"], name="authorisation_of_presenter")
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(valid_until__gt=F("valid_from")), name="authorisation_lasts"
            ),
            models.CheckConstraint(
                condition=(Q(kind="licence", game="") & ~Q(number=""))
                | (Q(kind__in=["training", "game"]) & ~Q(game="")),
                name="authorisation_says_for_what",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.game or self.number} of {self.presenter_id}"


class Shift(models.Model):
    """A presenter at a table, from signing on to signing off. One of each at a time."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    table = models.ForeignKey("tables.Table", on_delete=models.PROTECT, related_name="shifts")
    presenter = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    began_at = models.DateTimeField()
    began_by = models.CharField(max_length=80)
    #: Signed off while a round was in play: no further round opens, and the shift ends with it.
    leaving_at = models.DateTimeField(null=True)
    #: Who signed them off then: the presenter, or whoever relieved them.
    leaving_by = models.CharField(max_length=80, blank=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=80, blank=True)

    class Meta:
        ordering: ClassVar = ["-began_at"]
        permissions: ClassVar = [
            ("present", "Can sign on to a table and present"),
            ("relieve", "Can end the shift of a presenter"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["table"], condition=Q(ended_at=None), name="shift_one_per_table"
            ),
            models.UniqueConstraint(
                fields=["presenter"], condition=Q(ended_at=None), name="shift_one_per_presenter"
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("began_at")),
                name="shift_ends_after_it_began",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.presenter_id} at {self.table_id} from {self.began_at:%F %H:%M}"


class EquipmentKind(models.TextChoices):
    WHEEL = "wheel", "wheel"
    BALL = "ball", "ball"
    TABLE = "table", "table and layout"


class Equipment(models.Model):
    """A wheel, a ball, a table: what the game is played with, by its serial number."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    table = models.ForeignKey("tables.Table", on_delete=models.PROTECT, related_name="equipment")
    kind = models.CharField(max_length=12, choices=EquipmentKind.choices)
    serial = models.CharField(max_length=60)
    in_service_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)
    retired_because = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering: ClassVar = ["table_id", "kind", "serial"]
        permissions: ClassVar = [("register_equipment", "Can register and retire equipment")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "serial"],
                condition=Q(retired_at=None),
                name="equipment_in_service_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.serial}"


class Inspection(models.Model):
    """One inspection of a table before it is played, for one gaming day. Append-only.

    The newest decides: a failed one closes the table until another is passed.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    table = models.ForeignKey("tables.Table", on_delete=models.PROTECT, related_name="inspections")
    gaming_day = models.DateField()
    inspected_at = models.DateTimeField()
    #: The end of the gaming day: the database compares it, without knowing of zones.
    valid_until = models.DateTimeField()
    inspected_by = models.CharField(max_length=80)
    #: ``[{"equipment": id, "kind": …, "serial": …, "check": code, "ok": bool}, …]``
    checks = models.JSONField()
    passed = models.BooleanField()
    note = models.CharField(max_length=400, blank=True)
    #: Of the form that recorded it: a form sent twice is one inspection.
    key = models.CharField(max_length=64)

    class Meta:
        ordering: ClassVar = ["-inspected_at"]
        permissions: ClassVar = [("inspect", "Can record an inspection of a table")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["table", "key"], name="inspection_key_once"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["table", "-inspected_at"], name="inspection_newest")
        ]

    def __str__(self) -> str:
        return f"{self.table_id} on {self.gaming_day}: {'passed' if self.passed else 'failed'}"


class PublishedRules(models.Model):
    """The rules of a ruleset as they were published to players. Append-only; the newest counts."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    ruleset = models.CharField(max_length=40)
    #: What the engine said of itself then; and SHA-256 of what is shown, all languages together.
    engine_hash = models.CharField(max_length=64)
    shown_hash = models.CharField(max_length=64)
    #: The text shown, by language.
    shown = models.JSONField()
    published_at = models.DateTimeField()
    published_by = models.CharField(max_length=80)

    class Meta:
        ordering: ClassVar = ["-published_at"]
        permissions: ClassVar = [("publish_rules", "Can publish the rules shown to players")]
        indexes: ClassVar = [
            models.Index(fields=["ruleset", "-published_at"], name="publishedrules_newest")
        ]

    def __str__(self) -> str:
        return f"{self.ruleset} {self.shown_hash[:12]}"


class ConsoleAct(models.Model):
    """One accepted act at a console under its own key, and its answer. Append-only.

    A key used again is answered the same way; nothing is kept of what was refused.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    table = models.ForeignKey("tables.Table", on_delete=models.PROTECT, related_name="+")
    shift = models.ForeignKey(Shift, on_delete=models.PROTECT, related_name="acts")
    presenter_id = models.BigIntegerField()
    key = models.CharField(max_length=64)
    kind = models.CharField(max_length=16)
    #: SHA-256 of what was asked: table, kind, round, phase, spin, facts.
    fingerprint = models.CharField(max_length=64)
    round_number = models.BigIntegerField(null=True)
    phase = models.CharField(max_length=16)
    spin = models.PositiveSmallIntegerField()
    #: Position of the observation that the act became.
    sighting_n = models.BigIntegerField()
    answer = models.JSONField()
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["presenter_id", "key"], name="console_act_key_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.table_id} by {self.presenter_id}"
