"""The rules as players read them, published by a person, and compared with the engine (F41).

What is shown is rendered from the very modules that settle (`tables.rules`), in every language, by
the same templates as the rules page. Publishing stores that text with its hash and the engine's.
Before a table opens, and before each round, the three are compared again: an edited template or
translation, another engine, an edited record: each is a difference, and no round opens.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Final

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import translation

from accounts.rights import check_right
from audit.database_clock import database_now
from audit.record import Subject, record
from kernel.clock import monotonic_ms
from kernel.ids import Actor, new_id
from tables import audit_kinds, selectors, wording
from tables.opening.reasons import Rules
from tables.presenters.models import PublishedRules
from tables.rules import roulette

PUBLISH: Final = "tables.publish_rules"


def card(ruleset: str) -> dict[str, object]:
    """What the templates show of a ruleset, in the language of the moment."""
    rules = roulette.ruleset(ruleset)
    return {
        "id": ruleset,
        "name": wording.rules_name(rules),
        "la_partage": rules.la_partage,
        "hash": roulette.rules_hash(rules),
        "rows": selectors.paytable(ruleset),
    }


#: Rendering takes about 10 ms, and pages ask each second why a table does not open: what was
#: rendered by this process is believed so long. A round of a real table takes 45 s, and its runner
#: renders after each (`rounds.advance`), outside of the transaction that opens the next.
SHOWN_FOR_MS: Final = 30_000
_lately: dict[str, tuple[int, dict[str, str]]] = {}


def shown(ruleset: str) -> dict[str, str]:
    """The rules of ``ruleset`` as they are shown now, by language."""
    return {code: _in_language(ruleset, code) for code, _ in settings.LANGUAGES}


def shown_lately(ruleset: str) -> dict[str, str]:
    """`shown`, at most ``SHOWN_FOR_MS`` old."""
    at_ms = monotonic_ms()
    kept = _lately.get(ruleset)
    if kept is None or at_ms - kept[0] >= SHOWN_FOR_MS:
        kept = _lately[ruleset] = (at_ms, shown(ruleset))
    return kept[1]


def hash_of(texts: Mapping[str, str]) -> str:
    """SHA-256, in hex, over the texts of all languages."""
    whole = json.dumps(dict(texts), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(whole.encode("ascii")).hexdigest()


def publish(ruleset: str, *, actor: Actor) -> PublishedRules:
    """Record what is shown now as what players are told. Audited; the same again changes nothing.

    Refuses with ``NOT_ALLOWED`` or ``UNKNOWN_RULESET``.
    """
    check_right(actor, PUBLISH)
    engine, texts = roulette.rules_hash(roulette.ruleset(ruleset)), shown(ruleset)
    with transaction.atomic():
        before = newest(ruleset)
        if before is not None and (before.engine_hash, before.shown) == (engine, texts):
            return before
        made = PublishedRules.objects.create(
            id=new_id(),
            ruleset=ruleset,
            engine_hash=engine,
            shown_hash=hash_of(texts),
            shown=texts,
            published_at=database_now(),
            published_by=str(actor),
        )
        record(
            audit_kinds.RULES_PUBLISHED,
            actor=actor,
            subject=Subject("ruleset", ruleset),
            component="tables",
            before=None if before is None else _hashes(before),
            after=_hashes(made),
        )
    return made


def newest(ruleset: str) -> PublishedRules | None:
    """What was last published of ``ruleset``."""
    found = PublishedRules.objects.filter(ruleset=ruleset)
    return found.order_by("-published_at", "-id").first()


def compared(ruleset: str) -> Rules:
    """The hashes that must agree before a round of ``ruleset`` opens."""
    published = newest(ruleset)
    return Rules(
        engine=roulette.rules_hash(roulette.ruleset(ruleset)),
        shown_now=hash_of(shown_lately(ruleset)),
        engine_published=None if published is None else published.engine_hash,
        shown_published=None if published is None else published.shown_hash,
        text_published=None if published is None else hash_of(published.shown),
    )


def _in_language(ruleset: str, code: str) -> str:
    with translation.override(code):
        return render_to_string("tables/parts/rules_of_play.html", {"rules": card(ruleset)})


def _hashes(published: PublishedRules) -> dict[str, str]:
    return {"engine": published.engine_hash, "shown": published.shown_hash}
