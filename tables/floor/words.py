"""What the floor's pages say. Staff pages are English only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from accounts.models import User
from kernel.ids import ActorKind
from kernel.refusal import Refused
from tables.devices.devices import Health
from tables.incidents.rules import Act
from tables.models import Device, Round
from tables.opening.reasons import OpeningCode, Reason
from tables.phases import Phase
from tables.play.evidence import Fault
from tables.rules import roulette

PHASES: Final = {
    Phase.BETTING_OPEN: "Place bets",
    Phase.CLOSING_SOON: "Last bets",
    Phase.NO_MORE_BETS: "No more bets",
    Phase.SPINNING: "Ball in play",
    Phase.NO_SPIN: "No spin, launch again",
    Phase.RESULT_PENDING: "Checking",
    Phase.OFFICIAL: "Official",
    Phase.SETTLED: "Settled",
    Phase.SUSPENDED: "Suspended",
    Phase.VOIDED: "Void, stakes returned",
}

FAULTS: Final = {
    Fault.SOURCES_DISAGREE: "The sources disagree",
    Fault.SOURCE_MISSING: "A source is missing",
    Fault.RESULT_CHANGED: "A source changed its number",
    Fault.RESULT_BEFORE_CLOSE: "A number before betting closed",
    Fault.NO_LAUNCH: "The ball was not launched",
    Fault.NO_RESULT: "No result came",
    Fault.TOO_MANY_RESPINS: "Too many respins",
    Fault.DEVICE_FAULT: "A device is faulty or silent",
    Fault.CLOCK_SKEW: "A device's clock is wrong",
    Fault.PRESENTER_CALL: "The presenter calls",
    Fault.INTERNAL_ERROR: "An error of the platform",
    Fault.OPERATOR: "Stopped by hand",
    Fault.RULES_DIFFER: "Displayed rules and engine differ",
}

HEALTH: Final = {
    Health.WELL: "well",
    Health.BY_PICTURE: "known by its picture",
    Health.RETIRED: "out of service",
    Health.LATE: "late",
    Health.NEVER_HEARD: "never heard",
    Health.SILENT: "silent",
    Health.FAULTY: "faulty",
}

#: Why the next round does not open; devices, switches and suspension are shown elsewhere.
AGAINST: Final = {
    OpeningCode.BALL_IN_PLAY: "An earlier ball is still in play",
    OpeningCode.NO_PRESENTER: "No presenter is on shift",
    OpeningCode.PRESENTER_LEAVING: "The presenter is leaving",
    OpeningCode.NOT_A_PRESENTER: "Who is on shift is no presenter any more",
    OpeningCode.LICENCE_MISSING: "The presenter has no licence",
    OpeningCode.LICENCE_EXPIRED: "The presenter's licence has expired",
    OpeningCode.TRAINING_MISSING: "The presenter has no training for this game",
    OpeningCode.TRAINING_EXPIRED: "The presenter's training has expired",
    OpeningCode.GAME_NOT_AUTHORISED: "The presenter is not authorised for this game",
    OpeningCode.GAME_AUTHORISATION_EXPIRED: "The presenter's authorisation has expired",
    OpeningCode.NOT_INSPECTED: "Not inspected for this gaming day",
    OpeningCode.INSPECTION_FAILED: "The inspection was not passed",
    OpeningCode.EQUIPMENT_CHANGED: "Equipment changed since the inspection",
    OpeningCode.RULES_NOT_PUBLISHED: "The rules of this table are not published",
    OpeningCode.RULES_DIFFER: "Displayed rules and engine differ",
}

#: What somebody did about an incident.
DONE: Final = {
    Act.TAKE: "took the incident",
    Act.TICK: "ticked: {step}",
    Act.NOTE: "noted: {text}",
    Act.VOID: "voided the round: {reason}, {text}",
    Act.RESPIN: "let it spin again: {text}",
    Act.MANUAL_RESULT: "entered a number by hand ({place} of 2)",
    Act.RESUME: "resumed the table: {cause}",
    Act.CONFIRM_RESUME: "confirmed the resume",
    Act.DECLINE_RESUME: "declined to resume: {text}",
    Act.REPORT: "told the regulator: {reference}",
}

#: Told to whoever stops a table that something else has stopped.
STOPPED_ALREADY: Final = "had stopped already: your cause is kept as a note on this incident."
#: Told where no incident is open that could keep the cause: no act of ours leaves that behind.
STOPPED_WITHOUT_INCIDENT: Final = (
    "The table is suspended already: no bet is taken. No incident of it is open, so your cause was"
    " not kept: tell an administrator."
)

#: Why an act was refused. The page adds the code, and that nothing was changed.
REFUSALS: Final = {
    "stale": "Somebody changed this since the page was shown. Look at what is new, then decide.",
    "unknown_table": "There is no such table.",
    "table_closed": "The table is closed: nothing runs that could be stopped.",
    "stop_over": "The stop that this form made is over, and nothing was stopped now. See what is"
    " new at the table; sent again, this stops it anew.",
    "order_lifted": "What this form stopped was enabled again since, and nothing was stopped now."
    " Sent again, it is stopped anew.",
    "unknown_device": "There is no such device.",
    "unknown_key": "There is no such key.",
    "unknown_kind": "Choose what kind of device it is.",
    "unknown_scope": "There is nothing of that name to stop.",
    "bad_name": "A name has 1 to 60 of a to z, 0 to 9, dot, underscore, colon and hyphen.",
    "bad_public_key": "That is no Ed25519 public key: 32 bytes in base64, 44 characters.",
    "key_missing": "A device that must be heard needs a key to sign with.",
    "key_taken": "That key, or its name, was enrolled before. A key is never used twice.",
    "device_taken": "A device of that name stands in the register already.",
    "retired": "The device is out of service.",
    "reason_missing": "Say why, in at most {chars_max} characters.",
    "round_in_play": "Round {round} is being played. Wait for its end, or suspend the table.",
    "already_disabled": "That is stopped already.",
    "not_disabled": "That is not stopped: somebody enabled it again.",
    "given_by_others": "Who stopped this may stop more than you: they, or compliance, lift it.",
    "no_cause": "Say the cause.",
    "not_suspended": "The table is not suspended.",
    "round_unresolved": "A round is not resolved: void it, spin it again or enter its result. If it"
    " is void already, its stakes are still being returned: wait until they are.",
    "round_not_suspended": "The round is not suspended any more.",
    "newer_incident": "A newer incident stopped this round: how it ends is decided there.",
    "refunds_begun": "The refunds of this round have begun: it can only be voided.",
    "stale_incident": "Somebody acted since this page was shown. See what is new, then decide.",
    "unknown_incident": "There is no such incident.",
    "not_allowed": "Your role may not do this.",
    "bad_key": "The form was incomplete. Load the page again and repeat what you did.",
    "key_conflict": "This form was sent before with other input. Load the page again.",
    "incident_resolved": "The incident is resolved.",
    "already_yours": "You have taken it already.",
    "unknown_step": "The procedure has no such step.",
    "step_done": "That step is ticked already.",
    "steps_open": "First tick the steps of the procedure that come before this.",
    "no_text": "Write something.",
    "too_long": "That is too long: {allowed} characters at most.",
    "not_in_procedure": "The procedure of this fault does not allow it.",
    "unknown_reason": "Choose a reason from the list.",
    "no_round": "No round was in play.",
    "betting_was_open": "Betting was open when the table stopped: no result may be entered.",
    "devices_not_well": "A device of the table is not well yet.",
    "resume_proposed": "A resume is proposed already. Somebody else confirms it.",
    "resume_not_proposed": "Nobody proposes to resume.",
    "other_incidents_open": "Another open incident of this table has steps to do.",
    "same_person": "That takes two people: somebody else must do this.",
    "is_presenter": "You present this round: others enter its result.",
    "not_on_wheel": "Enter a number from 0 to 36.",
    "entries_disagree": "The two numbers differ. Both are kept; look again, and both enter anew.",
    "nothing_to_report": "Nobody outside has to be told of this.",
    "already_reported": "The report is recorded already.",
    "unknown_round": "There is no such round at that table.",
    "unknown_correction": "There is no such correction.",
    "no_result_to_correct": "That round has no official result.",
    "same_number": "That is the number that stands already.",
    "no_reason": "Say why.",
    "correction_open": "A correction of that round waits already.",
    "already_decided": "Somebody decided that already.",
    "unknown_shortfall": "Say who bears what players no longer have.",
    "second_person_needed": "A second person is needed.",
    "form_incomplete": "The form is incomplete. Load the page again and repeat what you did.",
}


def phase(round_: Round | None, shown: Phase | None) -> str:
    """What the strip of a table says: the phase, or the result where it stands."""
    if shown is None:
        return "Closed"
    if shown in {Phase.OFFICIAL, Phase.SETTLED} and round_ and round_.result is not None:
        return number(round_.result)
    return PHASES[shown]


def number(result: int) -> str:
    """``26 Black``."""
    colour = roulette.colour(result).value
    return f"{result} {'Zero' if colour == 'green' else colour.title()}"


def fault(code: str) -> str:
    """Why a table stopped."""
    known = set(Fault)
    return FAULTS[Fault(code)] if code in known else code.replace("_", " ").capitalize()


def suspended(table: str, code: str) -> str:
    """What a screen reader is told of a new stop: ``Fastnet suspended: the sources disagree``."""
    said = fault(code)
    return f"{table} suspended: {said[0].lower()}{said[1:]}"


def against(reason: Reason) -> str:
    """Why a round does not open."""
    return AGAINST.get(reason.code, reason.code.replace("_", " ").capitalize())


def done(act: Act, data: Mapping[str, Any]) -> str:
    """What somebody did about an incident."""
    said = {name: str(value) for name, value in data.items()}
    words = DONE[act].format_map(defaultdict(str, said)).replace("_", " ").strip(" :,")
    if act is Act.RESUME and data.get("proposed"):
        return words.replace("resumed the table", "proposed to resume")
    return words


def device(found: Device, health: Health, quiet: timedelta | None) -> str:
    """How one device is, in a few words."""
    name = found.kind.capitalize()
    if health is Health.FAULTY:
        return f"{name}: {found.last_fault.replace('_', ' ')}"
    if health in {Health.SILENT, Health.LATE} and quiet is not None:
        return f"{name} {HEALTH[health]} {seconds(quiet)}"
    return f"{name} {HEALTH[health]}"


def seconds(length: timedelta) -> str:
    """``2.1 s``, ``42 s``, ``7 min``, ``3 h``: as exact as somebody needs it."""
    tenths = length // timedelta(milliseconds=100)
    if tenths < 100:
        return f"{tenths // 10}.{tenths % 10} s"
    whole = tenths // 10
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7_200 else f"{whole // 3_600} h"


def scope(name: str) -> str:
    """What a switch stops."""
    kind, _, which = name.partition(":")
    match kind:
        case "all":
            return "All betting, deposits and sign-up"
        case "play":
            return "All betting"
        case "table":
            return f"Table {which}"
        case "game":
            return f"Game {which}"
        case "sign_up":
            return "Sign-up"
        case _:
            return f"{kind.capitalize()} {which}".strip()


def refusal(refused: Refused) -> str:
    """Why it was refused, in words."""
    code = str(refused.code)
    words = REFUSALS.get(code)
    if words is None:
        return code.replace("_", " ").capitalize() + "."
    try:
        return words.format(**refused.data)
    except (KeyError, IndexError):
        return words


def names(actors: Iterable[str]) -> dict[str, str]:
    """Who the actors are, as colleagues call them; one statement."""
    wanted = set(actors)
    prefix = f"{ActorKind.STAFF}:"
    ids = {one.removeprefix(prefix) for one in wanted if one.startswith(prefix)}
    people = User.objects.in_bulk([int(one) for one in ids if one.isdecimal()])
    known = {f"{prefix}{user_id}": user.get_short_name() for user_id, user in people.items()}
    return {one: known.get(one) or _system(one) for one in wanted}


def _system(actor: str) -> str:
    kind, _, name = actor.partition(":")
    return "the platform" if kind == ActorKind.SYSTEM else f"{kind} {name}".strip()
