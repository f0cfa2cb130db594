"""Filters for long tables in the staff pages: their choices are known, never read from the rows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest


def one_of(field: str, choices: Iterable[tuple[str, str]]) -> type[SimpleListFilter]:
    """A filter by ``field`` among ``choices``.

    The admin's own would ask for every distinct value: a scan of millions of rows for ten.
    """
    known = list(choices)

    class OneOf(SimpleListFilter):
        title = field.replace("_", " ")
        parameter_name = field

        def lookups(
            self, request: HttpRequest, model_admin: ModelAdmin[Any]
        ) -> list[tuple[str, str]]:
            return known

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            return queryset.filter(**{field: self.value()}) if self.value() else queryset

    return OneOf


def as_day(text: str) -> tuple[datetime, datetime] | None:
    """First instant of the UTC day that ``text`` names, and of the next; None for other words."""
    try:
        day = date.fromisoformat(text.strip())
        first = datetime.combine(day, time.min, tzinfo=UTC)
        return first, first + timedelta(days=1)
    except (ValueError, OverflowError):
        return None
