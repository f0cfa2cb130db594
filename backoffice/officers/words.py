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
    "list_shrank": "Only {now} {what}, where {before} were: say why, or get the file again.",
    "list_unknown_kind": "{file}, entry {entry}: nobody here knows the kind {kind}.",
    "list_too_many_names": "Entry {entry} has {names} names; {at_most} at most are read.",
    "list_unconfirmed": "The first list of a name takes its SHA-256 or how many entries it has.",
    "list_wrong_count": "{now} entries, where {expected} were said.",
    "list_unchanged": "This very list is in force already.",
    "list_wrong_digest": "{file} does not hash to what its sender says.",
    "list_unknown_format": "Choose the format.",
    "list_bad_source": "A list's name has small letters, digits and hyphens.",
    "list_missing_file": "{file} is missing.",
    "exclusion_too_short": "It must last until {least} at least.",
    "exclusion_would_shorten": "It lasts until {until} already, and nobody can shorten it.",
    "likeness_decided": "Somebody has decided this already.",
    "no_standing": "There is no such player.",
    "no_such_hit": "There is no such hit.",
    "hit_stale": "Somebody said something on this hit at the same moment. Read it, then decide.",
    "hit_decided": "This hit is decided.",
    "same_person": "Somebody else decides what you proposed.",
    "nothing_proposed": "Nothing is proposed any more.",
    "no_such_rule": "There is no such rule.",
    "rule_stale": "Somebody moved this rule meanwhile. Read it again, then decide.",
    "rule_step_not_possible": "That is not possible while the rule is: {state}.",
    "rule_without_backtest": "Try it on history first; a backtest counts for {days} days.",
    "rule_backtest_too_long": "History takes more than the worker's time: backtest_rules tries it.",
    "rule_trial_waits": "It is being tried already.",
    "rule_trial_died": "The worker ended twice while it tried. Its log says why.",
    "rule_trial_failed": "It could not be tried. The worker's log says why.",
    "no_such_watch_case": "There is no such case.",
    "watch_case_stale": "Somebody moved this case meanwhile. Read it again, then decide.",
    "watch_step_not_possible": "That is not possible while the case is: {state}.",
    "watch_text_missing": "Write something first.",
    "watch_text_too_long": "That is too long: {at_most} characters at most.",
    "watch_no_player": "There is no such player.",
    "watch_verdict_missing": "Choose one.",
    "watch_no_report": "There is no report of this case.",
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
