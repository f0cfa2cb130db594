"""Where a person reads mail: what `notices`, which stands below, asks by name from settings."""

from __future__ import annotations

from django.conf import settings

from accounts.models import User
from notices.delivery import Address


def address_of(person_id: int) -> Address | None:
    """The person's address and language; None for somebody unknown or no longer active."""
    user = User.objects.filter(pk=person_id, is_active=True).first()
    return None if user is None else Address(user.email, settings.LANGUAGE_CODE)
