"""A form's body as Stripe reads it, checked against what Stripe's own description says it takes."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import typing_extensions
from stripe._request_options import RequestOptions

from tests.fakes.stripe.refusals import malformed

_KEY = re.compile(r"^([a-z_0-9]+)((?:\[[^\[\]]*\])*)$")
_OPTIONS = set(RequestOptions.__annotations__)


def decoded(body: str) -> dict[str, Any]:
    """Nested names (`a[b][0]`, `a[]`) as nested objects; lists stay objects by their indices."""
    found: dict[str, Any] = {}
    for key, value in parse_qsl(body, keep_blank_values=True, strict_parsing=bool(body)):
        match = _KEY.match(key)
        if match is None:
            raise malformed(f"Invalid name: {key}", key, "parameter_unknown")
        path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        at = found
        for step in path[:-1]:
            at = at.setdefault(step, {})
            if not isinstance(at, dict):
                raise malformed(f"Invalid object: {key}", key, "parameter_invalid_object")
        last = path[-1] or str(len(at))
        if last in at:
            raise malformed(f"Duplicate: {key}", key, "parameter_invalid_object")
        at[last] = value
    return found


def checked(given: dict[str, Any], shape: type) -> dict[str, Any]:
    """``given`` with numbers and truths in place of texts. Raises a refusal that names which."""
    return _object(given, shape, "")


@cache
def _hints(shape: type) -> dict[str, Any]:
    told = {"StripeContext": str, "Mapping": Mapping}  # of call options, imported for types only
    return typing_extensions.get_type_hints(shape, None, told, include_extras=True)


def _object(given: Any, shape: type, at: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise malformed("Invalid object", at, "parameter_invalid_object")
    hints = _hints(shape)
    found = {}
    for name, value in given.items():
        path = f"{at}[{name}]" if at else name
        if name not in hints or (not at and name in _OPTIONS):
            message = f"Received unknown parameter: {path}"
            raise malformed(message, path, "parameter_unknown")
        found[name] = _value(value, _plain(hints[name]), path)
    for name, hint in hints.items():
        optional = typing_extensions.get_origin(hint) is typing_extensions.NotRequired
        if name not in found and not optional and name not in _OPTIONS:
            path = f"{at}[{name}]" if at else name
            raise malformed(f"Missing required param: {path}.", path, "parameter_missing")
    return found


def _plain(hint: Any) -> Any:
    inner = typing_extensions.get_origin(hint) in {
        typing_extensions.NotRequired,
        typing_extensions.Required,
    }
    return typing_extensions.get_args(hint)[0] if inner else hint


def _value(value: Any, hint: Any, at: str) -> Any:
    origin, inside = typing_extensions.get_origin(hint), typing_extensions.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        return _one_of(value, [one for one in inside if one is not type(None)], at)
    if origin in {typing.Literal, typing_extensions.Literal}:
        if value not in inside:
            raise malformed(f"Invalid {at}: must be one of {inside}", at, "parameter_unknown")
        return value
    if origin is list:
        if not isinstance(value, dict) or sorted(value, key=_index) != [
            str(n) for n in range(len(value))
        ]:
            raise malformed("Invalid array", at, "parameter_invalid_array")
        return [_value(value[str(n)], inside[0], f"{at}[{n}]") for n in range(len(value))]
    if origin is dict:
        return _texts(value, at)
    if typing_extensions.is_typeddict(hint):
        return _object(value, hint, at)
    return _scalar(value, hint, at)


def _index(text: str) -> int:
    return int(text) if text.isdecimal() else -1


def _one_of(value: Any, hints: list[Any], at: str) -> Any:
    """The first that fits. An open list of words (`Literal | str`) is closed to what it names."""
    literals = [one for one in hints if typing_extensions.get_origin(one) is typing.Literal]
    named = {word for one in literals for word in typing_extensions.get_args(one)} - {""}
    if named and isinstance(value, str) and str in hints:
        hints = [one for one in hints if one is not str]
    refused = None
    for hint in hints:
        try:
            return _value(value, hint, at)
        except Exception as error:  # noqa: BLE001  (the last one is raised below)
            refused = error
    assert refused is not None
    raise refused


def _texts(value: Any, at: str) -> dict[str, str]:
    """Metadata: at most 50 keys of 40 characters, values of 500."""
    if not isinstance(value, dict) or len(value) > 50:
        raise malformed("Invalid metadata", at, "parameter_invalid_object")
    for name, text in value.items():
        if not isinstance(text, str) or len(name) > 40 or len(text) > 500:
            raise malformed("Metadata too long", f"{at}[{name}]", "parameter_invalid_string")
    return {name: text for name, text in value.items() if text}


def _scalar(value: Any, hint: Any, at: str) -> Any:
    if not isinstance(value, str):
        raise malformed("Invalid string", at, "parameter_invalid_string")
    if hint is int:
        if not re.fullmatch(r"-?\d{1,18}", value, re.ASCII):
            raise malformed(f"Invalid integer: {value}", at, "parameter_invalid_integer")
        return int(value)
    if hint is bool:
        if value not in {"true", "false"}:
            raise malformed(f"Invalid boolean: {value}", at, "parameter_invalid_boolean")
        return value == "true"
    if hint is Decimal:
        raise malformed("Decimals are not for this account", at, "parameter_unknown")
    if hint is str and not value:
        raise malformed("You passed an empty string", at, "parameter_invalid_empty")
    return value
