"""Secrets of an embedded run: made once, kept in a file that only its owner reads."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from casino.supervisor.state import State


def _key_of_32_bytes() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


#: Every secret that the processes need, and how one is made.
MAKERS: Mapping[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(48),
    "FARO_AUDIT_KEY": _key_of_32_bytes,
    "FARO_SEAL_KEY": _key_of_32_bytes,
    "FARO_CONSOLE_KEY": _key_of_32_bytes,
    "FARO_METRICS_TOKEN": lambda: secrets.token_urlsafe(24),
    "PSP_WEBHOOK_SECRET": lambda: secrets.token_urlsafe(32),
}


def load_or_make(state: State, given: Mapping[str, str]) -> dict[str, str]:
    """All secrets: those already in the environment win, then the file's; the rest are made."""
    kept = _read(state.secrets)
    missing = {name: make() for name, make in MAKERS.items() if name not in {*kept, *given}}
    if missing:
        kept |= missing
        lines = [f"{name}={value}\n" for name, value in sorted(kept.items())]
        state.write_private(state.secrets, "".join(lines))
    return {name: given.get(name, kept.get(name, "")) for name in MAKERS}


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    pairs = (line.partition("=") for line in path.read_text().splitlines() if "=" in line)
    return {name: value for name, _, value in pairs}
