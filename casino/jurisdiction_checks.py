"""System checks about the profiles that are offered: is what they need there, are they signed?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import Error as DatabaseError

from compliance.jurisdictions import active_codes, in_force_codes, profile, stops
from compliance.location import geoip
from kernel.clock import SystemClock

Apps = Sequence[AppConfig] | None


def cannot_look_for() -> list[str]:
    """Offered policies under which nobody may play, since no database of places can be read."""
    if geoip.can_look():
        return []
    today = SystemClock().now().date()
    in_force = set(in_force_codes(today))
    offered = [profile(code, today) for code in active_codes() if code in in_force]
    return [
        one.policy for one in offered if one.location_required and one.location_unchecked_refuses
    ]


@register(Tags.security, deploy=True)
def places_can_be_looked_up(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """Where a profile asks where players are, there is a database that says so."""
    blocked = cannot_look_for()
    if not blocked:
        return []
    return [
        Error(
            f"Nobody may play under {', '.join(blocked)}: where players are cannot be looked up.",
            hint="Name a readable MaxMind database in FARO_GEOIP_DATABASE.",
            id="faro.E020",
        )
    ]


@register(Tags.database, deploy=True)
def profiles_are_signed_off(
    app_configs: Apps, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """No offered profile stops play, today or soon: unsigned, or a demonstration in production."""
    if not databases:
        return []
    try:
        found = stops.ahead(SystemClock().now().date())
    except DatabaseError as failure:
        return [Error(f"The database cannot be asked: {failure}", id="faro.E003")]
    return [
        Warning(
            f"{one.words}.",
            hint="Take it out of FARO_JURISDICTIONS."
            if one.is_barred
            else "Two officers sign it at /admin/jurisdictions/. Withdrawals go on without them.",
            id="faro.W021" if one.is_now else "faro.W020",
        )
        for one in found
    ]
