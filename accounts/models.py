"""People: one table for players and staff, told apart by what they may do."""

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A person who can sign in."""
