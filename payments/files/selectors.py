"""Reading files that came, for pages, reconciliation and commands."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from payments.files import store
from payments.files.models import SourceFile


def find(file_id: UUID) -> SourceFile | None:
    """One file; None where there is none of this id."""
    return SourceFile.objects.filter(pk=file_id).first()


def newest(limit: int = 100) -> list[SourceFile]:
    """Files that came, newest first, taken or not."""
    return list(SourceFile.objects.order_by("-imported_at", "-id")[:limit])


def rows_path(file: SourceFile) -> Path:
    """The Parquet file of an accepted file's rows (`payments.files.rows`)."""
    return store.path_of(file.rows_path)
