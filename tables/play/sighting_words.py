"""What the devices of a table said, in words: the evidence on a round's page."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _

from studio.protocol.messages import ObservationKind


def device_words(kind: str) -> str:
    """Who said it: the kinds that tables enrol."""
    return {
        "wheel": _("Wheel"),
        "keypad": _("Presenter"),
        "console": _("Presenter"),
    }.get(kind, kind)


def sighting_words(kind: str, data: Mapping[str, object]) -> str:  # noqa: PLR0911  (one case each)
    """One observation as its reader understands it; a kind without words is named as it is."""
    facts = {name: str(value) for name, value in data.items()}
    match kind:
        case ObservationKind.WHEEL_STATE:
            return _state_words(facts.get("state", ""))
        case ObservationKind.SPIN_STARTED | ObservationKind.PRESENTER_LAUNCH:
            return _("the ball is launched")
        case ObservationKind.RESULT | ObservationKind.PRESENTER_CONFIRM:
            return _("number %(number)s") % facts
        case ObservationKind.NO_SPIN | ObservationKind.PRESENTER_NO_SPIN:
            return _("no spin: the ball is launched again")
        case ObservationKind.DEVICE_FAULT:
            return _("a fault: not to be believed now")
        case ObservationKind.DEVICE_OK:
            return _("well again")
        case ObservationKind.PRESENTER_CALL:
            return _("calls the supervisor")
        case _:
            return kind


def _state_words(state: str) -> str:
    """The states of the wheel's sensor, as its manual numbers them."""
    return {
        "1": _("at rest"),
        "2": _("bets may be placed"),
        "3": _("the ball runs on the rim"),
        "4": _("no more bets"),
        "5": _("the ball lies in a pocket"),
        "6": _("wheel closed"),
        "7": _("the ball is not seen"),
    }.get(state, state)
