"""What a player reads about checks: refusals with a remedy, states, and whose turn it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from compliance.kyc.states import Kind, Reason, State, Subject

Data = Mapping[str, Any]

SUBJECTS: Final[dict[Subject, Promise | str]] = {
    Subject.AGE: gettext_lazy("Your age"),
    Subject.IDENTITY: gettext_lazy("Who you are"),
    Subject.ADDRESS: gettext_lazy("Where you live"),
    Subject.FUNDS: gettext_lazy("Where your money comes from"),
}
KINDS: Final[dict[Kind, Promise | str]] = {
    Kind.FRONT: gettext_lazy("Front of your identity card, passport or driving licence"),
    Kind.BACK: gettext_lazy("Back"),
    Kind.SELFIE: gettext_lazy("A picture of your face"),
    Kind.ADDRESS: gettext_lazy("A bill, bank statement or official letter with your address"),
    Kind.FUNDS: gettext_lazy("A payslip, statement, contract or decision that shows it"),
}
KIND_HINTS: Final[dict[Kind, Promise | str]] = {
    Kind.FRONT: gettext_lazy("All four corners in the picture, in focus, without a reflection."),
    Kind.BACK: gettext_lazy("A passport has none: leave it out."),
    Kind.SELFIE: gettext_lazy("Helps us to see that the document is yours."),
    Kind.ADDRESS: gettext_lazy("Not older than three months, with your name on it."),
    Kind.FUNDS: gettext_lazy("You may cover what has nothing to do with it."),
}
#: State → word on the badge, its look.
STATES: Final[dict[State, tuple[Promise | str, str]]] = {
    State.NONE: (gettext_lazy("Nothing asked"), "off"),
    State.STARTED: (gettext_lazy("Your turn"), "stop"),
    State.DOCUMENTS: (gettext_lazy("Arrived"), "pending"),
    State.AUTO_CHECKED: (gettext_lazy("Arrived"), "pending"),
    State.REVIEW: (gettext_lazy("Being looked at"), "pending"),
    State.VERIFIED: (gettext_lazy("Verified"), "good"),
    State.REJECTED: (gettext_lazy("Not accepted"), "stop"),
    State.EXPIRED: (gettext_lazy("Run out"), "stop"),
}
#: State → what is awaited and from whom.
AWAITED: Final[dict[State, Promise | str]] = {
    State.NONE: gettext_lazy("We ask nothing of you now. You may send documents ahead of time."),
    State.STARTED: gettext_lazy("We wait for documents from you."),
    State.DOCUMENTS: gettext_lazy("We have your documents and are checking the files."),
    State.AUTO_CHECKED: gettext_lazy("We have your documents and are checking the files."),
    State.REVIEW: gettext_lazy("One of our officers looks at your documents. You need do nothing."),
    State.VERIFIED: gettext_lazy("Everything is in order. You need do nothing."),
    State.REJECTED: gettext_lazy(
        "We could not accept what you sent. You can send other documents."
    ),
    State.EXPIRED: gettext_lazy("Please send current documents. Some things wait until then."),
}
#: What happened: the state reached, or the cause where that says more.
EVENTS: Final[dict[str, Promise | str]] = {
    "the account was opened": gettext_lazy("Documents are asked for"),
    "the player began": gettext_lazy("You began"),
    "more was asked for": gettext_lazy("We asked for more"),
    "asked for": gettext_lazy("We asked for documents"),
    "a file was infected": gettext_lazy("A file was infected; we destroyed it"),
    "the time to answer is over": gettext_lazy("The time to send documents ended"),
    "it counts no longer": gettext_lazy("Your verification ran out"),
    "documents": gettext_lazy("Your documents arrived"),
    "review": gettext_lazy("The files are in order; an officer looks at them"),
    "verified": gettext_lazy("Verified"),
    "rejected": gettext_lazy("Not accepted"),
}
REASONS: Final[dict[Reason, Promise | str]] = {
    Reason.SOUND: "",
    Reason.UNREADABLE: gettext_lazy("The picture cannot be read."),
    Reason.INCOMPLETE: gettext_lazy("A part of the document is missing."),
    Reason.EXPIRED: gettext_lazy("The document has expired."),
    Reason.NAME_DIFFERS: gettext_lazy("The name is not the one you gave us."),
    Reason.BIRTH_DIFFERS: gettext_lazy("The date of birth is not the one you gave us."),
    Reason.UNDER_AGE: gettext_lazy("The document shows that you are too young to play."),
    Reason.OTHER_PERSON: gettext_lazy("The document belongs to somebody else."),
    Reason.ALTERED: gettext_lazy("The document has been changed."),
    Reason.NOT_ACCEPTED: gettext_lazy("We do not accept this kind of document."),
    Reason.TOO_OLD: gettext_lazy("The document is too old."),
    Reason.NOT_PLAUSIBLE: gettext_lazy("It does not show where the money comes from."),
}

_TEXTS: Final[dict[str, Callable[[Data], str]]] = {
    "file_empty": lambda _d: _("The file is empty. Take the picture again."),
    "file_too_large": lambda d: (
        _("The file is larger than %(mb)s MB. A picture straight from the camera is smaller.")
        % {"mb": d.get("mb_max", 10)}
    ),
    "file_too_many": lambda d: (
        _("That is more than %(files)s files. Send the most important ones.")
        % {"files": d.get("files_max", 8)}
    ),
    "file_form_full": lambda d: (
        _("Together these files are more than %(mb)s MB. Send this one by itself afterwards.")
        % {"mb": d.get("mb_max", 40)}
    ),
    "file_unknown_type": lambda _d: _("This is no picture and no PDF. Send a JPEG, PNG or PDF."),
    "file_drawing": lambda _d: _("Drawings (SVG) are not taken. Send a photo or a PDF."),
    "file_archive": lambda _d: _("Archives are not taken. Send the pictures one by one."),
    "file_two_in_one": lambda _d: _(
        "The file holds more than a picture. Take a new photo and send that."
    ),
    "file_truncated": lambda _d: _("The file is cut off. Send it once more."),
    "file_heic_not_read": lambda _d: _(
        "We cannot read HEIC pictures. Set the camera to “most compatible”, or send a JPEG."
    ),
    "file_too_many_pixels": lambda _d: _("The picture is larger than any camera's. Send a photo."),
    "file_too_small": lambda _d: _("The picture is too small to read. Take it from nearer."),
    "file_too_many_pages": lambda _d: _("The PDF has more than 10 pages. Send the relevant ones."),
    "file_locked": lambda _d: _("The PDF asks for a password. Send one without."),
    "file_unreadable": lambda _d: _("We cannot open the file. Take a photo of the document."),
    "file_too_much_work": lambda _d: _(
        "The file takes too much to open. Take a photo of the document."
    ),
    "file_infected": lambda _d: _(
        "Our scanner found malicious software in the file. We kept nothing of it."
    ),
    "file_busy": lambda _d: _("Many are sending files right now. Try again in a minute."),
    "kyc_not_open": lambda _d: _("We have your documents already and are looking at them."),
    "kyc_key_reused": lambda _d: _("This form was sent before. Load the page again."),
    "kyc_bad_key": lambda _d: _("The form was incomplete. Load the page again."),
    "kyc_too_often": lambda _d: _("You have sent many forms this hour. Try again later."),
    "kyc_nothing_new": lambda _d: _("Choose a file first."),
    "kyc_stale": lambda _d: _("Something has changed meanwhile. Look at the page again."),
    "mrz_not_a_zone": lambda _d: _(
        "These are not the two or three lines of a document. Copy them exactly, or leave it empty."
    ),
    "mrz_too_long": lambda _d: _("That is longer than the lines of any document."),
    "no_standing": lambda _d: _("This account is not set up for play. Our support can help."),
}


def refusal_text(code: str, data: Data) -> str:
    """Plain words and a remedy for a refusal."""
    words = _TEXTS.get(code)
    return words(data) if words else _("This is not possible at present. Nothing was lost.")


def known_codes() -> frozenset[str]:
    """Codes that have words: a test compares them with the codes a player can meet."""
    return frozenset(_TEXTS)
