"""Bytes of providers' and banks' files: kept as long as their class says, then deleted.

Payers and their letters stand in them. The row about a file stays: what came, when, by whom. So do
the rows that were read from a provider's file: they name payments and nobody, and the provider's
balance is the sum of all that it ever said.
"""

from __future__ import annotations

from audit.database_clock import database_now
from compliance.retention import classes
from payments.files import store
from payments.files.models import SourceFile
from payments.files.words import FileKind

KEY = "provider_files"


def forget_provider_files() -> int:
    """Delete originals, and a bank's rows, that are older than their class keeps them; returns how
    many files. Daily.

    The same bytes may have come again since: then they stay for the sake of the later one.
    """
    now = database_now()
    period = classes.in_force(now.date()).find(KEY).period
    if period is None:
        return 0
    old = SourceFile.objects.filter(imported_at__lt=now - period).exclude(original_path="")
    young = SourceFile.objects.filter(imported_at__gte=now - period).values("original_path")
    gone = 0
    for one in old.exclude(original_path__in=young).only("kind", "original_path", "rows_path"):
        keeps_rows = one.kind == FileKind.SETTLEMENT.value
        names = [one.original_path] if keeps_rows else [one.original_path, one.rows_path]
        there = [path for name in names if name and (path := store.path_of(name)).exists()]
        for path in there:
            path.unlink(missing_ok=True)
        gone += bool(there)
    return gone
