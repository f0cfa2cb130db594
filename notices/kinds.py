"""The kinds of notice there are. Each app registers its own when it starts.

A kind has templates under ``templates/notices/<kind>/``: ``subject.txt``, ``body.txt`` and
``body.html``. The inbox shows the same subject and text as the e-mail.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernel.invariant import ensure


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of notice; ``marketing`` ones leave only with the person's consent per channel."""

    name: str
    marketing: bool = False


_kinds: dict[str, Kind] = {}


def register(name: str, *, marketing: bool = False) -> str:
    """Make a kind known, and return its name. The same kind twice, differently, is a bug."""
    kind = Kind(name, marketing=marketing)
    ensure(_kinds.setdefault(name, kind) == kind, "a kind of notice is registered once", kind=name)
    return name


def kind_of(name: str) -> Kind:
    """The registered kind of this name; a kind nobody registered is a bug."""
    ensure(name in _kinds, "a notice is of a registered kind", kind=name)
    return _kinds[name]
