"""Reconciliation as finance reads it: kinds of breaks, states, steps, in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backoffice import desk
from kernel.refusal import Refused
from payments.reconciliation import attempts
from payments.reconciliation.words import BreakKind, BreakState, Method, ReconciliationCode

_B = BreakKind

#: Kind → (short name, what it means and what to do about it).
KINDS: Final[Mapping[str, tuple[str, str]]] = {
    _B.MISSING_AT_PSP.value: (
        "Missing at the provider",
        "The books have it and no settlement file does, past the time it may take. Ask the"
        " provider; if it never happened there, take it out of the books.",
    ),
    _B.MISSING_IN_LEDGER.value: (
        "Missing in the books",
        "The provider has it and the books do not. Find out whose it is before it is booked.",
    ),
    _B.AMOUNT.value: (
        "Amount differs",
        "Both sides have it with different amounts. The books are put right by an adjustment, or"
        " the provider corrects itself.",
    ),
    _B.CURRENCY.value: (
        "Currency differs",
        "Both sides have it in different currencies. Nothing is converted by itself.",
    ),
    _B.DUPLICATE.value: ("Twice", "One side has it twice. Find out which of the two is true."),
    _B.STATUS.value: (
        "Not final there",
        "The books count it as done, the provider says it is not final or did not happen.",
    ),
    _B.FEE.value: (
        "Fee differs",
        "The fee is not what was agreed, beyond rounding. Claim it back, or accept it.",
    ),
    _B.FX.value: ("Rate differs", "The rate is further from the booked one than was agreed."),
    _B.BATCH_SUM.value: (
        "Payout differs",
        "The rows of a payout do not come to what the bank received, or nothing came.",
    ),
    _B.UNMATCHED_BANK_LINE.value: (
        "Unknown line at the bank",
        "The bank has a line that no payout of a provider explains.",
    ),
    _B.UNBOOKED_CHARGEBACK.value: (
        "Chargeback not booked",
        "The provider took a deposit back and the books do not know. Book the dispute.",
    ),
    _B.TIMING.value: (
        "In transit",
        "One side has it and the other may still get it: it clears by itself, or becomes missing.",
    ),
}
#: What a difference consists of beside breaks.
NAMED: Final[Mapping[str, str]] = {
    "fee_to_book": "Fees to book",
    "payout_to_book": "Payouts to book",
    "fee_withheld": "Fees of rows that differ",
    "resolved": "Resolved by two people",
    "before_first_file": "Before the first file",
    "before_first_statement": "Before the first statement",
    "statement_gap": "Statements that do not meet",
    "booked_since": "Booked since it closed",
    "not_at_bank": "Booked, and not at the bank",
    "conversions": "Changed into other currencies",
}
#: Files that a run missed.
GAPS: Final[Mapping[str, str]] = {
    "no_file_yet": "no file has come yet",
    "no_file_since": "no file since",
    "formats_overlap": "two kinds of its files tell of the same days; take one kind",
    "taken_in_spite": "a file was taken in spite of a gap before it",
}
STATES: Final[Mapping[str, str]] = {
    BreakState.OPEN.value: "open",
    BreakState.RESOLVED.value: "resolved by two people",
    BreakState.CLEARED.value: "cleared by itself",
}
METHODS: Final[Mapping[str, str]] = {
    Method.LEDGER_ENTRY.value: "An adjustment of the books",
    Method.WRITE_OFF.value: "Accepted as it is",
}
CAUSES: Final[Mapping[str, str]] = {
    "nightly": "nightly",
    "import": "a file came",
    "command": "by command",
    "page": "asked for here",
}
EVENTS: Final[Mapping[str, str]] = {
    "found": "Found by a run",
    "changed": "Changed: it says something else",
    "cleared": "Cleared: a run finds it no more, or another break says it better",
    "reopened": "Open again",
    "assigned": "Given to somebody",
    "noted": "Noted",
    "proposed": "Resolution proposed",
    "approved": "Resolution approved",
    "refused": "Resolution refused",
    "withdrawn": "Resolution taken back",
}
_C = ReconciliationCode
TEXTS: Final[Mapping[str, str]] = {
    _C.UNKNOWN_BREAK.value: "There is no such break.",
    _C.BREAK_CLEARED.value: "It has cleared by itself meanwhile. There is nothing to resolve.",
    _C.ALREADY_RESOLVED.value: "It is resolved already.",
    _C.ALREADY_PROPOSED.value: "A resolution of it waits already. Decide that one first.",
    _C.NOT_DUE.value: "It may still clear by itself; it is not resolved before its time is over.",
    _C.FACTS_CHANGED.value: "A run has found something else since this page was shown. Look again.",
    _C.METHOD_NOT_FOR_KIND.value: "No adjustment of ours makes this kind of break good.",
    _C.UNKNOWN_CODE.value: "Choose one of the reasons to accept it.",
    _C.ADJUSTMENT_NOT_APPROVED.value: "That adjustment is not approved. A colleague approves it"
    " first.",
    _C.ADJUSTMENT_DOES_NOT_COVER.value: "That adjustment does not move the clearing account by"
    " exactly the difference.",
    _C.ADJUSTMENT_USED.value: "That adjustment stands for another break already.",
    _C.NOT_ALLOWED.value: "Your role may not do this.",
    _C.OVER_LIMIT.value: "That is more than your role may.",
    _C.NO_NOTE.value: "Say why.",
    _C.CONFLICT.value: "This form was sent before with other values. Load the page again.",
    _C.UNKNOWN_RESOLUTION.value: "There is no such proposal.",
    _C.ALREADY_DECIDED.value: "Somebody has decided this already.",
    _C.SAME_PERSON.value: "Somebody else decides what you proposed.",
    _C.NOT_YOURS.value: "Only who proposed it takes it back.",
    _C.AS_OF_IN_FUTURE.value: "That instant has not come yet.",
    _C.AS_OF_TOO_YOUNG.value: "Money may still be moving at that instant. Ask for an older one, or"
    " for none.",
    _C.UNKNOWN_PROVIDER.value: "The policy of reconciliation knows no such provider.",
    _C.NOT_OF_FINANCE.value: "They do not work in finance.",
    _C.DOES_NOT_ADD_UP.value: "The report does not add up, so it was not kept. Call the"
    " administrator.",
    _C.BAD_POLICY.value: "The policy of reconciliation cannot be read. Call the administrator.",
    # what ends a try without a refusal
    attempts.WORKER_DIED: "Its worker died each time that it was tried. Ask for another; if that"
    " ends so too, call the administrator.",
    attempts.BUG: "Something in the program broke, and nothing was kept. Call the administrator:"
    " the log says what.",
}


def kind(code: str) -> str:
    """The short name of a kind of break, or of what else a difference consists of."""
    known = KINDS[code][0] if code in KINDS else NAMED.get(code)
    return known or code.replace("_", " ").capitalize()


def refusal(refused: Refused) -> str:
    """A refusal of reconciliation as finance reads it, its code in brackets."""
    code = str(refused.code)
    return f"{TEXTS[code]} ({code})" if code in TEXTS else desk.refusal(refused)
