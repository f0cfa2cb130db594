"""A refusal: an expected "no" with a code. It is shown to the person and loses nothing.

The three kinds of failure of the house: ``Refused`` (expected, shown), an operating failure
(network, provider: retried with a limit), and ``InvariantBroken`` (a bug: stop and alert).
"""

from __future__ import annotations

from enum import StrEnum


class Refused(Exception):
    """The request was understood and refused.

    ``code`` is stable and machine-readable; ``data`` holds the facts a message needs (plain JSON
    values). Wording is chosen, and translated, only where it is shown.
    """

    def __init__(self, code: StrEnum, **data: str | int | bool | None) -> None:
        super().__init__(str(code))
        self.code = code
        self.data = data

    def __str__(self) -> str:
        facts = ", ".join(f"{name}={value!r}" for name, value in self.data.items())
        return f"{self.code}({facts})"
