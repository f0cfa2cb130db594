"""What is only a hint: told after the commit, and never the reason why an act looks failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

from django.db import transaction

P = ParamSpec("P")


def hint_after_commit(call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call it with ``args`` once the open transaction is committed, or at once outside of one.

    What it raises is logged and stops nobody: what was committed stands. A function of its own goes
    to Django, which logs a failed one by its name and would fail itself over a ``partial``.
    """

    def hint() -> None:
        call(*args, **kwargs)

    transaction.on_commit(hint, robust=True)
