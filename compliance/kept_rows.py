"""The base of rows that acts write, mostly in SQL, and that the database keeps."""

from __future__ import annotations

from typing import Any

from django.db import models


class KeptRow(models.Model):
    """Never saved or deleted as an object: the database would refuse it, and so does this."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError(f"{type(self).__name__} rows are written by their act")

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError(f"{type(self).__name__} rows are kept")
