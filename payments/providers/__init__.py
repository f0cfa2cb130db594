"""The providers we know, by name. Settings say which are connected."""

from __future__ import annotations

from enum import StrEnum

from django.conf import settings

from kernel.refusal import Refused
from payments.providers import simulated
from payments.providers.protocol import Provider


class ProviderCode(StrEnum):
    """Why a provider cannot be used."""

    UNKNOWN_PROVIDER = "unknown_provider"
    NOT_CONNECTED = "provider_not_connected"


def provider(name: str) -> Provider:
    """The provider called ``name``. Refuses with ``UNKNOWN_PROVIDER`` or ``NOT_CONNECTED``."""
    if name != simulated.NAME:
        raise Refused(ProviderCode.UNKNOWN_PROVIDER, provider=name[:32])
    if not settings.SIMULATED_PSP_URL or not settings.PSP_WEBHOOK_SECRET:
        raise Refused(ProviderCode.NOT_CONNECTED, provider=name)
    return simulated.SimulatedProvider(settings.SIMULATED_PSP_URL, settings.PSP_WEBHOOK_SECRET)


def default_name() -> str:
    """The provider a new payment goes to."""
    return simulated.NAME
