"""What every page's frame needs: whose door it is, and a player's standing, worked out if shown."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts import doors
from tables.pages import visit


def standing(request: HttpRequest) -> dict[str, Any]:
    """Balance, net result and time of this visit, as `standing`; nothing for visitors and staff.

    `stopped`: why they neither bet nor deposit for now; empty text where nothing stops them.
    """
    return {
        "standing": SimpleLazyObject(lambda: visit.standing(request)),
        "stopped": SimpleLazyObject(lambda: visit.stopped(request)),
    }


def door(request: HttpRequest) -> dict[str, Any]:
    """`is_staff_door`: the account pages are the same at both doors, their frame is not.

    `support_email`: where somebody writes to who cannot sign in; empty where nobody said.
    """
    return {
        "is_staff_door": doors.is_staff_door(request),
        "support_email": settings.SUPPORT_EMAIL,
    }
