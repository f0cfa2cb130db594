"""The words of a payment for messages, which are kept as facts and worded when they are read."""

from __future__ import annotations

from django import template

from payments.words import explaining

register = template.Library()


@register.simple_tag
def told(direction: str, state: str, reason: str = "") -> str:
    """What happened to a payment that came to ``state``, for a player."""
    return explaining.told(direction, state, reason)
