"""What of a player is checked, and how each moves: data, and what follows from it. Pure.

The database holds the same table of moves (migration 0005) and refuses any other; a test compares.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Subject(StrEnum):
    """What is checked, each for itself."""

    AGE = "age"
    IDENTITY = "identity"
    ADDRESS = "address"
    FUNDS = "funds"


class State(StrEnum):
    """Where a check is."""

    NONE = "none"  # nothing is asked of the player
    STARTED = "started"  # the player's turn: documents are asked for
    DOCUMENTS = "documents"  # they came; the house looks at them by itself
    AUTO_CHECKED = "auto_checked"
    REVIEW = "review"  # an officer's turn
    VERIFIED = "verified"
    REJECTED = "rejected"
    EXPIRED = "expired"


class Awaits(StrEnum):
    """Whose turn it is."""

    NOBODY = ""
    PLAYER = "player"
    HOUSE = "house"
    OFFICER = "officer"


MOVES: Final[frozenset[tuple[State, State]]] = frozenset(
    {
        (State.NONE, State.STARTED),
        (State.STARTED, State.DOCUMENTS),
        (State.DOCUMENTS, State.AUTO_CHECKED),
        (State.DOCUMENTS, State.STARTED),  # a file turned out to be infected
        (State.AUTO_CHECKED, State.REVIEW),
        (State.REVIEW, State.STARTED),  # more is wanted of the player
        (State.REVIEW, State.VERIFIED),
        (State.REVIEW, State.REJECTED),
        (State.STARTED, State.EXPIRED),  # the player's time is over
        (State.VERIFIED, State.EXPIRED),  # the document, or the time it counts, is over
        (State.REJECTED, State.STARTED),  # another try
        (State.EXPIRED, State.STARTED),
        (State.VERIFIED, State.STARTED),  # looked at anew
    }
)

AWAITS: Final = {
    State.NONE: Awaits.NOBODY,
    State.STARTED: Awaits.PLAYER,
    State.DOCUMENTS: Awaits.HOUSE,
    State.AUTO_CHECKED: Awaits.HOUSE,
    State.REVIEW: Awaits.OFFICER,
    State.VERIFIED: Awaits.NOBODY,
    State.REJECTED: Awaits.PLAYER,
    State.EXPIRED: Awaits.PLAYER,
}

#: From these a new attempt begins: what was decided stays with the attempt before.
ENDED: Final = frozenset({State.VERIFIED, State.REJECTED, State.EXPIRED})
#: From these a player may hand in documents.
OPEN_TO_PLAYER: Final = frozenset({State.NONE, State.STARTED, State.REJECTED, State.EXPIRED})
#: Only an officer's decision leads here.
DECIDED: Final = frozenset({State.VERIFIED, State.REJECTED})


class Kind(StrEnum):
    """What a file shows."""

    FRONT = "front"
    BACK = "back"
    SELFIE = "selfie"
    ADDRESS = "address"
    FUNDS = "funds"


#: The form that serves a subject, and what it must have. Identity papers prove the age as well.
SERVED_BY: Final = {
    Subject.IDENTITY: (Subject.IDENTITY, Subject.AGE),
    Subject.ADDRESS: (Subject.ADDRESS,),
    Subject.FUNDS: (Subject.FUNDS,),
}
KINDS: Final = {
    Subject.IDENTITY: (Kind.FRONT, Kind.BACK, Kind.SELFIE),
    Subject.ADDRESS: (Kind.ADDRESS,),
    Subject.FUNDS: (Kind.FUNDS,),
}
REQUIRED: Final = {
    Subject.IDENTITY: frozenset({Kind.FRONT}),
    Subject.ADDRESS: frozenset({Kind.ADDRESS}),
    Subject.FUNDS: frozenset({Kind.FUNDS}),
}


class Verdict(StrEnum):
    """What an officer says."""

    VERIFY = "verify"
    REJECT = "reject"


class Reason(StrEnum):
    """Why, as a code; what the player reads is in `compliance.kyc.wording`."""

    SOUND = "sound"
    UNREADABLE = "unreadable"
    INCOMPLETE = "incomplete"
    EXPIRED = "document_expired"
    NAME_DIFFERS = "name_differs"
    BIRTH_DIFFERS = "birth_differs"
    UNDER_AGE = "under_age"
    OTHER_PERSON = "other_person"
    ALTERED = "altered"
    NOT_ACCEPTED = "not_accepted"
    TOO_OLD = "too_old"
    NOT_PLAUSIBLE = "not_plausible"


REASONS: Final = {
    Verdict.VERIFY: (Reason.SOUND,),
    Verdict.REJECT: tuple(one for one in Reason if one is not Reason.SOUND),
}


def form_of(subject: Subject) -> Subject:
    """The subject whose form serves ``subject``."""
    return next(form for form, served in SERVED_BY.items() if subject in served)
