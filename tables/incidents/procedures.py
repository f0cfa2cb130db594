"""What people do after a table has stopped: procedures per fault, as data (F24, F39, F48).

`procedures.yaml` is read strictly when the app starts: a fault or a device's code without a
procedure, an unknown act, an odd field stop the start. Knows neither database nor people; which act
may be done at a given moment is `tables.incidents.rules`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from studio.protocol.messages import FaultCode, NoSpinReason
from tables.play.evidence import Fault

FORMAT: Final = 1
PATH: Final = Path(__file__).with_suffix(".yaml")
#: Some pages of text; anything larger is not a file of procedures.
BYTES_MAX: Final = 128 * 1024


class BadProcedures(Exception):
    """The file says something we do not understand. It stops the start, on purpose."""


class Resolution(StrEnum):
    """What a procedure may allow: three ways to end the round, and opening the table again."""

    VOID = "void"
    RESPIN = "respin"
    MANUAL_RESULT = "manual_result"
    RESUME = "resume"


class Told(StrEnum):
    """What players are told of it; the words are in `tables.wording`."""

    SOURCES = "sources"
    DEVICE = "device"
    SUPERVISOR = "supervisor"


class Before(StrEnum):
    """By when a step is done: before the round is resolved, or before the table is resumed."""

    DECIDE = "decide"
    RESUME = "resume"


class LeadsTo(StrEnum):
    """Where a device's code leads by itself."""

    RESPIN = "respin"
    SUSPEND = "suspend"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a person does and ticks."""

    id: str
    text: str
    before: Before


@dataclass(frozen=True, slots=True)
class Procedure:
    """What is done about one kind of fault. ``report_hours`` None: nobody outside is told."""

    name: str
    title: str
    meaning: str
    told: Told
    steps: tuple[Step, ...]
    acts: frozenset[Resolution]
    void_reasons: tuple[str, ...]
    second_person: bool
    devices_well: bool
    report_hours: int | None


@dataclass(frozen=True, slots=True)
class Code:
    """What one word of a device means, and which procedure it leads to."""

    code: str
    leads_to: LeadsTo
    procedure: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Book:
    """Everything in the file."""

    procedures: Mapping[str, Procedure]
    codes: Mapping[str, Code]
    #: Code of a reason for voiding a round → its words.
    void_reasons: Mapping[str, str]

    def of(self, fault: str, detail: str = "") -> Procedure:
        """The procedure of an incident. A device's own code is more exact than "device fault"."""
        if fault == Fault.DEVICE_FAULT and detail in self.codes:
            return self.procedures[self.codes[detail].procedure]
        return self.procedures[Fault(fault).value]


T = TypeVar("T")


def load_text(text: str) -> Book:
    """The book in ``text``. Raises ``BadProcedures`` for anything that is not wholly understood."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadProcedures(f"not YAML: {error}") from None
    fields = _fields("file", document, {"format", "procedures", "codes", "void_reasons"})
    if fields["format"] != FORMAT:
        raise BadProcedures(f"format must be {FORMAT}")
    reasons = {
        str(code): _words(f"void_reasons: {code}", words)
        for code, words in _mapping("void_reasons", fields["void_reasons"]).items()
    }
    procedures = {
        str(name): _procedure(str(name), value, reasons)
        for name, value in _mapping("procedures", fields["procedures"]).items()
    }
    codes = {
        str(code): _code(str(code), value, procedures)
        for code, value in _mapping("codes", fields["codes"]).items()
    }
    _complete("faults without procedure", {fault.value for fault in Fault}, set(procedures))
    said = {code.value for code in FaultCode} | {reason.value for reason in NoSpinReason}
    _complete("device codes without procedure", said, set(codes))
    return Book(procedures, codes, reasons)


def _procedure(name: str, value: Any, reasons: Mapping[str, str]) -> Procedure:
    fields = _fields(
        name,
        value,
        {
            "title", "meaning", "told", "steps", "acts", "void_reasons", "second_person",
            "devices_well", "report_hours",
        },
    )  # fmt: skip
    acts = frozenset(_one_of(name, Resolution, act) for act in _list(name, fields["acts"]))
    allowed = tuple(str(reason) for reason in _list(name, fields["void_reasons"]))
    _complete(f"{name}: unknown void_reasons", set(allowed), set(reasons))
    if bool(allowed) != (Resolution.VOID in acts):
        raise BadProcedures(f"{name}: void and void_reasons go together")
    steps = tuple(_step(name, step) for step in _list(name, fields["steps"]))
    if not steps or len({step.id for step in steps}) != len(steps):
        raise BadProcedures(f"{name}: needs steps, each with an id of its own")
    hours = fields["report_hours"]
    if hours is not None and (type(hours) is not int or hours <= 0):
        raise BadProcedures(f"{name}: report_hours is a positive whole number or null")
    return Procedure(
        name=name,
        title=_words(name, fields["title"]),
        meaning=_words(name, fields["meaning"]),
        told=_one_of(name, Told, fields["told"]),
        steps=steps,
        acts=acts,
        void_reasons=allowed,
        second_person=_flag(name, fields["second_person"]),
        devices_well=_flag(name, fields["devices_well"]),
        report_hours=hours,
    )


def _step(name: str, value: Any) -> Step:
    fields = _fields(name, value, {"id", "before", "text"})
    return Step(
        id=_words(name, fields["id"]),
        text=_words(name, fields["text"]),
        before=_one_of(name, Before, fields["before"]),
    )


def _code(code: str, value: Any, procedures: Mapping[str, Procedure]) -> Code:
    fields = _fields(code, value, {"leads_to", "procedure", "meaning"})
    procedure = str(fields["procedure"])
    if procedure not in procedures:
        raise BadProcedures(f"{code}: there is no procedure {procedure}")
    return Code(
        code=code,
        leads_to=_one_of(code, LeadsTo, fields["leads_to"]),
        procedure=procedure,
        meaning=_words(code, fields["meaning"]),
    )


def _complete(what: str, wanted: set[str], found: set[str]) -> None:
    if missing := sorted(wanted - found):
        raise BadProcedures(f"{what}: {', '.join(missing)}")


def _fields(where: str, value: Any, names: set[str]) -> dict[str, Any]:
    found = _mapping(where, value)
    if set(found) != names:
        raise BadProcedures(f"{where}: has {sorted(map(str, found))}, needs {sorted(names)}")
    return found


def _mapping(where: str, value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise BadProcedures(f"{where}: is not a mapping")
    return value


def _list(where: str, value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > 50:
        raise BadProcedures(f"{where}: is not a short list")
    return value


def _words(where: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 400:
        raise BadProcedures(f"{where}: needs words, not {value!r}")
    return value


def _flag(where: str, value: Any) -> bool:
    if type(value) is not bool:
        raise BadProcedures(f"{where}: {value!r} is not true or false")
    return value


def _one_of(where: str, kind: Callable[[Any], T], value: Any) -> T:
    try:
        return kind(value)
    except ValueError:
        raise BadProcedures(f"{where}: {value!r} is none of those we know") from None


def load() -> Book:
    """The file beside this module, read again."""
    if PATH.stat().st_size > BYTES_MAX:
        raise BadProcedures(f"larger than {BYTES_MAX} bytes")
    return load_text(PATH.read_text(encoding="utf-8"))


#: Read once, when the app starts: what is wrong in it stops the start.
BOOK: Final = load()


def of(fault: str, detail: str = "") -> Procedure:
    """The procedure of an incident with this fault and detail."""
    return BOOK.of(fault, detail)


def named(name: str) -> Procedure | None:
    """The procedure of this name, or None where the file no longer has it."""
    return BOOK.procedures.get(name)
