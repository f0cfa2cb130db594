"""People: one table for everybody who can sign in, and one row more for those who play.

The e-mail address is the login. Nothing here knows of money, limits or games.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import Group, PermissionsMixin
from django.db import models, transaction
from django.db.models.functions import Cast, Concat, Lower, Now
from django.utils.translation import gettext_lazy as _

from accounts.roles import Role

#: Who appoints where nobody is yet: the set-up of the house, and tests. The database believes it
#: before the first administrator, from the owner of its tables, and in a demo (0006).
SET_UP: Final = "system:set-up"


def normal_email(text: str) -> str:
    """The one spelling under which an address is stored, compared and counted.

    Trimmed and wholly lower-case. Mail servers that tell ``A@x`` from ``a@x`` are not found in
    practice, while two accounts, or two counters of failed sign-ins, for one mailbox are.
    """
    return text.strip().lower()


class UserManager(BaseUserManager["User"]):
    """Makes users by e-mail; ``createsuperuser`` and ``authenticate`` come through here."""

    use_in_migrations = True

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A person with a hashed password (none: an unusable one). Validates nothing else."""
        if not normal_email(email):
            raise ValueError("a user has an e-mail address")
        user = self.model(email=normal_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """The first administrator: a role like any other, since nobody here has every right.

        Once a house has one, the database refuses another way than by two people, but from the
        owner of its tables.
        """
        with transaction.atomic(using=self._db):
            user = self.create_user(email, password, **fields | {"is_staff": True})
            put_in_office(user, Role.ADMINISTRATOR, by=SET_UP)
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=normal_email(username or ""))


class User(AbstractBaseUser, PermissionsMixin):
    """Somebody who can sign in: a player, a member of staff, never both at once by intent."""

    email = models.EmailField(
        _("e-mail address"), unique=True, error_messages={"unique": _("This address is taken.")}
    )
    name = models.CharField(_("name"), max_length=150, blank=True)
    is_staff = models.BooleanField(_("may enter the staff pages"), default=False)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    #: Rights come from roles alone. Django's two other ways to a right are no columns here, so
    #: that nobody can write them.
    is_superuser: ClassVar[bool] = False  # type: ignore[misc]  # a column there
    user_permissions = None  # type: ignore[assignment]  # as Django says

    objects: ClassVar[UserManager] = UserManager()

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")), name="accounts_user_email_lower"
            )
        ]
        permissions = [
            ("appoint_staff", "Can appoint and dismiss staff"),
            ("end_sessions", "Can end the sessions of a person"),
        ]

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        self.email = normal_email(self.email)

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.name or self.email.partition("@")[0]


class Player(models.Model):
    """What sign-up learned of a person who plays. ``player_id`` everywhere is this row's key."""

    user = models.OneToOneField(
        User, on_delete=models.PROTECT, primary_key=True, related_name="player"
    )
    date_of_birth = models.DateField(_("date of birth"))
    #: ISO 3166-1 alpha-2.
    country = models.CharField(_("country of residence"), max_length=2)
    #: ISO 4217; the one currency of the player's account.
    currency = models.CharField(_("currency"), max_length=3)
    #: A test account: left out of every revenue figure.
    is_test = models.BooleanField(_("test account"), default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    terms_version = models.CharField(max_length=32, blank=True)
    terms_accepted_at = models.DateTimeField(null=True, blank=True)
    #: When name, address and birth were replaced for good; the database lets nobody undo it.
    erased_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("player")
        verbose_name_plural = _("players")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(country__regex=r"^[A-Z]{2}$"), name="accounts_player_country"
            ),
            models.CheckConstraint(
                condition=models.Q(currency__regex=r"^[A-Z]{3}$"), name="accounts_player_currency"
            ),
            models.CheckConstraint(
                condition=models.Q(terms_version="", terms_accepted_at__isnull=True)
                | ~models.Q(terms_version="") & models.Q(terms_accepted_at__isnull=False),
                name="accounts_player_terms_both",
            ),
        ]

    def __str__(self) -> str:
        return f"player {self.pk}"


class SessionUse(models.Model):
    """When a player last did something in a signed-in browser, and after how long it ends unused.

    Sessions themselves are Django's; bets over a socket touch this row alone.
    """

    session_key = models.CharField(max_length=40, primary_key=True)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    idle_s = models.IntegerField()
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(idle_s__gt=0), name="accounts_sessionuse_some_time"
            )
        ]
        indexes = [models.Index(fields=["seen_at"], name="accounts_sessionuse_seen")]

    def __str__(self) -> str:
        return f"session of {self.user_id}"


class Appointment(models.Model):
    """Who holds which role, since when, until when, and who said so. Ended rows stay.

    A right needs the role's group and an open appointment whose time is not over. The database lets
    a row begin by an approved change, end once, and nothing else.
    """

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="appointments")
    role = models.CharField(max_length=20)
    reason = models.CharField(max_length=400, blank=True)
    appointed_by = models.CharField(max_length=80)
    since = models.DateTimeField(db_default=Now())
    #: After this instant the role gives no right; None: until dismissal.
    until = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=80, blank=True)
    end_reason = models.CharField(max_length=400, blank=True)
    #: What two administrators agreed to; None: by the set-up. Each serves one appointment.
    change = models.OneToOneField(
        "StaffChange", on_delete=models.PROTECT, null=True, related_name="appointment"
    )

    class Meta:
        verbose_name = _("appointment")
        verbose_name_plural = _("appointments")
        ordering: ClassVar = ["-since"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "role"],
                condition=models.Q(ended_at__isnull=True),
                name="accounts_appointment_once",
            ),
            models.CheckConstraint(
                condition=models.Q(until__isnull=True) | models.Q(until__gt=models.F("since")),
                name="accounts_appointment_ends_later",
            ),
            models.CheckConstraint(
                condition=models.Q(ended_at__isnull=True, ended_by="")
                | (models.Q(ended_at__isnull=False) & ~models.Q(ended_by="")),
                name="accounts_appointment_ended_by",
            ),
            models.CheckConstraint(
                condition=~models.Q(
                    appointed_by=Concat(models.Value("staff:"), Cast("user_id", models.CharField()))
                ),
                name="accounts_appointment_by_another",
            ),
            models.CheckConstraint(
                condition=~models.Q(role="inspector") | models.Q(until__isnull=False),
                name="accounts_appointment_inspector_ends",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role}: {self.user_id}"


def put_in_office(user: User, role: Role, *, by: str, **facts: Any) -> Appointment:
    """The appointment, and then the group, which the database gives to the appointed alone."""
    made = Appointment.objects.create(user=user, role=role.value, appointed_by=by, **facts)
    user.groups.add(Group.objects.get(name=role.value))
    return made


class StaffChangeKind(models.TextChoices):
    """What two administrators do."""

    ROLE = "role", "give a role"
    RESET = "reset", "reset the second factor"


class StaffChangeState(models.TextChoices):
    """Where a proposal about staff is."""

    PROPOSED = "proposed", "proposed"
    APPROVED = "approved", "approved"
    REJECTED = "rejected", "rejected"
    WITHDRAWN = "withdrawn", "withdrawn"


class StaffChange(models.Model):
    """A role to be given or a second factor to be reset, proposed by one and decided by another.

    Kept by the database: what was proposed never changes, it is decided once, by somebody else than
    who proposed it and whom it concerns; alone only where nobody else could.
    """

    id = models.UUIDField(primary_key=True)
    kind = models.CharField(max_length=8, choices=StaffChangeKind.choices)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="staff_changes")
    role = models.CharField(max_length=20, blank=True)
    until = models.DateTimeField(null=True)
    reason = models.CharField(max_length=400)
    state = models.CharField(
        max_length=10, choices=StaffChangeState.choices, default=StaffChangeState.PROPOSED
    )
    proposed_by = models.CharField(max_length=80)
    proposed_at = models.DateTimeField(db_default=Now())
    decided_by = models.CharField(max_length=80, blank=True)
    decided_at = models.DateTimeField(null=True)
    decision = models.CharField(max_length=400, blank=True)
    #: The transaction that decided, and ``decided_at``: written by the database, whatever is sent.
    decided_in = models.BigIntegerField(null=True, editable=False)
    #: Nobody else could approve.
    is_alone = models.BooleanField(default=False)

    class Meta:
        verbose_name = "change of staff"
        verbose_name_plural = "changes of staff"
        ordering: ClassVar = ["-proposed_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "kind", "role"],
                condition=models.Q(state="proposed"),
                name="accounts_staffchange_waits_once",
            ),
            models.CheckConstraint(
                condition=models.Q(state="proposed", decided_by="", decided_at__isnull=True)
                | ~models.Q(state="proposed")
                & ~models.Q(decided_by="")
                & models.Q(decided_at__isnull=False),
                name="accounts_staffchange_decided",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["proposed", "withdrawn"])
                | ~models.Q(decided_by=models.F("proposed_by"))
                | models.Q(state="approved", is_alone=True),
                name="accounts_staffchange_two_people",
            ),
            models.CheckConstraint(
                condition=~models.Q(
                    decided_by=Concat(models.Value("staff:"), Cast("user_id", models.CharField()))
                ),
                name="accounts_staffchange_by_another",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.role} for {self.user_id}"


class UnlockCode(models.Model):
    """A code mailed to the owner of an address whose new sign-ins are held. Used once."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="unlock_codes")
    #: Keyed hash: the table alone opens nothing.
    code_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("unlock code")
        verbose_name_plural = _("unlock codes")

    def __str__(self) -> str:
        return f"code of {self.user_id}"


class RateCounter(models.Model):
    """Tries in one window, counted here while Valkey does not answer (``accounts.rate_limits``)."""

    key = models.CharField(max_length=64)
    ends_at = models.DateTimeField(db_index=True)
    count = models.IntegerField()

    class Meta:
        verbose_name = _("rate counter")
        verbose_name_plural = _("rate counters")
        constraints = [
            models.UniqueConstraint(fields=["key", "ends_at"], name="accounts_ratecounter_once")
        ]

    def __str__(self) -> str:
        return f"{self.count} until {self.ends_at}"
