"""The record in the staff pages: searched and read, never changed. Personal fields stay closed."""

from __future__ import annotations

import json
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin

from audit.list_filters import as_day, one_of
from audit.models import AuditEvent
from audit.record import known_kinds
from kernel.ids import ActorKind

#: Words of one search that count.
WORDS_MAX: Final = 6


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic over a row it never names
    """Counts at most this many rows: the record is too long to be counted for a page."""

    COUNT_MAX = 5_000

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows[: self.COUNT_MAX].count())


class _Kind(SimpleListFilter):
    """By kind, in the words that people read; the kinds are those that apps have registered."""

    title = "what"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return sorted(known_kinds().items(), key=lambda one: one[1])

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent]
    ) -> QuerySet[AuditEvent]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(AuditEvent)
class AuditEventAdmin(ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """Events by time, searched by subject, actor, kind, request and reason."""

    export_name = "audit"
    list_display = ("at", "what", "subject", "actor", "component", "reason")
    list_filter = (_Kind, one_of("actor_kind", [(kind.value, kind.value) for kind in ActorKind]))
    search_fields = ("=subject_id", "=actor_id", "=request_id", "^kind", "reason")
    search_help_text = (
        "A day (2026-11-26), subject such as player:17, actor such as staff:3, request id, or kind;"
        " several words are all looked for"
    )
    date_hierarchy = None  # its queries would read every partition
    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    ordering = ("-at", "-id")
    fields = (
        "at", "what", "kind", "subject", "actor", "component", "reason", "before_text",
        "after_text", "request_id", "personal_fields", "id",
    )  # fmt: skip
    readonly_fields = fields

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent], search_term: str
    ) -> tuple[QuerySet[AuditEvent], bool]:
        """Each word narrows: by the indexes of day, subject, actor and kind where it can."""
        for word in search_term.split()[:WORDS_MAX]:
            queryset = queryset.filter(_meant(word))
        return queryset, False

    @admin.display(description="what", ordering="kind")
    def what(self, event: AuditEvent) -> str:
        return event.wording

    @admin.display(description="subject", ordering="subject_id")
    def subject(self, event: AuditEvent) -> str:
        return f"{event.subject_kind} {event.subject_id}"

    @admin.display(description="actor", ordering="actor_id")
    def actor(self, event: AuditEvent) -> str:
        return f"{event.actor_kind} {event.actor_id}"

    @admin.display(description="before")
    def before_text(self, event: AuditEvent) -> str:
        return _readable(event.before)

    @admin.display(description="after")
    def after_text(self, event: AuditEvent) -> str:
        return _readable(event.after)

    @admin.display(description="personal fields")
    def personal_fields(self, event: AuditEvent) -> str:
        return "none" if event.personal is None else f"encrypted, of person {event.person_id}"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _meant(word: str) -> Q:
    """What one word of a search asks for."""
    day = as_day(word)
    if day is not None:
        return Q(at__gte=day[0], at__lt=day[1])
    kind, colon, number = word.partition(":")
    if colon and kind in {one.value for one in ActorKind} - {"player"}:
        return Q(actor_kind=kind, actor_id=number)
    if colon:
        return Q(subject_kind=kind, subject_id=number)
    if "." in word:
        return Q(kind=word)
    return Q(subject_id=word) | Q(actor_id=word) | Q(request_id=word) | Q(reason__icontains=word)


def _readable(fields: dict[str, Any] | None) -> str:
    return "" if fields is None else json.dumps(fields, ensure_ascii=False, sort_keys=True)
