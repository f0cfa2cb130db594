"""The record in the staff pages: searched and read, never changed. Personal fields stay closed."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from audit.models import AuditEvent


@admin.register(AuditEvent)
class AuditEventAdmin(ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """Events by time, searched by subject, actor, kind, request and reason."""

    list_display = ("at", "what", "subject", "actor", "component", "reason")
    list_filter = ("component", "actor_kind", "subject_kind", "kind")
    search_fields = ("=subject_id", "=actor_id", "=request_id", "^kind", "reason")
    search_help_text = "Subject or actor id, request id, kind, or words of the reason"
    date_hierarchy = None  # its queries would read every partition
    show_full_result_count = False
    list_per_page = 50
    ordering = ("-at", "-id")
    fields = (
        "at", "what", "kind", "subject", "actor", "component", "reason", "before_text",
        "after_text", "request_id", "personal_fields", "id",
    )  # fmt: skip
    readonly_fields = fields

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


def _readable(fields: dict[str, Any] | None) -> str:
    return "" if fields is None else json.dumps(fields, ensure_ascii=False, sort_keys=True)
