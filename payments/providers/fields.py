"""Fields of a provider's answer as they may be taken; ``ValueError`` for anything else."""

from __future__ import annotations


def text(value: object, longest: int) -> str:
    """A text of at most so many characters."""
    if not isinstance(value, str) or len(value) > longest:
        raise ValueError("a text is missing or too long")
    return value


def whole_minor(value: object) -> int:
    """An amount in smallest units, 0 and above, that JSON carries exactly."""
    if type(value) is not int or not 0 <= value < 2**53:
        raise ValueError("an amount is a whole number of smallest units")
    return value
