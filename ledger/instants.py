"""Instants as a person gives them to a command."""

from __future__ import annotations

from datetime import datetime

from django.core.management.base import CommandError


def instant_with_zone(text: str | None) -> datetime | None:
    """``--until`` as an aware instant; None where none was given. Raises ``CommandError``."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as wrong:
        raise CommandError("--until is an instant such as 2026-11-26T12:00:00Z") from wrong
    if at.tzinfo is None:
        raise CommandError("--until needs its zone, such as Z")
    return at
