"""System checks about files of providers and banks: their mappings, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from payments.files import formats
from payments.files.mapping import BadMapping

Apps = Sequence[AppConfig] | None


@register(Tags.files)
def mappings_can_be_read(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """Each mapping of a provider's columns says only what we understand."""
    try:
        formats.mappings()
    except BadMapping as wrong:
        return [Error(f"{wrong}.", hint="See docs/operations.md.", id="faro.E040")]
    except OSError as wrong:
        return [Error(f"RECONCILIATION_MAPPINGS cannot be read: {wrong}.", id="faro.E041")]
    return []


@register(Tags.files)
def the_watched_folder_is_apart(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """What is laid into the folder is moved; the store keeps what it has."""
    if not settings.RECONCILIATION_INBOX:
        return []
    inbox = Path(settings.RECONCILIATION_INBOX).resolve()
    kept = Path(settings.RECONCILIATION_DIR).resolve()
    if inbox == kept or inbox in kept.parents or kept in inbox.parents:
        return [
            Error(
                "RECONCILIATION_INBOX and RECONCILIATION_DIR lie in one another.",
                hint="Two folders beside each other.",
                id="faro.E042",
            )
        ]
    return []
