"""Errors as Stripe answers them: a status, a type, perhaps a code and the parameter's name."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """An answer that is an error. ``kept``: repeated under the same idempotency key."""

    def __init__(self, status: int, *, kept: bool = True, **error: Any) -> None:
        super().__init__(error.get("message"))
        self.status, self.kept = status, kept
        self.body = {"error": {"type": "invalid_request_error", **error}}


def invalid(message: str, *, param: str = "", code: str = "") -> Refusal:
    """The request was understood and cannot be done."""
    more = {"param": param} if param else {}
    return Refusal(400, message=message, **more, **({"code": code} if code else {}))


def malformed(message: str, param: str, code: str) -> Refusal:
    """The request never began: nothing is kept of it under its key."""
    return Refusal(400, kept=False, message=message, param=param, code=code)


def missing(kind: str, name: str, param: str = "id") -> Refusal:
    return Refusal(404, message=f"No such {kind}: '{name}'", param=param, code="resource_missing")


def declined(code: str, intent: dict[str, Any] | None = None) -> Refusal:
    """A card that its bank refused."""
    more = {"payment_intent": intent} if intent is not None else {}
    return Refusal(
        402, type="card_error", code="card_declined", decline_code=code,
        message="Your card was declined.", **more,
    )  # fmt: skip
