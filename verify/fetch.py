"""``python -m verify fetch URL FOLDER``: keep a copy of a house's public seals, and hold it to it.

Reads `/seals/heads.json` and the lines that the folder lacks. The last line that is kept is asked
for again, so a house that shows another history is found out although nothing new came. Run by
`cron` on a machine of one's own, this is a witness that the house need not know of.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.parse import urljoin, urlsplit
from urllib.request import Request, urlopen

from verify.findings import Code, Finding, Spoiled, Unusable
from verify.kept import LINE_BYTES_MAX
from verify.signed import load_keys
from verify.store import Store

ANSWER_TIMEOUT_S: Final = 30
HEADS_BYTES_MAX: Final = 1_000_000


def fetch(base: str, folder: Path, public_key: Path) -> tuple[dict[str, int], list[Finding]]:
    """New seals per source, and the first finding of each; ``Unusable`` where nothing answers."""
    if urlsplit(base).scheme not in {"http", "https"}:
        raise Unusable(f"{base} is no address of a house")
    base = urljoin(base if base.endswith("/") else base + "/", "/seals/")
    counts, findings = {}, []
    try:
        store = Store(folder, load_keys(public_key))
    except Spoiled as spoiled:
        raise Unusable(f"the copy in {folder} is damaged: {spoiled.finding}") from spoiled
    with store:
        told = _heads(base)
        for source in sorted({*told, *store.heads()}):
            try:
                counts[source] = _fetch_source(base, source, store, told.get(source))
            except Spoiled as spoiled:
                findings.append(spoiled.finding)
    return counts, findings


def _fetch_source(base: str, source: str, store: Store, told: int | None) -> int:
    kept = store.heads().get(source)
    number = kept.number if kept else 0
    if told is None:
        detail = "the house shows no seal of this source any more"
        raise Spoiled(Finding(source, Code.SOURCE_MISSING, detail))
    if told < number:
        detail = f"the house shows seals to {told} only"
        raise Spoiled(Finding(source, Code.SEAL_MISSING, detail, seal=told + 1))
    fresh = 0
    after = max(0, number - 1)
    while after < told:
        before = after
        for line in _lines(urljoin(base, f"{source}.jsonl?after={after}")):
            taken = store.take(line)
            if taken.source != source or taken.number != after + 1:
                detail = f"the house shows seal {taken.number} of {taken.source} in this place"
                raise Spoiled(Finding(source, Code.BROKEN_CHAIN, detail, seal=after + 1))
            after = taken.number
            fresh += taken.is_new
        if after == before:
            detail = f"the house says {told} and shows seals to {after}"
            raise Spoiled(Finding(source, Code.SEAL_MISSING, detail, seal=after + 1))
    return fresh


def _heads(base: str) -> dict[str, int]:
    with _opened(urljoin(base, "heads.json")) as answer:
        text = answer.read(HEADS_BYTES_MAX)
    try:
        return {str(k): int(v["number"]) for k, v in json.loads(text)["sources"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unusable(f"{base} is no page of seals: {error}") from error


def _lines(address: str) -> Iterator[bytes]:
    with _opened(address) as answer:
        while line := answer.readline(LINE_BYTES_MAX):
            yield line.removesuffix(b"\n")


def _opened(address: str) -> Any:
    request = Request(address, headers={"User-Agent": "faro-verify"})  # noqa: S310  (checked above)
    try:
        return urlopen(request, timeout=ANSWER_TIMEOUT_S)  # noqa: S310  (http or https)
    except (URLError, OSError) as error:
        raise Unusable(f"{address}: {error}") from error
