"""The check of a daily statement: signed by the house, and its sums and verdict follow from what it
says. What it says is the house's word; the seals of rounds and ledger prove the rows behind it.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Final

from verify.findings import Code, Finding, Spoiled, Unusable
from verify.signed import load_keys, open_signed

STATEMENT_CONTEXT: Final = b"faro-statement-v1\n"
FORMAT: Final = "faro-daily-statement/1"
BYTES_MAX: Final = 1 << 26
SOURCE: Final = "statement"


def check_statement(path: Path, public_key: Path) -> tuple[dict[str, Any], list[Finding]]:
    """What it says and what is wrong with it; ``Unusable`` where there is none to look at."""
    keys = load_keys(public_key)
    try:
        with path.open("rb") as file:
            line = file.read(BYTES_MAX).removesuffix(b"\n")
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error}") from error
    try:
        said, _ = open_signed(line, STATEMENT_CONTEXT, keys, Finding(SOURCE, Code.UNREADABLE, ""))
    except Spoiled as spoiled:
        return {}, [spoiled.finding]
    if said.get("format") != FORMAT:
        raise Unusable(f"{path} is no statement of a form that this program knows")
    try:
        return said, [Finding(SOURCE, Code.DOES_NOT_FOLLOW, detail) for detail in _wrong(said)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return said, [Finding(SOURCE, Code.UNREADABLE, f"is no statement: {error!r}")]


def words(said: dict[str, Any]) -> list[str]:
    """What it says, in lines for a person."""
    if not said:
        return []
    run = said["run"]
    lines = [
        f"{said['operator']}, gaming day {said['day']} ({said['zone']}), number {said['no']},"
        f" as of {said['as_of']}: {said['verdict']}"
    ]
    lines += [
        f"{one['table']} {one['currency']}: {one['bets']} bets,"
        f" {'as booked' if one['agrees'] else 'NOT as booked'}"
        for one in said["tables"]
    ]
    lines += [
        f"{one['name']}: broken by {one['broken']} rows" for one in said["checks"] if one["broken"]
    ]
    lines += [
        f"{one['provider']} {one['currency']}: drift {one['drift_minor']} minor units,"
        f" files until {one['files_until'] or 'never'}"
        for one in said["providers"]
    ]
    lines += [
        f"bank {one['bank']} {one['currency']}: drift {one['drift_minor']} minor units,"
        f" statement until {one['closed_at'] or 'never'}"
        for one in said.get("banks", [])
    ]
    told = "no run of reconciliation reaches past the day"
    lines.append(f"{said['breaks_open']} breaks of the day or before it are open")
    return [*lines, told if run is None else f"run {run['id']}, {run['breaks_open']} breaks open"]


def _reaches(provider: dict[str, Any], until: str) -> bool:
    """Whether the files of a provider that has money reach past the day."""
    told = provider["files_until"]
    return bool(told) and datetime.fromisoformat(told) >= datetime.fromisoformat(until)


def _bank_drift(one: dict[str, Any]) -> int:
    """What of an account at a bank no name explains; without a statement there is nothing to."""
    if one["bank_minor"] is None:
        return 0
    named = sum(int(minor) for minor in one["named"].values())
    return int(one["bank_minor"]) - int(one["books_minor"]) - named


def _wrong(said: dict[str, Any]) -> list[str]:
    found: list[str] = []
    is_even = is_explained = True
    for one in said["tables"]:
        agrees = (
            int(one["staked_minor"]) == int(one["staked_booked_minor"])
            and int(one["returned_minor"]) + int(one["borne_minor"])
            == int(one["returned_booked_minor"])
            and int(one["left_minor"]) == 0
        )
        is_even = is_even and agrees
        if agrees != one["agrees"]:
            found.append(f"{one['table']} {one['currency']} agrees is {one['agrees']!r}")
    for one in said["providers"]:
        named = sum(int(minor) for minor in one["named"].values())
        drift = int(one["books_minor"]) - int(one["provider_minor"]) - named
        is_explained = is_explained and drift == 0
        if drift != one["drift_minor"]:
            detail = f"drift is {one['drift_minor']!r}, its figures give {drift}"
            found.append(f"{one['provider']} {one['currency']} {detail}")
    for one in said.get("banks", []):
        drift = _bank_drift(one)
        is_explained = is_explained and drift == 0
        if drift != one["drift_minor"]:
            detail = f"drift is {one['drift_minor']!r}, its figures give {drift}"
            found.append(f"bank {one['bank']} {one['currency']} {detail}")
    holds = all(int(one["broken"]) == 0 for one in said["checks"])
    run = said["run"]
    waits = int(said["breaks_open"]) or (0 if run is None else int(run["breaks_open"]))
    is_whole = is_even and is_explained and holds and not waits
    is_told = run is not None and all(_reaches(one, said["until"]) for one in said["providers"])
    follows = "differs" if not is_whole else "agrees" if is_told else "incomplete"
    if said["verdict"] != follows:
        found.append(f"verdict is {said['verdict']!r}, its figures give {follows!r}")
    return found
