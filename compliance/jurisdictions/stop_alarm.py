"""Telling the officers of a profile that stops play: once when it comes near, once when it has."""

from __future__ import annotations

from typing import Final

from django.db import transaction

from accounts.appointments import holders
from accounts.roles import Role
from audit.database_clock import database_now
from compliance.jurisdictions import sign_offs, stops
from compliance.jurisdictions.shape import Jurisdiction
from compliance.notice_kinds import PROFILE_STOPS
from notices.models import Notice
from notices.send import notify

_NEAR: Final = "near"
_NOW: Final = "now"


def alarm() -> int:
    """Tell every compliance officer of each stop that is new to them; returns how many were told.

    The notice itself is the mark that it was told, so a lost run tells later and none tells twice.
    A sign-off that was withdrawn makes another stop of the same text.
    """
    told = 0
    for stop in stops.ahead(database_now().date()):
        if stop.is_barred:  # theirs is to sign, which does not help here
            continue
        stage = _NOW if stop.is_now else _NEAR
        withdrawn = _last_withdrawn(stop.profile)
        known = Notice.objects.filter(
            kind=PROFILE_STOPS, context__digest=stop.profile.digest, context__stage=stage
        )
        if withdrawn:
            known = known.filter(context__withdrawn=withdrawn)
        before = set(known.values_list("person_id", flat=True))
        for person in sorted(set(holders(Role.COMPLIANCE)) - before):
            with transaction.atomic():
                notify(person, PROFILE_STOPS, _facts(stop, stage, withdrawn))
            told += 1
    return told


def _last_withdrawn(profile: Jurisdiction) -> str:
    """The newest proposal about this very text that was signed and withdrawn; empty without one."""
    several = [
        (one.withdrawn_at, str(one.id))
        for one in sign_offs.history([profile.policy])
        if one.digest == profile.digest and one.signed_at and one.withdrawn_at
    ]
    return max(several)[1] if several else ""


def _facts(stop: stops.Stop, stage: str, withdrawn: str) -> dict[str, str | int | bool | None]:
    return {
        "policy": stop.profile.policy,
        "digest": stop.profile.digest,
        "stage": stage,
        "withdrawn": withdrawn,
        "days": stop.days,
        "from": stop.profile.effective_from.isoformat(),
        "values": ", ".join(stop.values),
    }
