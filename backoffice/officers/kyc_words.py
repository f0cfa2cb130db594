"""Words of identity checks as staff read them. English: staff pages are."""

from __future__ import annotations

from typing import Final

from backoffice import desk
from compliance.kyc.states import Kind, Reason, State, Subject
from kernel.refusal import Refused

SUBJECTS: Final = {
    Subject.AGE: "Age",
    Subject.IDENTITY: "Identity",
    Subject.ADDRESS: "Address",
    Subject.FUNDS: "Source of funds",
}
KINDS: Final = {
    Kind.FRONT: "Front",
    Kind.BACK: "Back",
    Kind.SELFIE: "Face",
    Kind.ADDRESS: "Proof of address",
    Kind.FUNDS: "Proof of funds",
}
STATES: Final = {
    State.NONE: "nothing asked",
    State.STARTED: "waits for the player",
    State.DOCUMENTS: "files are being checked",
    State.AUTO_CHECKED: "files are being checked",
    State.REVIEW: "waits for an officer",
    State.VERIFIED: "verified",
    State.REJECTED: "rejected",
    State.EXPIRED: "run out",
}
REASONS: Final = {
    Reason.SOUND: "In order",
    Reason.UNREADABLE: "Cannot be read",
    Reason.INCOMPLETE: "A part is missing",
    Reason.EXPIRED: "Document has expired",
    Reason.NAME_DIFFERS: "Name differs",
    Reason.BIRTH_DIFFERS: "Date of birth differs",
    Reason.UNDER_AGE: "Under age by the document",
    Reason.OTHER_PERSON: "Another person's document",
    Reason.ALTERED: "Altered or forged",
    Reason.NOT_ACCEPTED: "Kind of document not accepted",
    Reason.TOO_OLD: "Document is too old",
    Reason.NOT_PLAUSIBLE: "Does not show where money comes from",
}
#: What the house looked at by itself.
FINDINGS: Final = {
    "zone": "Check digits of the zone",
    "name": "Name in zone and account",
    "birth": "Birth date in zone and account",
    "number": "Document number in zone and form",
    "expiry": "Not expired",
    "expiry_agrees": "Expiry in zone and form",
    "age": "Of age by the document",
    "face": "Face and liveness (provider)",
    "scan": "Virus scan",
    "seen_elsewhere": "Not sent by another account",
    "issued": "Recent enough",
}
OUTCOMES: Final = {
    "ok": ("fine", "is-good"),
    "warn": ("look closely", ""),
    "fail": ("against it", "is-alarm"),
    "unknown": ("not known", ""),
}
FIELDS: Final = {
    "name": "Name",
    "number": "Document number",
    "expires_on": "Valid until",
    "mrz": "Zone",
    "street": "Street",
    "place": "Postcode and town",
    "issued_on": "Date of the document",
    "source": "Comes from",
    "words": "In their words",
}
TEXTS: Final = {
    "kyc_stale": "The check has moved on since this page was loaded. Look again.",
    "kyc_not_in_review": "It no longer waits for an officer.",
    "kyc_waits_for_second": "One officer has decided; a second one agrees or not.",
    "kyc_nothing_waits": "Nothing waits for a second officer here.",
    "kyc_same_person": "Somebody else has to agree to what you decided.",
    "kyc_no_note": "Write a sentence: the player reads it, or the next officer does.",
    "kyc_unknown_reason": "Choose a reason that fits the verdict.",
    "kyc_quarantined": "A file is in quarantine: the scanner has not judged it yet.",
    "kyc_no_document": "There is no document to decide on.",
    "kyc_no_expiry": "Write until when the document is valid.",
    "kyc_names_a_date": "The document names a date: write it, and leave the box empty.",
    "kyc_document_expired": "The document has expired: reject it with that reason.",
    "kyc_birth_differs": "The date of birth is not the account's: reject it with that reason.",
    "kyc_under_age": "By the document the player is under age: reject it with that reason.",
    "kyc_not_under_age": "By that date the player is of age: another reason fits.",
    "kyc_not_a_date": "Write the date of birth as the document has it.",
    "mrz_empty": "Type the lines first.",
    "mrz_not_a_zone": "These are not the two or three lines of a zone.",
    "mrz_too_long": "That is longer than any zone.",
    "no_standing": "This player has no standing.",
}


def refusal(refused: Refused) -> str:
    """The refusal as staff read it, its code in brackets."""
    code = str(refused.code)
    return f"{TEXTS[code]} ({code})" if code in TEXTS else desk.refusal(refused)
