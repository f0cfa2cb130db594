"""What a person reads: on stderr, since stdout belongs to the result of `--check`."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from casino.supervisor.state import State

#: How much of a log a person gets to see when something failed.
TAIL_LINES = 15
#: What our processes write when all is well; it would push the rest out of sight.
ORDINARY = '"level": "info"'


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def problem(line: str) -> None:
    say(f"faro: {line}")


def welcome(address: str, state: State, services: Mapping[str, str]) -> None:
    """The addresses and one login for each role, once everything runs."""
    say("")
    say(f"Faro is running:  {address}/")
    say(f"  {'staff pages':<15} {address}/admin/")
    say(f"  {'mailbox':<15} {address}/mailbox/  (every mail of this demo)")
    for name, where in services.items():
        say(f"  {name:<15} {where}")
    say(f"  {'logs':<15} {state.logs}")
    people = logins(state)
    if people:
        say("")
        say(f"  {'role':<15} {'e-mail':<34} {'password':<24} key of the authenticator")
        for person in people:
            row = [str(person.get(key) or "") for key in ("role", "email", "password", "totp_key")]
            say(f"  {row[0]:<15} {row[1]:<34} {row[2]:<24} {_typed_key(row[3])}")
    say("")
    say("Ctrl-C stops everything; the next start keeps the data (--reset forgets it).")


def _typed_key(hex_key: str) -> str:
    """A TOTP key as authenticator apps take it: base32 (RFC 4648), as in a QR code."""
    return base64.b32encode(bytes.fromhex(hex_key)).decode().rstrip("=")


def logins(state: State) -> list[dict[str, object]]:
    """The demo's people; none when the demo data has not been made."""
    if not state.demo.exists():
        return []
    found = json.loads(state.demo.read_text())
    return list(found["logins"] if isinstance(found, dict) else found)


def tails(logs: Path, names: Iterable[str]) -> None:
    """The last lines of the named logs."""
    for name in names:
        path = logs / f"{name}.log"
        if path.exists():
            say(f"--- last lines of {path}")
            lines = path.read_text(errors="replace").splitlines()
            for line in [line for line in lines if ORDINARY not in line][-TAIL_LINES:]:
                say(f"    {line[:240]}")
