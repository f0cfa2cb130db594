"""How each register is spoken to. Anything but a plain yes or no is indeterminate."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from audit.canonical import storable
from compliance.jurisdictions.shape import CheckPoint
from compliance.registries.exchange import NoAnswer, Place, Received, post
from compliance.registries.protocol import (
    REFERENCE_MAX,
    Answer,
    Fact,
    Outcome,
    Person,
    Registry,
    unclear,
)
from kernel.ids import new_id

_STATUS_OK: Final = 200


@dataclass(frozen=True, slots=True)
class Gamstop:
    """A form in, the answer in the header ``X-Exclusion``: ``Y`` or ``N``.

    ``P`` (was excluded, the term is over) is no plain no, so it is unclear here.
    """

    place: Place
    name: ClassVar[str] = "gamstop"
    needs: ClassVar[tuple[Fact, ...]] = (Fact.GIVEN_NAME, Fact.FAMILY_NAME, Fact.POSTCODE)
    _MEANS: ClassVar = {"Y": Outcome.EXCLUDED, "N": Outcome.CLEAR}

    def check(self, person: Person, purpose: CheckPoint) -> Answer:
        """Names, birth, address and postcode; the purpose is not asked for."""
        form = {
            "firstName": person.facts[Fact.GIVEN_NAME],
            "lastName": person.facts[Fact.FAMILY_NAME],
            "dateOfBirth": person.born.isoformat(),
            "email": person.email,
            "postcode": person.facts[Fact.POSTCODE],
            "X-Trace-Id": str(new_id()),
        }
        got = post(self.place, "", headers={"X-API-Key": self.place.key}, form=form)
        said = got.headers.get("x-exclusion", "")
        reference = got.headers.get("x-unique-id", "")
        return _answer(got, self._MEANS.get(said), reference)


@dataclass(frozen=True, slots=True)
class Spelpaus:
    """JSON in, ``isBlocked`` out, with our ``requestId`` repeated: an echo of another is no answer.

    A number that is well-formed and nobody's is answered as not blocked, so its check digit is
    looked at before anything is sent.
    """

    place: Place
    name: ClassVar[str] = "spelpaus"
    needs: ClassVar[tuple[Fact, ...]] = (Fact.NATIONAL_NUMBER,)
    _PATHS: ClassVar = {
        CheckPoint.REGISTER: "registration-single-subjectid",
        CheckPoint.LOGIN: "login-single-subjectid",
        CheckPoint.MARKETING: "marketing-single-subjectid",
    }

    def check(self, person: Person, purpose: CheckPoint) -> Answer:
        """The twelve digits of the personal number."""
        subject = re.sub(r"[^0-9]", "", person.facts[Fact.NATIONAL_NUMBER])
        if not is_personal_number(subject):
            return unclear("bad_number")
        request_id = str(new_id())
        got = post(
            self.place,
            self._PATHS[purpose],
            headers={"Authorization": self.place.key},
            body={"requestId": request_id, "subjectId": subject},
        )
        said = _object(got)
        if got.status == _STATUS_OK and said.get("requestId") != request_id:
            return unclear("other_request")
        blocked = said.get("isBlocked")
        outcome = None
        if type(blocked) is bool:
            outcome = Outcome.EXCLUDED if blocked else Outcome.CLEAR
        return _answer(got, outcome, said.get("responseId"))


@dataclass(frozen=True, slots=True)
class Rofus:
    """A CPR number in, one of three words out."""

    place: Place
    name: ClassVar[str] = "rofus"
    needs: ClassVar[tuple[Fact, ...]] = (Fact.NATIONAL_NUMBER,)
    _MEANS: ClassVar = {
        "NotRegistered": Outcome.CLEAR,
        "RegisteredTemporarily": Outcome.EXCLUDED,
        "RegisteredIndefinitely": Outcome.EXCLUDED,
    }

    def check(self, person: Person, purpose: CheckPoint) -> Answer:
        """Ten digits."""
        number = re.sub(r"[^0-9]", "", person.facts[Fact.NATIONAL_NUMBER])
        if len(number) != 10:
            return unclear("bad_number")
        headers = {"Authorization": f"Bearer {self.place.key}"}
        body = {"cpr": number, "purpose": purpose.value}
        got = post(self.place, "", headers=headers, body=body)
        said = _object(got)
        status = said.get("status")
        outcome = self._MEANS.get(status) if isinstance(status, str) else None
        return _answer(got, outcome, said.get("id"))


#: By the word that profiles use.
CLIENTS: Final[dict[str, type[Gamstop | Spelpaus | Rofus]]] = {
    one.name: one for one in (Gamstop, Spelpaus, Rofus)
}


def ask(registry: Registry, person: Person, purpose: CheckPoint) -> Answer:
    """The register's answer; what it lacks or does not say is indeterminate."""
    lacking = person.lacks(registry.needs)
    if lacking:
        return unclear(f"lacks_{lacking[0].value}")
    try:
        return registry.check(person, purpose)
    except NoAnswer as why:
        return unclear(str(why))


def is_personal_number(digits: str) -> bool:
    """Twelve digits ``YYYYMMDDXXXX`` whose last one is the Luhn digit of the nine before it."""
    if not re.fullmatch(r"[0-9]{12}", digits):
        return False
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(digits[2:])]
    return sum(value // 10 + value % 10 for value in doubled) % 10 == 0


def _answer(got: Received, outcome: Outcome | None, reference: Any) -> Answer:
    """Only a 200 with a word that is known says something."""
    named = storable(reference)[:REFERENCE_MAX] if isinstance(reference, str) else ""
    if got.status != _STATUS_OK:
        return unclear(f"status_{got.status}", named)
    return unclear("nonsense", named) if outcome is None else Answer(outcome, named)


def _object(got: Received) -> dict[str, Any]:
    try:
        found = json.loads(got.body)
    except (ValueError, RecursionError):  # no JSON, or brackets as deep as the answer is long
        return {}
    return found if isinstance(found, dict) else {}
