"""Words of the officers' pages: refusals of screening, watching, suspicions and markers of harm."""

from __future__ import annotations

from typing import Final

from backoffice import desk
from kernel.refusal import Refused

_TEXTS: Final = {
    "list_not_text": "{file} is no text of CSV.",
    "list_too_large": "{file} is too large to be a list.",
    "list_wrong_columns": "{file} has not the columns of its format.",
    "list_cut_off": "{file} ends in the middle: it was cut off on its way.",
    "list_bad_row": "{file} has a row without number or name.",
    "list_duplicate_entry": "{file} has entry {entry} twice.",
    "list_orphan_row": "{file} speaks of entry {entry}, which is missing: a file was cut off.",
    "list_empty": "There is no entry in it.",
    "list_shrank": "Only {now} entries, where {before} were: say why, or get the file again.",
    "list_unchanged": "This very list is in force already.",
    "list_wrong_digest": "{file} does not hash to what its sender says.",
    "list_unknown_format": "Choose the format.",
    "list_bad_source": "A list's name has small letters, digits and hyphens.",
    "list_missing_file": "{file} is missing.",
    "no_such_hit": "There is no such hit.",
    "hit_stale": "Somebody said something on this hit at the same moment. Read it, then decide.",
    "hit_decided": "This hit is decided.",
    "same_person": "Somebody else decides what you proposed.",
    "nothing_proposed": "Nothing is proposed any more.",
}


def refusal(refused: Refused) -> str:
    """The refusal as officers read it, its code in brackets."""
    code = str(refused.code)
    if code not in _TEXTS:
        return desk.refusal(refused)
    data = {name: str(value) for name, value in refused.data.items()}
    try:
        return f"{_TEXTS[code].format(**data)} ({code})"
    except KeyError:
        return f"Refused. ({code})"
