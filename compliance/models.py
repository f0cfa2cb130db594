"""What compliance knows about players, as rows. Decisions live in `gate`, acts in their own files.

`Standing`, `Limit` and `Switch` say what holds now; `LimitChange`, `PlaySession` and `GateDecision`
are the append-only record. `DayTotal` (or `QuarterTotal`) and `FreshFact` together are what each
player did with money.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from compliance.kept_rows import KeptRow
from compliance.limit_arithmetic import LimitKind, Period
from kernel.ids import new_id


class Status(models.TextChoices):
    """Whether a player's account as a whole may be used."""

    ACTIVE = "active", "Active"
    SUSPENDED = "suspended", "Suspended"
    CLOSED = "closed", "Closed"


class Standing(models.Model):
    """One player's standing: the row that every decision locks (rank PLAYER)."""

    player = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="+",
    )
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.ACTIVE)
    jurisdiction = models.CharField(max_length=16)
    policy = models.CharField(max_length=32, help_text="Policy version accepted at sign-up.")
    currency = models.CharField(max_length=3)
    of_age_on = models.DateField(help_text="First local day on which the player is of age.")
    age_verified = models.BooleanField(default=False)
    identity_verified = models.BooleanField(default=False)
    excluded_at = models.DateTimeField(null=True, blank=True)
    excluded_until = models.DateTimeField(null=True, blank=True)
    exclusion_holds = models.BooleanField(
        default=False, help_text="Goes on after its end until the player asks to come back."
    )
    cool_off_until = models.DateTimeField(null=True, blank=True)
    verify_by = models.DateTimeField(
        null=True, blank=True, help_text="From then on, unverified play is refused."
    )
    documents_overdue = models.BooleanField(
        default=False, help_text="Asked-for documents are missing: no play, no deposits."
    )
    play_since = models.DateTimeField(null=True, blank=True, help_text="Session of play: begin.")
    play_seen_at = models.DateTimeField(null=True, blank=True, help_text="Last act in it.")
    check_due_at = models.DateTimeField(
        null=True, blank=True, help_text="From then on a check of reality stands before each bet."
    )
    check_every_s = models.IntegerField(
        null=True, blank=True, help_text="How often the player wants it; empty: as the policy says."
    )
    limits_answered_at = models.DateTimeField(
        null=True, blank=True, help_text="When the player last said which limits they want."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "compliance_standing"
        constraints = [
            models.CheckConstraint(
                name="compliance_standing_status",
                condition=models.Q(status__in=Status.values),
            ),
            models.CheckConstraint(
                name="compliance_standing_exclusion_dated",
                condition=models.Q(excluded_at__isnull=True, exclusion_holds=False)
                | models.Q(excluded_at__isnull=False, excluded_until__isnull=False),
            ),
            models.CheckConstraint(
                name="compliance_standing_play_whole",
                condition=models.Q(
                    play_since__isnull=True, play_seen_at__isnull=True, check_due_at__isnull=True
                )
                | models.Q(
                    play_since__isnull=False,
                    play_seen_at__gte=models.F("play_since"),
                    check_due_at__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="compliance_standing_check_every",
                condition=models.Q(check_every_s__isnull=True) | models.Q(check_every_s__gt=0),
            ),
        ]
        indexes = [
            models.Index(
                fields=["play_seen_at"],
                condition=models.Q(play_since__isnull=False),
                name="compliance_standing_playing",
            )
        ]

    def __str__(self) -> str:
        return f"player {self.pk}: {self.status}"


class Limit(models.Model):
    """A player's own limit: what counts now and what waits (rank LIMIT).

    Amounts in minor units of the currency; a limit of time has none, and counts seconds.
    """

    player_id = models.BigIntegerField()
    currency = models.CharField(max_length=3, blank=True)
    kind = models.CharField(max_length=12, choices=[(k.value, k.value) for k in LimitKind])
    period = models.CharField(max_length=8, choices=[(p.value, p.value) for p in Period])
    amount_minor = models.BigIntegerField(null=True)
    pending_minor = models.BigIntegerField(null=True)
    pending_at = models.DateTimeField(null=True)
    needs_confirmation = models.BooleanField(default=False)
    #: When this limit was first set, at a quarter's mark: windows may be counted from there. Later
    #: changes leave it, since a lower limit must not begin a new window.
    set_at = models.DateTimeField()

    class Meta:
        db_table = "compliance_limit"
        constraints = [
            models.CheckConstraint(
                name="compliance_limit_kind",
                condition=models.Q(kind__in=[k.value for k in LimitKind]),
            ),
            models.CheckConstraint(
                name="compliance_limit_unit",
                condition=models.Q(kind="session_time", currency="")
                | (~models.Q(kind="session_time") & ~models.Q(currency="")),
            ),
            models.CheckConstraint(
                name="compliance_limit_period",
                condition=models.Q(kind="balance", period="always")
                | (~models.Q(kind="balance") & ~models.Q(period="always")),
            ),
            models.UniqueConstraint(
                fields=["player_id", "currency", "kind", "period"], name="compliance_limit_one"
            ),
            models.CheckConstraint(
                name="compliance_limit_positive",
                condition=(models.Q(amount_minor__isnull=True) | models.Q(amount_minor__gt=0))
                & (models.Q(pending_minor__isnull=True) | models.Q(pending_minor__gt=0)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} per {self.period} of player {self.player_id}"


class DayTotal(models.Model):
    """What one player did in one currency on one gaming day. Written only by `facts.fold`."""

    player_id = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    day = models.DateField()
    staked_minor = models.BigIntegerField(default=0)
    returned_minor = models.BigIntegerField(default=0)
    paid_out_minor = models.BigIntegerField(default=0)
    deposited_minor = models.BigIntegerField(default=0)
    withdrawn_minor = models.BigIntegerField(default=0)

    class Meta:
        db_table = "compliance_daytotal"
        constraints = [
            models.UniqueConstraint(
                fields=["player_id", "currency", "day"], name="compliance_daytotal_one"
            ),
        ]

    def __str__(self) -> str:
        return f"player {self.player_id} on {self.day}"


class WindowTotal(models.Model):
    """The newest gaming day, week and month of one player in one currency, for the hot path.

    What `DayTotal` adds up to for limits on bets, in one row. A fact of a later window begins that
    window anew; one of an earlier window is none of its business.
    """

    player_id = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    day = models.DateField()
    week = models.DateField()
    month = models.DateField()
    day_wager_minor = models.BigIntegerField()
    day_paid_minor = models.BigIntegerField()
    week_wager_minor = models.BigIntegerField()
    week_paid_minor = models.BigIntegerField()
    month_wager_minor = models.BigIntegerField()
    month_paid_minor = models.BigIntegerField()

    class Meta:
        db_table = "compliance_windowtotal"
        constraints = [
            models.UniqueConstraint(
                fields=["player_id", "currency"], name="compliance_windowtotal_one"
            ),
        ]

    def __str__(self) -> str:
        return f"player {self.player_id} up to {self.day}"


class QuarterTotal(models.Model):
    """The same by quarters of an hour, for windows that are cut at no midnight. Kept 62 days."""

    player_id = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    starts_at = models.DateTimeField()
    staked_minor = models.BigIntegerField(default=0)
    returned_minor = models.BigIntegerField(default=0)
    paid_out_minor = models.BigIntegerField(default=0)
    deposited_minor = models.BigIntegerField(default=0)
    withdrawn_minor = models.BigIntegerField(default=0)

    class Meta:
        db_table = "compliance_quartertotal"
        constraints = [
            models.UniqueConstraint(
                fields=["player_id", "currency", "starts_at"], name="compliance_quartertotal_one"
            ),
        ]
        indexes = [models.Index(fields=["starts_at"], name="compliance_quartertotal_old")]

    def __str__(self) -> str:
        return f"player {self.player_id} from {self.starts_at}"


class FreshFact(models.Model):
    """A fact not yet folded into its day. Inserting one waits for nobody."""

    player_id = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    kind = models.CharField(max_length=16)
    amount_minor = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        db_table = "compliance_freshfact"
        indexes = [models.Index(fields=["player_id"], name="compliance_freshfact_player")]
        constraints = [
            models.CheckConstraint(
                name="compliance_freshfact_positive", condition=models.Q(amount_minor__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of player {self.player_id}"


class Reservation(models.Model):
    """A deposit that was allowed and has neither landed nor failed: it counts against the limit."""

    ref = models.UUIDField(primary_key=True)
    player_id = models.BigIntegerField(db_index=True)
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        db_table = "compliance_reservation"
        constraints = [
            models.CheckConstraint(
                name="compliance_reservation_positive", condition=models.Q(amount_minor__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return f"deposit {self.ref} in flight"


class Switch(models.Model):
    """An operator's order to stop a scope. It holds while ``until`` is empty; rows stay."""

    id = models.UUIDField(primary_key=True, default=new_id)
    scope = models.CharField(max_length=80)
    reason = models.CharField(max_length=500)
    actor = models.CharField(max_length=80)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)
    lifted_by = models.CharField(max_length=80, blank=True)

    class Meta:
        db_table = "compliance_switch"
        constraints = [
            models.UniqueConstraint(
                fields=["scope"],
                condition=models.Q(until__isnull=True),
                name="compliance_switch_on",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope}: {self.reason}"


class LimitChange(KeptRow):
    """What was asked about a limit, by whom, and when it counts. Partitioned by month."""

    id = models.UUIDField(primary_key=True)
    at = models.DateTimeField()
    player_id = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    kind = models.CharField(max_length=12)
    period = models.CharField(max_length=8)
    act = models.CharField(max_length=12)
    before_minor = models.BigIntegerField(null=True)
    wanted_minor = models.BigIntegerField(null=True)
    effective_at = models.DateTimeField(null=True)
    actor = models.CharField(max_length=80)
    policy = models.CharField(max_length=32)

    class Meta:
        managed = False
        db_table = "compliance_limitchange"
        ordering: ClassVar[list[str]] = ["-at"]

    def __str__(self) -> str:
        return f"{self.act} {self.kind} per {self.period} of player {self.player_id}"


class PlaySession(KeptRow):
    """A session of play that is over: from its first act to its last. Partitioned by month."""

    id = models.UUIDField(primary_key=True)
    player_id = models.BigIntegerField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "compliance_playsession"
        ordering: ClassVar[list[str]] = ["-ended_at"]

    def __str__(self) -> str:
        return f"player {self.player_id} played from {self.started_at}"


class GateDecision(KeptRow):
    """One answer of the gate, allowed or refused. Its id is the permit. Partitioned by month."""

    id = models.UUIDField(primary_key=True)
    at = models.DateTimeField()
    ref = models.UUIDField()
    player_id = models.BigIntegerField()
    purpose = models.CharField(max_length=12)
    allowed = models.BooleanField()
    code = models.CharField(max_length=24, null=True)  # noqa: DJ001  (null: no refusal to name)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    policy = models.CharField(max_length=32)
    facts = models.JSONField()

    class Meta:
        managed = False
        db_table = "compliance_gatedecision"
        ordering: ClassVar[list[str]] = ["-at"]

    def __str__(self) -> str:
        return f"{self.purpose} of player {self.player_id}: {self.code or 'allowed'}"


class Case(KeptRow):
    """A complaint, a dispute, a report. Opened and moved by `compliance.cases` alone."""

    id = models.UUIDField(primary_key=True)
    reference = models.TextField()
    kind = models.TextField()
    state = models.TextField()
    player_id = models.BigIntegerField()
    round_id = models.UUIDField(null=True)
    bets = models.JSONField()
    subject = models.TextField()
    opened_by = models.TextField()
    key = models.TextField()
    fingerprint = models.TextField()
    policy = models.TextField()
    opened_at = models.DateTimeField()
    acknowledge_by = models.DateTimeField()
    answer_by = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    assignee_id = models.BigIntegerField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    outcome = models.TextField()
    version = models.IntegerField()

    class Meta:
        managed = False
        db_table = "compliance_case"
        ordering: ClassVar[list[str]] = ["-opened_at"]
        permissions = [
            ("work_desk", "Can work at the support desk"),
            ("handle_hidden", "Can see and handle cases that players must not learn of"),
        ]

    def __str__(self) -> str:
        return self.reference


class CaseEvent(KeptRow):
    """One thing that happened in a case, and who may read it. Append-only."""

    id = models.UUIDField(primary_key=True)
    case_id = models.UUIDField()
    at = models.DateTimeField()
    kind = models.TextField()
    actor_kind = models.TextField()
    actor_id = models.TextField()
    audience = models.TextField()
    text = models.TextField()
    data = models.JSONField()
    key = models.TextField()

    class Meta:
        managed = False
        db_table = "compliance_case_event"
        ordering: ClassVar[list[str]] = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.kind} in {self.case_id}"


class ScreeningHit(KeptRow):
    """A player who is like an entry of a list: read by `compliance.screening.hits` alone."""

    id = models.UUIDField(primary_key=True)

    class Meta:
        managed = False
        db_table = "compliance_screening_hit"
        permissions = [("work_screening", "Can load lists and decide hits")]

    def __str__(self) -> str:
        return f"hit {self.pk}"


class Likeness(KeptRow):
    """A player who is like an excluded one: read by `compliance.own_register` alone."""

    id = models.UUIDField(primary_key=True)

    class Meta:
        managed = False
        db_table = "compliance_likeness"
        permissions = [
            ("guard_exclusions", "Can exclude players and decide who is an excluded person")
        ]

    def __str__(self) -> str:
        return f"likeness {self.pk}"


class ProfileProposal(KeptRow):
    """That a profile be offered as it is: read by `compliance.jurisdictions.sign_offs` alone."""

    id = models.UUIDField(primary_key=True)

    class Meta:
        managed = False
        db_table = "compliance_profile_proposal"
        default_permissions = ()
        permissions = [
            ("view_profiles", "Can see the profiles of jurisdictions"),
            ("sign_off_profiles", "Can sign off profiles of jurisdictions"),
        ]

    def __str__(self) -> str:
        return f"proposal {self.pk}"


import compliance.kyc.models  # noqa: E402  (Django finds an app's models here)
import compliance.watching.models  # noqa: E402, F401  (the same)
