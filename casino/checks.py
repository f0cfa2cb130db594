"""System checks for operators: `manage.py check --deploy --database default`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError

from audit import keys
from casino.database_rights import problems_of_runtime_role
from compliance.jurisdictions import sign_offs, versions
from payments import providers
from payments.providers import simulated
from tables.console import key as console_key

Apps = Sequence[AppConfig] | None
_SECRETS = (keys.wrapping_keys, keys.seal_key, keys.old_public_keys, console_key.master_key)


@register(Tags.security, deploy=True)
def secrets_are_usable(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """The keys that wrap personal data, sign seals and consoles are there, of the right size."""
    return [message for message in map(_complaint, _SECRETS) if message]


def _complaint(read: Callable[[], object]) -> CheckMessage | None:
    try:
        read()
    except ImproperlyConfigured as wrong:
        return Error(f"{wrong}.", hint="One per installation; see .env.example.", id="faro.E001")
    return None


@register(Tags.security, deploy=True)
def no_embedded_server_in_production(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """The embedded PostgreSQL is an alpha build without ICU: for demonstrations and tests."""
    if settings.FARO_MODE == "production" and settings.FARO_EMBEDDED_DATABASE:
        return [
            Warning(
                "Production mode on the embedded PostgreSQL.",
                hint="Set DATABASE_URL and DATABASE_OWNER_URL to a server of version 15 or newer.",
                id="faro.W001",
            )
        ]
    return []


@register(Tags.security, deploy=True)
def the_operator_has_a_name(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """Reports say whose figures they are; in production nobody's are nobody's."""
    if settings.FARO_MODE == "production" and not settings.FARO_OPERATOR.strip():
        hint = "The name of the licensee, as it stands in the reports it files."
        return [Warning("FARO_OPERATOR is not set.", hint=hint, id="faro.W002")]
    return []


@register(Tags.security, deploy=True)
def people_can_write_to_the_house(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """Who is turned away at the door is sent to our support: by an address that is there."""
    if settings.FARO_MODE == "production" and "@" not in settings.SUPPORT_EMAIL:
        hint = "The address that is shown to people who cannot sign in."
        return [Warning("SUPPORT_EMAIL is not set.", hint=hint, id="faro.W003")]
    return []


@register(Tags.security, deploy=True)
def jurisdictions_may_be_offered(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """Each code of `FARO_JURISDICTIONS` has a profile, and in production none is a demonstration.

    The gate refuses sign-up, deposits and bets under one there; this says so before anybody tries.
    """
    return [
        Error(
            f"FARO_JURISDICTIONS names {code}: {why}.",
            hint="Name the codes of compliance/jurisdictions/*.yaml that you are licensed for.",
            id="faro.E004",
        )
        for code in settings.FARO_JURISDICTIONS
        if (why := _not_offered(code))
    ]


@register(Tags.security, deploy=True)
def payments_reach_a_provider(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """In production new payments go to a real provider, unless settings name the simulated one.

    The one that is named is connected, and Stripe's key is not one for tests there.
    """
    if settings.FARO_MODE != "production":
        return []
    name = providers.default_name()
    found: list[CheckMessage] = []
    if name not in providers.NAMES or not providers.is_connected(name):
        hint = "STRIPE_API_KEY and STRIPE_WEBHOOK_SECRETS connect Stripe (docs/operations.md)."
        found.append(Error(f"No payment provider is connected: {name}.", hint=hint, id="faro.E005"))
    elif name == simulated.NAME and not settings.PAYMENT_PROVIDER:
        hint = "Connect a real one, or say PAYMENT_PROVIDER=simulated for a house of play money."
        found.append(Error("New payments go to the simulated provider.", hint=hint, id="faro.E006"))
    if (settings.STRIPE_API_KEY or "").startswith(("sk_test_", "rk_test_")):
        found.append(Warning("STRIPE_API_KEY is a key for tests.", id="faro.W005"))
    if settings.STRIPE_API_BASE:
        found.append(Warning("STRIPE_API_BASE leads away from Stripe.", id="faro.W006"))
    return found


def _not_offered(code: str) -> str:
    found = versions(code)
    if not found:
        return "there is no such profile"
    return "it is a demonstration" if any(map(sign_offs.is_barred, found)) else ""


@register(Tags.database, deploy=True)
def runtime_role_cannot_rewrite_history(
    app_configs: Apps, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """The role of `DATABASE_URL` owns nothing and may change no append-only table."""
    if not databases:
        return []
    try:
        problems = problems_of_runtime_role()
    except DatabaseError as failure:
        return [Error(f"The database cannot be asked: {failure}", id="faro.E003")]
    hint = "DATABASE_URL names the runtime role, DATABASE_OWNER_URL the one that migrates."
    return [Error(f"{problem}.", hint=hint, id="faro.E002") for problem in problems]
