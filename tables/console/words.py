"""What the console says: read at two metres, so few words. Staff pages are English only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from kernel.refusal import Refused
from tables.console.console import ActKind, ConsoleCode, Done
from tables.console.key import ConsoleKeyCode
from tables.devices.devices import Health
from tables.devices.keys import ReportCode
from tables.models import Round, Table, TableStatus
from tables.opening.inspections import InspectionCode
from tables.opening.reasons import OpeningCode, Reason
from tables.phases import Phase
from tables.play.evidence import Fault
from tables.presenters.presenters import PresenterCode
from tables.presenters.shifts import ShiftCode
from tables.rules import roulette

#: Lines of 48 px that fit beneath the first reason on a Full HD screen.
MORE_REASONS_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class Says:
    """The three lines in the middle: the phase, what to do next, and why or how."""

    phase: str
    glyph: str
    next: str
    detail: str = ""


_PHASES: Final[Mapping[Phase, Says]] = {
    Phase.BETTING_OPEN: Says(
        "Place bets", "phase-open", "Launch when the last bets are called", "Bets close at 0."
    ),
    Phase.CLOSING_SOON: Says("Last bets", "phase-last", "Launch the ball", "Bets close at 0."),
    Phase.NO_MORE_BETS: Says(
        "No more bets", "phase-closed", "Launch the ball", "Then press Start, if it still asks."
    ),
    Phase.SPINNING: Says(
        "Ball in play", "phase-spin", "Watch the ball", "Type the number when it rests."
    ),
    Phase.NO_SPIN: Says("No spin", "phase-stop", "Launch the ball again", "All bets stand."),
    Phase.RESULT_PENDING: Says(
        "Checking", "phase-checking", "Confirm the number", "Read it from the wheel yourself."
    ),
    Phase.OFFICIAL: Says("Official", "phase-official", "Announce the number", "Bets are paid."),
    Phase.SETTLED: Says("Settled", "phase-settled", "Clear the layout"),
    Phase.SUSPENDED: Says(
        "Paused", "phase-stop", "Wait for the supervisor", "Leave ball and wheel as they are."
    ),
    Phase.VOIDED: Says("Void", "phase-void", "All stakes were returned"),
}

FAULTS: Final[Mapping[str, str]] = {
    Fault.SOURCES_DISAGREE: "Wheel and presenter named different numbers.",
    Fault.SOURCE_MISSING: "One of the two numbers did not come.",
    Fault.RESULT_CHANGED: "A number was changed after it was given.",
    Fault.RESULT_BEFORE_CLOSE: "A number came before betting closed.",
    Fault.NO_LAUNCH: "The ball was not launched in time.",
    Fault.NO_RESULT: "No number came in time.",
    Fault.TOO_MANY_RESPINS: "Too many void balls.",
    Fault.DEVICE_FAULT: "A device is faulty or silent.",
    Fault.CLOCK_SKEW: "A device's clock is wrong.",
    Fault.PRESENTER_CALL: "You called the supervisor.",
    Fault.INTERNAL_ERROR: "The platform had an error.",
    Fault.OPERATOR: "Stopped by the floor.",
    Fault.RULES_DIFFER: "Displayed rules and engine differ.",
}

HEALTH: Final[Mapping[Health, str]] = {
    Health.WELL: "ready",
    Health.BY_PICTURE: "see picture",
    Health.RETIRED: "out of service",
    Health.LATE: "late",
    Health.NEVER_HEARD: "never heard",
    Health.SILENT: "silent",
    Health.FAULTY: "faulty",
}

_REASONS: Final[Mapping[OpeningCode, str]] = {
    OpeningCode.TABLE_CLOSED: "The table is closed.",
    OpeningCode.TABLE_SUSPENDED: "The table is paused.",
    OpeningCode.SWITCHED_OFF: "Play is switched off ({scope}).",
    OpeningCode.NO_DEVICE: "The table has no wheel or keypad.",
    OpeningCode.DEVICE_SILENT: "{device} is silent.",
    OpeningCode.DEVICE_FAULTY: "{device} is faulty: {fault}.",
    OpeningCode.BALL_IN_PLAY: "An earlier ball still runs: take it out.",
    OpeningCode.NO_PRESENTER: "Nobody has signed on.",
    OpeningCode.PRESENTER_LEAVING: "The presenter has signed off.",
    OpeningCode.NOT_A_PRESENTER: "Who is signed on is no presenter any more.",
    OpeningCode.LICENCE_MISSING: "No valid licence is recorded.",
    OpeningCode.LICENCE_EXPIRED: "The licence ran out on {until}.",
    OpeningCode.TRAINING_MISSING: "No training for {game} is recorded.",
    OpeningCode.TRAINING_EXPIRED: "The training for {game} ran out on {until}.",
    OpeningCode.GAME_NOT_AUTHORISED: "There is no authorisation for {game}.",
    OpeningCode.GAME_AUTHORISATION_EXPIRED: "The authorisation for {game} ran out on {until}.",
    OpeningCode.NOT_INSPECTED: "The table is not inspected for today.",
    OpeningCode.INSPECTION_FAILED: "The inspection failed: {note}",
    OpeningCode.EQUIPMENT_CHANGED: "Equipment changed after the inspection.",
    OpeningCode.RULES_NOT_PUBLISHED: "The rules of this table are not published.",
    OpeningCode.RULES_DIFFER: "Displayed rules and engine differ.",
}

_REFUSALS: Final[Mapping[str, str]] = {
    ConsoleCode.UNKNOWN_ACT: "This key does nothing here.",
    ConsoleCode.BAD_KEY: "Not taken: the form was incomplete. Open the console again.",
    ConsoleCode.KEY_CONFLICT: "Not taken: sent before with other input. Try again.",
    ConsoleCode.NOT_ON_SHIFT: "You are not signed on at this table.",
    ConsoleCode.STALE_ROUND: "Not taken: the round has changed. Look, then try again.",
    ConsoleCode.STALE_PHASE: "Not taken: the phase has changed. Look, then try again.",
    ConsoleCode.WRONG_PHASE: "Not taken: this is not the moment for it.",
    ConsoleCode.NUMBER_MISSING: "Type a number from 0 to 36.",
    ConsoleCode.REASON_MISSING: "Say why.",
    ConsoleCode.TABLE_STOPPED: "The table stands still already: there is nothing to stop.",
    ConsoleKeyCode.KEY_NOT_SET: "This house has set no key for its consoles. Use the keypad.",
    ConsoleKeyCode.CONSOLE_RETIRED: "This console is out of service. Use the keypad.",
    ReportCode.REVOKED_KEY: "This console's key is revoked. Use the keypad.",
    ShiftCode.UNKNOWN_TABLE: "There is no such table.",
    ShiftCode.NOT_ONESELF: "Presenters sign on for themselves.",
    ShiftCode.TABLE_TAKEN: "Another presenter is signed on here.",
    ShiftCode.ROUND_IN_PLAY: "A round is still in play. Sign on when it is over.",
    ShiftCode.PRESENTER_ELSEWHERE: "You are signed on at another table. Sign off there first.",
    ShiftCode.SHIFT_ENDING: "Your shift here is ending. Sign on when the round is over.",
    InspectionCode.UNKNOWN_KIND: "There is no such kind of equipment.",
    InspectionCode.SERIAL_MISSING: "Give the serial number.",
    InspectionCode.SERIAL_TAKEN: "This piece is in service at another table.",
    InspectionCode.UNKNOWN_EQUIPMENT: "There is no such piece.",
    InspectionCode.EQUIPMENT_MISSING: "Register a {kind} first: there is none in service here.",
    InspectionCode.CHECK_MISSING: "Answer every check: {check} of {serial} is missing.",
    InspectionCode.NOTE_MISSING: "Say in the note what is not in order.",
    InspectionCode.NOTE_TOO_LONG: "The note is too long.",
    PresenterCode.UNKNOWN_PERSON: "There is no such person.",
    PresenterCode.NOT_A_PRESENTER: "This person is not an active presenter.",
    PresenterCode.NOT_BY_ONESELF: "Nobody records an authorisation of their own.",
    PresenterCode.UNKNOWN_GAME: "Choose a game for training and authorisation, none for a licence.",
    PresenterCode.NUMBER_MISSING: "A licence has a number, of at most 60 characters.",
    PresenterCode.DATES_WRONG: "The last day lies after the first.",
    PresenterCode.UNKNOWN_AUTHORISATION: "There is no such authorisation.",
}


def says(table: Table, round_: Round | None, reasons: tuple[Reason, ...], fault: str) -> Says:
    """The middle of the console."""
    if table.status == TableStatus.SUSPENDED and (
        round_ is None or round_.phase in {Phase.SUSPENDED, Phase.SETTLED, Phase.VOIDED}
    ):
        paused = _PHASES[Phase.SUSPENDED]
        return Says(paused.phase, paused.glyph, paused.next, FAULTS.get(fault, paused.detail))
    if round_ is not None and round_.finished_at is None:
        return _PHASES[Phase(round_.phase)]
    if reasons:
        return Says("No round opens", "phase-idle", "Put this right", reason_words(reasons[0]))
    return Says("Next round", "phase-idle", "Be ready: betting opens by itself")


def more_reasons(reasons: tuple[Reason, ...]) -> list[str]:
    """What else stands against a round: as many lines as can be read at two metres."""
    others = [reason_words(reason) for reason in reasons[1:]]
    if len(others) <= MORE_REASONS_MAX:
        return others
    shown = others[: MORE_REASONS_MAX - 1]
    return [*shown, f"And {len(others) - len(shown)} more."]


def reason_words(reason: Reason) -> str:
    """Why no round opens."""
    return _filled(_REASONS[reason.code], reason.data)


def refusal_words(refusal: Refused) -> str:
    """Why an act was refused. An unknown code is named as it is."""
    if isinstance(refusal.code, OpeningCode):
        return _filled(_REASONS[refusal.code], refusal.data)
    return _filled(_REFUSALS.get(refusal.code, f"Not taken ({refusal.code})."), refusal.data)


def done_words(done: Done) -> str:
    """What was taken."""
    match done.kind:
        case ActKind.LAUNCH:
            return "Launch noted."
        case ActKind.CONFIRM:
            return f"{number_words(done.number or 0)} confirmed."
        case ActKind.NO_SPIN:
            return "No spin noted. All bets stand."
        case ActKind.CALL:
            return "The supervisor is called. The table stops."


def number_words(number: int) -> str:
    """``17 Black``."""
    return f"{number} {roulette.colour(number).value.title()}"


def day_words(at_ms: int) -> str:
    """An instant as its day."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%-d %B %Y")


def _filled(words: str, data: Mapping[str, str | int | bool | None]) -> str:
    facts: dict[str, str] = {name: str(value) for name, value in data.items()}
    until = data.get("until")
    if isinstance(until, int):
        facts["until"] = day_words(until)
    try:
        return words.format(**facts)
    except KeyError:
        return words
