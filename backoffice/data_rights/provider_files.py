"""Bytes of providers' and banks' files: kept as long as their class says, then deleted.

Payers and their letters stand in them. The row about a file stays: what came, when, by whom.
"""

from __future__ import annotations

from audit.database_clock import database_now
from compliance.retention import classes
from payments.files import store
from payments.files.models import SourceFile

KEY = "provider_files"


def forget_provider_files() -> int:
    """Delete bytes that are older than their class keeps them; returns how many files. Daily.

    The same bytes may have come again since: then they stay for the sake of the later one.
    """
    now = database_now()
    period = classes.in_force(now.date()).find(KEY).period
    if period is None:
        return 0
    old = SourceFile.objects.filter(imported_at__lt=now - period).exclude(original_path="")
    young = SourceFile.objects.filter(imported_at__gte=now - period).values("original_path")
    gone = 0
    for names in old.exclude(original_path__in=young).values_list("original_path", "rows_path"):
        there = [path for name in names if name and (path := store.path_of(name)).exists()]
        for path in there:
            path.unlink(missing_ok=True)
        gone += bool(there)
    return gone
