"""What is kept of people's work on incidents: acts, entered numbers, corrections.

Acts, entries and the money of a correction are append-only. That two people are two people is a
constraint here, whatever code says (migration 0007 adds the triggers that look across rows).
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class IncidentAct(models.Model):
    """Somebody did something about an incident. ``n`` is the incident's version after it.

    Rows are only ever added. ``code`` says why the act came to nothing ('' when it was done), so
    that a repeated key is answered as it was the first time.
    """

    id = models.UUIDField(primary_key=True)
    incident = models.ForeignKey("tables.Incident", on_delete=models.PROTECT, related_name="acts")
    n = models.PositiveIntegerField()
    act = models.CharField(max_length=20)
    actor = models.CharField(max_length=80)
    at = models.DateTimeField()
    key = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=64)
    data = models.JSONField(default=dict)
    code = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering: ClassVar = ["incident", "n"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["incident", "n"], name="incident_act_in_order"),
            models.UniqueConstraint(fields=["actor", "key"], name="incident_act_key_once"),
        ]

    def __str__(self) -> str:
        return f"{self.act} by {self.actor}"


class ManualEntry(models.Model):
    """A number somebody entered by hand. Two of one attempt, by two people, make a result."""

    id = models.UUIDField(primary_key=True)
    incident = models.ForeignKey("tables.Incident", on_delete=models.PROTECT, related_name="+")
    round = models.ForeignKey("tables.Round", on_delete=models.PROTECT, related_name="entries")
    attempt = models.PositiveSmallIntegerField()
    place = models.PositiveSmallIntegerField()
    number = models.PositiveSmallIntegerField()
    actor = models.CharField(max_length=80)
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["round", "attempt", "place"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["round", "attempt", "place"], name="manual_entry_place_once"
            ),
            models.UniqueConstraint(
                fields=["round", "attempt", "actor"], name="manual_entry_two_people"
            ),
            models.CheckConstraint(
                condition=models.Q(place__in=[1, 2]), name="manual_entry_two_places"
            ),
            models.CheckConstraint(
                condition=models.Q(number__lte=36), name="manual_entry_on_the_wheel"
            ),
        ]

    def __str__(self) -> str:
        return f"entry {self.place} of attempt {self.attempt}"


class CorrectionState(models.TextChoices):
    """Where a correction is. APPROVED: decided, its money is being moved."""

    PROPOSED = "proposed", "proposed"
    DECLINED = "declined", "declined"
    APPROVED = "approved", "approved"
    DONE = "done", "done"


class Shortfall(models.TextChoices):
    """Who bears what cannot be taken back because the player's money is gone."""

    RECEIVABLE = "receivable", "the player owes it"
    HOUSE = "house", "the house bears it"


class Correction(models.Model):
    """A result that was wrong: proposed by one person, decided by another (F35)."""

    id = models.UUIDField(primary_key=True)
    round = models.ForeignKey("tables.Round", on_delete=models.PROTECT, related_name="corrections")
    state = models.CharField(max_length=10, choices=CorrectionState.choices)
    to_version = models.PositiveSmallIntegerField()
    old_number = models.PositiveSmallIntegerField()
    new_number = models.PositiveSmallIntegerField()
    old_sources = models.JSONField(default=list)
    reason = models.CharField(max_length=400)
    proposed_by = models.CharField(max_length=80)
    proposed_at = models.DateTimeField()
    key = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=64)
    decided_by = models.CharField(max_length=80, blank=True)
    decided_at = models.DateTimeField(null=True)
    decline_reason = models.CharField(max_length=400, blank=True)
    shortfall = models.CharField(max_length=10, choices=Shortfall.choices, blank=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-proposed_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["proposed_by", "key"], name="correction_key_once"),
            models.UniqueConstraint(
                fields=["round"],
                condition=models.Q(state__in=["proposed", "approved"]),
                name="correction_one_at_a_time",
            ),
            models.UniqueConstraint(
                fields=["round", "to_version"],
                condition=models.Q(state__in=["approved", "done"]),
                name="correction_version_once",
            ),
            models.CheckConstraint(
                condition=~models.Q(decided_by=models.F("proposed_by")),
                name="correction_two_people",
            ),
            models.CheckConstraint(
                condition=models.Q(state="proposed", decided_by="", decided_at__isnull=True)
                | (~models.Q(state="proposed") & ~models.Q(decided_by="")),
                name="correction_decided_by_somebody",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=["approved", "done"]) | ~models.Q(shortfall=""),
                name="correction_says_who_bears",
            ),
            models.CheckConstraint(
                condition=models.Q(new_number__lte=36)
                & ~models.Q(new_number=models.F("old_number")),
                name="correction_changes_the_number",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.old_number} to {self.new_number}, {self.state}"


class CorrectionShare(models.Model):
    """What a correction did to one player's money; exactly one row per player and currency.

    Minor units. ``reversed`` is what the old result had paid on bets whose outcome changed:
    ``taken`` from the account, ``owed`` by the player, ``lost`` by the house. ``paid`` is what the
    new result pays on them. ``regained`` is what the house had borne before and now gets back.
    """

    correction = models.ForeignKey(Correction, on_delete=models.PROTECT, related_name="shares")
    player_id = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reversed_minor = models.BigIntegerField()
    taken_minor = models.BigIntegerField()
    owed_minor = models.BigIntegerField()
    lost_minor = models.BigIntegerField()
    paid_minor = models.BigIntegerField()
    regained_minor = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["correction", "player_id", "currency"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["correction", "player_id", "currency"], name="correction_share_once"
            ),
            models.CheckConstraint(
                condition=models.Q(
                    reversed_minor=models.F("taken_minor")
                    + models.F("owed_minor")
                    + models.F("lost_minor")
                ),
                name="correction_share_adds_up",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    taken_minor__gte=0,
                    owed_minor__gte=0,
                    lost_minor__gte=0,
                    paid_minor__gte=0,
                    regained_minor__gte=0,
                ),
                name="correction_share_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"player {self.player_id}: {self.paid_minor} - {self.reversed_minor}"
