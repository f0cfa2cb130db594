"""The providers we know, by name. Settings say which are connected and which is the default."""

from __future__ import annotations

from enum import StrEnum

from django.conf import settings

from kernel.refusal import Refused
from payments.providers import simulated, stripe
from payments.providers.protocol import Provider


class ProviderCode(StrEnum):
    """Why a provider cannot be used."""

    UNKNOWN_PROVIDER = "unknown_provider"
    NOT_CONNECTED = "provider_not_connected"


#: Every provider there is, in the order in which they take new payments where nothing is said.
NAMES = (stripe.NAME, simulated.NAME)


def provider(name: str) -> Provider:
    """The provider called ``name``. Refuses with ``UNKNOWN_PROVIDER`` or ``NOT_CONNECTED``."""
    if name not in NAMES:
        raise Refused(ProviderCode.UNKNOWN_PROVIDER, provider=name[:32])
    if not is_connected(name):
        raise Refused(ProviderCode.NOT_CONNECTED, provider=name)
    if name == stripe.NAME:
        return stripe.StripeProvider(
            settings.STRIPE_API_KEY or "", settings.STRIPE_WEBHOOK_SECRETS, settings.STRIPE_API_BASE
        )
    return simulated.SimulatedProvider(
        settings.SIMULATED_PSP_URL or "", settings.PSP_WEBHOOK_SECRET or ""
    )


def is_connected(name: str) -> bool:
    """Whether settings say all that is needed to use it."""
    if name == stripe.NAME:
        return bool(settings.STRIPE_API_KEY and settings.STRIPE_WEBHOOK_SECRETS)
    return bool(settings.SIMULATED_PSP_URL and settings.PSP_WEBHOOK_SECRET)


def default_name() -> str:
    """The provider a new payment goes to: the one that settings name, else the first connected.

    The simulated one where none is: then it says that it is not connected.
    """
    named: str = settings.PAYMENT_PROVIDER
    return named or next((name for name in NAMES if is_connected(name)), simulated.NAME)
