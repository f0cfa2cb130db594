"""System checks about identity documents: where they lie, who scans them, where they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured

from compliance.kyc import scanning

Apps = Sequence[AppConfig] | None


@register(Tags.security, deploy=True)
def uploads_are_scanned(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """A virus scanner is set; the simulated one is none."""
    try:
        scanning.scanner()
    except ImproperlyConfigured as wrong:
        return [Error(f"{wrong}.", id="faro.E010")]
    if settings.FARO_VIRUS_SCANNER in {"", "simulated"}:
        return [
            Warning(
                "Nobody scans what players upload.",
                hint="Set FARO_VIRUS_SCANNER to a clamd: tcp://host:3310 or unix:///path.",
                id="faro.W010",
            )
        ]
    return []


@register(Tags.security, deploy=True)
def documents_lie_outside_the_web(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """Documents in files are under no directory that a web server shows."""
    where = settings.STORAGES["documents"].get("OPTIONS", {}).get("location")
    shown = [Path(settings.STATIC_ROOT), Path(settings.MEDIA_ROOT)]
    if where and any(Path(where).resolve().is_relative_to(root.resolve()) for root in shown):
        return [
            Error(
                f"Identity documents would lie in {where}, which a web server may show.",
                hint="Name another directory in FARO_DOCUMENT_STORAGE_OPTIONS.",
                id="faro.E011",
            )
        ]
    return []


@register(Tags.security, deploy=True)
def document_origin_is_an_origin(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """``FARO_DOCUMENT_ORIGIN`` is scheme and host, https outside of tests, and not the staff's."""
    origin = settings.FARO_DOCUMENT_ORIGIN
    if not origin:
        return []
    parts = urlsplit(origin)
    is_origin = parts.scheme in {"http", "https"} and parts.netloc and not parts.path
    is_safe = parts.scheme == "https" or settings.FARO_MODE != "production"
    if not (is_origin and is_safe) or parts.hostname == _staff_host():
        return [
            Error(
                f"FARO_DOCUMENT_ORIGIN is no origin of its own: {origin}.",
                hint="Write it like https://documents.example, another host than the staff's.",
                id="faro.E012",
            )
        ]
    return []


def _staff_host() -> str | None:
    """Without a port: cookies know none."""
    return urlsplit(f"//{settings.STAFF_HOST or '-'}").hostname
