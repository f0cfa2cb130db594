"""``python -m verify EXPORT_DIR --public-key FILE [--device-keys KEYS]``: is this export what was
sealed, and are the keys of its devices the ones that you were given at the studio?

``python -m verify proof FILE --public-key FILE``: is this one row under its seal?

``python -m verify pack PACK --public-key FILE [--anchor KEPT]``: is this evidence pack (a ZIP, or a
folder of what was in it) as the house made it, and which of its rows are under seals?

``python -m verify statement FILE --public-key FILE``: is this daily statement the house's, and do
its sums and its verdict follow from what it says?

``python -m verify consistency OLD NEW --public-key FILE``: does the newer list of seals continue
the older one?

``python -m verify fetch URL FOLDER --public-key FILE``: keep a copy of a house's public seals, and
hold the house to it.

``python -m verify witness --listen HOST:PORT --keep FOLDER --public-key FILE``: take the seals that
a house posts, and refuse what contradicts them.

Exit status 0: everything holds. 1: something is wrong, and the first bad row or seal of each source
is named. 2: the export or the key cannot be read at all.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from verify.checks import Report, run
from verify.consistency import compare
from verify.fetch import fetch
from verify.findings import Unusable
from verify.pack import check_pack
from verify.proof import check_proof
from verify.statement import check_statement, words
from verify.witness import serve


def main(arguments: list[str] | None = None) -> int:
    """Parse, check, print; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    if given and given[0] in COMMANDS:
        return COMMANDS[given[0]](given[1:])
    parser = argparse.ArgumentParser(prog="verify", description=__doc__)
    parser.add_argument("export", type=Path, help="folder written by `manage.py export_audit`")
    parser.add_argument("--public-key", type=Path, required=True, help="PEM file, Ed25519")
    parser.add_argument(
        "--anchor", type=Path, action="append", help="seals kept elsewhere (repeatable)"
    )
    told = "keys of devices that you have from elsewhere: name, device and base64 key in each line"
    parser.add_argument("--device-keys", type=Path, help=told)
    parser.add_argument("--format", choices=["text", "json"], default="text")
    options = parser.parse_args(given)
    try:
        report = run(options.export, options.public_key, options.anchor, options.device_keys)
    except Unusable as error:
        sys.stderr.write(f"verify: {error}\n")
        return 2
    _print(report, options.format)
    return 0 if report.ok else 1


def _proof(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="verify proof")
    parser.add_argument("proof", type=Path, help="file written by `manage.py prove`")
    parser.add_argument("--public-key", type=Path, required=True, help="PEM file, Ed25519")
    options = parser.parse_args(arguments)
    try:
        findings = check_proof(options.proof, options.public_key)
    except Unusable as error:
        sys.stderr.write(f"verify: {error}\n")
        return 2
    words = [f"BAD  {finding}" for finding in findings] or ["the row is under its seal"]
    sys.stdout.write("\n".join(words) + "\n")
    return 1 if findings else 0


def _pack(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="verify pack")
    parser.add_argument("pack", type=Path, help="the ZIP, or a folder of what was in it")
    parser.add_argument("--public-key", type=Path, required=True, help="PEM file, Ed25519")
    told = "seals kept by `verify fetch`: a file or a folder (repeatable)"
    parser.add_argument("--anchor", type=Path, action="append", default=[], help=told)
    parser.add_argument("--format", choices=["text", "json"], default="text")
    options = parser.parse_args(arguments)
    try:
        checked = check_pack(options.pack, options.public_key, options.anchor)
    except Unusable as error:
        sys.stderr.write(f"verify: {error}\n")
        return 2
    if options.format == "json":
        sys.stdout.write(json.dumps(checked.as_dict(), sort_keys=True) + "\n")
    else:
        words = [*checked.words(), *(f"BAD  {finding}" for finding in checked.findings)]
        sys.stdout.write("\n".join(words) + "\n")
    return 1 if checked.findings else 0


def _statement(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="verify statement")
    parser.add_argument("statement", type=Path, help="the signed statement of a gaming day")
    parser.add_argument("--public-key", type=Path, required=True, help="PEM file, Ed25519")
    options = parser.parse_args(arguments)
    try:
        said, findings = check_statement(options.statement, options.public_key)
    except Unusable as error:
        sys.stderr.write(f"verify: {error}\n")
        return 2
    lines = [*words(said), *(f"BAD  {finding}" for finding in findings)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if findings else 0


def _consistency(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="verify consistency")
    parser.add_argument("old", type=Path, help="seals kept earlier: a file, or a folder of files")
    parser.add_argument("new", type=Path, help="the seals of today, or an export")
    parser.add_argument("--public-key", type=Path, required=True, help="PEM file, Ed25519")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    options = parser.parse_args(arguments)
    try:
        found = compare(options.old, options.new, options.public_key)
    except Unusable as error:
        sys.stderr.write(f"verify: {error}\n")
        return 2
    if options.format == "json":
        sys.stdout.write(json.dumps(found.as_dict(), sort_keys=True) + "\n")
    else:
        words = [*map(str, found.extended), *(f"BAD  {finding}" for finding in found.findings)]
        sys.stdout.write("\n".join(words) + "\n")
    return 1 if found.findings else 0


def _fetch(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="verify fetch")
    parser.add_argument("url", help="address of the house, such as https://play.example.com/")
    parser.add_argument("folder", type=Path, help="where the copy is kept")
    parser.add_argument("--public-key", type=Path, required=True, help="PEM file, Ed25519")
    options = parser.parse_args(arguments)
    try:
        counts, findings = fetch(options.url, options.folder, options.public_key)
    except Unusable as error:
        sys.stderr.write(f"verify: {error}\n")
        return 2
    words = [f"{source}: {count} new seals" for source, count in counts.items()]
    words += [f"BAD  {finding}" for finding in findings]
    sys.stdout.write("".join(f"{line}\n" for line in words))
    return 1 if findings else 0


def _witness(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="verify witness")
    parser.add_argument("--listen", required=True, help="HOST:PORT, such as 127.0.0.1:8900")
    parser.add_argument("--keep", type=Path, required=True, help="folder for what is taken")
    parser.add_argument("--public-key", type=Path, required=True, help="PEM file, Ed25519")
    options = parser.parse_args(arguments)
    try:
        serve(options.listen, options.keep, options.public_key)
    except Unusable as error:
        sys.stderr.write(f"verify: {error}\n")
        return 2
    except KeyboardInterrupt:
        pass
    return 0


def _print(report: Report, form: str) -> None:
    if form == "json":
        sys.stdout.write(json.dumps(report.as_dict(), sort_keys=True) + "\n")
        return
    for finding in report.findings:
        sys.stdout.write(f"BAD  {finding}\n")
    for key in report.keys:
        sys.stdout.write(f"{key}\n")
    verdict = "everything holds" if report.ok else "DOES NOT HOLD"
    sys.stdout.write(f"{report.rows} rows under {report.seals} seals: {verdict}\n")


COMMANDS: Final[dict[str, Callable[[list[str]], int]]] = {
    "proof": _proof,
    "pack": _pack,
    "statement": _statement,
    "consistency": _consistency,
    "fetch": _fetch,
    "witness": _witness,
}

if __name__ == "__main__":
    sys.exit(main())
