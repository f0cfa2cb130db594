"""What every page of a signed-in player shows in its header, worked out only where it is shown."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from tables import visit


def standing(request: HttpRequest) -> dict[str, Any]:
    """Balance, net result and time of this visit, as `standing`; nothing for visitors and staff."""
    return {"standing": SimpleLazyObject(lambda: visit.standing(request))}
