"""How passwords are kept: Argon2id with parameters we chose, not the library's."""

from __future__ import annotations

from typing import Final

from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

#: NIST SP 800-63B §3.1.1.2 asks for at least 8 and for at least 64 to be allowed.
LENGTH_MIN: Final = 8
LENGTH_MAX: Final = 128


class Argon2Hasher(Argon2PasswordHasher):
    """Argon2id, 19 MiB, two passes, one lane: OWASP's first recommendation (about 35 ms here).

    Django's default takes 100 MiB and 137 ms on the same machine; a burst of sign-ins would push
    the bets of everybody else aside.
    """

    time_cost = 2
    memory_cost = 19 * 1024  # KiB
    parallelism = 1


class MaximumLengthValidator:
    """Refuses what is longer than ``LENGTH_MAX``: hashing is work that a stranger could order."""

    def validate(self, password: str, user: object = None) -> None:
        if len(password) > LENGTH_MAX:
            raise ValidationError(
                ngettext(
                    "This password is too long: use at most %(max)d character.",
                    "This password is too long: use at most %(max)d characters.",
                    LENGTH_MAX,
                ),
                code="password_too_long",
                params={"max": LENGTH_MAX},
            )

    def get_help_text(self) -> str:
        return _("Use %(min)d to %(max)d characters.") % {"min": LENGTH_MIN, "max": LENGTH_MAX}
