"""The environment of every process that we start."""

from __future__ import annotations

import json
from collections.abc import Mapping

from casino.supervisor.plan import BANK_ACCOUNT
from casino.supervisor.ports import HOST, Ports
from casino.supervisor.services import Services
from casino.supervisor.state import State

#: Never handed to a running process: who knows the owner's password can rewrite history.
OWNER_ONLY = frozenset({"DATABASE_OWNER_URL", "FARO_ROLE"})


def build(
    given: Mapping[str, str],
    state: State,
    ports: Ports,
    services: Services,
    secrets: Mapping[str, str],
) -> dict[str, str]:
    """What a person set in the environment wins over what we would choose, except addresses."""
    chosen = {
        "FARO_MODE": "demo",
        "DJANGO_SETTINGS_MODULE": "casino.settings",
        "FARO_PUBLIC_URL": f"http://{HOST}:{ports.web}",
        "SIMULATED_PSP_URL": f"http://{HOST}:{ports.psp}",
        "PAYMENT_PAGE_ORIGINS": f"http://{HOST}:{ports.psp}",
        "STREAM_URL": f"http://{HOST}:{ports.stream}",
        "STREAM_ORIGINS": f"http://{HOST}:{ports.stream}",
        "RECONCILIATION_INBOX": str(state.inbox),
        "RECONCILIATION_ACCOUNTS": json.dumps({BANK_ACCOUNT: "main"}),
        "STREAM_ARCHIVE_DAYS": "1",  # a demo's clips are worth less than its laptop's disk
    }
    inherited = {name: value for name, value in given.items() if name not in OWNER_ONLY}
    return {
        **chosen,
        **inherited,
        **secrets,
        **services.runtime(),
        "FARO_STATE_DIR": str(state.root),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": given.get("PYTHONDONTWRITEBYTECODE", ""),
    }
